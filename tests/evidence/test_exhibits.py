"""Collecting a moment: the hash is of the picture shown, and what cannot be read is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence.exhibiting import AROUND_S, Moment, collect
from indexer.pictures import picture_of
from storage.access import access_of
from storage.cases import open_case
from storage.clock import US, rfc3339
from storage.errors import Conflict, Invalid, NotFound
from storage.exhibits import Added
from storage.reading import footage
from storage.rights import Verb
from storage.vocabulary import Actor, Segment
from tests.storage.media import START_US, CommandLine, House, new_house

ME = Actor("the test")
AT_US = START_US + 300_000


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """With a clock that stands still."""
    made = new_house(tmp_path / "data", START_US + 60 * US)
    yield made
    made.directory.close()


@pytest.fixture
def kept(house: House) -> Segment:
    row = house.segment("gate")
    with house.ledger.write() as tx:
        open_case(tx, "A-1", "thefts", "admin", house.clock.now)
    return row


def collected(house: House, **facts: Any) -> Added:
    moment = Moment("A-1", "gate", **facts)
    return collect(
        house.directory, lambda tx: access_of(tx, "the test", house.clock.now), ME, moment
    )


def test_the_hash_is_of_the_picture_on_screen_then(house: House, kept: Segment) -> None:
    one = collected(house, at_us=AT_US, box=(0, 0, 4, 4)).exhibit
    shown = picture_of(footage(house.directory, kept.id, ME, Verb.PLAY), AT_US)
    assert one.still is not None
    assert one.still.sha256 == hashlib.sha256(shown.rgb.tobytes()).hexdigest()
    assert (one.still.at_us, one.still.segment_id) == (shown.ts_us, kept.id)
    assert one.still.box == (0, 0, 4, 4)
    assert (one.span.start_us, one.span.end_us) == (
        AT_US - AROUND_S * US, AT_US + AROUND_S * US
    )  # fmt: skip
    later = collected(house, from_us=START_US, to_us=START_US + 500_000, at_us=AT_US + 100_000)
    assert later.exhibit.still is not None
    assert later.exhibit.still.sha256 != one.still.sha256
    assert later.overlaps == (one.id,)


def test_footage_that_cannot_be_decoded_is_collected_without_a_picture(
    house: House, kept: Segment
) -> None:
    path = house.directory.archive.media(kept).path
    path.chmod(0o600)
    path.write_bytes(b"\0" * kept.size_bytes)
    added = collected(house, at_us=AT_US)
    assert added.exhibit.still is None
    assert not added.may_expire


@pytest.mark.parametrize(
    ("facts", "kind"),
    [({"at_us": AT_US, "box": (0, 0, 9999, 4)}, Invalid), ({}, Invalid), ({"at_us": 1}, NotFound),
     ({"at_us": AT_US, "box": (-1, 0, 4, 4)}, Invalid), ({"from_us": START_US}, Invalid),
     ({"from_us": START_US, "to_us": START_US + 9, "at_us": START_US + 10}, Invalid)],
)  # fmt: skip
def test_what_is_no_moment_is_refused(
    house: House, kept: Segment, facts: dict[str, int], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        collected(house, **facts)


def test_at_the_command_line_from_case_to_report(
    house: House, kept: Segment, hindsight: CommandLine
) -> None:
    add = ("exhibit", "add", "--case", "A-1", "--camera", "gate", "--at", rfc3339(AT_US))
    told = json.loads(hindsight(*add, "--note", "a bicycle", "--json").out)
    assert told["camera"] == "gate"
    assert told["hold"] is not None
    assert told["still"]["sha256"]
    again = hindsight(*add)
    assert again.code == Conflict.exit_code
    number = str(told["id"])
    hindsight("exhibit", "note", number, "--text", "it is red")
    hindsight("exhibit", "remove", number, "--reason", "another one")
    shown = json.loads(hindsight("case", "show", "A-1", "--json").out)
    (one,) = shown["exhibits"]
    assert [note["text"] for note in one["notes"]] == ["a bicycle", "it is red"]
    assert one["remove_reason"] == "another one"
    assert shown["holds"][0]["id"] == told["hold"]
    closed = hindsight("case", "close", "A-1")
    assert "1 holds stay" in closed.out
