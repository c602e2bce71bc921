"""An archive with real media in it, made on the spot: for every test that needs kept footage.

    from tests.storage.media import START_US, House

Live segments are fragmented MP4 with their facts in the moov, published and entered in the order
a recorder keeps; imports are AVI with their facts beside them. Time is a clock the test sets.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from ulid import ULID

from hindsight import cli
from storage import timeline
from storage.clock import US, Clock, parse_time
from storage.commandline import run
from storage.directory import DataDirectory, init_directory, open_directory
from storage.durable import HashingFile, write_file
from storage.fragments import Facts, facts_document, facts_file, facts_tags
from storage.ledger import Ledger
from storage.register import add_camera
from storage.segments import insert_segment, last_segment, segments
from storage.settings import FILE_NAME
from storage.vocabulary import Camera, ClockSource, Segment, SegmentState
from storage.volumes import segment_path

START_US = parse_time("2026-11-18T13:00:00Z")  # where footage begins unless a test says otherwise
HOUR_US, DAY_US = 3600 * US, 86_400 * US
FPS = 10
_FRAGMENTED = "frag_keyframe+empty_moov+default_base_moof+use_metadata_tags"


@dataclass
class HandClock:
    """A clock that stands still until it is moved."""

    now: int

    def now_us(self) -> int:
        return self.now

    def monotonic_us(self) -> int:
        return self.now

    def forward(self, us: int) -> None:
        self.now += us


@dataclass
class House:
    """A data directory, its clock, and ways to fill it."""

    directory: DataDirectory
    clock: HandClock
    cameras: dict[str, Camera] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        return self.directory.ledger

    @property
    def root(self) -> Path:
        return self.directory.root

    def camera(self, name: str = "gate", **facts: Any) -> Camera:
        """Register it the first time it is named."""
        if name not in self.cameras:
            facts = {"url": f"rtsp://10.0.0.1/{name}", "created_us": START_US} | facts
            with self.ledger.write() as tx:
                self.cameras[name] = add_camera(tx, name=name, **facts)
        return self.cameras[name]

    def expect(self, name: str, start_us: int, end_us: int | None = None) -> None:
        with self.ledger.write() as tx:
            timeline.expect(tx, self.camera(name).id, start_us, end_us)

    def segment(
        self,
        name: str = "gate",
        start_us: int = START_US,
        *,
        seconds: int = 2,
        first_pts: int = 90_000,
        volume: str = "main",
        slip_us: int = 0,
    ) -> Segment:
        """Record, publish and enter one live segment.

        `slip_us`: by so much it lasted longer than its fragments say, for its end is the first
        picture of the next segment.
        """
        camera = self.camera(name)
        with self.ledger.read() as tx:
            before = last_segment(tx, camera.id, "live")
        facts = Facts(
            segment=str(ULID()), camera=camera.slug, start_us=start_us,
            prev_sha256=None if before is None else before.sha256,
            clock_source=ClockSource.RTCP, clock_error_us=40_000, first_pts=first_pts,
            time_base="1/90000", created_us=start_us,
        )  # fmt: skip
        path = segment_path(camera.slug, start_us, facts.segment, "mp4")
        where = self.directory.archive.volume(volume)
        with HashingFile(where.root / path, sealer=where.sealer()) as target:
            target.write(live_media(seconds, facts_tags(facts)))
            size_bytes, sha256 = target.publish()
        row = Segment(
            id=facts.segment, camera_id=camera.id, camera=camera.slug, start_us=start_us,
            end_us=start_us + seconds * US + slip_us, duration_us=seconds * US + slip_us,
            size_bytes=size_bytes, sha256=sha256, prev_sha256=facts.prev_sha256, container="mp4",
            codec="h264", width=64, height=48,
            fps=round(seconds * FPS * US / (seconds * US + slip_us), 3), audio_codec=None,
            volume=volume, path=path,
            state=SegmentState.CLOSED, clock_source=ClockSource.RTCP, clock_error_us=40_000,
            recovered=False, origin="live", original_name=None, note=None, first_pts=first_pts,
            time_base="1/90000", created_us=start_us, expired_us=None, expired_rule=None,
        )  # fmt: skip
        with self.ledger.write() as tx:
            insert_segment(tx, row)
        return row

    def footage(
        self, name: str = "gate", count: int = 3, start_us: int = START_US
    ) -> list[Segment]:
        """`count` segments that follow one another, expected and complete."""
        rows = [self.segment(name, start_us + i * 2 * US) for i in range(count)]
        self.expect(name, rows[0].start_us, rows[-1].end_us)
        return rows

    def imported(
        self, name: str = "gate", start_us: int = START_US, *, created_us: int | None = None
    ) -> Segment:
        """Take in one AVI as an import does: file, facts beside it, row."""
        camera = self.camera(name)
        media = avi_media(2)
        key = str(ULID())
        path = segment_path(camera.slug, start_us, key, "avi")
        main = self.directory.archive.volume("main")
        root = main.root
        with self.ledger.read() as tx:
            before = last_segment(tx, camera.id, "import")
        with HashingFile(root / path, sealer=main.sealer()) as target:
            target.write(media)
            size_bytes, sha256 = target.publish()
        row = Segment(
            id=key, camera_id=camera.id, camera=camera.slug, start_us=start_us,
            end_us=start_us + 2 * US, duration_us=2 * US, size_bytes=size_bytes, sha256=sha256,
            prev_sha256=None if before is None else before.sha256, container="avi",
            codec="mpeg4", width=64, height=48, fps=float(FPS), audio_codec=None, volume="main",
            path=path, state=SegmentState.CLOSED, clock_source=ClockSource.DECLARED,
            clock_error_us=US, recovered=False, origin="import", original_name="取证 1.avi",
            note="from the shop", first_pts=0, time_base=f"1/{FPS}",
            created_us=start_us if created_us is None else created_us,
            expired_us=None, expired_rule=None,
        )  # fmt: skip
        write_file(facts_file(root / path), facts_document(row))
        with self.ledger.write() as tx:
            insert_segment(tx, row)
            timeline.expect(tx, camera.id, row.start_us, row.end_us)
        return row

    def file(self, segment: Segment) -> Path:
        return self.directory.archive.volume(segment.volume).file(segment.path)

    def rows(self) -> list[Segment]:
        """Every segment row, tombstones included."""
        with self.ledger.read() as tx:
            return segments(tx, state=None)


@cache
def _packets(seconds: int) -> bytes:
    """A moving pattern in H.264, a keyframe a second, as plain MP4: encoded once a session."""
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.gop_size, stream.max_b_frames = FPS, 0
        stream.options = {"preset": "ultrafast", "sc_threshold": "0", "threads": "1"}
        for frame in _frames(seconds):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return made.getvalue()


def live_media(seconds: int, tags: Mapping[str, str]) -> bytes:
    """Fragmented MP4, one fragment a second, first picture at PTS 0, with `tags` in its moov."""
    made = io.BytesIO()
    with (
        av.open(io.BytesIO(_packets(seconds))) as source,
        av.open(made, "w", format="mp4", options={"movflags": _FRAGMENTED}) as target,
    ):
        target.metadata.update(tags)
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return made.getvalue()


@cache
def avi_media(seconds: int) -> bytes:
    """MPEG-4 in AVI: a container that fragmented MP4 does not carry as it came."""
    made = io.BytesIO()
    with av.open(made, "w", format="avi") as target:
        stream = target.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in _frames(seconds):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return made.getvalue()


def _frames(seconds: int) -> list[av.VideoFrame]:
    frames = []
    for i in range(seconds * FPS):
        picture = np.full((48, 64, 3), (i * 7) % 255, np.uint8)
        picture[:, (i * 3) % 64] = 255
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = i, Fraction(1, FPS)
        frames.append(frame)
    return frames


@dataclass(frozen=True)
class Spoken:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """`hindsight`, run in this process on one data directory, by the machine's own clock."""

    root: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: str | Path) -> Spoken:
        self.capture.readouterr()
        code = run(cli, ["--data", str(self.root), *map(str, words)])
        said = self.capture.readouterr()
        return Spoken(code, said.out, said.err)

    def json(self, *words: str | Path) -> Any:
        """The JSON of a command that must succeed."""
        said = self(*words, "--json")
        assert said.code == 0, said.err
        return said.json


def new_house(root: Path, now_us: int = START_US + HOUR_US) -> House:
    """A fresh archive whose clock stands at `now_us`; its administrator is `admin`."""
    clock = HandClock(now_us)
    return House(new_directory(root, clock), clock)


def new_directory(root: Path, clock: Clock | None = None) -> DataDirectory:
    """A fresh archive; settings that lie beside it count, as with `init`."""
    shutil.copytree(_template(), root, copy_function=_copy)
    if (root.parent / FILE_NAME).exists():
        (root / FILE_NAME).unlink()
    return open_directory(root, clock)


def keep_verdicts(directory: DataDirectory) -> None:
    """What a model was found to be worth on this machine need not be found out by every test."""
    found, kept = (root / "cache" / "precision" for root in (directory.root, _template()))
    if found.is_dir() and not kept.exists():
        shutil.copytree(found, kept)


def _copy(source: str, target: str) -> None:
    """The ballast is linked: sixteen megabytes a test add up."""
    if source.endswith("/ballast"):
        with contextlib.suppress(OSError):  # another file system cannot
            Path(target).hardlink_to(source)
            return
    shutil.copy2(source, target)


@cache
def _template() -> Path:
    """An initialised archive to copy: hashing a password for every test would take minutes."""
    folder = Path(tempfile.mkdtemp(prefix="hindsight-template-"))
    atexit.register(shutil.rmtree, folder)
    made, _ = init_directory(folder / "data", clock=HandClock(START_US))
    made.close()
    return folder / "data"


def whats(findings: Sequence[Any]) -> list[tuple[int, bool]]:
    """(invariant, is it loss) of each finding."""
    return [(finding.invariant, finding.loss) for finding in findings]
