"""The demonstration: footage, cameras, recording, indexing, questions — with the public commands.

It starts the same `hindsight` commands a person would type, as processes of its own, and ends
only those, by handle. Nothing in here is a shortcut past a room.
"""

from __future__ import annotations

import csv
import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import av
from PIL import Image
from sqlalchemy import func, select

from indexer.pictures import picture_at
from storage import generations, register, schema, segments
from storage.clock import US, rfc3339
from storage.directory import DataDirectory, init_directory, is_initialised, open_directory
from storage.durable import make_directory, write_file
from storage.errors import Invalid, NotFound, Unavailable
from storage.i18n import current_language
from storage.people import find_user, one_time_password, set_user
from storage.settings import FILE_NAME

log = logging.getLogger(__name__)
Say = Callable[..., None]

ADMINISTRATOR = "admin"
LIVE_CAMERAS = 6  # of a visitor's clips; the rest is taken in with `import`
RECORDABLE = {"h264", "hevc", "mpeg4", "av1", "vp9"}  # what fragmented MP4 carries
CLIPS = {".mp4", ".mov", ".mkv", ".avi", ".ts", ".m4v", ".webm"}
# Short segments, so that a demonstration of a minute is searchable while it records.
SETTINGS = """# Settings of the demonstration; see docs/ref/settings.md.
[recorder]
segment_s = 10

[indexer]
interval_s = 1
"""
# Of what whole frames show to the default model: a thing that fills a fair part of one, and what
# all of one shows; then something small, and something that does not happen.
QUESTIONS_MADE = (
    "a green bus drives past",
    "湿路面",
    "a person with an umbrella in the rain",
    "着火",
)
QUESTIONS_ANY = (
    "a car on a road",
    "a person walking",
    "夜间的道路",
    "白色货车",
)
DRAIN_S = 120  # how long indexing may still work after recording ended


@dataclass(frozen=True, slots=True)
class Clip:
    """A file that plays a camera."""

    path: Path
    name: str
    facts: dict[str, str]  # columns of the camera register
    recordable: bool


def prepare(root: Path, lang: str) -> tuple[DataDirectory, str]:
    """A data directory for the demonstration and a one-time password for its administrator.

    An earlier demonstration's directory is used again; any other directory is refused.
    """
    marker = root / "demo.json"
    if is_initialised(root):
        if not marker.exists():
            raise Invalid(
                "{directory} is a real data directory; the demonstration wants one of its own:"
                " name another with --data",
                directory=root,
            )
        directory = open_directory(root)
        password = one_time_password()
        with directory.ledger.write() as tx:
            set_user(tx, find_user(tx, ADMINISTRATOR), password=password, must_change=True)
        return directory, password
    make_directory(root)
    write_file(root / FILE_NAME, SETTINGS.encode())
    write_file(marker, json.dumps({"made_by": "hindsight demo"}).encode())
    return init_directory(root, administrator=ADMINISTRATOR, lang=lang)


def made_clips(root: Path, say: Say) -> list[Clip]:
    """Render the project's own scenes, once; ground truth lies beside each clip."""
    folder = root / "footage"
    register_csv = folder / "cameras.csv"
    if not register_csv.exists():
        say("rendering street scenes (once)")
        _run([sys.executable, "-m", "indexer.scenes", "--out", str(folder)])
    with register_csv.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    clips = []
    for row in rows:
        path = Path(unquote(urlsplit(row["url"]).path))
        facts = {key: value for key, value in row.items() if key not in ("name", "url") and value}
        clips.append(Clip(path, row["name"], facts, recordable=True))
    return clips


def visitors_clips(folder: Path) -> list[Clip]:
    """A visitor's clips; a file that is not a video is passed over, none at all is an error."""
    if not folder.is_dir():
        raise NotFound("footage folder {folder} does not exist", folder=folder)
    clips = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in CLIPS:
            continue
        try:
            with av.open(str(path)) as container:
                codec = container.streams.video[0].codec_context.name
        except (av.error.FFmpegError, IndexError) as error:
            log.warning("%s is passed over: %s", path.name, error)
            continue
        clips.append(Clip(path, path.stem, {"site": "demo"}, codec in RECORDABLE))
    if not clips:
        raise NotFound("footage folder {folder} holds no video that can be read", folder=folder)
    # Longer ones make better live cameras.
    return sorted(clips, key=lambda clip: (not clip.recordable, -clip.path.stat().st_size))


def register_cameras(directory: DataDirectory, clips: Sequence[Clip]) -> list[str]:
    """Register the live cameras (those not there yet); returns their slugs."""
    slugs = []
    live = [clip for clip in clips if clip.recordable][:LIVE_CAMERAS]
    for clip in live:
        slug = register.slug_of(clip.name)
        slugs.append(slug)
        with directory.ledger.write() as tx:
            try:
                register.find_camera(tx, slug)
                continue
            except NotFound:
                pass
            register.add_camera(
                tx,
                name=clip.name,
                url=f"file:{clip.path.absolute()}?loop=1",
                created_us=directory.clock.now_us(),
                site=clip.facts.get("site", "demo"),
                site_class=int(clip.facts.get("class", "3")),
                tz=clip.facts.get("tz", "UTC"),
                lat=_number(clip.facts.get("lat")),
                lon=_number(clip.facts.get("lon")),
            )
    return slugs


def import_rest(directory: DataDirectory, clips: Sequence[Clip], live: Sequence[str]) -> int:
    """Take in a visitor's other clips with `import`; returns how many are in the archive."""
    taken = 0
    start_us = directory.clock.now_us() - 3600 * US
    for clip in clips:
        slug = register.slug_of(clip.name)
        if slug in live:
            continue
        with directory.ledger.read() as tx:
            try:
                camera = register.find_camera(tx, slug)
                if segments.segments(tx, camera_ids=[camera.id], limit=1):
                    taken += 1
                    continue
            except NotFound:
                pass
        command = ["import", str(clip.path), "--camera", clip.name, "--start", rfc3339(start_us)]
        result = subprocess.run(hindsight(directory.root, *command), capture_output=True, text=True)
        if result.returncode == 0:
            taken += 1
        else:
            log.warning("%s was not imported: %s", clip.path.name, result.stderr.strip()[-300:])
    return taken


def hindsight(root: Path, *command: str) -> list[str]:
    """The command line of a `hindsight` command of this very installation, in our language."""
    here = ["--data", str(root), "--lang", current_language()]
    return [sys.executable, "-m", "hindsight", *here, *command]


@contextmanager
def running(
    command: Sequence[str], output: int | None = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is asked to stop, and waited for, when the block ends.

    What it prints is left out unless `output` is None; its errors always show.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def watch(
    directory: DataDirectory, processes: Sequence[subprocess.Popen[bytes]], seconds: float
) -> Iterator[tuple[float, int, int, int]]:
    """(seconds left, cameras recording, segments closed, segments indexed) about once a second.

    Unavailable when one of the processes ends early with an error.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield (left, *counts(directory))
        for process in processes:
            if process.poll() not in (None, 0):
                raise Unavailable(
                    "a process of the demonstration ended early (exit {code}); see the lines above",
                    code=process.returncode,
                )
        time.sleep(min(1.0, max(left, 0)))


def counts(directory: DataDirectory) -> tuple[int, int, int]:
    """(cameras recording, segments closed, segments indexed)."""
    with directory.ledger.read() as tx:
        state = schema.camera_state.c
        live = tx.execute(
            select(func.count()).select_from(schema.camera_state).where(state.state == "recording")
        ).scalar_one()
        closed = segments.count_segments(tx)
        generation = generations.active_generation(tx)
        done = 0
        if generation is not None:
            indexed = generations.indexed_segment_ids(tx, generation.id)
            done = sum(state in ("done", "failed") for state in indexed.values())
    return live, closed, done


def drained(directory: DataDirectory) -> bool:
    """Wait until every closed segment is indexed, DRAIN_S at most."""
    end = time.monotonic() + DRAIN_S
    while time.monotonic() < end:
        _, closed, done = counts(directory)
        if closed and done >= closed:
            return True
        time.sleep(0.5)
    return False


def query_picture(directory: DataDirectory, camera: str) -> Path:
    """A picture out of what `camera` just recorded, to search with."""
    with directory.ledger.read() as tx:
        chosen = register.find_camera(tx, camera)
        kept = segments.segments(tx, camera_ids=[chosen.id])
    if not kept:
        raise NotFound("camera {camera} recorded nothing to search with", camera=camera)
    segment = kept[len(kept) // 2]
    media = directory.archive.media(segment)
    picture = picture_at(media, segment, segment.start_us + segment.duration_us // 2)
    target = directory.root / "query.jpg"
    Image.fromarray(picture.rgb).save(target, quality=90)
    return target


def free_port(wanted: int) -> int:
    """`wanted` if nothing listens there, else 0: any free one."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _run(command: Sequence[str]) -> None:
    result = subprocess.run(command)
    if result.returncode != 0:
        raise Unavailable(
            "a step of the demonstration failed (exit {code}); see the lines above",
            code=result.returncode,
        )
