"""What a collector counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """The counters of one collector, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.samples = Counter("officina_stored_samples", "Samples committed to the store", registry=self.registry)
        self.put_aside = Counter(
            "officina_quarantined_samples",
            "Samples put aside, or stored as a quality without a number",
            ["reason", "machine"],
            registry=self.registry,
        )
        self.foreign = Counter(
            "officina_foreign_machine_messages",
            "Messages put aside because they name a machine of another publisher",
            ["publisher"],
            registry=self.registry,
        )
        self.store_failures = Counter(
            "officina_store_failures", "Attempts to write that the store did not take", registry=self.registry
        )
        self.deaf = Counter(
            "officina_deaf", "Times that the subscriptions were lost in silence", registry=self.registry
        )
        self.dropped = Counter(
            "officina_dropped_messages", "Messages that no memory was left for; they come again", registry=self.registry
        )
        self.ready = Gauge("officina_collector_ready", "1 while it hears and the store takes", registry=self.registry)
        self.pending = Gauge("officina_pending_messages", "Received and not yet in work", registry=self.registry)
        self.quarantine_entries = Gauge("officina_quarantine_entries", "Messages in quarantine", registry=self.registry)
        self.quarantine_samples = Gauge("officina_quarantine_samples", "Samples in quarantine", registry=self.registry)
