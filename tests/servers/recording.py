"""`hindsight record` as a process on an archive of its own, and what the ledger says of it."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import av

from storage import register, segments, timeline
from storage.camera_states import states
from storage.directory import DataDirectory, init_directory, is_initialised, open_directory
from storage.fragments import read_facts
from storage.media import Media, media_of
from storage.settings import FILE_NAME
from storage.source_url import split_url
from storage.vocabulary import Camera, CameraState, Gap, Segment, Span

CHECKOUT = Path(__file__).parents[2]
QUICK = (
    "[recorder]\nsegment_s = 5\nfragment_s = 1\nopen_timeout_s = 2\nread_timeout_s = 1\n"
    "backoff_s = 1\n"
)


def until(condition: Callable[[], object], seconds: float, what: str = "") -> None:
    """Wait for an outside process to bring something about; fails after a deadline."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what or condition}"
        time.sleep(0.05)


class Recording:
    """An archive with cameras, and the recorder at work on it."""

    def __init__(
        self, root: Path, more: str = "", *, floor_bytes: int = 0, per_process: int = 4,
        buffer_s: float = 10, volumes: Mapping[str, Path] | None = None, log: Path | None = None,
    ) -> None:  # fmt: skip
        text = QUICK + f"cameras_per_process = {per_process}\nbuffer_s = {buffer_s}\n"
        for name, path in (volumes or {}).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            more += f'[volumes.{name}]\npath = "{path}"\n'
        text += f"[retention]\nfree_floor_bytes = {floor_bytes}\n{more}"
        root.mkdir(parents=True, exist_ok=True)
        (root / FILE_NAME).write_text(text)
        if not is_initialised(root):
            made, _ = init_directory(root)
            made.close()
        self.directory: DataDirectory = open_directory(root)
        self.log = log or root.parent / f"{root.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        return self.directory.root

    def add(self, name: str, url: str) -> Camera:
        """Register a camera, its password apart."""
        clean, secret = split_url(url)
        with self.directory.ledger.write() as tx:
            return register.add_camera(
                tx, name=name, url=clean, credentials=secret, vault=self.directory.vault(),
                created_us=self.directory.clock.now_us(),
            )  # fmt: skip

    def start(self, *words: str) -> None:
        """`hindsight record`."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hindsight", "--data", str(self.root), "record", *words],
                stderr=log, cwd=CHECKOUT,
            )  # fmt: skip

    def stop(self, number: signal.Signals = signal.SIGINT, patience_s: float = 30) -> int:
        """Tell it to end; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.wait(patience_s)

    def wait(self, patience_s: float = 30) -> int:
        """Until it ends by itself; its exit code."""
        assert self.process is not None
        code = self.process.wait(patience_s)
        self.process = None
        return code

    def close(self) -> None:
        """Leave nothing running."""
        if self.process is not None:
            children = self.captures()
            self.process.kill()
            self.process.wait()
            until(lambda: not any(alive(pid) for pid in children), 15, "captures end")
        self.directory.close()

    def nursery(self) -> int:
        """Process id of what forks the capture processes."""
        assert self.process is not None
        [pid] = _children(self.process.pid)[:1]
        return pid

    def captures(self) -> list[int]:
        """Process ids of the capture processes."""
        return [pid for pid in _children(self.nursery()) if alive(pid)]

    def capture_of(self, camera: Camera) -> int:
        """The capture process that records a camera: the one that holds its lock."""
        lock = self.root / "run" / f"capture-{camera.id}.lock"
        for pid in self.captures():
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    if handle.readlink() == lock:
                        return pid
                except OSError:
                    continue  # closed meanwhile
        raise AssertionError(f"no process records {camera.slug}")

    def shares_process(self, one: Camera, other: Camera) -> bool:
        """Whether two cameras are recorded by the same process; False while one has none."""
        try:
            return self.capture_of(one) == self.capture_of(other)
        except (AssertionError, OSError):
            return False

    def segments(self, camera: Camera) -> list[Segment]:
        with self.directory.ledger.read() as tx:
            return segments.segments(tx, camera_ids=[camera.id])

    def gaps(self, camera: Camera) -> list[Gap]:
        with self.directory.ledger.read() as tx:
            return timeline.gaps(tx, camera_ids=[camera.id])

    def causes(self, camera: Camera) -> set[str]:
        return {gap.cause.value for gap in self.gaps(camera)}

    def unexplained(self, camera: Camera) -> list[Span]:
        """Of everything until now."""
        asked = Span(0, self.directory.clock.now_us())
        with self.directory.ledger.read() as tx:
            return timeline.unexplained(tx, camera.id, asked)

    def is_expected(self, camera: Camera) -> bool:
        """Whether the camera should be recording from here on."""
        with self.directory.ledger.read() as tx:
            return timeline.open_expectation(tx, camera.id) is not None

    def file(self, segment: Segment) -> Path:
        return self.directory.archive.segment_file(segment)

    def state(self, camera: Camera) -> CameraState:
        """What its capture process last said."""
        with self.directory.ledger.read() as tx:
            return states(tx)[camera.id]

    def open_file(self, camera: Camera, volume: str = "main") -> Path | None:
        """The segment being written."""
        found = sorted(self.directory.archive.volume(volume).root.glob(f"{camera.slug}/**/*.open"))
        return found[-1] if found else None

    def verify(self, camera: Camera) -> list[Segment]:
        """What holds of all footage: files as the rows say, facts inside, a chain, decodable,
        explained time. Returns the segments by start."""
        rows = self.segments(camera)
        assert rows, f"{camera.slug} was not recorded: {self.log.read_text()[-2000:]}"
        previous = None
        for row in sorted(rows, key=lambda one: one.id):
            media = self.directory.archive.media(row)
            assert media.size_bytes() == row.size_bytes
            assert media.sha256() == row.sha256
            facts = read_facts(media)
            assert facts is not None
            assert (facts.segment, facts.camera) == (row.id, camera.slug)
            assert (facts.start_us, facts.prev_sha256) == (row.start_us, row.prev_sha256)
            assert (facts.first_pts, facts.time_base) == (row.first_pts, row.time_base)
            assert (facts.clock_source, facts.clock_error_us) == (
                row.clock_source, row.clock_error_us,
            )  # fmt: skip
            assert row.prev_sha256 == previous
            previous = row.sha256
            assert decoded(media) > 0
            assert abs(row.end_us - row.start_us - row.duration_us) <= row.duration_us // 1000 + 1
        for one, two in itertools.pairwise(rows):
            assert one.end_us <= two.start_us, "segments overlap"
        assert self.unexplained(camera) == []
        return rows

    def contiguous(self, rows: list[Segment]) -> bool:
        """Whether each ends where the next begins."""
        return all(a.end_us == b.start_us for a, b in itertools.pairwise(rows))


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def decoded(file: Path | Media) -> int:
    """How many pictures a file decodes to."""
    with media_of(file).for_ffmpeg() as source, av.open(source, "r") as container:
        return sum(1 for _ in container.decode(video=0))


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """At once."""
    os.kill(pid, signal.SIGKILL)
