from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.config import load
from edge_agent.document import ConfigError, lines_of

GOOD = """\
[agent]
id = "site-a"

[broker]
host = "127.0.0.1"
port = 1883
insecure = true

[[machine]]
id = "m01"
endpoint = "opc.tcp://10.0.0.5:4840/"
trusted_certificate = "sha256:{digest}"

[machine.namespaces]
ACME = "urn:acme"

[machine.nodes]
spindle_load = {{ path = "MT:Monitoring/ACME:Spindle/ACME:Load", deadband = 0.5 }}
"coolant_pressure.double" = {{ nodeid = "nsu=urn:acme;s=Pressure", scale = 0.1 }}
""".format(digest="a1" * 32)


def write(folder: Path, text: str) -> Path:
    path = folder / "edge.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, text: str) -> dict[int, str]:
    """Load it and return the sentences by line."""
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text))
    found: dict[int, str] = {}
    for problem in caught.value.problems:
        found[problem.line] = f"{found.get(problem.line, '')}{problem.what}\n"
    return found


def test_a_right_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD))
    (server,), (machine,) = config.servers, config.machines
    assert (config.publisher, config.broker.insecure, config.spool.path) == ("site-a", True, tmp_path / "spool.sqlite")
    assert (server.policy, server.mode, server.own_certificates) == ("best", "SignAndEncrypt", tmp_path / "pki")
    assert (machine.clock_limit_seconds, machine.queue_size, machine.publishing_milliseconds) == (60.0, 100, 250)
    assert machine.nodes["spindle_load"].deadband == 0.5
    assert machine.namespaces["ACME"] == "urn:acme"


def test_everything_that_is_wrong_is_told_at_once_each_at_its_line(tmp_path: Path) -> None:
    text = """\
[agent]
id = "Site A"

[broker]
host = "broker"
port = 99999
username = "edge"

[[machine]]
id = "m01"
endpoint = "http://10.0.0.5"
trusted_certificate = "missing.der"
speed = 3

[machine.nodes]
spindle_load = { path = "ACME:Load" }
nonsense = { path = "MT:X" }
feed = { path = "MT:X", scale = "two" }

[[machine]]
id = "m02"
endpoint = "opc.tcp://10.0.0.6:4840"
clock = "guess"
"""
    found = mistakes(tmp_path, text)
    assert "99999" in found[6]
    assert "speed: is not known here" in found[13]
    assert "'two' does not fit" in found[18]
    assert "'guess' does not fit" in found[23]
    mended = (
        text.replace("99999", "8883").replace("speed = 3\n", "").replace('"two"', "2").replace('"guess"', '"trust"')
    )
    found = mistakes(tmp_path, mended)
    assert "'Site A' is no identifier" in found[2]
    assert "ca is missing" in found[4]
    assert "username and password_file go together" in found[4]
    assert "is no endpoint: write opc.tcp://" in found[11]
    assert "there is no file or folder" in found[12]
    assert "add it to [machine.namespaces]" in found[15]
    assert "no signal is called 'nonsense'" in found[16]


def test_mistakes_of_one_machine_do_not_hide_those_of_another(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path, GOOD + '\n[[machine]]\nid = "m02"\nendpoint = 5\n' + GOOD.split("\n\n")[2].replace("10", "x:y@10")
    )
    assert any("does not fit" in what for what in found.values())
    assert any("must not contain a login" in what for what in found.values())


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    assert "broker is missing: add it" in mistakes(tmp_path, '[agent]\nid = "a"\n')[1]


def test_a_file_that_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    assert "is no TOML" in mistakes(tmp_path, "[agent]\nid = \n")[2]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml:1: cannot be read"):
        load(tmp_path / "nothing.toml")


def test_two_machines_of_one_server_share_a_session_and_need_an_identity(tmp_path: Path) -> None:
    second = GOOD.split("\n\n")[2].replace("m01", "m02")
    found = mistakes(tmp_path, GOOD + "\n" + second)
    assert all("has several machines here" in what for what in found.values())
    named = GOOD.replace('id = "m01"\n', 'id = "m01"\nproduct_instance_uri = "urn:1"\n')
    text = f'{named}\n{second.rstrip()}\nproduct_instance_uri = "urn:2"\n'
    (server,) = load(write(tmp_path, text)).servers
    assert [machine.id for machine in server.machines] == ["m01", "m02"]


def test_two_machines_with_one_id_are_refused(tmp_path: Path) -> None:
    second = GOOD.split("\n\n")[2].replace("10.0.0.5", "10.0.0.6")
    assert any("is also the id of machine 1" in what for what in mistakes(tmp_path, f"{GOOD}\n{second}").values())


def test_no_security_is_a_choice_that_excludes_a_certificate(tmp_path: Path) -> None:
    text = GOOD.replace("trusted_certificate", 'security = "none"\ntrusted_certificate')
    assert "has no effect" in mistakes(tmp_path, text)[13]
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("trusted_certificate"))
    assert load(write(tmp_path, plain)).servers[0].policy == "none"


def test_an_empty_password_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    (tmp_path / "secret").chmod(0o600)
    text = GOOD.replace("insecure = true", 'insecure = true\nusername = "a"\npassword_file = "secret"')
    assert "is empty" in mistakes(tmp_path, text)[9]


def test_a_node_map_may_lie_in_a_file_of_its_own_with_its_own_lines(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(
        '[namespaces]\nX = "urn:x"\n\n[nodes]\nfeed = { path = "X:Feed" }\njob = { path = "Y:J" }\n'
    )
    text = GOOD.replace("[machine.namespaces]", 'nodes_file = "map.toml"\n\n[machine.namespaces]')
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    (problem,) = caught.value.problems
    assert (Path(problem.file).name, problem.line) == ("map.toml", 6)
    (tmp_path / "map.toml").write_text('[namespaces]\nX = "urn:x"\n\n[nodes]\nfeed = { path = "X:Feed" }\n')
    (machine,) = load(write(tmp_path, text)).machines
    assert {"feed", "spindle_load"} <= set(machine.nodes)


def test_replays_are_trusted_whatever_their_clock(tmp_path: Path) -> None:
    (machine,) = load(write(tmp_path, GOOD.replace('id = "m01"', 'id = "m01"\nclock = "trust"'))).machines
    assert machine.clock_limit_seconds is None


def test_lines_are_found_in_every_form_of_toml() -> None:
    text = '''\
a = 1
b.c = [
  1, # ]
  2,
]
d = """
e = 3
"""
[f."g h"]
i = { j = "x = y", k = 1 }
[[m]]
[[m]]
n = 1
[m.o]
p = 2
'''
    assert lines_of(text) == {
        ("a",): 1,
        ("b", "c"): 2,
        ("d",): 6,
        ("f", "g h"): 9,
        ("f", "g h", "i"): 10,
        ("f", "g h", "i", "j"): 10,
        ("f", "g h", "i", "k"): 10,
        ("m", 0): 11,
        ("m", 1): 12,
        ("m", 1, "n"): 13,
        ("m", 1, "o"): 14,
        ("m", 1, "o", "p"): 15,
    }
