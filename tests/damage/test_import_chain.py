"""Imports beside a live recording: a chain of their own, holes they fill, copies that broke off."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recorder.intake import Declaration, import_file
from recorder.probe import Probed, Prober
from storage import timeline
from storage.check import check
from storage.durable import HashingFile
from storage.findings import Level
from storage.fragments import Facts, facts_tags
from storage.vocabulary import Actor, ClockSource, GapCause, Segment
from tests.storage.media import HOUR_US, START_US, US, House, avi_media, live_media

ACTOR = Actor("the operator")


def clip(folder: Path, name: str = "clip.avi", seconds: int = 2) -> tuple[Path, Probed]:
    """A file somebody brings, and what it is."""
    path = folder / name
    path.write_bytes(avi_media(seconds))
    with Prober() as prober:
        return path, prober.look(path)


def brought(house: House, one: tuple[Path, Probed], start_us: int, name: str = "gate") -> Segment:
    return import_file(house.directory, *one, Declaration(name, start_us), ACTOR)


def whats(house: House) -> list[str]:
    return [f.what() for f in check(house.directory, Level.HASH)]


def test_an_import_that_comes_while_a_segment_is_open_forks_nothing(
    house: House, tmp_path: Path
) -> None:
    file = clip(tmp_path)
    first = house.segment("gate", START_US)
    one = brought(house, file, START_US + 600 * US)
    second = house.segment("gate", START_US + 2 * US)  # open all the while
    other = brought(house, file, START_US + 1200 * US)
    assert second.prev_sha256 == first.sha256
    assert (one.prev_sha256, other.prev_sha256) == (None, one.sha256)
    house.expect("gate", START_US, second.end_us)
    assert whats(house) == []


def test_imports_at_the_same_time_stand_in_one_line(house: House, tmp_path: Path) -> None:
    files = [clip(tmp_path, f"{n}.avi", 1 + n % 3) for n in range(9)]
    with ThreadPoolExecutor(3) as pool:
        rows = list(
            pool.map(lambda n: brought(house, files[n], START_US + n * 60 * US), range(9))
        )  # fmt: skip
    rows.sort(key=lambda row: row.id)
    assert [row.prev_sha256 for row in rows] == [None, *(row.sha256 for row in rows[:-1])]
    assert whats(house) == []


def test_an_import_into_a_gap_ends_the_gap_where_it_begins(house: House, tmp_path: Path) -> None:
    camera = house.camera("gate")
    house.expect("gate", START_US, START_US + HOUR_US)
    with house.ledger.write() as tx:
        timeline.add_gap(tx, camera.id, START_US, START_US + HOUR_US, GapCause.CONNECT_FAILED, "x")
    row = brought(house, clip(tmp_path), START_US + 60 * US)
    with house.ledger.read() as tx:
        gaps = [(gap.start_us, gap.end_us, gap.detail) for gap in timeline.gaps(tx)]
    assert gaps == [(START_US, row.start_us, "x"), (row.end_us, START_US + HOUR_US, "x")]
    assert whats(house) == []


def test_a_lasting_gap_goes_on_after_an_import(house: House, tmp_path: Path) -> None:
    camera = house.camera("gate")
    house.expect("gate", START_US)
    with house.ledger.write() as tx:
        timeline.open_gap(tx, camera.id, START_US, GapCause.SHUTDOWN)
    row = brought(house, clip(tmp_path), START_US + 60 * US)
    with house.ledger.read() as tx:
        gaps = [(gap.start_us, gap.end_us) for gap in timeline.gaps(tx)]
    assert gaps == [(START_US, row.start_us), (row.end_us, None)]


def test_a_copy_that_broke_off_is_not_said_to_be_adopted(house: House) -> None:
    root = house.directory.archive.volume("main").root
    (root / "gate").mkdir()
    (root / "gate" / "half.avi.open").write_bytes(avi_media(2)[:500])
    facts = Facts(
        segment="01J0000000000000000000000A", camera="gate", start_us=START_US, prev_sha256=None,
        clock_source=ClockSource.RTCP, clock_error_us=1, first_pts=0, time_base="1/90000",
        created_us=START_US,
    )  # fmt: skip
    (root / "gate" / "live.mp4.open").write_bytes(live_media(2, facts_tags(facts))[:-9])
    found = {f.path: f.what() for f in check(house.directory, Level.PRESENCE)}
    assert "import the original again" in found["gate/half.avi.open"]
    assert "`hindsight record` adopts it" in found["gate/live.mp4.open"]


def test_a_copy_being_made_is_not_listed(house: House) -> None:
    root = house.directory.archive.volume("main").root
    with HashingFile(root / "gate" / "coming.avi") as copy:
        copy.write(b"half")
        assert whats(house) == []
