"""The boards of the consortium's staff: pure functions from language and zone to Grafana's JSON.

They show what the telemetry store and the programs' metrics hold. Money, bookings, work orders and alerts are records
of the API, which has pages for them; a data source of Grafana would show them to everybody who may sign in there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dashboards import queries
from dashboards.panels import (
    WIDTH,
    Panel,
    Query,
    annotation,
    board,
    curves,
    figures,
    machine_variable,
    state_timeline,
    table,
    text,
)
from shopfloor.signals import SIGNALS

if TYPE_CHECKING:
    from dashboards.panels import Json
    from dashboards.words import Language, Theme

HALF, THIRD = 12, 8
LISTED_MAX = 50
"""Rows of each machine that a list shows, the newest ones."""

_UNITS = {"": "none", "%": "percent", "s": "s", "W": "watt", "W.h": "watth", "Cel": "celsius", "mm/s": "velocitymms",
          "/min": "rotrpm"}  # fmt: skip


class Style(NamedTuple):
    """How boards speak and look.

    Attributes:
        language: of titles, states and signals.
        theme: whose greys the states have.
        zone: civil time of days and axes.
    """

    language: Language = "it"
    theme: Theme = "light"
    zone: str = "Europe/Rome"

    def say(self, it: str, en: str) -> str:
        """Choose the language."""
        return it if self.language == "it" else en

    def label(self, signal: str) -> str:
        """Name a signal as the pages do."""
        return self.say(SIGNALS[signal].label_it, SIGNALS[signal].label_en)


def boards(style: Style, *, metrics: bool) -> list[Json]:
    """Make every board.

    Args:
        style: language, theme and zone.
        metrics: whether there is a Prometheus server; without one there is no board of the platform.
    """
    made = [plant(style), machine(style), usage(style), maintenance(style), fleet(style)]
    return [*made, platform(style)] if metrics else made


def plant(style: Style) -> Json:
    """Show all machines at once: states, alarms that stand, what they work on, power, parts."""
    say = style.say
    rows = [
        [_states(style, height=12)],
        [
            Panel(_active_alarms(style), HALF),
            Panel(
                table(
                    say("Sul controllo", "On the control"),
                    Query(queries.newest(("program", "job", "order", "tool_number"))),
                    columns={"machine": say("Macchina", "Machine")}
                    | {each: style.label(each) for each in ("program", "job", "order", "tool_number")},
                    link=True,
                    description=say(
                        "Ultimo valore detto negli ultimi quattro giorni.", "Last value said in the last four days."
                    ),
                ),
                HALF,
            ),
        ],
        [
            Panel(_gauges(style, style.label("power_watts"), ["power_watts"], by_machine=True), HALF),
            Panel(_growth(style, say("Pezzi all'ora", "Parts per hour"), "parts", step="1h"), HALF),
        ],
    ]
    return board(
        "officina-plant",
        say("Officina: reparto", "Officina: plant"),
        rows,
        since="now-24h",
        refresh="1m",
        zone=style.zone,
        variables=[machine_variable(say("Macchine", "Machines"), several=True)],
    )


def machine(style: Style) -> Json:
    """Show one machine: state, loads, overrides, temperatures, vibration, counters, alarms, jobs."""
    say = style.say
    loads = [name for name in SIGNALS if name in {"spindle_load", "axis_x_load", "axis_y_load", "axis_z_load",
                                                  "axis_c_load"}]  # fmt: skip
    overrides = ["feed_override", "rapid_override", "spindle_override"]
    heads = {each: style.label(each) for each in ("job", "program", "alarm")} | {"Time": say("Ora", "Time")}
    rows = [
        [_states(style, height=5)],
        [
            Panel(figures(style.label(name), Query(queries.newest([name]), ""), unit=_unit(name)), 6, 4)
            for name in ("parts", "power_on_seconds", "operation_seconds", "energy_watt_hours")
        ],
        [
            Panel(_gauges(style, say("Carichi", "Loads"), loads), HALF),
            Panel(
                curves(
                    say("Override", "Overrides"),
                    [Query(queries.override(name), style.label(name)) for name in overrides],
                    unit="percent",
                    stepped=True,
                ),
                HALF,
            ),
        ],
        [
            Panel(
                _gauges(style, say("Temperature", "Temperatures"), ["spindle_temperature", "coolant_temperature"]), HALF
            ),
            Panel(_gauges(style, style.label("spindle_vibration"), ["spindle_vibration"]), HALF),
        ],
        [
            Panel(_gauges(style, style.label("spindle_speed"), ["spindle_speed"]), THIRD),
            Panel(_gauges(style, style.label("feed"), ["feed"]), THIRD),
            Panel(_gauges(style, style.label("power_watts"), ["power_watts"]), THIRD),
        ],
        [
            Panel(
                table(heads[name], Query(_said(name)), columns={"Time": heads["Time"], name: heads[name]}, empty=empty),
                THIRD,
            )
            for name, empty in (
                ("alarm", say("Nessun allarme nel periodo", "No alarm in this period")),
                ("job", say("Nessuna commessa nel periodo", "No job in this period")),
                ("program", say("Nessun programma nel periodo", "No program in this period")),
            )
        ],
    ]
    return board(
        "officina-machine",
        say("Officina: macchina", "Officina: machine"),
        rows,
        since="now-8h",
        refresh="30s",
        zone=style.zone,
        variables=[machine_variable(say("Macchina", "Machine"), several=False)],
        annotations=[annotation(say("Lacune", "Holes"), queries.holes(), column="hole", colour="#67727C")],
    )


def usage(style: Style) -> Json:
    """Show how much machines ran by their own counters, which statements are checked against, never made of."""
    say = style.say
    counters = (
        "power_on_seconds",
        "operation_seconds",
        "automatic_seconds",
        "cutting_seconds",
        "energy_watt_hours",
        "parts",
    )
    by_day = [Panel(_growth(style, _per_day(style, name), name, step="1d"), HALF) for name in counters]
    rows = [
        [
            Panel(
                text(
                    say("Che cosa mostra", "What this shows"),
                    say(
                        "Ore, energia e pezzi dai contatori delle macchine, per giorno civile. Gli importi, chi paga e "
                        "gli estratti conto sono nelle pagine di Officina: nascono da segmenti chiusi, non da qui.",
                        "Hours, energy and parts from the machines' counters, by civil day. Amounts, payers and "
                        "statements are on Officina's pages: they come from closed segments, not from here.",
                    ),
                ),
                WIDTH,
                3,
            ),
        ],
        [
            Panel(
                figures(
                    say(f"{style.label(name)} nel periodo", f"{style.label(name)} in this period"),
                    Query(queries.total_growth(name)),
                    unit=_unit(name),
                ),
                HALF,
                6,
            )
            for name in ("operation_seconds", "energy_watt_hours")
        ],
        *([by_day[at], by_day[at + 1]] for at in range(0, len(by_day), 2)),
        [
            Panel(
                _jobs_seen(style),
            ),
        ],
    ]
    return board(
        "officina-usage",
        say("Officina: uso", "Officina: usage"),
        rows,
        since="now/M",
        refresh="15m",
        zone=style.zone,
        variables=[machine_variable(say("Macchine", "Machines"), several=True)],
    )


def maintenance(style: Style) -> Json:
    """Show what wears: vibration and temperature over months, tool life, alarms, cycles, hours."""
    say = style.say
    per_day = "1d"

    def trend(name: str, part: str) -> Panel:
        asked = queries.minutes(name, part, function=part, step=per_day)
        title = say(f"{style.label(name)}, massimo al giorno", f"{style.label(name)}, daily maximum")
        lowest = say(f"{style.label(name)}, minimo al giorno", f"{style.label(name)}, daily minimum")
        return Panel(curves(title if part == "max" else lowest, [Query(asked)], unit=_unit(name)), HALF)

    rows = [
        [Panel(_active_alarms(style), HALF), trend("spindle_vibration", "max")],
        [trend("spindle_temperature", "max"), trend("tool_life", "min")],
        [
            Panel(
                curves(
                    say("Allarmi al giorno", "Alarms per day"),
                    [Query(queries.count("alarm", step=per_day, where="\"alarm\" != ''", zone=style.zone))],
                    bars=True,
                ),
                HALF,
            ),
            Panel(_growth(style, _per_day(style, "operation_cycles"), "operation_cycles", step=per_day), HALF),
        ],
        [
            Panel(figures(style.label(name), Query(queries.newest([name])), unit=_unit(name)), HALF, 6)
            for name in ("operation_seconds", "power_on_seconds")
        ],
        [
            Panel(
                table(
                    say("Allarmi", "Alarms"),
                    Query(queries.said(["alarm"], limit=LISTED_MAX, where="\"alarm\" != ''")),
                    columns={
                        "Time": say("Ora", "Time"),
                        "machine": say("Macchina", "Machine"),
                        "alarm": style.label("alarm"),
                    },
                    empty=say("Nessun allarme nel periodo", "No alarm in this period"),
                    link=True,
                ),
            ),
        ],
    ]
    return board(
        "officina-maintenance",
        say("Officina: manutenzione", "Officina: maintenance"),
        rows,
        since="now-90d",
        refresh="15m",
        zone=style.zone,
        variables=[machine_variable(say("Macchine", "Machines"), several=True)],
    )


def fleet(style: Style) -> Json:
    """Show whether the machines are watched: proofs, holes, silence, clocks, late data."""
    say = style.say
    rows = [
        [_states(style, height=10)],
        [
            Panel(
                _last_proofs(style),
                THIRD,
            ),
            Panel(
                _holes(style),
                16,
            ),
        ],
        [
            Panel(
                curves(
                    say("Prove di osservazione al minuto", "Proofs of observation per minute"),
                    [Query(queries.count("observed", step="1m"))],
                    description=say("Tre al minuto dove l'agente osserva.", "Three a minute where the agent watches."),
                ),
                HALF,
            ),
            Panel(
                curves(
                    say("Prove di mancata risposta al minuto", "Proofs of no answer per minute"),
                    [Query(queries.count("unreachable", step="1m"))],
                ),
                HALF,
            ),
        ],
        [
            Panel(
                curves(
                    style.label("clock_offset_seconds"), [Query(queries.newest_steps("clock_offset_seconds"))], unit="s"
                ),
                HALF,
            ),
            Panel(
                _arrivals(style),
                HALF,
            ),
        ],
    ]
    return board(
        "officina-fleet",
        say("Officina: osservazione", "Officina: fleet"),
        rows,
        since="now-24h",
        refresh="1m",
        zone=style.zone,
        variables=[machine_variable(say("Macchine", "Machines"), several=True)],
    )


def platform(style: Style) -> Json:
    """Show the programs' own health, from the metrics of collectors and API."""
    rows = [*_of_collectors(style), *_of_api(style)]
    return board(
        "officina-platform",
        style.say("Officina: piattaforma", "Officina: platform"),
        rows,
        since="now-6h",
        refresh="1m",
        zone=style.zone,
    )


def _jobs_seen(style: Style) -> Json:
    return table(
        style.say("Commesse viste", "Jobs seen"),
        Query(queries.said(["job"], limit=LISTED_MAX, where="\"job\" != ''")),
        columns={
            "Time": style.say("Ora", "Time"),
            "machine": style.say("Macchina", "Machine"),
            "job": style.label("job"),
        },
        empty=style.say("Nessuna commessa nel periodo", "No job in this period"),
    )


def _last_proofs(style: Style) -> Json:
    return table(
        style.say("Ultima prova di osservazione", "Last proof of observation"),
        Query(queries.newest(["observed"])),
        columns={"Time": style.say("Ora", "Time"), "machine": style.say("Macchina", "Machine")},
        units={"Time": "dateTimeFromNow"},
        link=True,
    )


def _arrivals(style: Style) -> Json:
    return table(
        style.say("Ultimo arrivo per giorno dei dati", "Last arrival by day of the data"),
        Query(queries.arrivals()),
        columns={
            "Time": style.say("Giorno", "Day"),
            "machine": style.say("Macchina", "Machine"),
            "at": style.say("Arrivo", "Arrival"),
        },
        units={"at": "dateTimeAsIso"},
    )


def _holes(style: Style) -> Json:
    return table(
        style.say("Lacune", "Holes"),
        Query(queries.holes()),
        columns={
            "Time": style.say("Fine", "End"),
            "machine": style.say("Macchina", "Machine"),
            "hole": style.label("hole"),
        },
        empty=style.say("Nessuna lacuna nel periodo", "No hole in this period"),
    )


def _of_collectors(style: Style) -> list[list[Panel]]:
    return [
        [
            _rate(
                style.say("Campioni salvati al secondo", "Samples stored per second"),
                "rate(officina_stored_samples_total[5m])",
                "{{instance}}",
            ),
            _rate(style.say("Messaggi in attesa", "Messages waiting"), "officina_pending_messages", "{{instance}}"),
        ],
        [
            _rate(
                style.say("Campioni in quarantena all'ora", "Samples quarantined per hour"),
                "sum by (reason) (increase(officina_quarantined_samples_total[1h]))",
                "{{reason}}",
            ),
            _rate(style.say("In quarantena", "In quarantine"), "officina_quarantine_samples", "{{instance}}"),
        ],
        [
            _rate(
                style.say("Scritture rifiutate all'ora", "Failed writes per hour"),
                "increase(officina_store_failures_total[1h])",
                "{{instance}}",
            ),
            Panel(
                curves(
                    style.say("Messaggi persi o estranei all'ora", "Messages dropped or foreign per hour"),
                    [
                        Query(
                            "increase(officina_dropped_messages_total[1h])",
                            style.say("senza memoria", "no memory left"),
                        ),
                        Query(
                            "increase(officina_deaf_total[1h])", style.say("sottoscrizioni perse", "subscriptions lost")
                        ),
                        Query(
                            "sum by (publisher) (increase(officina_foreign_machine_messages_total[1h]))",
                            "{{publisher}}",
                        ),
                    ],
                    metrics=True,
                ),
                HALF,
            ),
        ],
    ]


def _of_api(style: Style) -> list[list[Panel]]:
    return [
        [
            _rate(
                style.say("Risposte al secondo", "Answers per second"),
                "sum by (status) (rate(officina_api_requests_total[5m]))",
                "{{status}}",
            ),
            _rate(
                style.say("Tempo di risposta, 95 %", "Time to answer, 95 %"),
                _percentile("officina_api_request_seconds"),
                "95 %",
                unit="s",
            ),
        ],
        [
            _rate(
                style.say("Dal sensore alla pagina, 95 %", "From sensor to page, 95 %"),
                _percentile("officina_api_live_lag_seconds"),
                "95 %",
                unit="s",
            ),
            _rate(style.say("Flussi aperti", "Open streams"), "officina_api_live_streams", "{{instance}}"),
        ],
    ]


def _rate(title: str, expression: str, label: str, *, unit: str = "short") -> Panel:
    return Panel(curves(title, [Query(expression, label)], unit=unit, metrics=True), HALF)


def _percentile(metric: str) -> str:
    return f"histogram_quantile(0.95, sum by (le) (rate({metric}_bucket[5m])))"


def _states(style: Style, *, height: int) -> Panel:
    description = style.say(
        "Stato alla fine di ogni passo. Dove nessuno osservava non c'è stato: la striscia resta vuota.",
        "State at the end of each step. Where nobody was watching there is no state: the lane stays empty.",
    )
    lanes = state_timeline(
        style.say("Stato", "State"),
        Query(queries.states()),
        language=style.language,
        theme=style.theme,
        description=description,
    )
    return Panel(lanes, height=height)


def _active_alarms(style: Style) -> Json:
    say = style.say
    return table(
        say("Allarmi attivi", "Active alarms"),
        Query(queries.active_alarms()),
        columns={
            "Time": say("Da quando", "Since"),
            "machine": say("Macchina", "Machine"),
            "alarm": style.label("alarm"),
        },
        units={"Time": "dateTimeFromNow"},
        link=True,
        empty=say("Nessun allarme attivo", "No active alarm"),
    )


def _gauges(style: Style, title: str, signals: list[str], *, by_machine: bool = False) -> Json:
    asked = [Query(queries.gauge(name), "$tag_machine" if by_machine else style.label(name)) for name in signals]
    return curves(title, asked, unit=_unit(signals[0]))


def _growth(style: Style, title: str, counter: str, *, step: str) -> Json:
    return curves(
        title,
        [Query(queries.growth(counter, step=step, zone=style.zone))],
        unit=_unit(counter),
        bars=True,
        description=style.say(
            "Dal contatore della macchina; quanto è cresciuto mentre nessuno osservava sta dove è stato riletto.",
            "From the machine's counter; what it counted unwatched stands where it was read again.",
        ),
    )


def _per_day(style: Style, counter: str) -> str:
    return style.say(f"{style.label(counter)} al giorno", f"{style.label(counter)} per day")


def _said(signal: str) -> str:
    return queries.said([signal], limit=LISTED_MAX, where=f"\"{signal}\" != ''")


def _unit(signal: str) -> str:
    return _UNITS[SIGNALS[signal].unit]
