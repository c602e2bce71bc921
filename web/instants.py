"""Instants as they stand in addresses."""

from __future__ import annotations

from flask import request

from storage.clock import parse_time


def instant(name: str) -> int:
    """What `name` says: UTC microseconds, or RFC 3339. Invalid: it is none, or lacks its zone."""
    text = request.args.get(name, "")
    if text.isdecimal() and len(text) <= 17:
        return int(text)
    return parse_time(text)
