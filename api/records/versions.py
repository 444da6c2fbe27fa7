"""Versions of records, so that nobody overwrites what somebody else has just changed without noticing. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENTITY_TAG = re.compile(r'"([^"]*)"')
_LENGTH = 16


class ChangedMeanwhileError(Exception):
    """The record is not as the caller last saw it; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("it was changed meanwhile, or is gone: read it again, and make the change to what it is now")


class VersionNeededError(Exception):
    """The caller does not say which version of the record it changes; nothing was changed."""

    def __init__(self) -> None:
        super().__init__("say which version is changed: If-Match with the ETag of the record as it was read")


def version_of(values: Mapping[str, Any]) -> str:
    """Return what is another one as soon as any field of a record is."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


class Guard(NamedTuple):
    """What a record has to be for a change of it to be made (RFC 9110, 13.1).

    Attributes:
        versions: one of these; None when the caller names none.
        is_new: there must be none yet.
        is_needed: the caller has to say what it changes: a person, who looked at it before.
    """

    versions: frozenset[str] | None = None
    is_new: bool = False
    is_needed: bool = False

    def check(self, present: Mapping[str, Any] | None) -> None:
        """Refuse the change where the record is not as the caller believes.

        Args:
            present: the record as it is now, None when there is none.

        Raises:
            ChangedMeanwhileError: it is another one by now.
            VersionNeededError: the caller has to name a version, and does not.
        """
        if self.is_new and present is not None:
            raise ChangedMeanwhileError
        if self.versions is None:
            if self.is_needed and not self.is_new and present is not None:
                raise VersionNeededError
            return
        if present is None or not ({version_of(present), "*"} & self.versions):
            raise ChangedMeanwhileError


ANYHOW = Guard()
"""Whatever is there is replaced: for commands, imports and programs that own what they write."""


def guard_of(if_match: str | None, if_none_match: str | None, *, is_needed: bool) -> Guard:
    """Read the headers of a request.

    Args:
        if_match: value of If-Match.
        if_none_match: value of If-None-Match; only `*` asks for anything.
        is_needed: see `Guard`.
    """
    is_new = if_none_match is not None and if_none_match.strip() == "*"
    if if_match is None:
        return Guard(None, is_new, is_needed)
    tags = {"*"} if if_match.strip() == "*" else {*_ENTITY_TAG.findall(if_match)}
    return Guard(frozenset(tags), is_new, is_needed)
