"""Segment rows: half-open spans, neighbours, the chain's head, tombstones apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import segments
from storage.errors import NotFound
from storage.vocabulary import SegmentState
from tests.storage.media import START_US, US, House


def test_spans_are_half_open(house: House) -> None:
    first, second, third = house.footage()
    with house.ledger.read() as tx:

        def ids(from_us: int | None, to_us: int | None) -> list[str]:
            return [s.id for s in segments.segments(tx, from_us=from_us, to_us=to_us)]

        assert ids(first.end_us, second.end_us) == [second.id]
        assert ids(first.end_us - 1, second.end_us + 1) == [first.id, second.id, third.id]
        assert ids(third.end_us, None) == []
        assert segments.segment_at(tx, first.camera_id, first.end_us) == second
        assert segments.segment_at(tx, first.camera_id, first.end_us - 1) == first
        assert segments.segment_at(tx, first.camera_id, third.end_us) is None


def test_neighbours_lead_over_gaps(house: House) -> None:
    first = house.segment("gate", START_US)
    second = house.segment("gate", START_US + 60 * US)
    with house.ledger.read() as tx:
        key = first.camera_id
        assert segments.neighbours(tx, key, START_US + 30 * US) == (first, second)
        assert segments.neighbours(tx, key, START_US - 1) == (None, first)
        assert segments.neighbours(tx, key, second.start_us) == (second, None)


def test_the_chain_goes_through_tombstones(house: House) -> None:
    first, second = house.footage(count=2)
    assert second.prev_sha256 == first.sha256
    with house.ledger.write() as tx:
        segments.expire(tx, [first.id, second.id], "class_3_days = 30", 1)
        assert segments.expire(tx, [first.id], "again", 2) == 0  # a tombstone stays as it is
        last = segments.last_segment(tx, first.camera_id)
        assert last is not None
        assert (last.id, last.expired_rule) == (second.id, "class_3_days = 30")
        assert segments.segments(tx) == []
        assert len(segments.segments(tx, state=SegmentState.EXPIRED)) == 2
        assert segments.known_paths(tx, "main") == {first.path, second.path}
        assert segments.follower(tx, first.camera_id, first.sha256) is not None


def test_a_walk_in_pages_sees_every_row_once(house: House) -> None:
    rows = house.footage(count=7)
    pages = list(segments.pages(house.ledger, size=3))
    assert [len(page) for page in pages] == [3, 3, 1]
    assert {row.id for page in pages for row in page} == {row.id for row in rows}


def test_two_rows_never_share_a_file(house: House) -> None:
    segment = house.segment()
    with pytest.raises(Exception, match="UNIQUE"), house.ledger.write() as tx:
        segments.insert_segment(tx, replace(segment, id="0" * 26))


def test_an_unknown_segment_is_named(house: House) -> None:
    with house.ledger.read() as tx, pytest.raises(NotFound, match="01NONE"):
        segments.segment(tx, "01NONE")
