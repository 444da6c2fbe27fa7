"""Which servers the agent trusts: a folder of accepted certificates, and one of those that wait for a decision.

Nothing is accepted by itself. A certificate that a server shows for the first time lands in `rejected`; a person
compares its thumbprint with what the machine shows and accepts it with `officina edge trust accept`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - dataclass field
from typing import TYPE_CHECKING, Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from edge_agent.certificate import write_whole
from shopfloor.errors import ExpectedError
from shopfloor.periods import from_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator

REJECTED_MAX = 64
"""Certificates that wait for a decision; when one more comes, the one that was shown longest ago goes."""
SUFFIXES = frozenset({".der", ".pem", ".crt", ".cer"})

Standing: TypeAlias = Literal["trusted", "rejected"]

_THUMBPRINT = re.compile(r"[0-9a-f]{64}")


class TrustError(ExpectedError):
    """The trust list cannot be changed so; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Known:
    """A server's certificate that the agent knows.

    Attributes:
        thumbprint: `sha256:` and 64 hexadecimal digits.
        sha1: the older thumbprint that many machines and tools show, for comparison by eye.
        subject: whom it names.
        application_uri: the server that it certifies, empty when it names none.
        hosts: names and addresses that it certifies.
        starts: start of its validity, nanoseconds UTC.
        expires: end of its validity, nanoseconds UTC.
        standing: what was decided of it.
        file: where it lies.
    """

    thumbprint: str
    sha1: str
    subject: str
    application_uri: str
    hosts: tuple[str, ...]
    starts: int
    expires: int
    standing: Standing
    file: Path


class TrustList:
    """The folders `trusted` and `rejected` below the agent's folder of certificates.

    Args:
        folder: the agent's folder of certificates.
    """

    def __init__(self, folder: Path) -> None:
        self.trusted = folder / "trusted"
        self.rejected = folder / "rejected"

    def known(self) -> list[Known]:
        """Return every certificate, trusted ones first. A file that is none is left out.

        Raises:
            TrustError: when a folder cannot be read.
        """
        return [*self._in(self.trusted, "trusted"), *self._in(self.rejected, "rejected")]

    def accept(self, text: str) -> Known:
        """Trust a certificate that was rejected.

        Args:
            text: its SHA-256 thumbprint, with or without `sha256:` and colons.

        Raises:
            TrustError: when it is unknown or cannot be moved.
        """
        thumbprint = spell_thumbprint(text)
        if any(each.thumbprint == thumbprint for each in self._in(self.trusted, "trusted")):
            raise TrustError(f"{thumbprint} is trusted already")
        return self._move(self._find(thumbprint, "rejected"), self.trusted)

    def revoke(self, text: str) -> Known:
        """Trust a certificate no longer: it goes back to the rejected ones.

        Args:
            text: its SHA-256 thumbprint, with or without `sha256:` and colons.

        Raises:
            TrustError: when it is not trusted or cannot be moved.
        """
        found = self._find(spell_thumbprint(text), "trusted")
        if len(read_certificates(found.file)) > 1:
            raise TrustError(f"{found.file} holds other certificates too: take this one out of it by hand")
        return self._move(found, self.rejected)

    def reject(self, der: bytes) -> Path:
        """Keep a certificate that a server showed, for a person to decide. Returns where.

        Raises:
            TrustError: when it cannot be written.
        """
        path = self.rejected / _file_name(thumbprint(x509.load_der_x509_certificate(der)))
        try:
            if path.exists():
                path.touch()
                return path
            self.rejected.mkdir(parents=True, exist_ok=True)
            waiting = sorted(self.rejected.glob("*.der"), key=lambda each: each.stat().st_mtime_ns)
            for surplus in waiting[: max(0, len(waiting) + 1 - REJECTED_MAX)]:
                surplus.unlink(missing_ok=True)
            write_whole(path, der, 0o644)
        except OSError as error:
            raise TrustError(f"{path} cannot be written ({error.strerror}): let the agent write there") from error
        return path

    def signature(self) -> tuple[tuple[str, int, int], ...]:
        """Return something that differs after each change of what is trusted."""
        files = [*_files(self.trusted), *_files(self.trusted / "crl")]
        return tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in files if path.exists())

    def _find(self, wanted: str, standing: Standing) -> Known:
        for each in self._in(self.rejected if standing == "rejected" else self.trusted, standing):
            if each.thumbprint == wanted:
                return each
        remedy = ("let the agent connect first, or put its file into the folder" if standing == "rejected"
                  else "officina edge trust list shows what is")  # fmt: skip
        raise TrustError(f"no {standing} certificate has the thumbprint {wanted}: {remedy}")

    def _move(self, found: Known, folder: Path) -> Known:
        path = folder / _file_name(found.thumbprint)
        (certificate,) = read_certificates(found.file)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, certificate.public_bytes(serialization.Encoding.DER), 0o644)
            found.file.unlink()
        except OSError as error:
            raise TrustError(f"{found.file} cannot be moved to {folder} ({error.strerror}): run this as the agent's "
                             f"user or as an administrator") from error  # fmt: skip
        return _known(certificate, "trusted" if folder == self.trusted else "rejected", path)

    def _in(self, folder: Path, standing: Standing) -> Iterator[Known]:
        for path in _files(folder):
            try:
                certificates = read_certificates(path)
            except ValueError:
                continue
            except OSError as error:
                raise TrustError(f"{path} cannot be read ({error.strerror}): run this as the agent's user or as an "
                                 f"administrator") from error  # fmt: skip
            for certificate in certificates:
                yield _known(certificate, standing, path)


def thumbprint(certificate: x509.Certificate) -> str:
    """Write a certificate's SHA-256 thumbprint as a configuration names it."""
    return f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"


def spell_thumbprint(text: str) -> str:
    """Read a thumbprint as people paste it, and write it as a configuration names it.

    Raises:
        TrustError: when it is none.
    """
    digits = re.sub(r"[\s:]", "", text.lower()).removeprefix("sha256")
    if not _THUMBPRINT.fullmatch(digits):
        raise TrustError(f"{text!r} is no SHA-256 thumbprint: it has 64 hexadecimal digits, as officina edge trust "
                         f"list shows them")  # fmt: skip
    return f"sha256:{digits}"


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Read the certificates of a DER or PEM file.

    Raises:
        OSError: when it cannot be read.
        ValueError: when it holds none.
    """
    content = path.read_bytes()
    if content.lstrip().startswith(b"-----"):
        return x509.load_pem_x509_certificates(content)
    return [x509.load_der_x509_certificate(content)]


def certified_hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the names and addresses that a certificate certifies."""
    names = _alternative_names(certificate)
    if names is None:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))


def application_uris(certificate: x509.Certificate) -> list[str]:
    """Return the application URIs that a certificate certifies."""
    names = _alternative_names(certificate)
    return [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)


def certifies_host(certificate: x509.Certificate, host: str) -> bool:
    """Tell whether a certificate names this host name or address."""
    return _plain_host(host) in {_plain_host(each) for each in certified_hosts(certificate)}


def _plain_host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES | {".crl"} and path.is_file())


def _file_name(wanted: str) -> str:
    return f"{wanted.removeprefix('sha256:')}.der"


def _known(certificate: x509.Certificate, standing: Standing, path: Path) -> Known:
    return Known(
        thumbprint(certificate),
        certificate.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 - shown for comparison, never decided by
        certificate.subject.rfc4514_string(),
        next(iter(application_uris(certificate)), ""),
        certified_hosts(certificate),
        from_datetime(certificate.not_valid_before_utc),
        from_datetime(certificate.not_valid_after_utc),
        standing,
        path,
    )
