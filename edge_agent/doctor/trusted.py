"""Certificates: the broker's, the agent's own, and those of machines that wait for somebody to accept them."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from cryptography import x509

from edge_agent.certificate import CertificateUnusableError, own_certificates
from edge_agent.doctor.finding import fault, good, warning
from edge_agent.doctor.host import CONNECT_SECONDS
from edge_agent.expiry import days_left
from edge_agent.trust import TrustError, TrustList
from shopfloor.periods import from_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_agent.config import EdgeConfig
    from edge_agent.doctor.finding import Finding

WARN_DAYS = 30


def certificates(config: EdgeConfig, config_file: Path, now: int) -> Iterator[Finding]:
    """Look at every certificate that the agent relies on."""
    yield from _broker(config, now)
    yield from _own(config, now)
    yield from _machines(config, config_file, now)


def _broker(config: EdgeConfig, now: int) -> Iterator[Finding]:
    broker = config.broker
    if broker.insecure:
        yield warning(
            "certificates",
            f"the broker {broker.host} is reached in plain text, as the configuration says",
            "give it TLS and name its ca, unless the network is your own",
        )
        return
    try:
        context = ssl.create_default_context(cafile=str(broker.ca) if broker.ca else None)
        with (
            socket.create_connection((broker.host, broker.port), CONNECT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=broker.host) as secured,
        ):
            der = secured.getpeercert(binary_form=True) or b""
    except ssl.SSLCertVerificationError as error:
        yield fault(
            "certificates",
            f"the broker's certificate is not trusted: {error.verify_message}",
            f"put the authority that signed it into {broker.ca or 'ca of [broker]'}, or renew it for {broker.host}",
        )
    except (OSError, ValueError) as error:
        yield fault(
            "certificates",
            f"the broker speaks no TLS with this agent ({error})",
            "see that port and ca are the broker's: officina edge enroll writes both",
        )
    else:
        yield _dated(
            "the broker's certificate", x509.load_der_x509_certificate(der), now, "officina init, on the server"
        )


def _own(config: EdgeConfig, now: int) -> Iterator[Finding]:
    if all(server.policy == "none" for server in config.servers):
        return
    try:
        *_, newest = own_certificates(config.certificates, config.publisher, now)
    except CertificateUnusableError as error:
        yield fault("certificates", str(error), "let the agent's user read its folder of certificates")
        return
    yield good("certificates", f"the agent's own certificate is valid for {days_left(newest.expires, now)} days more")


def _machines(config: EdgeConfig, config_file: Path, now: int) -> Iterator[Finding]:
    try:
        known = TrustList(config.certificates).known()
    except TrustError as error:
        yield fault("trust list", str(error), "let the agent's user read its folder of certificates")
        return
    for each in known:
        if each.standing == "rejected":
            yield warning(
                "trust list",
                f"{each.subject} waits for a decision: {each.thumbprint}",
                f"compare it with what the machine shows, then: officina edge trust accept {config_file} THUMBPRINT",
            )
        elif (left := days_left(each.expires, now)) < WARN_DAYS:
            yield warning(
                "trust list",
                f"the certificate of {each.subject} ends in {left} days",
                "renew it at the machine, then accept the new one",
            )
    trusted = sum(each.standing == "trusted" for each in known)
    named = sum(bool(server.trusted_certificate) for server in config.servers)
    if not trusted and not named and any(server.policy != "none" for server in config.servers):
        yield fault(
            "trust list",
            "no machine's certificate is trusted",
            f"let the agent connect once, then: officina edge trust list {config_file}",
        )
    else:
        yield good("trust list", f"{trusted} accepted, {named} named in the configuration")


def _dated(what: str, certificate: x509.Certificate, now: int, mend: str) -> Finding:
    left = days_left(from_datetime(certificate.not_valid_after_utc), now)
    if left < WARN_DAYS:
        return warning("certificates", f"{what} ends in {left} days", f"renew it: {mend}")
    return good("certificates", f"{what} is trusted for {left} days more")
