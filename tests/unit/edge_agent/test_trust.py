from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from edge_agent import cli, trust
from edge_agent.certificate import own_certificate
from edge_agent.expiry import ExpiryWatch, days_left
from edge_agent.trust import TrustError, TrustList, certifies_host, read_certificates, spell_thumbprint
from shopfloor.periods import DAY, parse_instant

if TYPE_CHECKING:
    from pathlib import Path

NOW = parse_instant("2026-11-22T12:00:00Z")


def shown(folder: Path, name: str) -> bytes:
    """Return a certificate that a server might show."""
    return own_certificate(folder / name, name, NOW).certificate.read_bytes()


def test_what_is_rejected_is_accepted_by_its_thumbprint_and_revoked_again(tmp_path: Path) -> None:
    trust_list = TrustList(tmp_path / "pki")
    trust_list.reject(shown(tmp_path, "mill"))
    (waiting,) = trust_list.known()
    assert waiting.standing == "rejected"
    before = trust_list.signature()
    accepted = trust_list.accept(waiting.thumbprint.upper())
    assert (accepted.standing, accepted.application_uri) == ("trusted", "urn:officina:edge:mill")
    assert trust_list.signature() != before
    with pytest.raises(TrustError, match="is trusted already"):
        trust_list.accept(waiting.thumbprint)
    assert trust_list.revoke(waiting.thumbprint).standing == "rejected"
    with pytest.raises(TrustError, match="no trusted certificate"):
        trust_list.revoke(waiting.thumbprint)


def test_a_thumbprint_is_read_as_people_paste_it() -> None:
    digits = "0123456789abcdef" * 4
    pairs = ":".join(digits[at : at + 2] for at in range(0, 64, 2)).upper()
    assert {spell_thumbprint(each) for each in (digits, pairs, f"sha256:{digits}", f" SHA256 {pairs} ")} == {
        f"sha256:{digits}"
    }
    for wrong in ("", digits[:40], digits + "0", "sha1:" + digits):
        with pytest.raises(TrustError, match="no SHA-256 thumbprint"):
            spell_thumbprint(wrong)


def test_the_certificate_that_was_shown_longest_ago_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "REJECTED_MAX", 2)
    trust_list = TrustList(tmp_path / "pki")
    for name in ("first", "second", "third"):
        trust_list.reject(shown(tmp_path, name))
    assert {each.application_uri for each in trust_list.known()} == {
        "urn:officina:edge:second",
        "urn:officina:edge:third",
    }


def test_a_file_that_is_no_certificate_hides_no_other(tmp_path: Path) -> None:
    trust_list = TrustList(tmp_path / "pki")
    trust_list.reject(shown(tmp_path, "mill"))
    (trust_list.rejected / "junk.der").write_bytes(b"junk")
    (trust_list.rejected / "junk.pem").write_bytes(b"-----BEGIN junk")
    assert len(trust_list.known()) == 1


def test_a_host_is_compared_without_regard_to_its_spelling(tmp_path: Path) -> None:
    import socket

    own = own_certificate(tmp_path, "mill", NOW)
    (certificate,) = read_certificates(own.certificate)
    assert certifies_host(certificate, socket.gethostname().upper() + ".")
    assert not certifies_host(certificate, "elsewhere")


def test_the_end_of_a_certificate_is_told_30_7_and_1_days_ahead_and_then_daily() -> None:
    watch, expires = ExpiryWatch(), NOW + 40 * DAY
    told = [days_left(expires, NOW + hour * DAY // 4) for hour in range(4 * 43)
            if watch.due("mill", expires, NOW + hour * DAY // 4)]  # fmt: skip
    assert told == [30, 7, 1, 0, -1, -2, -3]
    assert watch.due("mill", expires + DAY, expires)


def test_the_command_line_lists_accepts_and_revokes(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text('[agent]\nid = "a"\ncertificates = "mine"\n[broker]\nwrong = 1\n')
    run = CliRunner().invoke
    assert "No server's certificate is known yet" in run(cli.app, ["trust", "list", str(path)]).output
    trust_list = TrustList(tmp_path / "mine")
    trust_list.reject(shown(tmp_path, "mill"))
    thumbprint = trust_list.known()[0].thumbprint
    listed = run(cli.app, ["trust", "list", str(path)]).output
    assert "rejected" in listed
    assert thumbprint in listed
    assert trust_list.known()[0].sha1 in listed
    assert "is trusted from now on" in run(cli.app, ["trust", "accept", str(path), thumbprint]).output
    assert "no longer trusted" in run(cli.app, ["trust", "revoke", str(path), thumbprint]).output
