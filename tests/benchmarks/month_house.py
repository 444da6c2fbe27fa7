"""The house that a month of load runs through: production as processes, and a gateway for each site."""

from __future__ import annotations

import ssl
import sys
import time
from collections import defaultdict
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from api.access import people
from api.access.scope import Role
from api.audit.service import CONSOLE
from api.billing import service as prices
from api.billing.calendars import civil_zone
from api.billing.pricelist import Entry
from api.records.database import open_records
from api.records.service import put, put_consortium
from api.usage import service as usage
from api.usage.evidence import JobRule, RuleKind
from edge_agent.enroll import enroll
from shopfloor.runtime import clock
from tests.benchmarks.month_life import SIGNALS, Plan, machine_id, member_id
from tests.benchmarks.month_oracle import CALENDAR, TARIFF
from tests.benchmarks.month_site import Progress, Site, read_progress, write_site, write_whole
from tests.services.production import Production
from tests.services.records import firm, partita_iva

if TYPE_CHECKING:
    from pathlib import Path

WORKERS = 2
"""Of the API, as `Production` starts it."""
MEASURE_SECONDS = 2.0
LONG_SECONDS = 1800.0
"""How long a closing may take to answer."""


class House(Production):
    """One installation with its sites.

    Args:
        folder: private to it.
        store: address of the telemetry store.
        records: address of the database of records.
        plan: what the machines live by.
        machines: how many.
        sites: how many gateways share them.
        gates: see `month_site.Site`.
    """

    def __init__(
        self, folder: Path, *, store: str, records: str, plan: Plan, machines: int, sites: int, gates: list[int]
    ) -> None:
        self.plan, self.machines, self.gate, self._said, self._measured = plan, machines, 0, 0, 0.0
        self.peaks: dict[str, float] = defaultdict(float)
        """Most megabytes that a process of each kind has held, its children with it."""
        own = folder / "officina"
        self.sites = {
            name: Site(
                name, plan, list(range(number, machines, sites)), own / f"{name}.toml", folder / f"{name}.db", gates
            )
            for number in range(sites)
            for name in [f"site-{number + 1:02d}"]
        }
        super().__init__(folder, store=store, records=records)

    def progress(self) -> dict[str, Progress]:
        """Return how far each gateway is.

        Raises:
            AssertionError: a program has ended that nobody ended.
        """
        for role, process in self.processes.items():
            assert process.poll() is None, f"{role} has ended: {self.log(role)[-3000:]}"
        self._measure()
        return {name: read_progress(site) for name, site in self.sites.items()}

    def are_at_gate(self, number: int) -> bool:
        """Tell whether every gateway has come to a gate."""
        return all(each.gate >= number for each in self.progress().values())

    def said(self) -> int:
        """Return how many samples the gateways have taken in."""
        return sum(each.said for each in self.progress().values())

    def open_gate(self) -> None:
        """Let the gateways go on."""
        self.gate += 1
        write_whole(self.logs.parent / "gate", str(self.gate).encode())

    def is_back(self, role: str) -> bool:
        """Tell whether everything works again that the last death of a program has ended."""
        if role == "api":  # until they notice it, the workers of the killed one answer in the stead of the new one's
            return self.log("api")[self._said :].count('"live.connected"') >= WORKERS and self.answers()
        numbers = [1, 2] if role == "broker" else [int(role[-1])]
        return all(self.metric(number, "officina_collector_ready") for number in numbers)

    def start(self, role: str) -> None:
        """Start a program; it need not be ready at once."""
        if role == "api" and role in self.processes:
            self._said = len(self.log("api"))
        super().start(role)

    def post(self, path: str, given: dict[str, Any]) -> httpx.Response:
        """Ask for a change, however long it takes."""
        trust = ssl.create_default_context(cafile=str(self.folder / "certificates" / "ca.pem"))
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(verify=trust, headers=headers, timeout=LONG_SECONDS) as client:
            return client.post(self.url + path, json=given)

    def listed(self, path: str) -> list[dict[str, Any]]:
        """Return all items of a list of the API, page by page."""
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = self.get(f"{path}&limit=100{cursor}")
            answer.raise_for_status()
            items += answer.json()["items"]
            if answer.json()["next_cursor"] is None:
                return items
            cursor = f"&cursor={answer.json()['next_cursor']}"

    def _measure(self) -> None:
        """Note what each kind of process holds, memory that several share in parts."""
        if time.monotonic() < self._measured + MEASURE_SECONDS:
            return
        self._measured = time.monotonic()
        roles = {process.pid: role.rstrip("-0123456789") for role, process in self.processes.items()}
        for child in psutil.Process().children():
            with suppress(psutil.Error):
                every = [child, *child.children(recursive=True)]
                size = sum(each.memory_full_info().pss for each in every) / 1e6
                role = roles.get(child.pid, child.name())
                self.peaks[role] = max(self.peaks[role], size)

    async def _start_all(self) -> None:
        self.start("broker")
        for role in ("api", "watch", "collector-1", "collector-2", *(["caddy"] if self.has_front else [])):
            self.start(role)
        await self.until(self.answers, "the pages are there")
        authority = self.folder / "certificates" / "ca.pem"
        for name, site in self.sites.items():
            code = self.run("api", "login", "invite", str(self.folder / "api.toml"), name).strip()
            enroll(self.url, code, site.config, ca=authority)
            write_site(site)
            self.start(name)
        for role in ("collector-1", "collector-2"):
            await self.until(partial(self.is_back, role), f"{role} is ready")

    def _command(self, role: str) -> list[str]:
        if role in self.sites:
            file = self.sites[role].spool.with_suffix(".json")
            return [sys.executable, "-m", "tests.benchmarks.month_site", str(file)]
        return super()._command(role)

    def _enter(self) -> None:
        """Enter firms with rules for their jobs, sites, machines, prices, and a key of the administrator."""
        now = clock.now()
        with closing(open_records(self.records)) as records, records.writing() as session:
            values = {"legal_name": "Consorzio Prova", "legal_form": "consorzio", "partita_iva": partita_iva(999)}
            put_consortium(session, CONSOLE, values, now=now)
            for number in range(self.plan.members):
                put(session, CONSOLE, "members", firm(member_id(number), number + 1), now=now)
                rule = JobRule(RuleKind.PREFIX, f"{number:03d}-", member_id(number))
                usage.add_rule(session, CONSOLE, rule, now=now)
            for name, site in self.sites.items():
                put(session, CONSOLE, "sites", {"id": name, "name": name}, now=now)
                put(session, CONSOLE, "edges", {"id": name, "site_id": name}, now=now)
                for number in site.machines:
                    machine = {"id": machine_id(number), "name": f"Macchina {number}", "site_id": name,
                               "agent_id": name, "signals": list(SIGNALS)}  # fmt: skip
                    put(session, CONSOLE, "machines", machine, now=now)
            for kind, text in (("calendars", CALENDAR), ("tariffs", TARIFF)):
                prices.put_entry(session, CONSOLE, civil_zone("Europe/Rome"), Entry("", kind, text), now=now)
            wanted = people.Wanted(Role.ADMINISTRATOR, None, None)
            self.key, _ = people.add_key(session, CONSOLE, "month", wanted, writes=True, days=None, now=now)
