"""Errors: one line, both languages, and a table in which no two kinds share a code."""

from __future__ import annotations

import pickle

from storage.errors import KINDS, HindsightError, NotFound


def test_every_kind_has_its_own_exit_code_and_name() -> None:
    assert sorted(kind.exit_code for kind in KINDS) == list(range(3, 11))
    assert len({kind.kind for kind in KINDS}) == len(KINDS)
    assert all(400 <= kind.http_status < 600 for kind in KINDS)
    assert all((kind.__doc__ or "").strip() for kind in (*KINDS, HindsightError))


def test_a_message_is_one_line_in_either_language() -> None:
    error = NotFound("segment {segment} is not in the ledger", segment="a\nb")
    assert error.text("en") == str(error) == "segment a b is not in the ledger"
    assert error.text("zh") == "台账中没有录像片段 a b"


def test_braces_in_a_value_are_no_fields() -> None:
    error = NotFound("segment {segment} is not in the ledger", segment="{camera}")
    assert "{camera}" in error.text("zh")


def test_an_error_survives_the_way_to_another_process() -> None:
    error = NotFound("segment {segment} is not in the ledger", segment="x")
    assert pickle.loads(pickle.dumps(error)).text("zh") == error.text("zh")
