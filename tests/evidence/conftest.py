"""Footage made on the spot: real fragmented MP4 (or AVI, TS) files, entered as a recorder would."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from ulid import ULID

from evidence.export import ExportResult, export
from evidence.measure import measure
from storage.clock import US, parse_time
from storage.directory import DataDirectory, init_directory, open_directory
from storage.durable import make_directory, sha256_file
from storage.ledger import Ledger
from storage.register import add_camera
from storage.segments import expire, insert_segment, last_segment
from storage.timeline import expect
from storage.vocabulary import Actor, Camera, ClockSource, Segment, SegmentState
from storage.volumes import segment_path

START_US = parse_time("2026-11-18T13:00:00Z")
INVESTIGATOR = Actor("li.wei")
FRAGMENTED = {"movflags": "frag_keyframe+delay_moov+default_base_moof"}


@dataclass
class House:
    """A data directory with cameras, and ways to fill it."""

    directory: DataDirectory
    cameras: dict[str, Camera] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        """Of the data directory."""
        return self.directory.ledger

    def camera(self, name: str = "north gate", **facts: Any) -> Camera:
        """Registered on first use."""
        if name not in self.cameras:
            with self.ledger.write() as tx:
                self.cameras[name] = add_camera(
                    tx, name=name, url=None, created_us=START_US, **facts
                )
        return self.cameras[name]

    def expect(self, name: str, start_s: float, end_s: float | None = None) -> None:
        """The camera should have been recording."""
        end_us = None if end_s is None else START_US + round(end_s * US)
        camera = self.camera(name)
        with self.ledger.write() as tx:
            expect(tx, camera.id, START_US + round(start_s * US), end_us)

    def segment(
        self, name: str = "north gate", at_s: float = 0, length_s: float = 4, **how: Any
    ) -> Segment:
        """Encode, publish and enter one segment that starts `at_s` after START_US."""
        origin = str(how.pop("origin", "live"))
        original_name = how.pop("original_name", None)
        recovered = bool(how.pop("recovered", False))
        container = str(how.get("container", "mp4"))
        start_us, segment_id = START_US + round(at_s * US), str(ULID())
        relative = segment_path(self.camera(name).slug, start_us, segment_id, container)
        path = self.directory.archive.recording_volume().root / relative
        make_directory(path.parent)
        encode(path, length_s, seed=round(at_s * 1000), **how)
        return self._enter(name, path, relative, start_us, segment_id, origin, original_name,
                           recovered)  # fmt: skip

    def adopt(self, file: Path, name: str = "north gate", at_s: float = 0) -> Segment:
        """Enter a copy of a foreign file as an import."""
        start_us, segment_id = START_US + round(at_s * US), str(ULID())
        suffix = file.suffix.removeprefix(".")
        relative = segment_path(self.camera(name).slug, start_us, segment_id, suffix)
        path = self.directory.archive.recording_volume().root / relative
        make_directory(path.parent)
        shutil.copy(file, path)
        return self._enter(name, path, relative, start_us, segment_id, "import", file.name, False)

    def _enter(
        self, name: str, path: Path, relative: str, start_us: int, segment_id: str, origin: str,
        original_name: str | None, recovered: bool,
    ) -> Segment:  # fmt: skip
        camera, length_us = self.camera(name), measure(path).duration_us
        with av.open(str(path)) as made:
            codec = made.streams.video[0].codec_context
            audio = made.streams.audio[0].codec_context.name if made.streams.audio else None
            name_, width, height, fps = (
                codec.name, codec.width, codec.height, made.streams.video[0].average_rate,
            )  # fmt: skip
        with self.ledger.write() as tx:
            before = last_segment(tx, camera.id)
            row = Segment(
                id=segment_id, camera_id=camera.id, camera=camera.slug, start_us=start_us,
                end_us=start_us + length_us, duration_us=length_us,
                size_bytes=path.stat().st_size, sha256=sha256_file(path),
                prev_sha256=None if before is None else before.sha256,
                container=path.suffix.removeprefix("."), codec=name_, width=width,
                height=height, fps=float(fps or 0), audio_codec=audio,
                volume=next(iter(self.directory.archive.volumes)), path=relative,
                state=SegmentState.CLOSED, clock_source=ClockSource.ARRIVAL,
                clock_error_us=40_000, recovered=recovered, origin=origin,
                original_name=original_name, note=None, first_pts=0, time_base="1/90000",
                created_us=start_us + length_us, expired_us=None, expired_rule=None,
            )  # fmt: skip
            insert_segment(tx, row)
        return row

    def export(self, out: Path, from_s: float, to_s: float, **how: Any) -> ExportResult:
        """Export all cameras from `from_s` to `to_s` seconds after START_US."""
        how.setdefault("cameras", list(self.cameras.values()))
        how.setdefault("actor", INVESTIGATOR)
        return export(
            self.directory, from_us=START_US + round(from_s * US),
            to_us=START_US + round(to_s * US), out=out, **how,
        )  # fmt: skip

    def file(self, segment: Segment) -> Path:
        """Where its media lie in the archive."""
        return self.directory.archive.segment_file(segment)

    def expire(self, segment: Segment, rule: str = "class 3: 30 days") -> None:
        """Delete lawfully: the row first, then the file."""
        path = self.file(segment)
        with self.ledger.write() as tx:
            expire(tx, [segment.id], rule, START_US)
        path.unlink()


def encode(
    path: Path,
    length_s: float,
    *,
    seed: int = 0,
    fps: int = 10,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    container: str = "mp4",
    gop: int = 10,
    bframes: int = 0,
    audio: str | None = None,
    pixel_format: str = "yuv420p",
) -> None:
    """A moving pattern."""
    frames = round(length_s * fps)
    formats = {"mp4": "mp4", "avi": "avi", "ts": "mpegts"}
    options = FRAGMENTED if container == "mp4" else {}
    if audio == "pcm_alaw":
        formats["mp4"] = "mov"  # G.711 in fragments, as a recorder keeps it
    with av.open(str(path), "w", format=formats[container], options=options) as target:
        target.metadata["comment"] = f"{path.name} {seed}"  # no two files have the same bytes
        video = target.add_stream(codec, rate=fps)
        video.width, video.height, video.pix_fmt = *size, pixel_format
        video.gop_size, video.max_b_frames = gop, bframes
        if codec == "libx264":
            video.options = {"preset": "ultrafast" if not bframes else "veryfast",
                             "sc_threshold": "0", "threads": "1"}  # fmt: skip
        sound = target.add_stream(audio, rate=8000) if audio else None
        for i in range(frames):
            picture = np.full((size[1], size[0], 3), (i * 5 + seed) % 255, np.uint8)
            picture[:, (i * 3) % size[0]] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            target.mux(video.encode(frame))
            if sound is not None:
                samples = 8000 // fps
                tone = av.AudioFrame.from_ndarray(
                    np.zeros((1, samples), np.int16), format="s16", layout="mono"
                )
                tone.sample_rate, tone.pts, tone.time_base = 8000, i * samples, Fraction(1, 8000)
                target.mux(sound.encode(tone))
        target.mux(video.encode(None))
        if sound is not None:
            target.mux(sound.encode(None))


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised data directory to copy: making one costs more than most of these tests."""
    root = tmp_path_factory.mktemp("blank") / "data"
    directory, _ = init_directory(root)
    directory.close()
    (root / "ballast").unlink()
    return root


@pytest.fixture
def house(blank: Path, tmp_path: Path) -> Iterator[House]:
    """An empty archive to record into."""
    directory = open_directory(Path(shutil.copytree(blank, tmp_path / "data")))
    yield House(directory)
    directory.close()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sound bundle of two cameras, with a gap in one of them; never changed."""
    folder = tmp_path_factory.mktemp("pristine")
    directory, _ = init_directory(folder / "data")
    house = House(directory)
    for name in ("north gate", "北门 2号"):
        house.expect(name, 0)
    for at_s in (0, 4, 8):
        house.segment("north gate", at_s)
    house.segment("北门 2号", 0)
    house.segment("北门 2号", 6)
    house.export(folder / "bundle", 1, 10)
    directory.close()
    return folder / "bundle"


@pytest.fixture
def bundle(pristine: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(pristine, tmp_path / "bundle"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where to export to: a place of its own, so that what is left behind shows."""
    (tmp_path / "handover").mkdir()
    return tmp_path / "handover" / "bundle"
