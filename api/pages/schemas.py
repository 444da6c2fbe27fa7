"""What a browser sends to the pages."""

from __future__ import annotations

from urllib.parse import parse_qs

KEY_MAX = 200
"""Longest key that is looked at, in characters."""


def read_key(body: bytes) -> str:
    """Read the key out of the sign-in form; empty when there is none."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=4)
    except ValueError:
        return ""
    return fields.get("key", [""])[0].strip()[:KEY_MAX]
