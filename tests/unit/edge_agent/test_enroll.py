"""Writing the broker's table into a configuration, and what is refused before anything is asked."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from edge_agent.enroll import Enrolled, EnrollError, enroll, with_broker

if TYPE_CHECKING:
    from pathlib import Path

ANSWER = Enrolled("modena", "broker.example", 8883, "PEM")
CODE = "modena.ABCDEF-GHJKLM-NPQRST-UVWXYZ"
BROKER = {"host": "broker.example", "port": 8883, "username": "modena", "password_file": "pw", "ca": "ca.pem"}
FILE = """# our agent
[agent]
id = "modena"  # never changes

[broker]  # the old one
host = "old"
username = "x"

# the lathe
[[machine]]
id = "lathe-1"
"""


def written(text: str, answer: Enrolled = ANSWER) -> str:
    return with_broker(text, "modena", answer, password_file="pw", ca_file="ca.pem")  # noqa: S106 - a file's name


def test_an_empty_configuration_gets_agent_and_broker() -> None:
    assert tomllib.loads(written("")) == {"agent": {"id": "modena"}, "broker": BROKER}


def test_only_the_brokers_table_changes() -> None:
    after = written(FILE)
    assert tomllib.loads(after) == tomllib.loads(FILE) | {"broker": BROKER}
    assert "# our agent" in after
    assert "\n# the lathe\n[[machine]]\n" in after
    assert "old" not in after


def test_writing_it_twice_is_writing_it_once() -> None:
    assert written(written(FILE)) == written(FILE)
    assert written(written("")) == written("")


def test_a_table_is_added_where_there_is_none() -> None:
    text = '[[machine]]\nid = "a"\n[agent]\nid = "modena"'
    assert tomllib.loads(written(text)) == tomllib.loads(text) | {"broker": BROKER}


def test_plain_text_is_written_as_the_choice_that_it_is() -> None:
    plain = tomllib.loads(written(FILE, ANSWER.__class__("modena", "b", 1883, None)))["broker"]
    assert plain["insecure"] is True
    assert "ca" not in plain


@pytest.mark.parametrize(
    "url",
    ["http://api.example", "ftp://api.example", "https://", "api.example", "https://a:b@api.example", "https://["],
)
def test_secrets_are_sent_over_https_alone(tmp_path: Path, url: str) -> None:
    with pytest.raises(EnrollError, match="https"):
        enroll(url, CODE, tmp_path / "edge.toml")
    assert not (tmp_path / "edge.toml").exists()


@pytest.mark.parametrize("code", ["", "ABC", "a/b.ABC", "+.ABC"])
def test_what_is_no_code_is_not_sent(tmp_path: Path, code: str) -> None:
    with pytest.raises(EnrollError, match="no code"):
        enroll("https://api.example", code, tmp_path / "edge.toml")


@pytest.mark.parametrize("text", ['[agent]\nid = "bologna"\n', "[agent]\n", "agent = 1\n", "[agent\n"])
def test_the_configuration_of_another_agent_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(text)
    with pytest.raises(EnrollError):
        enroll("https://api.example", CODE, file)
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_a_server_that_does_not_answer_leaves_everything_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(FILE)
    with pytest.raises(EnrollError, match="run the same command again"):
        enroll("http://127.0.0.1:1", CODE, file)
    assert file.read_text() == FILE
    assert not (tmp_path / "password-modena").exists()
