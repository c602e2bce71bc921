"""What a kill left behind is found, and says no more than is so."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from sqlalchemy import delete

from recorder.closing import adopt_leftovers
from storage import schema
from storage.durable import OPEN_SUFFIX
from storage.vocabulary import Segment
from tests.recorder.shift import Shift
from tests.recorder.test_segmenter import make_stream
from tests.storage.media import DAY_US, START_US, House


def forget(house: House, row: Segment) -> None:
    with house.ledger.write() as tx:
        tx.execute(delete(schema.segment).where(schema.segment.c.id == row.id))


def test_segment_whose_row_was_lost_ends_where_the_next_begins(
    house: House, tmp_path: Path
) -> None:
    house.directory.settings = house.directory.settings.model_validate(
        {
            "recorder": {"segment_s": 5, "fragment_s": 1},
            "retention": {"free_floor_bytes": 0},
        }
    )
    clip = tmp_path / "small.ts"
    make_stream(clip, (160, 120), 0)
    shift = Shift(house, (clip, clip), rate_ppm=-400)  # so that each segment ends 2 ms early
    shift.pictures(80)
    shift.settle()
    shift.word("ledger busy")
    shift.pictures(80)
    shift.process_lost(3, torn_bytes=0)
    rows = sorted(house.rows(), key=lambda row: row.start_us)
    assert [row.recovered for row in rows] == [False, True, True]
    assert all(one.end_us == two.start_us for one, two in pairwise(rows))


def test_unfinished_file_of_a_volume_that_was_away_for_days_is_adopted(house: House) -> None:
    row = house.segment("gate", START_US)
    path = house.file(row)
    path.rename(path.with_name(path.name + OPEN_SUFFIX))
    forget(house, row)
    newer = house.segment("gate", START_US + 9 * DAY_US)
    house.file(newer).unlink()  # it lies on another volume
    house.file(newer).parent.rmdir()
    house.file(newer).parent.parent.rmdir()
    volume = house.directory.archive.volume("main")
    [adopted] = adopt_leftovers(house.directory, house.camera(), volume)
    assert (adopted.id, adopted.sha256) == (row.id, row.sha256)


def test_published_file_of_the_day_before_gets_its_row(house: House) -> None:
    row = house.segment("gate", START_US)
    forget(house, row)
    house.segment("gate", START_US + DAY_US)
    volume = house.directory.archive.volume("main")
    assert [found.id for found in adopt_leftovers(house.directory, house.camera(), volume)] == [
        row.id
    ]
