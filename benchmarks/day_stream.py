"""Builds a camera-day with known truth, keeps it in a folder, and puts it into an archive.

`python -m benchmarks.day_stream --cache DIR` makes some eighty one-minute files of real
backgrounds and made ones, with what moves in them; a schedule shows them over the day. Cameras:
`yard` and `road` at varying bit rate, `yard-cbr` the yard at constant bit rate.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.packet import Packet
from ulid import ULID

from benchmarks.day_minutes import BUSY, FEWER, QUIET, Minute, minutes
from benchmarks.day_schedule import MINUTES_OF_DAY, schedule
from benchmarks.day_stage import SIZE, Road, Yard
from benchmarks.day_truth import Box, Event, read_events, write_events
from benchmarks.day_weather import Clock, Sensor, shaken
from benchmarks.house import SHARED_FOOTAGE
from indexer.scenes.arrays import seeded
from recorder.segment_file import FRAGMENT_BYTES, MOVFLAGS
from storage.clock import US
from storage.directory import DataDirectory
from storage.durable import sha256_file
from storage.register import add_camera
from storage.segments import insert_segment
from storage.vocabulary import Camera, ClockSource, Segment, SegmentState
from storage.volumes import segment_path

VERSION = "5"  # of what is built; another one builds anew
FPS = Fraction(25)
GOP_S, MINUTE_S = 2, 60
START_US = 1_767_571_200 * US  # 2026-01-05T00:00:00Z, a Monday
CAPTIONS = SHARED_FOOTAGE.parent / "captions"
DEFAULT_CACHE = Path.home() / ".cache" / "hindsight-bench"
CAMERAS = ("yard", "road", "yard-cbr")
_WARM = 100  # pictures encoded before the first that is kept: a camera does not begin each minute
_NOTE_EVERY = 10  # pictures between two noted boxes
# A newer camera that takes most of the grain away, and an older one that does not.
_VBR = {
    "yard": {"crf": "29", "maxrate": "2000k", "bufsize": "4000k"},
    "road": {"crf": "27", "maxrate": "2000k", "bufsize": "4000k"},
}
_GRAIN_LEFT = {"yard": 0.6, "road": 1.0}
_CBR = {"b": "768k", "maxrate": "768k", "bufsize": "768k", "x264-params": "nal-hrd=cbr:filler=1"}


def hours() -> float:
    """Of camera time in a benchmark: HINDSIGHT_BENCH_HOURS, by default 6; 24 is a whole day."""
    return float(os.environ.get("HINDSIGHT_BENCH_HOURS", "6"))


def cache() -> Path:
    """Where days are kept: HINDSIGHT_BENCH_CACHE, by default in the home directory."""
    return Path(os.environ.get("HINDSIGHT_BENCH_CACHE", DEFAULT_CACHE))


def available() -> bool:
    """Whether the real clips and crops lie beside the checkout."""
    return SHARED_FOOTAGE.is_dir() and CAPTIONS.is_dir()


@dataclass(frozen=True, slots=True)
class File:
    """A file to be taken in; by default a built minute."""

    path: Path
    sha256: str
    size_bytes: int
    duration_us: int = MINUTE_S * US
    size: tuple[int, int] = SIZE
    fps: Fraction = FPS


@dataclass(frozen=True, slots=True)
class Day:
    """What a cache folder holds."""

    root: Path
    files: dict[str, dict[str, File]]  # camera → minute → file
    events: dict[str, dict[str, list[Event]]]  # the same, times within the minute

    def shown(
        self, camera: str, minutes: int, *, events: bool = True, calm: bool = False
    ) -> list[str]:
        """The names of a camera's minutes in order."""
        seed = CAMERAS.index(camera) + 1
        return schedule(minutes, seed, self.files[camera].keys(), events=events, calm=calm)

    def truth(
        self, camera: str, names: Sequence[str], *, start_us: int = START_US, slug: str = ""
    ) -> list[Event]:
        """What happens when these minutes are shown from `start_us` on."""
        return [
            event.at(slug or camera, start_us + number * MINUTE_S * US)
            for number, name in enumerate(names)
            for event in self.events[camera].get(name, ())
        ]


def install(
    day: Day, directory: DataDirectory, camera: str, names: Sequence[str], *,
    start_us: int = START_US, slug: str = "",
) -> Camera:  # fmt: skip
    """Register the camera and take in its minutes as closed segments."""
    files = [day.files[camera][name] for name in names]
    return take_in(directory, slug or camera, files, start_us=start_us)


def take_in(
    directory: DataDirectory, slug: str, files: Sequence[File], *, start_us: int = START_US
) -> Camera:
    """Register a camera and give it these files one after another, as hard links where possible."""
    with directory.ledger.write() as tx:
        camera = add_camera(tx, name=slug, url=None, created_us=start_us)
    volume = directory.archive.volume("main")
    rows, at_us = [], start_us
    for file in files:
        segment = _segment(camera, file, at_us)
        at_us = segment.end_us
        target = volume.file(segment.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file.path, target)
        except OSError:  # another file system
            shutil.copyfile(file.path, target)
        rows.append(segment)
    with directory.ledger.write() as tx:
        for segment in rows:
            insert_segment(tx, segment)
    return camera


def load(root: Path) -> Day:
    """A day that was built."""
    index: dict[str, Any] = json.loads((root / "day.json").read_text(encoding="utf-8"))
    files = {
        camera: {
            name: File(root / camera / f"{name}.mp4", row["sha256"], row["size_bytes"])
            for name, row in rows.items()
        }
        for camera, rows in index["files"].items()
    }
    events: dict[str, dict[str, list[Event]]] = {camera: {} for camera in files}
    for event in read_events(root / "minutes.jsonl"):
        events[event.camera].setdefault(event.minute, []).append(event)
    return Day(root, files, events)


def day(folder: Path) -> Day:
    """The day in `folder`, built first where it is not there. FileNotFoundError without footage."""
    made = folder / f"day-{VERSION}"
    if not (made / "day.json").is_file():
        build(made)
    return load(made)


def build(root: Path) -> None:
    """Make all minutes, two processes at a time."""
    if not available():
        raise FileNotFoundError(f"real clips and crops are absent: {SHARED_FOOTAGE}, {CAPTIONS}")
    for camera in CAMERAS:
        (root / camera).mkdir(parents=True, exist_ok=True)
    names = [*QUIET, *BUSY]
    jobs = [(root, place, tuple(names[i::4])) for i in range(4) for place in ("road", "yard")]
    context = multiprocessing.get_context("spawn")  # OpenCV and FFmpeg hold threads
    workers = min(2, len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        made = [event for events in pool.map(_work, jobs) for event in events]
    write_events(root / "minutes.jsonl", made)
    files = {
        camera: {
            path.stem: {"sha256": sha256_file(path), "size_bytes": path.stat().st_size}
            for path in sorted((root / camera).glob("*.mp4"))
        }
        for camera in CAMERAS
    }
    (root / "day.json").write_text(json.dumps({"version": VERSION, "files": files}, indent=1))


def _work(job: tuple[Path, str, tuple[str, ...]]) -> list[Event]:
    """Make some minutes of a place, for all cameras that look at it."""
    root, place, names = job
    cv2.setNumThreads(1)
    stage = Yard() if place == "yard" else Road(SHARED_FOOTAGE, CAPTIONS)
    things, people = [], []
    if isinstance(stage, Road):
        things, people = stage.sprites("car", "van", "taxi", "truck"), stage.sprites("person")
    sensor = Sensor(stage.seed, SIZE, stage.residuals, _GRAIN_LEFT[place])
    events = []
    for minute in minutes(place, stage.seed, things, people):
        if minute.name not in names:
            continue
        cameras = {place: _VBR[place]}
        if place == "yard" and minute.name in FEWER:
            cameras["yard-cbr"] = _CBR
        writers = {
            camera: _Writer(root / camera / f"{minute.name}.mp4", rate)
            for camera, rate in cameras.items()
        }
        seen = _play(stage, sensor, minute, list(writers.values()))
        for writer in writers.values():
            writer.close()
        for camera in writers:
            events += _events(stage, minute, camera, seen)
    return events


def _play(
    stage: Yard | Road, sensor: Sensor, minute: Minute, writers: list[_Writer]
) -> dict[int, list[tuple[int, Box]]]:
    """Compose and encode one minute. Returns cast number → (picture number, box)."""
    rng = seeded(stage.seed, "minute", minute.number)
    clock = Clock(stage.name, START_US + minute.number * 37 * MINUTE_S * US)
    stage.begin(minute.cast)
    seen: dict[int, list[tuple[int, Box]]] = {}
    phase_s = minute.number * 7.3  # else all branches would sway alike
    for number in range(-_WARM, int(MINUTE_S * FPS)):
        t_s = max(0, number) / float(FPS)
        picture, boxes = stage.frame(t_s, t_s + phase_s, minute.sky.wind)
        dx, dy = shaken(minute.sky, t_s)
        if dx or dy:
            shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            moved = cv2.warpAffine(picture, shift, SIZE, borderMode=cv2.BORDER_REPLICATE)
            picture = np.asarray(moved, dtype=np.uint8)
        yuv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
        yuv = sensor.exposed(yuv, minute.sky, t_s, rng)
        clock.burn(yuv[: SIZE[1]], t_s)
        for writer in writers:
            writer.write(yuv, number)
        for actor, (x, y, w, h) in boxes:
            if number < 0:
                continue
            seen.setdefault(actor, []).append((number, (x + round(dx), y + round(dy), w, h)))
    return seen


def _events(
    stage: Yard | Road, minute: Minute, camera: str, seen: dict[int, list[tuple[int, Box]]]
) -> list[Event]:
    events = []
    for actor, boxes in sorted(seen.items()):
        noted = [one for one in boxes if one[0] % _NOTE_EVERY == 0] or boxes[:1]
        role, light = stage.role(actor), minute.sky.name
        en, zh = role.plain if light == "ir" else role.words
        times = tuple((_at_us(number), *box) for number, box in noted)
        height = int(np.median([box[3] for _, box in noted]))
        start_us, end_us = _at_us(boxes[0][0]), _at_us(boxes[-1][0] + 1)
        colour = None if light == "ir" else role.colour
        events.append(
            Event(
                camera, start_us, end_us, role.kind, colour, en, zh, times, height, minute.name,
                light,
            )
        )  # fmt: skip
    return events


def _at_us(number: int) -> int:
    return round(number * US / FPS)


class _Writer:
    """One file as a recorder would write it: H.264, closed GOPs, small fragments."""

    def __init__(self, path: Path, rate: dict[str, str]) -> None:
        self._path = path
        self._part = path.with_suffix(".unfinished")
        gop = int(GOP_S * FPS)
        options = {
            "preset": "superfast", "profile": "main", "bf": "0", "g": str(gop), "threads": "1",
            "keyint_min": str(gop), "sc_threshold": "0", "flags": "+cgop", **rate,
        }  # fmt: skip
        fragments = {
            "movflags": MOVFLAGS, "frag_duration": str(GOP_S * US),
            "frag_size": str(FRAGMENT_BYTES),
        }  # fmt: skip
        self._output = av.open(str(self._part), "w", format="mp4", options=fragments)
        self._stream = self._output.add_stream("libx264", rate=FPS, options=options)
        self._stream.width, self._stream.height = SIZE
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = Fraction(1, 90_000)

    def write(self, yuv: np.ndarray[Any, np.dtype[np.uint8]], number: int) -> None:
        """One I420 picture."""
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        at = number + _WARM
        frame.pts, frame.time_base = round(at * 90_000 / FPS), Fraction(1, 90_000)
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: Sequence[Packet[Any]]) -> None:
        """Only what belongs to the minute; without B-frames packets come as pictures do."""
        before = round(_WARM * 90_000 / FPS)
        for packet in packets:
            if packet.pts is not None and packet.dts is not None and packet.pts >= before:
                packet.pts -= before
                packet.dts -= before
                self._output.mux(packet)

    def close(self) -> None:
        """The file takes its name when it is whole."""
        self._mux(self._stream.encode(None))
        self._output.close()
        self._part.replace(self._path)


def _segment(camera: Camera, made: File, start_us: int) -> Segment:
    key = str(ULID())
    width, height = made.size
    return Segment(
        id=key, camera_id=camera.id, camera=camera.slug, start_us=start_us,
        end_us=start_us + made.duration_us, duration_us=made.duration_us,
        size_bytes=made.size_bytes, sha256=made.sha256, prev_sha256=None, container="mp4",
        codec="h264", width=width, height=height, fps=float(made.fps), audio_codec=None,
        volume="main", path=segment_path(camera.slug, start_us, key, "mp4"),
        state=SegmentState.CLOSED, clock_source=ClockSource.DECLARED, clock_error_us=0,
        recovered=False, origin="record", original_name=None, note=None, first_pts=0,
        time_base="1/90000", created_us=start_us, expired_us=None, expired_rule=None,
    )  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Build into --cache and write the truth of a schedule beside it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day_stream", description=__doc__)
    parser.add_argument("--cache", type=Path, default=cache())
    asked = parser.parse_args(argv)
    if not available():
        print(f"real clips and crops are absent ({SHARED_FOOTAGE}): nothing is built")  # noqa: T201
        return
    begun = time.monotonic()
    made = day(asked.cache)
    count = min(MINUTES_OF_DAY, round(hours() * 60))
    for camera in CAMERAS:
        names = made.shown(camera, count)
        truth = made.truth(camera, names)
        write_events(made.root / f"truth-{camera}.jsonl", truth)
        (made.root / f"schedule-{camera}.json").write_text(json.dumps(names))
        size = sum(made.files[camera][name].size_bytes for name in names)
        print(f"{camera}: {len(made.files[camera])} minutes made, {count} shown, "  # noqa: T201
              f"{len(truth)} events, {sum(e.small for e in truth)} of them small, "
              f"{size / 2**20:.0f} MiB")  # fmt: skip
    print(f"{made.root}: {time.monotonic() - begun:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
