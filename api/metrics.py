"""Counters for monitoring, in a registry of their own: the only file that knows prometheus-client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST
disable_created_metrics()  # type: ignore[no-untyped-call]
_LAG_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0)
_DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """What the API counts of itself."""

    def __init__(self, *, worker: int | None = None) -> None:
        self._worker = worker
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "officina_api_requests",
            "Answers by route and status",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self.duration = Histogram(
            "officina_api_request_seconds",
            "Time to the start of the answer",
            ["route"],
            buckets=_DURATION_BUCKETS,
            registry=self._registry,
        )
        self.samples = Counter("officina_api_live_samples", "Samples taken into the live view", registry=self._registry)
        self.refused = Counter(
            "officina_api_live_refused",
            "Values left out of the live view",
            ["reason"],
            registry=self._registry,
        )
        self.lag = Histogram(
            "officina_api_live_lag_seconds",
            "Newest stamp of a message to its being sent to streams",
            buckets=_LAG_BUCKETS,
            registry=self._registry,
        )

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read whenever somebody asks."""
        Gauge(name, text, registry=self._registry).set_function(read)

    def render(self) -> bytes:
        """Write everything in the text format of Prometheus."""
        return generate_latest(self._registry if self._worker is None else _Labelled(self._registry, self._worker))


class _Labelled:
    """The same counters with the number of the process: each answer holds those of whichever process gave it."""

    def __init__(self, registry: CollectorRegistry, worker: int) -> None:
        self._registry = registry
        self._worker = str(worker)

    def collect(self) -> Iterator[Metric]:
        """Yield every counter, labelled."""
        for metric in self._registry.collect():
            metric.samples = [each._replace(labels={**each.labels, "worker": self._worker}) for each in metric.samples]
            yield metric
