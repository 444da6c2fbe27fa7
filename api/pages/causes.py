"""Why an agent could not look at a machine, in the reader's language and with the mend."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from api.pages.words import mark
from shopfloor.wire.edge import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.pages.words import Words


SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        Cause.NAME: mark(
            "The agent cannot resolve the name in this address. Correct the name, or write the machine's IP address in "
            "its place."
        ),
        Cause.CLOSED: mark(
            "The computer at this address answers, but no server listens at this port. Correct the port, or switch the "
            "machine's OPC UA server on."
        ),
        Cause.NO_WAY: mark(
            "The agent's network has no way to this address. Correct the address, or look at the network between the "
            "agent and the machine."
        ),
        Cause.NO_ANSWER: mark(
            "Nothing answers at this address. Switch the machine on, correct the address, or let the firewall between "
            "agent and machine pass this port."
        ),
        Cause.NOT_OPCUA: mark(
            "What answers at this port does not speak OPC UA. Correct the port, which the machine shows; 4840 is usual."
        ),
        Cause.PATH: mark(
            "The server is there, but not under this path. Write the address whole, as the machine shows it."
        ),
        Cause.ADDRESS: mark("This is no address of a machine. Write it as opc.tcp://192.0.2.10:4840, without a login."),
        Cause.LOGIN: mark(
            "The machine refuses the login, or wants one. Allow reading without a login at the machine, or write user "
            "and password_file for it into the configuration on the agent's computer."
        ),
        Cause.CERTIFICATE: mark(
            "The machine's certificate cannot be accepted. Renew it at the machine, and see that the clocks of the "
            "machine and of the agent's computer are right."
        ),
        Cause.OWN_CERTIFICATE: mark(
            "The machine does not trust the agent yet. Accept the agent's certificate at the machine, then look again."
        ),
        Cause.NO_MACHINE: mark(
            "The server answers, but shows no machine. Switch the machine's model for OPC UA on at its control, or "
            "name its signals by hand with officina edge init."
        ),
        Cause.NEVER_HEARD: mark(
            "This agent was never heard. Enrol it and start it on its computer, or choose another agent."
        ),
        Cause.SILENT: mark(
            "This agent is silent. Look at its computer and its network, or choose another agent, then look again."
        ),
        Cause.LATE: mark("The agent did not answer in time. It may still be looking: wait a minute, then look again."),
    }
)
"""What is said of each cause; of the certificate that is not trusted yet the page says more than a sentence."""


class Refusal(NamedTuple):
    """Why nothing was found or kept.

    Attributes:
        message: in the reader's language.
        detail: as the agent said it, empty where that is all there is.
    """

    message: str = ""
    detail: str = ""


def refusal(say: Words, code: str, said: str) -> Refusal:
    """Say a cause with its mend, and below it what the agent said; an unknown cause is said in the agent's words."""
    sentence = SENTENCES.get(code)
    return Refusal(said) if sentence is None else Refusal(say(sentence), said)
