"""The fictional consortium of the demonstration: two sites, seven machines, twelve member firms. Pure.

Firms, people and numbers are invented.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from shopfloor.signals import SIGNALS
from simulators.jobs import Kind, Member, OrderBook
from simulators.machine import AXES, Machine
from simulators.plan import Planner
from simulators.recordings import ADDED
from simulators.tree import NAMESPACES, Edition, Identity, Variable, machine_variables
from simulators.workdays import SECOND, Calendar

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUSE = "Consorzio Officine del Panaro"
ZONE = "Europe/Rome"
SEED = 2611
HISTORY_DAYS = 92
"""Three months, whichever they are."""


class SiteFile(msgspec.Struct, forbid_unknown_fields=True):
    """What one simulator process serves.

    Attributes:
        started: first start of the demonstration; the machines' lives depend on it.
        name: of the server.
        machines: identifiers of the machines that it serves.
        folder: where its key and certificate are kept.
        port: where it listens, 0 for a free port.
        edition: what the machines speak.
    """

    started: int
    name: str
    machines: list[str]
    folder: Path
    port: int = 0
    edition: Edition = "1.02"


class Firm(NamedTuple):
    """A member firm."""

    id: str
    name: str
    prefix: str
    weight: float


FIRMS = (
    Firm("fratelli-bassi", "Fratelli Bassi Meccanica S.r.l.", "BAS", 1.6),
    Firm("torneria-galli", "Torneria Galli S.n.c.", "GAL", 1.4),
    Firm("cmp-modena", "C.M.P. Costruzioni Meccaniche S.r.l.", "CMP", 1.2),
    Firm("rettifiche-serra", "Rettifiche Serra S.r.l.", "SER", 0.9),
    Firm("officina-lolli", "Officina Lolli di Lolli Paolo", "LOL", 0.6),
    Firm("stampi-reggiani", "Stampi Reggiani S.r.l.", "REG", 1.3),
    Firm("ferrari-ingranaggi", "Ferrari Ingranaggi S.p.A.", "FER", 1.1),
    Firm("valli-oleodinamica", "Valli Oleodinamica S.r.l.", "VAL", 1.0),
    Firm("neri-attrezzature", "Neri Attrezzature S.n.c.", "NER", 0.7),
    Firm("montorsi-utensili", "Montorsi Utensili S.r.l.", "MON", 0.8),
    Firm("cooperativa-la-fresa", "La Fresa Soc. Coop.", "FRE", 0.9),
    Firm("zanasi-prototipi", "Zanasi Prototipi S.r.l.", "ZAN", 0.5),
)


class Place(NamedTuple):
    """A machine of the consortium.

    Attributes:
        site: identifier of its site, which is also its edge agent's.
        kind: mill or lathe.
        described: what it is, in the consortium's words.
        wear: how far its spindle bearing is gone.
        identity: what it says of itself.
    """

    site: str
    kind: Kind
    described: str
    wear: float
    identity: Identity


SITES = {"modena": "Modena", "vignola": "Vignola"}

PLACES = (
    Place("modena", "mill", "Centro di lavoro 5 assi", 0.2,
          Identity("mc-1", "MC 1", "Brenta Machine", "BV 850/5", "BV85-1107", "Modena", 2021)),
    Place("modena", "mill", "Centro di lavoro verticale", 0.35,
          Identity("mc-2", "MC 2", "Brenta Machine", "BV 640", "BV64-0412", "Modena", 2017)),
    Place("modena", "lathe", "Tornio a controllo numerico", 0.25,
          Identity("tn-1", "TN 1", "Adda Torni", "AT 250 Y", "AT2-2290", "Modena", 2019)),
    Place("modena", "lathe", "Tornio a controllo numerico", 0.3,
          Identity("tn-2", "TN 2", "Adda Torni", "AT 180", "AT1-1831", "Modena", 2015)),
    Place("vignola", "mill", "Centro di lavoro orizzontale", 2.2,
          Identity("mc-3", "MC 3", "Brenta Machine", "BH 500", "BH50-0077", "Vignola", 2014)),
    Place("vignola", "mill", "Centro di lavoro verticale", 0.2,
          Identity("mc-4", "MC 4", "Sile Sistemi", "SV 1000", "SV10-3305", "Vignola", 2022)),
    Place("vignola", "lathe", "Tornio plurimandrino", 0.4,
          Identity("tn-3", "TN 3", "Adda Torni", "AT 320 M", "AT3-0914", "Vignola", 2018)),
)  # fmt: skip

GUEST = "misure"
"""The publisher that the demonstration's MQTT login may be: a measuring arm with a program of its own."""
GUEST_MACHINE = "braccio-1"
GUEST_SITE = "modena"


def origin(started: int) -> date:
    """Return the day on which the machines are put into service, for a demonstration first started at an instant."""
    return _day(started) - timedelta(days=HISTORY_DAYS)


def calendar(started: int) -> Calendar:
    """Return the calendar: ordinary days, and work round the clock from the day of the first start on."""
    return Calendar(zone=ZONE, busy_from=_day(started))


def _day(stamp: int) -> date:
    return datetime.fromtimestamp(stamp // SECOND, tz=ZoneInfo(ZONE)).date()


def machine(place: Place, started: int) -> Machine:
    """Make the model of a machine; the same for the same first start."""
    members = tuple(Member(firm.prefix, firm.weight) for firm in FIRMS)
    number = PLACES.index(place)
    book = OrderBook(place.identity.id, place.kind, number, SEED, members)
    return Machine(Planner(book, calendar(started)), origin(started), place.wear)


def node_map(variables: Iterable[Variable]) -> str:
    """Write the node map of a simulated machine: what the standards do not name, as TOML."""
    lines = ["# What the vendor serves beside the standards.", "[namespaces]"]
    lines += [f'{prefix} = "{uri}"' for prefix, uri in NAMESPACES.items() if prefix in {"SIM", "ECM"}]
    lines += ["", "[nodes]"]
    taken: set[str] = set()
    for variable in variables:
        name = variable.signal if variable.signal in SIGNALS else _ADDED.get(variable.signal)
        leaf = variable.path.rpartition("/")[2]
        standard = (
            name is not None
            and name in SIGNALS
            and any(path.rpartition("/")[2] == leaf for path in SIGNALS[name].paths)
        )
        if name is None or name in taken or standard or not {"SIM", "ECM"} & _prefixes(variable.path):
            continue
        taken.add(name)
        lines.append(f'"{name}" = {{ path = "{variable.path}" }}')
    return "\n".join(lines) + "\n"


_ADDED = {**ADDED, "spindle_rotating": "spindle_rotating.boolean"}


def _prefixes(path: str) -> set[str]:
    return {level.partition(":")[0] for level in path.split("/")}


def live_node_map(kind: Kind) -> str:
    """Write the node map of a simulated mill or lathe."""
    return node_map(machine_variables(AXES[kind]))


def signals() -> list[str]:
    """Return every signal that a machine of the workshop may publish."""
    return [*SIGNALS, *(_ADDED[each] for each in ("part_count", "spindle_rotating"))]
