"""What privacy zones hide is in no vector: of footage to come, and of footage indexed before."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from indexer.claims import Claims
from indexer.deep import DeepClaims
from indexer.indexing import run
from indexer.pictures import picture_at
from indexer.succession import ensure_generation
from search.building import build_due
from storage import generations, lake, zone_making
from storage.clock import US
from storage.generations import Outcome
from storage.lake_files import lying_parts, remove_litter
from storage.lake_upkeep import keep_up
from storage.masking import FILL
from storage.register import find_camera
from storage.vocabulary import Actor, Segment
from storage.zones import zones_of_segments
from tests.indexer.clips import START_US, Archive, numbered_picture

SIZE = (320, 192)
LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
WHO = Actor("admin", None, "flats")
Vectors = npt.NDArray[np.float16]


def clip(path: Path, seed: int) -> Path:
    """Three seconds whose left half is what the seed says; lossless, so that the rest is equal."""
    random = np.random.default_rng(seed)
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as target:
        stream = target.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.gop_size = 10
        stream.options = {"preset": "ultrafast", "qp": "0", "bf": "0", "sc_threshold": "0"}
        for i in range(30):
            rgb = numbered_picture(i // 10, SIZE)
            rgb[:, : SIZE[0] // 2] = random.integers(0, 255, (1, SIZE[0] // 2, 3))
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def hide(archive: Archive, name: str = "windows", from_us: int | None = 0) -> int:
    made = zone_making.add(
        archive.directory, WHO, lambda tx: find_camera(tx, "gate"), name=name, points=LEFT,
        from_us=from_us, until_us=None,
    )  # fmt: skip
    return made.segments


def vectors(archive: Archive) -> dict[str, Vectors]:
    """Segment → what counts of it, in order of time."""
    with archive.directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
        assert generation is not None
        parts = generations.live_parts(tx, generation.id)
    found: dict[str, Vectors] = {}
    for part, live in parts.items():
        table, rows = lake.read_part(archive.directory.lake, part, generation)
        named = np.array(table.column("segment_id").to_pylist())
        found |= {segment: rows[named == segment] for segment in live}
    return found


def test_what_is_hidden_is_in_no_vector(archive: Archive, tmp_path: Path) -> None:
    clips = [clip(tmp_path / f"{seed}.mp4", seed) for seed in (1, 2)]
    one, other = (archive.put(path, START_US + i * 60 * US) for i, path in enumerate(clips))
    run(archive.directory, ensure_generation(archive.directory))
    before = vectors(archive)
    assert not np.array_equal(before[one.id], before[other.id])

    assert hide(archive) == 2
    assert vectors(archive) == {}  # at once, before anything is indexed again
    run(archive.directory, ensure_generation(archive.directory))
    masked = vectors(archive)
    assert np.array_equal(masked[one.id], masked[other.id])
    assert not np.array_equal(masked[one.id], before[one.id])


def test_vectors_of_before_leave_the_disk(archive: Archive, tmp_path: Path) -> None:
    archive.put(clip(tmp_path / "a.mp4", 1))
    late = archive.put(clip(tmp_path / "b.mp4", 2), START_US + 3600 * US)
    directory = archive.directory
    run(directory, ensure_generation(directory))
    build_due(directory, stale_rows=1)
    keep_up(directory)
    assert list(directory.index.rglob("shard-*.json"))
    (old,) = {part for part in lying_parts(directory.lake) if part.startswith("frames")}
    hide(archive, from_us=START_US + 1800 * US)
    assert not list(directory.index.rglob("shard-*.json"))
    run(directory, ensure_generation(directory))
    keep_up(directory)
    for path in directory.lake.rglob("*.retired"):
        os.utime(path, (0, 0))
    remove_litter(directory)
    left = [part for part in lying_parts(directory.lake) if part.startswith("frames")]
    assert old not in left
    assert sum(lake.row_count(directory.lake, part) or 0 for part in left) == sum(
        len(rows) for rows in vectors(archive).values()
    )
    assert late.id in vectors(archive)


def test_what_was_looked_at_before_the_zone_is_looked_at_again(
    archive: Archive, tmp_path: Path
) -> None:
    row = archive.put(clip(tmp_path / "a.mp4", 1))
    generation = ensure_generation(archive.directory).generation
    claims = Claims(archive.directory, generation)
    (held,) = next(claims.runs())
    hide(archive)
    done = Outcome(row.id, 0, None, 0, None, 0, None)
    assert claims.finish([done], [held]) == []  # its claim went
    claims.refresh()
    (again,) = next(claims.runs())  # and the same worker has it once more
    assert claims.finish([done], [held]) == []
    assert _state(archive, generation.id) == {}
    claims.refresh()
    (again,) = next(claims.runs())
    with archive.directory.ledger.read() as tx:
        again.zones = zones_of_segments(tx, [row])[row.id]
    assert claims.finish([done], [again]) == [again]
    hide(archive, "more", from_us=START_US + 3600 * US)  # of other footage
    assert _state(archive, generation.id) == {row.id: "done"}
    deep = DeepClaims(archive.directory, generation, [row])
    assert deep.finish([done], [held]) == []
    assert deep.finish([done], [again]) == [again]


def _state(archive: Archive, generation_id: int) -> dict[str, str]:
    with archive.directory.ledger.read() as tx:
        return generations.indexed_segment_ids(tx, generation_id)


@pytest.mark.parametrize("turned", [False, True])
def test_zones_are_of_the_upright_picture(
    make_archive: Callable[..., Archive], tmp_path: Path, turned: bool
) -> None:
    archive = make_archive()
    path = clip(tmp_path / "a.mp4", 1)
    if turned:
        path = _turned(path, tmp_path / "turned.mp4")
    row: Segment = archive.put(path)
    hide(archive)
    with archive.directory.ledger.read() as tx:
        zones = zones_of_segments(tx, [row])[row.id]
    plain = picture_at(archive.file(row), row, row.start_us + US).rgb
    shown = picture_at(archive.file(row), row, row.start_us + US, zones).rgb
    assert plain.shape == (*(SIZE if turned else SIZE[::-1]), 3)
    half = plain.shape[1] // 2
    assert (shown[:, :half] == FILL).all()
    assert (shown[:, half + 4 :] == plain[:, half + 4 :]).all()


def _turned(path: Path, target: Path) -> Path:
    """The same, to be shown turned by a quarter: as a camera does that hangs on its side."""
    with av.open(str(path)) as source, av.open(str(target), "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                sink.mux(packet)
    data = bytearray(target.read_bytes())
    at = data.index(b"tkhd")
    matrix = at + 4 + 4 + 20 + 8 + 8  # version 0: ISO/IEC 14496-12 § 8.3.2
    one, nought = (1 << 16).to_bytes(4, "big"), bytes(4)
    turn = nought + one + nought + (-(1 << 16) & 0xFFFFFFFF).to_bytes(4, "big") + nought * 4
    data[matrix : matrix + 36] = turn + (1 << 30).to_bytes(4, "big")
    target.write_bytes(data)
    return target
