"""What documents of a statement say, in Italian and in English. Pure."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from api.billing.statements import Basis, Rule
from api.usage.segments import Claim, Quality
from shopfloor.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.billing.statements import Line
    from api.pages.words import Language

WORDS: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "it": MappingProxyType(
            {
                "statement": "Estratto conto",
                "draft": "Bozza",
                "draft_note": "Bozza: gli importi possono ancora cambiare fino alla chiusura del mese.",
                "only_note": "Estratto conto: non è una fattura e non vale ai fini dell'IVA.",
                "invoice_note": "Dettaglio della fattura elettronica con lo stesso numero, trasmessa per il Sistema di "
                                "Interscambio: questo documento non la sostituisce.",
                "number": "Numero",
                "date": "Data",
                "period": "Periodo",
                "due": "Scadenza",
                "member": "Socio",
                "to": "Spettabile",
                "vat_id": "P. IVA",
                "tax_id": "C. F.",
                "rea": "REA",
                "summary": "Riepilogo",
                "net": "Imponibile",
                "vat": "IVA",
                "vat_rate": "Aliquota o natura",
                "total": "Totale",
                "total_due": "Totale da pagare",
                "total_credit": "Totale a credito",
                "nothing_due": "Nulla da pagare",
                "payment": "Pagamento",
                "iban": "IBAN",
                "reason": "Causale",
                "credit_note": "L'importo è a credito del socio: nulla è da pagare.",
                "lines": "Addebiti",
                "line": "Riga",
                "n": "N.",
                "item": "Voce",
                "tariff": "Tariffa",
                "quantity": "Quantità",
                "decimal": "Decimale",
                "unit": "Unità",
                "price": "Prezzo",
                "amount": "Importo",
                "machine": "Macchina",
                "basis": "Base",
                "state": "Stato",
                "band": "Fascia",
                "month": "Mese d'uso",
                "kind": "Tipo",
                "estimated": "di cui stimato",
                "estimated_amount": "di cui importo stimato",
                "common": "Quote, costi e servizi",
                "adjustments": "Rettifiche di {month}",
                "correction": "Rettifica",
                "corrects": "corregge {document}, riga {reference}",
                "corrects_document": "{number} del {day}",
                "no_lines": "In questo mese nessun addebito.",
                "time": "Tempo rilevato",
                "time_note": "Tutto il tempo attribuito al socio, anche quello che non si addebita, e come è noto.",
                "quality": "Come è noto",
                "hours": "Durata",
                "days": "Giorni",
                "day": "Giorno",
                "iso_day": "Data ISO",
                "no_day": "senza giorno",
                "sessions": "Sessioni",
                "session": "Inizio sessione",
                "used": "Dalle - alle",
                "spans": "Tratti",
                "calculation": "Calcolo",
                "issuer": "Emesso da",
                "from": "Dalle",
                "until": "Alle",
                "claim": "Attribuito per",
                "appendix": "Allegato: giorni e sessioni",
                "appendix_note": "Ogni riga è la somma dei suoi giorni e delle sue sessioni: i centesimi di una riga, "
                                 "arrotondata una volta sola, sono ripartiti con il metodo dei maggiori resti.",
                "rules": "Regole applicate",
                "checking": "Come verificare",
                "check_lines": "Una riga è la somma esatta di secondi, kWh o pezzi per il prezzo, arrotondata una "
                               "volta sola al centesimo, per eccesso dal mezzo centesimo. L'imponibile è la somma "
                               "delle righe, l'IVA si calcola una volta per aliquota sulla somma delle sue righe, il "
                               "totale è la loro somma.",
                "check_digest": "L'impronta è lo SHA-256 dei dati dell'estratto conto. Chi amministra il consorzio "
                                "ricalcola ogni estratto conto chiuso dai segmenti conservati e confronta le impronte "
                                "con officina billing verify: due documenti con la stessa impronta sono uguali.",
                "digest": "Impronta",
                "chain": "Catena",
                "page": "pagina {page} di {pages}",
                "control": "Differenza tra le righe e i loro giorni",
                "row_use": "uso",
                "row_net": "imponibile",
                "row_vat": "IVA",
                "row_total": "totale",
            }
        ),
        "en": MappingProxyType(
            {
                "statement": "Statement",
                "draft": "Draft",
                "draft_note": "Draft: amounts may still change until the month is closed.",
                "only_note": "Statement only: this is no invoice and has no effect for VAT.",
                "invoice_note": "Details of the electronic invoice of the same number, sent through the Italian "
                                "exchange system (SdI), which this document does not replace.",
                "number": "Number",
                "date": "Date",
                "period": "Period",
                "due": "Due",
                "member": "Member",
                "to": "To",
                "vat_id": "VAT no.",
                "tax_id": "Tax code",
                "rea": "REA",
                "summary": "Summary",
                "net": "Net",
                "vat": "VAT",
                "vat_rate": "Rate or nature",
                "total": "Total",
                "total_due": "Total due",
                "total_credit": "Total in credit",
                "nothing_due": "Nothing to pay",
                "payment": "Payment",
                "iban": "IBAN",
                "reason": "Reference",
                "credit_note": "The amount is in the member's favour: nothing is to be paid.",
                "lines": "Charges",
                "line": "Line",
                "n": "No.",
                "item": "Item",
                "tariff": "Tariff",
                "quantity": "Quantity",
                "decimal": "Decimal",
                "unit": "Unit",
                "price": "Price",
                "amount": "Amount",
                "machine": "Machine",
                "basis": "Basis",
                "state": "State",
                "band": "Band",
                "month": "Month of use",
                "kind": "Kind",
                "estimated": "of which estimated",
                "estimated_amount": "of which estimated amount",
                "common": "Quotas, costs and services",
                "adjustments": "Adjustments of {month}",
                "correction": "Adjustment",
                "corrects": "corrects {document}, line {reference}",
                "corrects_document": "{number} of {day}",
                "no_lines": "No charges this month.",
                "time": "Recorded time",
                "time_note": "All time attributed to the member, also what is not charged, and how it is known.",
                "quality": "How it is known",
                "hours": "Duration",
                "days": "Days",
                "day": "Day",
                "iso_day": "ISO date",
                "no_day": "no day",
                "sessions": "Sessions",
                "session": "Session began",
                "used": "From - to",
                "spans": "Spans",
                "calculation": "Calculation",
                "issuer": "Issued by",
                "from": "From",
                "until": "Until",
                "claim": "Attributed by",
                "appendix": "Appendix: days and sessions",
                "appendix_note": "Each line is the sum of its days and sessions: the cents of a line, which is rounded "
                                 "once, are shared by largest remainder.",
                "rules": "Rules applied",
                "checking": "How to check",
                "check_lines": "A line is the exact sum of seconds, kWh or pieces at its price, rounded once to the "
                               "cent, half a cent away from zero. Net is the sum of the lines, VAT is calculated once "
                               "per rate on the sum of its lines, the total is both together.",
                "check_digest": "The digest is the SHA-256 of the statement's data. Whoever runs the consortium "
                                "rates each closed statement again from the stored segments and compares digests with "
                                "officina billing verify: two documents with one digest are the same.",
                "digest": "Digest",
                "chain": "Chain",
                "page": "page {page} of {pages}",
                "control": "Lines less their days",
                "row_use": "use",
                "row_net": "net",
                "row_vat": "VAT",
                "row_total": "total",
            }
        ),
    }
)  # fmt: skip
"""Labels and sentences, by language and name."""

BASES: Mapping[Language, Mapping[Basis, str]] = MappingProxyType(
    {
        "it": MappingProxyType(
            {
                Basis.TIME: "Tempo macchina",
                Basis.BOOKED_UNUSED: "Prenotato e non usato",
                Basis.START_UP: "Avviamento",
                Basis.SESSION_MINIMUM: "Minimo di sessione",
                Basis.ENERGY: "Energia",
                Basis.PARTS: "Pezzi",
                Basis.CYCLES: "Cicli",
                Basis.MONTHLY_MINIMUM: "Minimo mensile",
                Basis.MONTHLY_CAP: "Tetto mensile",
                Basis.QUOTA: "Quota fissa",
                Basis.SHARED_COST: "Costo condiviso",
                Basis.LENT_HOURS: "Ore di personale",
                Basis.TRUE_UP: "Conguaglio di fine anno",
                Basis.FEE: "Addebito singolo",
            }
        ),
        "en": MappingProxyType(
            {
                Basis.TIME: "Machine time",
                Basis.BOOKED_UNUSED: "Booked and not used",
                Basis.START_UP: "Start-up",
                Basis.SESSION_MINIMUM: "Session minimum",
                Basis.ENERGY: "Energy",
                Basis.PARTS: "Parts",
                Basis.CYCLES: "Cycles",
                Basis.MONTHLY_MINIMUM: "Monthly minimum",
                Basis.MONTHLY_CAP: "Monthly cap",
                Basis.QUOTA: "Fixed quota",
                Basis.SHARED_COST: "Shared cost",
                Basis.LENT_HOURS: "Hours of staff",
                Basis.TRUE_UP: "Year-end true-up",
                Basis.FEE: "Single charge",
            }
        ),
    }
)
"""What a basis is called."""

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
            }
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
            }
        ),
    }
)
"""What a state is called, as on the pages."""

UNITS: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {"it": MappingProxyType({"h": "h", "kWh": "kWh", "pcs": "pz", "": ""}),
     "en": MappingProxyType({"h": "h", "kWh": "kWh", "pcs": "pcs", "": ""})}
)  # fmt: skip
"""What the unit of a price is called."""

QUALITIES: Mapping[Language, Mapping[Quality, str]] = MappingProxyType(
    {
        "it": MappingProxyType(
            {
                Quality.MEASURED: "misurato",
                Quality.DECLARED: "dichiarato",
                Quality.INFERRED: "dedotto",
                Quality.ESTIMATED: "stimato",
                Quality.EDITED: "corretto",
                Quality.UNKNOWN: "non noto",
            }
        ),
        "en": MappingProxyType({quality: quality.value for quality in Quality}),
    }
)
"""What a quality is called."""

_CLAIMS_IT = {
    Claim.CORRECTION: "correzione",
    Claim.CONSORTIUM: "consorzio",
    Claim.JOB: "commessa",
    Claim.BADGE: "badge",
    Claim.BOOKING: "prenotazione",
    Claim.NONE: "nessuno",
}
CLAIMS: Mapping[Language, Mapping[Claim, str]] = MappingProxyType(
    {"it": MappingProxyType(_CLAIMS_IT), "en": MappingProxyType({claim: claim.value for claim in Claim})}
)
"""What the evidence is called by which somebody pays."""

POLICIES: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "it": MappingProxyType(
            {
                "zone": "fuso orario civile",
                "payer_precedence": "chi paga, in ordine",
                "silence_seconds_max": "silenzio oltre il quale il tempo è ignoto (s)",
                "badge_off_seconds_max": "un badge finisce dopo spegnimento di (s)",
                "badge_seconds_max": "un badge finisce comunque dopo (s)",
                "inferred_off_seconds_max": "irraggiungibile vale spenta se accesa per meno di (s)",
                "estimate_gaps": "vuoti stimati dai contatori",
                "estimate_seconds_max": "vuoto più lungo che si stima (s)",
                "rounding": "arrotondamento",
                "vat_rounding": "arrotondamento dell'IVA",
                "shares": "ripartizioni",
                "calendars": "calendari",
                "tariffs": "tariffe",
                "tzdata": "dati dei fusi orari",
                "officina": "versione di Officina",
                **{claim.value: name for claim, name in _CLAIMS_IT.items()},
                "unattributed": "nessuno",
                "yes": "sì",
                "no": "no",
                "once per line, half away from zero": "una volta per riga, mezzo centesimo per eccesso",
                "once per rate, on the sum of its lines": "una volta per aliquota, sulla somma delle righe",
                "largest remainder, to the cent": "maggiori resti, al centesimo",
            }
        ),
        "en": MappingProxyType(
            {
                "zone": "civil zone",
                "payer_precedence": "who pays, in order",
                "silence_seconds_max": "silence beyond which time is unknown (s)",
                "badge_off_seconds_max": "a badge ends when off for (s)",
                "badge_seconds_max": "a badge ends in any case after (s)",
                "inferred_off_seconds_max": "unreachable counts as off when powered for less than (s)",
                "estimate_gaps": "gaps estimated from counters",
                "estimate_seconds_max": "longest gap that is estimated (s)",
                "rounding": "rounding",
                "vat_rounding": "rounding of VAT",
                "shares": "shares",
                "calendars": "calendars",
                "tariffs": "tariffs",
                "tzdata": "time zone data",
                "officina": "version of Officina",
            }
        ),
    }
)
"""What a setting of the policy, or a version that a statement stands on, is called; also some of their values."""

PAYMENT_METHODS: Mapping[Language, Mapping[str, str]] = MappingProxyType(
    {
        "it": MappingProxyType(
            {"MP01": "contanti", "MP02": "assegno", "MP05": "bonifico", "MP08": "carta di pagamento", "MP12": "RiBa",
             "MP19": "addebito diretto SEPA", "MP20": "addebito diretto SEPA CORE", "MP21": "addebito diretto SEPA B2B",
             "MP22": "trattenuta su somme già riscosse", "MP23": "PagoPA"}
        ),
        "en": MappingProxyType(
            {"MP01": "cash", "MP02": "cheque", "MP05": "bank transfer", "MP08": "payment card", "MP12": "RiBa",
             "MP19": "SEPA direct debit", "MP20": "SEPA direct debit CORE", "MP21": "SEPA direct debit B2B",
             "MP22": "offset", "MP23": "PagoPA"}
        ),
    }
)  # fmt: skip
"""What the usual ones of ModalitaPagamento are called (FatturaPA 1.2.2); another one is shown by its code."""

_PRODUCT = "{quantity} \N{MULTIPLICATION SIGN} {price} = {amount}"
SENTENCES: Mapping[Language, Mapping[Rule, str]] = MappingProxyType(
    {
        "it": MappingProxyType(
            {
                Rule.PRICE: _PRODUCT,
                Rule.TIER: f"scaglione ({{note}}): {_PRODUCT}",
                Rule.INCREMENT: "{quantity} aggiunti, ogni sessione arrotondata per eccesso a multipli di {note}",
                Rule.FREE_SESSIONS: "{quantity} in sessioni troppo brevi per essere addebitate",
                Rule.SESSION_MINIMUM: "la sessione del {note} costa almeno {price}: mancano {amount}",
                Rule.MINIMUM: "il mese costa almeno {price}, addebitati {amount}",
                Rule.CAP: "il mese costa al massimo {price}, addebitati {amount}",
                Rule.VAT_SHARE: "{amount} cade su IVA {note}, in proporzione a {price} addebitati",
                Rule.SHARE: "{note}, peso {price}: {amount}",
                Rule.ACTUAL_COST: "quota del costo reale {note}, peso {price}: {amount}",
                Rule.BILLED: "già addebitato al prezzo provvisorio: {amount}",
                Rule.FIXED: "importo fisso: {amount}",
                Rule.ROUND: "arrotondato a {rounded}",
                Rule.RECOMPUTED: "ricalcolata per intero: {quantity} {amount}",
                Rule.CHARGED_BEFORE: "già addebitata: {quantity} {amount}",
            }
        ),
        "en": MappingProxyType(
            {
                Rule.PRICE: _PRODUCT,
                Rule.TIER: f"tier ({{note}}): {_PRODUCT}",
                Rule.INCREMENT: "{quantity} added, each session rounded up to a multiple of {note}",
                Rule.FREE_SESSIONS: "{quantity} in sessions too short to be charged",
                Rule.SESSION_MINIMUM: "the session of {note} costs {price} at least: {amount} missing",
                Rule.MINIMUM: "the month costs {price} at least, charged {amount}",
                Rule.CAP: "the month costs {price} at most, charged {amount}",
                Rule.VAT_SHARE: "{amount} falls on VAT {note}, in proportion to {price} charged",
                Rule.SHARE: "{note}, weight {price}: {amount}",
                Rule.ACTUAL_COST: "share of the real cost {note}, weight {price}: {amount}",
                Rule.BILLED: "charged before at the provisional price: {amount}",
                Rule.FIXED: "fixed: {amount}",
                Rule.ROUND: "rounded to {rounded}",
                Rule.RECOMPUTED: "recomputed whole: {quantity} {amount}",
                Rule.CHARGED_BEFORE: "charged before: {quantity} {amount}",
            }
        ),
    }
)
"""What a step of a calculation did."""

_LENT = re.compile(r"(.*) \((from|to) (.+)\)", re.DOTALL)


def what(line: Line, language: Language) -> str:
    """Say in a few words what a line charges for: the state, or the basis and what it is called."""
    if line.basis is Basis.TIME and line.state is not None:
        return STATES[language][line.state]
    return ": ".join(filter(None, (BASES[language][line.basis], _item(line, language))))


def _item(line: Line, language: Language) -> str:
    lent = _LENT.fullmatch(line.item) if line.basis is Basis.LENT_HOURS and language == "it" else None
    if lent is None:
        return line.item
    item, way, firm = lent.groups()
    return f"{item} ({'da' if way == 'from' else 'a'} {firm})"


def said(name: str, language: Language) -> str:
    """Return what a setting, or one of its values, is called; itself where there is no word for it."""
    return POLICIES[language].get(name, name)
