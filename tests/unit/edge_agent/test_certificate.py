from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_agent.certificate import CertificateUnusableError, own_certificate
from shopfloor.periods import DAY, parse_instant

if TYPE_CHECKING:
    from pathlib import Path

NOW = parse_instant("2026-11-22T12:00:00Z")


def test_a_certificate_is_made_once_and_stays(tmp_path: Path) -> None:
    first = own_certificate(tmp_path / "pki", "site-a", NOW)
    content = first.certificate.read_bytes()
    second = own_certificate(tmp_path / "pki", "site-b", NOW + DAY)
    assert second == first
    assert first.certificate.read_bytes() == content
    assert first.application_uri == "urn:officina:edge:site-a"
    assert first.expires > NOW + 3000 * DAY


def test_the_key_is_for_the_agent_alone(tmp_path: Path) -> None:
    assert own_certificate(tmp_path, "site-a", NOW).key.stat().st_mode & 0o777 == 0o600


def test_a_lost_key_is_told_and_not_replaced(tmp_path: Path) -> None:
    own_certificate(tmp_path, "site-a", NOW).key.unlink()
    with pytest.raises(CertificateUnusableError, match=r"remove agent\.der and agent\.pem"):
        own_certificate(tmp_path, "site-a", NOW)


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    own = own_certificate(tmp_path, "site-a", NOW)
    with pytest.raises(CertificateUnusableError, match="has expired"):
        own_certificate(tmp_path, "site-a", own.expires)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificateUnusableError, match="let the agent write there"):
        own_certificate(tmp_path / "file", "site-a", NOW)
