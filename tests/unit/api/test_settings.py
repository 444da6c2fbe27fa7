from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from api.settings import load_settings
from shopfloor.settings import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
store = "sqlite:///data/store.db"
records = "sqlite:///data/records.db"
{more}
[broker]
host = "127.0.0.1"
port = 1883
"""


def write(folder: Path, more: str = "") -> Path:
    (folder / "api.toml").write_text(FILE.format(more=more))
    return folder / "api.toml"


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "192.168.1.5", "officina.example"])  # noqa: S104
def test_plain_http_is_refused_on_an_address_that_others_reach(tmp_path: Path, bind: str) -> None:
    with pytest.raises(SettingsError, match="--tls-cert"):
        load_settings(write(tmp_path, f'bind = "{bind}"'))


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1", "localhost", "127.0.0.53"])
def test_plain_http_is_served_to_this_machine(tmp_path: Path, bind: str) -> None:
    assert load_settings(write(tmp_path, f'bind = "{bind}"')).bind == bind


def test_any_address_may_be_served_with_a_certificate(tmp_path: Path) -> None:
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).touch()

    settings = load_settings(
        write(tmp_path, 'bind = "0.0.0.0"'), tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem"
    )

    assert settings.tls_cert == tmp_path / "cert.pem"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('tls_cert = "cert.pem"', "go together"),
        ('tls_cert = "none.pem"\ntls_key = "none.key"', "does not exist"),
        ('time_zone = "Europe/Nowhere"', "no time zone"),
        ("port = 70000", "port"),
        ("unknown = 1", "unknown"),
        ('language = "de"', "language"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(tmp_path: Path, more: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load_settings(write(tmp_path, more))
