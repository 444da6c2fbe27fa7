"""What pages say, in Italian and in English, and how they write times and durations."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from shopfloor.periods import DAY, HOUR, MINUTE, SECOND
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Language: TypeAlias = Literal["it", "en"]
LANGUAGES: tuple[Language, ...] = ("it", "en")
NB = "\N{NO-BREAK SPACE}"

WORDS: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "it": MappingProxyType(
            {
                "machines": "Macchine",
                "main": "Principale",
                "filters": "Sedi",
                "all": "Tutte",
                "state": "Stato",
                "duration": "Da quanto",
                "machine": "Macchina",
                "now": "Adesso",
                "last_hours": "Ultime 8 ore",
                "data": "Dati",
                "data_at": "Dati alle",
                "needs": "Richiedono intervento",
                "fine": "Regolari",
                "need_sum": "richiedono intervento",
                "fine_sum": "regolari",
                "total": "macchine",
                "hours": "ore",
                "hours_minutes": "ore e minuti",
                "caption": "Macchine in ordine di bisogno, stato nelle ultime otto ore e tempo in ogni stato",
                "job": "commessa",
                "order": "ordine",
                "parts_today": "pezzi oggi",
                "ago": "fa",
                "no_data_since": "senza dati",
                "never": "mai ricevuti dati",
                "long_ago": "da oltre 32 giorni",
                "sign_out": "Esci",
                "sign_in": "Entra",
                "sign_in_title": "Entra in Officina",
                "email": "E-mail",
                "password": "Password",
                "name": "Nome e cognome",
                "forgotten": "Password dimenticata? Chi amministra il consorzio ti manda un nuovo collegamento.",
                "wrong_password": "E-mail o password non sono giuste. Controllale e riprova.",
                "wait": "Troppi tentativi. Riprova tra {seconds} secondi, o da un dispositivo che usi già.",
                "code_title": "Codice di verifica",
                "code": "Codice",
                "code_hint": "sei cifre, dall'app di verifica del telefono",
                "wrong_code": "Questo codice non è valido o è già stato usato. Aspetta il prossimo.",
                "set_up_title": "Proteggi l'accesso",
                "set_up_hint": "Inquadra il disegno con un'app di verifica, poi scrivi il codice che mostra.",
                "set_up_by_hand": "Oppure scrivi nell'app:",
                "back": "Ricomincia",
                "choose_title": "Scegli la password",
                "choose": "Salva la password",
                "first_hint": "Sei il primo amministratore di questa installazione.",
                "new_password": "Nuova password",
                "new_password_hint": "almeno 12 caratteri; una frase va bene",
                "again": "Ripeti la password",
                "differ": "Le due password sono diverse.",
                "bad_email": "Questo indirizzo e-mail non va bene, o è già usato.",
                "password_short": "È troppo corta: servono almeno 12 caratteri.",
                "password_long": "È troppo lunga: al massimo 200 caratteri.",
                "password_common": "È tra le password più usate: scegline un'altra.",
                "password_own": "Contiene quasi solo il tuo indirizzo o il nome del consorzio: scegline un'altra.",
                "link_over": "Questo collegamento non vale più",
                "link_over_hint": "Funziona una volta sola e scade. Chiedine un altro a chi amministra il consorzio.",
                "night": "Notte",
                "light": "Giorno",
                "other_language": "English",
                "empty": "Nessuna macchina da mostrare.",
                "empty_hint": "Chi amministra il consorzio le aggiunge.",
                "lost": "Collegamento interrotto.",
                "lost_hint": "La pagina mostra gli ultimi dati ricevuti; riprova da sola.",
                "col_processing": "Lavor.",
                "col_setup": "Attrezz.",
                "col_idle": "Attesa",
                "col_interrupted": "Interr.",
                "col_maintenance": "Manut.",
                "col_off": "Spenta",
                "col_unknown": "S. dati",
            },
        ),
        "en": MappingProxyType(
            {
                "machines": "Machines",
                "main": "Main",
                "filters": "Sites",
                "all": "All",
                "state": "State",
                "duration": "For",
                "machine": "Machine",
                "now": "Now",
                "last_hours": "Last 8 hours",
                "data": "Data",
                "data_at": "Data at",
                "needs": "Need somebody",
                "fine": "Fine",
                "need_sum": "need somebody",
                "fine_sum": "fine",
                "total": "machines",
                "hours": "hours",
                "hours_minutes": "hours and minutes",
                "caption": "Machines in order of need, state in the last eight hours and time in each state",
                "job": "job",
                "order": "order",
                "parts_today": "parts today",
                "ago": "ago",
                "no_data_since": "no data",
                "never": "no data received yet",
                "long_ago": "for more than 32 days",
                "sign_out": "Sign out",
                "sign_in": "Sign in",
                "sign_in_title": "Sign in to Officina",
                "email": "E-mail",
                "password": "Password",
                "name": "Name",
                "forgotten": "Forgotten your password? Your administrator sends you a new link.",
                "wrong_password": "E-mail or password are not right. Check them and try again.",
                "wait": "Too many attempts. Try again in {seconds} seconds, or from a device that you use already.",
                "code_title": "Verification code",
                "code": "Code",
                "code_hint": "six digits, from the verification app of your telephone",
                "wrong_code": "This code is not valid, or was used already. Wait for the next one.",
                "set_up_title": "Protect your access",
                "set_up_hint": "Scan the drawing with a verification app, then type the code that it shows.",
                "set_up_by_hand": "Or type into the app:",
                "back": "Begin again",
                "choose_title": "Choose a password",
                "choose": "Save the password",
                "first_hint": "You are the first administrator of this installation.",
                "new_password": "New password",
                "new_password_hint": "at least 12 characters; a sentence is fine",
                "again": "Repeat the password",
                "differ": "The two passwords are not the same.",
                "bad_email": "This e-mail address cannot be used, or is taken.",
                "password_short": "It is too short: at least 12 characters are needed.",
                "password_long": "It is too long: at most 200 characters.",
                "password_common": "It is among the most common ones: choose another.",
                "password_own": "It is little more than your address or the consortium's name: choose another.",
                "link_over": "This link works no more",
                "link_over_hint": "It works once, and expires. Ask your administrator for another one.",
                "night": "Night",
                "light": "Day",
                "other_language": "Italiano",
                "empty": "There is no machine to show.",
                "empty_hint": "The administrator adds them.",
                "lost": "The connection is lost.",
                "lost_hint": "The page shows the last data received; it tries again by itself.",
                "col_processing": "Run.",
                "col_setup": "Setup",
                "col_idle": "Idle",
                "col_interrupted": "Interr.",
                "col_maintenance": "Maint.",
                "col_off": "Off",
                "col_unknown": "No data",
            },
        ),
    },
)
"""Every sentence and label, by language and name."""

STATES: Mapping[Language, Mapping[State, str]] = MappingProxyType(
    {
        "it": MappingProxyType(
            {
                State.PROCESSING: "In lavorazione",
                State.SETUP: "Attrezzaggio",
                State.IDLE: "In attesa",
                State.INTERRUPTED: "Interrotta",
                State.MAINTENANCE: "In manutenzione",
                State.OUT_OF_SERVICE: "Fuori servizio",
                State.OFF: "Spenta",
                State.UNREACHABLE: "Spenta o non risponde",
                State.UNKNOWN: "Senza dati",
            },
        ),
        "en": MappingProxyType(
            {
                State.PROCESSING: "Running",
                State.SETUP: "Setup",
                State.IDLE: "Idle",
                State.INTERRUPTED: "Interrupted",
                State.MAINTENANCE: "In maintenance",
                State.OUT_OF_SERVICE: "Out of service",
                State.OFF: "Off",
                State.UNREACHABLE: "Off or not answering",
                State.UNKNOWN: "No data",
            },
        ),
    },
)
"""What a state is called."""

_DAYS = {
    "it": ("lun", "mar", "mer", "gio", "ven", "sab", "dom"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_MONTHS = {
    "it": ("gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}


def choose_language(asked: str | None, accepted: str, default: Language) -> Language:
    """Choose the language of a page.

    Args:
        asked: what the person chose, None when nothing.
        accepted: the browser's Accept-Language, best first.
        default: where neither names one that there is.
    """
    candidates = [asked or "", *(part.split(";")[0].strip() for part in accepted.split(","))]
    for candidate in candidates:
        for language in LANGUAGES:
            if candidate.lower().split("-")[0] == language:
                return language
    return default


def since(moment: datetime, today: datetime, language: Language) -> str:
    """Write since when: the time alone on the same civil day, else with the date."""
    time = f"{moment:%H:%M}"
    if moment.date() == today.date():
        return f"dalle{NB}{time}" if language == "it" else f"since{NB}{time}"
    day = f"{_DAYS[language][moment.weekday()]} {moment.day} {_MONTHS[language][moment.month - 1]}"
    return f"da {day}, {time}" if language == "it" else f"since {day}, {time}"


def duration(nanoseconds: int, language: Language) -> str:
    """Write how long: `45 s`, `18 min`, `1 h 04 min`, `3 giorni`."""
    length = max(0, nanoseconds)
    if length < MINUTE:
        return f"{length // SECOND}{NB}s"
    if length < HOUR:
        return f"{length // MINUTE}{NB}min"
    if length < 2 * DAY:
        return f"{length // HOUR}{NB}h{NB}{length % HOUR // MINUTE:02d}{NB}min"
    return f"{length // DAY}{NB}{'giorni' if language == 'it' else 'days'}"


def clock(minutes: int) -> str:
    """Write minutes as hours and minutes: `1:04`."""
    return f"{minutes // 60}:{minutes % 60:02d}"
