"""What every board keeps to, whatever it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from api.pages import words as pages
from dashboards.boards import Style, boards
from dashboards.panels import WIDTH
from dashboards.words import COLOURS, STATES, TAG, TOKENS
from shopfloor.states import State

ROOT = Path(__file__).resolve().parents[3]
STYLES = [Style("it", "light"), Style("en", "night", "Europe/London")]
BOARDS = [board for style in STYLES for board in boards(style, metrics=True)]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = board["panels"]
    return found


def test_the_same_settings_make_the_same_boards() -> None:
    assert json.dumps(boards(STYLES[0], metrics=True)) == json.dumps(boards(STYLES[0], metrics=True))


def test_each_board_has_an_identifier_of_its_own_and_our_mark() -> None:
    uids = [board["uid"] for board in boards(STYLES[0], metrics=True)]
    assert len(set(uids)) == len(uids) == 6
    assert all(board["tags"] == [TAG] and board["uid"].startswith("officina-") for board in BOARDS)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["title"])
def test_no_panel_lies_upon_another_or_beyond_the_edge(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(board):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= WIDTH
        assert not taken & cells
        taken |= cells
    assert len({panel["id"] for panel in panels(board)}) == len(panels(board))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["title"])
def test_gaps_are_drawn_as_gaps(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] in {"timeseries", "state-timeline"}:
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False, panel["title"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["title"])
def test_every_question_names_our_own_data_source(board: dict[str, Any]) -> None:
    for panel in panels(board):
        for target in panel.get("targets", ()):
            assert target["datasource"] == panel["datasource"]
            assert target["datasource"]["uid"] in {"officina-store", "officina-metrics"}


def test_states_are_called_as_on_the_pages() -> None:
    for language in pages.LANGUAGES:
        say = pages.words_of(language)
        known = {state: say(word) for state, word in pages.STATES.items() if state is not State.UNKNOWN}
        assert STATES[language] == known


@pytest.mark.parametrize("theme", ["light", "night"])
def test_states_have_the_colours_of_the_pages(theme: Any) -> None:
    text = (ROOT / "api/pages/static/tokens.css").read_text()
    [block] = re.findall(r'^\[data-theme="' + theme + r'"\] \{(.*?)^\}', text, re.MULTILINE | re.DOTALL)
    tokens = dict(re.findall(r"(--[a-z0-9-]+): *(#[0-9A-F]{6})", block))

    def middle(names: str) -> str:
        chosen = [tokens[name][1:] for name in names.split()]
        channels = zip(*([int(each[at : at + 2], 16) for at in (0, 2, 4)] for each in chosen), strict=True)
        return "#" + "".join(f"{(sum(each) + len(each) - 1) // len(each):02X}" for each in channels)

    assert {of: middle(names) for of, names in TOKENS.items()} == dict(COLOURS[theme])


def test_a_board_speaks_one_language() -> None:
    italian, english = (json.dumps(boards(style, metrics=True), ensure_ascii=False) for style in STYLES)
    assert "In lavorazione" in italian
    assert "In lavorazione" not in english
    assert "Running" not in italian
