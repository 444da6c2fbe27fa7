"""The rules and the class map that come with the product, and an owner's files beside them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from api.maintenance.conditions import Class, parse_classes
from api.maintenance.rules import Rule, RuleError, parse_rules

if TYPE_CHECKING:
    from pathlib import Path

_DATA = files("api.maintenance") / "data"


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """Return the default set: useful on the day a machine is added."""
    return parse_rules((_DATA / "default.toml").read_text(encoding="utf-8"), origin="default.toml")


@cache
def shipped_classes() -> tuple[Class, ...]:
    """Return the class map of the controls' alarms."""
    return parse_classes((_DATA / "classes.toml").read_text(encoding="utf-8"), origin="classes.toml")


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the default set with an owner's changes and additions.

    Raises:
        RuleError: when the file cannot be read or used; the sentence names it.
    """
    return parse_rules(_text(path), origin=str(path), base=shipped_rules())


def read_classes(path: Path) -> tuple[Class, ...]:
    """Return an owner's classes, which come before those of the product.

    Raises:
        RuleError: when the file cannot be read or used; the sentence names it.
    """
    return (*parse_classes(_text(path), origin=str(path)), *shipped_classes())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{path} cannot be read: {error}") from error
