"""`hindsight index --deep`: says its cost, adds rows to what is indexed, and may be run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from storage import generations, segments
from storage.clock import US, rfc3339
from storage.lake import read_part
from storage.register import add_camera
from storage.vocabulary import Segment
from tests.indexer.clips import START_US, Archive, Clip, numbered_picture, steady, write_clip
from tests.indexer.conftest import CommandLine

MINUTE_US = 60 * US


def window(from_us: int, to_us: int, camera: str = "gate") -> tuple[str, ...]:
    return (
        "index", "--deep", "--camera", camera, "--from", rfc3339(from_us), "--to", rfc3339(to_us),
    )  # fmt: skip


def rows(archive: Archive) -> list[dict[str, Any]]:
    """All rows that count."""
    found = []
    with archive.directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
        assert generation is not None
        parts = generations.live_parts(tx, generation.id)
    for part, live in parts.items():
        table, _ = read_part(archive.directory.lake, part, generation)
        found += [row for row in table.to_pylist() if row["segment_id"] in live]
    return found


def deep_times(archive: Archive, segment: Segment) -> set[int]:
    """Seconds after its begin of the pictures that the deep re-scan added."""
    return {
        round((row["ts_us"] - segment.start_us) / US)
        for row in rows(archive)
        if row["deep"] and row["segment_id"] == segment.id
    }


@pytest.fixture
def three(archive: Archive, short_clip: Path, hindsight: CommandLine) -> list[Segment]:
    """Three indexed segments, a minute apart."""
    made = [archive.put(short_clip, START_US + i * MINUTE_US) for i in range(3)]
    assert hindsight.json("index")["segments"] == 3
    return made


ALL = (START_US, START_US + 10 * MINUTE_US)


def test_an_order_that_is_not_whole_is_refused_before_anything_is_done(
    archive: Archive, hindsight: CommandLine
) -> None:
    start, end = rfc3339(START_US), rfc3339(START_US + MINUTE_US)
    for words, code, part in [
        ((), 4, "needs --camera"),
        (("--camera", "gate"), 4, "needs --camera"),
        (("--camera", "gate", "--from", start), 4, "needs --camera"),
        (("--from", start, "--to", end), 4, "needs --camera"),
        (("--camera", "gate", "--from", end, "--to", start), 4, "--from must be before --to"),
        (("--camera", "gate", "--from", start, "--to", start), 4, "--from must be before --to"),
        (("--camera", "gate", "--from", "yesterday", "--to", end), 4, "yesterday"),
        (("--camera", "nowhere", "--from", start, "--to", end), 3, "nowhere is not registered"),
        (("--camera", "gate", "--from", start, "--to", end), 3, "nothing is indexed yet"),
    ]:
        said = hindsight("index", "--deep", *words)
        assert (said.code, said.out, said.err.count("\n")) == (code, "", 1), words
        assert part in said.err
    for word in ("--again", "--dry-run"):
        assert hindsight("index", word).code == 4


def test_a_window_in_which_nothing_is_kept_is_said(
    archive: Archive, three: list[Segment], hindsight: CommandLine
) -> None:
    said = hindsight(*window(START_US - MINUTE_US, START_US))
    assert (said.code, said.err.count("\n")) == (3, 1)
    assert "no footage of these cameras" in said.err
    with archive.directory.ledger.write() as tx:
        segments.expire(tx, [three[1].id], "class 3: 30 days", START_US)
        add_camera(tx, name="yard", url=None, created_us=START_US)
    assert hindsight(*window(three[1].start_us, three[1].end_us)).code == 3
    assert hindsight(*window(*ALL, camera="yard")).code == 3


def test_the_cost_comes_first_and_a_dry_run_writes_nothing(
    archive: Archive, three: list[Segment], hindsight: CommandLine
) -> None:
    before, files = rows(archive), sorted(archive.directory.lake.rglob("*"))
    said = hindsight(*window(*ALL), "--dry-run")
    assert said.code == 0
    assert said.out.startswith("deep re-scan of 3 segments")
    found = hindsight.json(*window(*ALL), "--dry-run")
    assert found["cost"]["segments"] == 3
    assert found["cost"]["most_s"] > 0
    assert (found["segments"], found["vectors"]) == (0, 0)
    assert rows(archive) == before
    assert sorted(archive.directory.lake.rglob("*")) == files
    done = hindsight.json(*window(*ALL))
    # What was said is what it took: no picture more, no vector more.
    assert done["pictures"] == found["cost"]["pictures"] == 36
    assert 0 < done["vectors"] <= found["cost"]["most_vectors"]


def test_its_rows_are_marked_and_come_beside_those_of_the_ordinary_pass(
    archive: Archive, three: list[Segment], hindsight: CommandLine
) -> None:
    before = rows(archive)
    assert not any(row["deep"] for row in before)
    done = hindsight.json(*window(*ALL))
    after = rows(archive)
    deep = [row for row in after if row["deep"]]
    assert [row for row in after if not row["deep"]] == before
    assert done["segments"] == 3
    assert len(deep) == done["vectors"]
    boxes = {(row["x"], row["y"], row["w"], row["h"]) for row in deep if row["kind"] == "region"}
    assert len(boxes) > 1
    assert all(x >= 0 and x + w <= 312 and y >= 0 and y + h <= 176 for x, y, w, h in boxes)


def test_it_may_be_run_again_and_does_only_what_is_left(
    archive: Archive, three: list[Segment], hindsight: CommandLine
) -> None:
    first = hindsight.json(*window(START_US, START_US + MINUTE_US))
    assert first["segments"] == 1
    rest = hindsight.json(*window(*ALL))
    assert (rest["segments"], rest["cost"]["done_already"]) == (2, 1)
    after = rows(archive)
    nothing = hindsight.json(*window(*ALL))
    assert (nothing["segments"], nothing["vectors"]) == (0, 0)
    assert nothing["cost"]["done_already"] == 3
    assert nothing["cost"]["pictures"] == 0
    assert rows(archive) == after
    again = hindsight.json(*window(*ALL), "--again", "--every", "0.2")
    assert again["segments"] == 3
    assert again["pictures"] > first["pictures"] * 3
    deep = [row for row in rows(archive) if row["deep"]]
    assert len(deep) == again["vectors"]
    keys = [row["frame_id"] for row in deep]
    assert len(keys) == len(set(keys))


def test_a_window_that_cuts_a_segment_leaves_no_part_of_it_out_for_ever(
    archive: Archive, three: list[Segment], hindsight: CommandLine
) -> None:
    one = three[1]
    hindsight.json(*window(one.start_us, one.start_us + 2 * US))
    hindsight.json(*window(one.start_us + 2 * US, one.end_us))
    seen = deep_times(archive, one)
    assert {0, 1, 4, 5} <= seen
    assert not deep_times(archive, three[0]) | deep_times(archive, three[2])
    # Nor does going over the end again lose what was found at the beginning.
    hindsight.json(*window(one.end_us - US, one.end_us), "--again")
    assert deep_times(archive, one) == seen


def test_what_is_not_indexed_yet_is_said_and_what_expired_is_left_out(
    archive: Archive, three: list[Segment], hindsight: CommandLine, short_clip: Path
) -> None:
    archive.put(short_clip, START_US + 3 * MINUTE_US)
    with archive.directory.ledger.write() as tx:
        segments.expire(tx, [three[0].id], "class 3: 30 days", START_US)
    done = hindsight.json(*window(*ALL))
    assert (done["segments"], done["cost"]["not_indexed"]) == (2, 1)
    assert {row["segment_id"] for row in rows(archive)} == {three[1].id, three[2].id}


@pytest.mark.parametrize(
    ("damage", "which"), [("missing", 0), ("cut short", 0), ("no video", 0), ("missing", 2)]
)
def test_a_bad_file_costs_only_itself(
    archive: Archive, three: list[Segment], hindsight: CommandLine, damage: str, which: int
) -> None:
    bad = three[which]
    file = archive.file(bad)
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(whole[:-9] if damage == "cut short" else bytes(len(whole)))
    done = hindsight.json(*window(*ALL))
    assert done["segments"] == 2
    assert [one["segment"] for one in done["failed"]] == [bad.id]
    file.write_bytes(whole)
    mended = hindsight.json(*window(*ALL))
    assert (mended["segments"], mended["failed"]) == (1, [])


def test_indexing_anew_forgets_the_deep_rows_of_what_is_indexed_anew(
    archive: Archive, three: list[Segment], hindsight: CommandLine
) -> None:
    hindsight.json(*window(*ALL))
    with archive.directory.ledger.write() as tx:
        generation = generations.active_generation(tx)
        assert generation is not None
        generations.forget(tx, [three[0].id], generation.id)
    assert hindsight.json("index")["segments"] == 1
    assert not deep_times(archive, three[0])
    assert hindsight.json(*window(*ALL))["segments"] == 1


def test_what_it_found_is_answered_with_its_box(
    make_archive: Callable[..., Archive],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = make_archive("interval_s = 60")
    hindsight = CommandLine(archive.directory.root, capsys)
    clip = write_clip(tmp_path / "clip.mp4", Clip(steady(5, 20), gop=5, size=(640, 360)))
    archive.put(clip)
    hindsight.json("index")
    hindsight.json(*window(*ALL))
    deep = [row for row in rows(archive) if row["deep"] and row["kind"] == "region"]
    # The number in the picture is on the top: look for a tile as it was at a later picture.
    row = next(one for one in deep if one["ts_us"] - START_US > 5 * US and one["y"] == 0)
    number = round((row["ts_us"] - START_US) / US * 5)
    x, y, w, h = (row[name] for name in "xywh")
    rgb = numbered_picture(number, (640, 360))[y : y + h, x : x + w]
    cv2.imwrite(str(tmp_path / "tile.png"), rgb[:, :, ::-1])
    found = hindsight.json("search", "--image", tmp_path / "tile.png", "--top", "3")
    assert [x, y, w, h] in [moment["best"]["box"] for moment in found["moments"]]
