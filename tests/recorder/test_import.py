"""`hindsight import`: bit-exact, all or nothing, and nothing left behind by a refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from storage import segments, timeline
from storage.clock import US, parse_time
from storage.fragments import read_facts
from storage.vocabulary import Segment, Span
from storage.volumes import IDENTITY
from tests.storage.media import CommandLine, House

START = "2026-01-01T00:00:00Z"
START_US = parse_time(START)


def on_volume(house: House) -> list[Path]:
    """Whatever lies on the volume, folders too, beside its identity."""
    root = house.directory.archive.volume("main").root
    return [path for path in root.rglob("*") if path.name != IDENTITY]


def rows(house: House) -> list[Segment]:
    with house.ledger.read() as tx:
        return segments.segments(tx, state=None)


def test_import_keeps_every_byte_and_its_facts_beside(
    house: House, hindsight: CommandLine, clips: Callable[..., Path]
) -> None:
    clip = clips("取证 1.avi", codec="mpeg4", seconds=3)
    [said] = hindsight.json("import", clip, "--camera", "Shop 12", "--start", START, "--note", "x")
    [row] = rows(house)
    assert house.file(row).read_bytes() == clip.read_bytes()
    assert (said["id"], row.original_name, row.note) == (row.id, clip.name, "x")
    assert (row.container, row.codec, row.origin) == ("avi", "mpeg4", "import")
    assert (row.start_us, row.clock_source) == (START_US, "declared")
    assert row.end_us - row.start_us == row.duration_us == pytest.approx(3 * US, abs=US // 10)
    facts = read_facts(house.file(row))
    assert facts is not None
    assert facts.row is not None
    assert (facts.row["id"], facts.row["sha256"]) == (row.id, row.sha256)
    with house.ledger.read() as tx:
        assert timeline.unexplained(tx, row.camera_id, Span(0, START_US * 2)) == []
    assert hindsight("audit", "verify").code == 0
    assert hindsight.json("check", "--level", "hash")["ok"] is True


def test_several_files_lie_end_to_end_with_the_clock_corrected(
    house: House, hindsight: CommandLine, clips: Callable[..., Path]
) -> None:
    files = [clips(f"part{i}.mp4", seconds=2, seed=i) for i in range(3)]
    hindsight.json("import", *files, "--camera", "gate", "--start", START, "--clock-offset", "-37")
    first, second, third = rows(house)
    assert first.start_us == START_US - 37 * US
    assert (first.end_us, second.end_us) == (second.start_us, third.start_us)
    assert (second.prev_sha256, third.prev_sha256) == (first.sha256, second.sha256)


@pytest.mark.parametrize("start", [START, "2026-01-01T00:00:01Z", "2025-12-31T23:59:59Z"])
def test_footage_that_is_there_is_a_conflict(
    house: House, hindsight: CommandLine, clips: Callable[..., Path], start: str
) -> None:
    clip = clips("plain.mp4")
    hindsight.json("import", clip, "--camera", "gate", "--start", START)
    before, kept = rows(house), sorted(on_volume(house))
    said = hindsight("import", clip, "--camera", "gate", "--start", start)
    assert said.code == 5, said.err
    assert said.err.count("\n") == 1
    assert (rows(house), sorted(on_volume(house))) == (before, kept)


def _zeros(path: Path, _clip: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path, _clip: Path) -> None:
    path.write_text("statement of the witness\n" * 100)


def _no_moov(path: Path, clip: Path) -> None:
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])


def _folder(path: Path, _clip: Path) -> None:
    path.mkdir()


def _missing(_path: Path, _clip: Path) -> None:
    pass


def _noise(path: Path, _clip: Path) -> None:
    path.write_bytes(bytes(range(256)) * 400)


def _sound(path: Path, clip: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(path), "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(_zeros, 4), (_text, 4), (_no_moov, 4), (_folder, 4), (_noise, 4), (_sound, 4),
     (_missing, 3)],
)  # fmt: skip
def test_what_is_no_footage_is_refused_and_leaves_nothing(
    house: House, hindsight: CommandLine, clips: Callable[..., Path], tmp_path: Path,
    spoil: Callable[[Path, Path], None], code: int,
) -> None:  # fmt: skip
    bad = tmp_path / "evidence.mp4"
    spoil(bad, clips("sound.mp4", audio="aac"))
    # A good file before it: all are checked first, so none is taken in.
    said = hindsight("import", clips("plain.mp4"), bad, "--camera", "gate", "--start", START)
    assert said.code == code, said.err
    assert said.err.count("\n") == 1
    assert "evidence.mp4" in said.err
    assert rows(house) == []
    assert on_volume(house) == []


def test_truncated_file_is_taken_in_as_it_is_and_said_to_be_damaged(
    house: House, hindsight: CommandLine, clips: Callable[..., Path], tmp_path: Path
) -> None:
    whole = clips("stream.ts", audio="aac", seconds=6)
    cut = tmp_path / "cut.avi"
    avi = clips("loop.avi", codec="mpeg4", seconds=3)
    cut.write_bytes(avi.read_bytes()[: avi.stat().st_size * 2 // 3])
    hindsight.json("import", whole, "--camera", "ts", "--start", START)
    hindsight.json("import", cut, "--camera", "cut", "--start", START)
    kept = {row.camera: row for row in rows(house)}
    assert house.file(kept["cut"]).read_bytes() == cut.read_bytes()
    assert kept["cut"].duration_us < 3 * US
    assert "damaged" in (kept["cut"].note or "")
    assert kept["ts"].note is None
