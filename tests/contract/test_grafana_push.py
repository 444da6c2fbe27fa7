"""`officina dashboards push` and `diff` against recorded answers of Grafana's API, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dashboards.cli import app
from dashboards.publish import GrafanaRefusedError, GrafanaUnavailableError
from shopfloor.settings import write_secret
from tests.services.grafana import TOKEN, Recorded, recorded_grafana
from tests.services.stores import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typer.testing import Result

STORE_TOKEN = "a-reader's-token"  # noqa: S105 - of tests
SETTINGS = """
[grafana]
url = "{url}"
token_file = "grafana-token"
{more}
[store]
url = "http://influxdb:8086"
token_file = "store-token"
[metrics]
url = "http://prometheus:9090"
"""
BOARDS = {f"officina-{name}" for name in ("plant", "machine", "usage", "maintenance", "fleet", "platform")}


@pytest.fixture
def served() -> Iterator[tuple[str, Recorded]]:
    with recorded_grafana() as served:
        yield served


@pytest.fixture
def grafana(served: tuple[str, Recorded], tmp_path: Path) -> Recorded:
    url, held = served
    configure(tmp_path, url)
    return held


def configure(folder: Path, url: str, *, more: str = "", token: str = TOKEN) -> None:
    write_secret(folder / "grafana-token", token)
    write_secret(folder / "store-token", STORE_TOKEN)
    (folder / "dashboards.toml").write_text(SETTINGS.format(url=url, more=more))


def run(folder: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(app, [*arguments, "--config", str(folder / "dashboards.toml")])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert TOKEN not in result.output
    assert STORE_TOKEN not in result.output
    return result


def test_the_first_push_makes_everything(grafana: Recorded, tmp_path: Path) -> None:
    result = run(tmp_path, "push")

    assert result.exit_code == 0
    assert set(grafana.boards) == BOARDS
    assert {kept["folderUid"] for kept in grafana.boards.values()} == {"officina"}
    assert set(grafana.sources) == {"officina-store", "officina-metrics"}
    assert grafana.sources["officina-store"]["secureJsonData"] == {"httpHeaderValue1": f"Token {STORE_TOKEN}"}
    assert "9 changed." in result.output


def test_a_second_push_writes_nothing(grafana: Recorded, tmp_path: Path) -> None:
    run(tmp_path, "push")
    grafana.requests.clear()

    result = run(tmp_path, "push")

    assert grafana.writes == []
    assert "Nothing to change." in result.output


def test_diff_writes_nothing_and_tells_by_its_exit_code(grafana: Recorded, tmp_path: Path) -> None:
    before = run(tmp_path, "diff")
    assert (before.exit_code, grafana.writes) == (1, [])
    assert "create   board officina-plant" in before.output
    run(tmp_path, "push")

    assert run(tmp_path, "diff").exit_code == 0


def test_a_board_edited_by_hand_is_shown_and_set_right(grafana: Recorded, tmp_path: Path) -> None:
    run(tmp_path, "push")
    grafana.boards["officina-plant"]["dashboard"]["panels"][0]["title"] = "Mine"
    grafana.boards["officina-fleet"]["dashboard"]["panels"].pop()
    grafana.requests.clear()

    shown = run(tmp_path, "diff").output
    assert 'panels[0].title: "Mine" → "Stato"' in shown
    assert "change   board officina-fleet" in shown

    run(tmp_path, "push")
    assert grafana.writes == [("POST", "/api/dashboards/db")] * 2
    assert grafana.boards["officina-plant"]["dashboard"]["panels"][0]["title"] == "Stato"


def test_the_folder_is_not_for_viewers_and_keeps_what_was_granted_by_hand(grafana: Recorded, tmp_path: Path) -> None:
    run(tmp_path, "push")
    assert [each.get("role", "creator") for each in grafana.permissions["officina"]] == ["Editor", "creator"]

    grafana.permissions["officina"] += [
        {"role": "Viewer", "permission": 1, "inherited": False},
        {"teamId": 3, "userId": 0, "permission": 1, "inherited": False},
    ]
    assert "Viewer: may see it" in run(tmp_path, "push").output
    assert [each.get("role") or "other" for each in grafana.permissions["officina"]] == ["Editor", "other", "other"]
    assert grafana.permissions["officina"][-1]["teamId"] == 3


def test_viewers_see_the_boards_where_all_of_them_are_staff(served: tuple[str, Recorded], tmp_path: Path) -> None:
    url, held = served
    configure(tmp_path, url, more="viewers_are_staff = true")
    run(tmp_path, "push")
    assert "Viewer" in {each.get("role") for each in held.permissions["officina"]}


def test_a_board_that_was_saved_meanwhile_is_saved_on_top_of_it(grafana: Recorded, tmp_path: Path) -> None:
    run(tmp_path, "push")
    grafana.boards["officina-plant"]["dashboard"]["title"] = "Mine"
    grafana.saved_meanwhile = ["officina-plant"]

    assert run(tmp_path, "push").exit_code == 0
    assert grafana.boards["officina-plant"]["dashboard"]["title"] == "Officina: reparto"
    assert grafana.boards["officina-plant"]["dashboard"]["version"] == 3


def test_a_board_that_is_saved_again_and_again_is_left_with_a_reason(grafana: Recorded, tmp_path: Path) -> None:
    run(tmp_path, "push")
    grafana.boards["officina-plant"]["dashboard"]["title"] = "Mine"
    grafana.saved_meanwhile = ["officina-plant"] * 2
    with pytest.raises(GrafanaRefusedError, match=r"412: The dashboard has been changed by someone else"):
        run(tmp_path, "push")


def test_a_folder_made_meanwhile_is_taken(grafana: Recorded, tmp_path: Path) -> None:
    run(tmp_path, "push")
    missing = (404, b'{"message":"folder not found"}')
    grafana.folders["officina"]["title"] = "Another"
    refused = grafana.answer("POST", "/api/folders", {"uid": "officina", "title": "Officina"})
    assert refused[0] == 412
    original, first = grafana.answer, [True]

    def answer(method: str, target: str, body: object) -> tuple[int, object]:
        if (method, target) == ("GET", "/api/folders/officina") and first:
            first.clear()
            return missing[0], {"message": "folder not found"}
        return original(method, target, body)

    grafana.answer = answer  # type: ignore[method-assign]
    assert run(tmp_path, "push").exit_code == 0
    assert grafana.folders["officina"]["title"] == "Officina"


def test_another_data_source_of_our_name_is_a_sentence(grafana: Recorded, tmp_path: Path) -> None:
    grafana.sources["foreign"] = {"uid": "foreign", "name": "Officina", "type": "influxdb"}
    with pytest.raises(GrafanaRefusedError, match="another data source is called 'Officina': rename it"):
        run(tmp_path, "push")


def test_a_board_that_is_no_longer_made_goes_and_a_foreign_one_stays(grafana: Recorded, tmp_path: Path) -> None:
    run(tmp_path, "push")
    ours: dict[str, Any] = {"uid": "officina-old", "title": "Old", "tags": ["managed-by:officina"], "version": 1}
    theirs: dict[str, Any] = {"uid": "theirs", "title": "Theirs", "tags": ["shop"], "version": 1}
    grafana.boards |= {each["uid"]: {"dashboard": each, "folderUid": "officina"} for each in (ours, theirs)}

    assert "remove   board officina-old" in run(tmp_path, "push").output
    assert set(grafana.boards) == BOARDS | {"theirs"}


def test_a_wrong_token_is_a_sentence_without_the_token(served: tuple[str, Recorded], tmp_path: Path) -> None:
    configure(tmp_path, served[0], token="glsa_wrong")  # noqa: S106 - of tests
    with pytest.raises(GrafanaRefusedError, match="401: the token or password is not valid") as refused:
        run(tmp_path, "push")
    assert "glsa_wrong" not in str(refused.value)
    assert served[1].writes == []


def test_a_token_that_may_not_write_is_told_the_role_it_needs(grafana: Recorded, tmp_path: Path) -> None:
    grafana.answers["POST", "/api/folders"] = (403, b'{"message":"You\'ll need additional permissions"}')
    with pytest.raises(GrafanaRefusedError, match="role Admin"):
        run(tmp_path, "push")


def test_a_grafana_that_is_open_to_everybody_gets_nothing(grafana: Recorded, tmp_path: Path) -> None:
    grafana.anonymous = True
    with pytest.raises(GrafanaRefusedError, match=r"auth\.anonymous\.enabled = false"):
        run(tmp_path, "push")
    assert grafana.writes == []


@pytest.mark.parametrize("version", ["10.4.2", "14.0.0", ""])
def test_another_version_is_warned_of(grafana: Recorded, tmp_path: Path, version: str) -> None:
    grafana.version = version
    assert "made for 11 to 13" in run(tmp_path, "push").output
    assert set(grafana.boards) == BOARDS


@pytest.mark.parametrize("version", ["11.0.0", "13.3.1"])
def test_a_version_that_the_boards_are_made_for_is_not(grafana: Recorded, tmp_path: Path, version: str) -> None:
    grafana.version = version
    assert "Warning" not in run(tmp_path, "push").output


def test_what_was_provisioned_from_files_is_not_pushed_over(grafana: Recorded, tmp_path: Path) -> None:
    run(tmp_path, "push")
    grafana.boards["officina-plant"]["provisioned"] = True
    assert run(tmp_path, "push").exit_code == 0
    grafana.boards["officina-plant"]["dashboard"]["title"] = "Mine"
    with pytest.raises(GrafanaRefusedError, match="provisioned from a file"):
        run(tmp_path, "push")
    grafana.sources["officina-store"] |= {"readOnly": True, "url": "http://elsewhere:8086"}
    with pytest.raises(GrafanaRefusedError, match="data source officina-store was provisioned"):
        run(tmp_path, "diff")


def test_a_secret_is_sent_again_only_when_asked_for(grafana: Recorded, tmp_path: Path) -> None:
    run(tmp_path, "push")
    write_secret(tmp_path / "store-token", "another")
    assert "Nothing to change." in run(tmp_path, "push").output

    run(tmp_path, "push", "--renew-secrets")
    assert grafana.sources["officina-store"]["secureJsonData"] == {"httpHeaderValue1": "Token another"}


def test_a_store_that_grafana_does_not_reach_is_warned_of(grafana: Recorded, tmp_path: Path) -> None:
    path = "/api/datasources/uid/officina-store/health"
    grafana.answers["GET", path] = (400, b'{"message":"error performing influxQL query","status":"ERROR"}')
    result = run(tmp_path, "push")
    assert result.exit_code == 0
    assert "Warning: data source officina-store" in result.output
    assert "error performing influxQL query" in result.output


@pytest.mark.parametrize(
    ("status", "body"),
    [(502, b"<html>a message of the proxy</html>"), (500, b'"no object"'), (503, b"null")],
)
def test_a_refusal_that_is_no_object_is_still_a_sentence(
    grafana: Recorded, tmp_path: Path, status: int, body: bytes
) -> None:
    grafana.answers["GET", "/api/health"] = (status, body)
    with pytest.raises(GrafanaRefusedError, match=f"with {status}"):
        run(tmp_path, "push")


def test_a_page_in_place_of_an_answer_is_not_taken_for_one(grafana: Recorded, tmp_path: Path) -> None:
    grafana.answers["GET", "/api/health"] = (200, b"<html>Sign in</html>")
    with pytest.raises(GrafanaUnavailableError, match="is this the address of Grafana"):
        run(tmp_path, "push")


def test_a_redirection_is_not_followed_with_the_token(grafana: Recorded, tmp_path: Path) -> None:
    grafana.answers["GET", "/api/health"] = (302, b"http://127.0.0.1:9/")
    with pytest.raises(GrafanaUnavailableError, match="redirect"):
        run(tmp_path, "push")


def test_nobody_at_the_address_is_a_sentence(tmp_path: Path) -> None:
    configure(tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(GrafanaUnavailableError, match="does not answer"):
        run(tmp_path, "diff")
