"""Exports for the browser: what a span would give, and the bundle as a file to download."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import BinaryIO

from sqlalchemy import Connection
from ulid import ULID

from evidence.absences import CAUSE_WORDS, SEAM
from evidence.export import export
from evidence.plan import make_plan
from storage.access import access_of
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.errors import Invalid, Unavailable
from storage.i18n import tr
from storage.purpose import require_purpose
from storage.rights import Verb
from storage.vocabulary import Actor, Camera, Span

AT_ONCE = 2  # bundles built at the same time; each holds a thread and reads the disk hard
_building = BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Missing:
    """A span of the request without footage."""

    camera: Camera
    start_us: int
    end_us: int
    cause: str  # in words


@dataclass(frozen=True, slots=True)
class Preview:
    """What a span would give, before anything is read."""

    segments: int
    size_bytes: int
    asked_s: float
    missing: list[Missing]


def preview(
    tx: Connection, cameras: Sequence[Camera], from_us: int, to_us: int, now_us: int
) -> Preview:
    """Errors as evidence.export: nothing there, span the wrong way round."""
    if from_us >= to_us:
        raise Invalid(
            "the span from {start} to {end} is empty; nothing was exported",
            start=rfc3339(from_us), end=rfc3339(to_us),
        )  # fmt: skip
    plan = make_plan(tx, cameras, Span(from_us, to_us), now_us)
    missing = [
        Missing(part.camera, lost.start_us, lost.end_us, tr(CAUSE_WORDS[lost.cause]))
        for part in plan.cameras
        for lost in part.absences
        if lost.cause != SEAM
    ]
    segments = sum(1 for _ in plan.segments())
    return Preview(segments, plan.size_bytes(), (to_us - from_us) / US, missing)


def build(
    directory: DataDirectory, cameras: Sequence[Camera], from_us: int, to_us: int, actor: Actor
) -> Path:
    """The bundle as a zip in a folder of its own; `take` it to send it."""
    if not _building.acquire(blocking=False):
        raise Unavailable(
            "{n} exports are being made already; nothing was exported, try again in a minute",
            n=AT_ONCE,
        )
    folder = directory.cache / "exports" / str(ULID())
    try:
        folder.mkdir(parents=True)
        stamp = rfc3339(from_us)[:19].replace("-", "").replace(":", "")
        who = cameras[0].slug if len(cameras) == 1 else f"{len(cameras)}-cameras"
        out = folder / f"{who}_{stamp}Z.zip"
        export(
            directory, cameras=cameras, from_us=from_us, to_us=to_us, out=out, actor=actor,
            still_allowed=lambda tx: require(tx, directory, cameras, actor),
        )  # fmt: skip
        return out
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        _building.release()


def require(
    tx: Connection, directory: DataDirectory, cameras: Sequence[Camera], actor: Actor
) -> None:
    """Asked before a byte is read, and again before the bundle gets its name."""
    access = access_of(tx, actor.name, directory.clock.now_us())
    for camera in cameras:
        access.require(Verb.EXPORT, camera)
    require_purpose(tx, directory.settings.search, actor, Verb.EXPORT)


def take(bundle: Path) -> BinaryIO:
    """Open a built bundle and unlink it: what is not sent to the end leaves nothing behind."""
    opened = bundle.open("rb")
    shutil.rmtree(bundle.parent, ignore_errors=True)
    return opened


def sweep(directory: DataDirectory) -> None:
    """Remove bundles a server left behind when it was killed; called when one starts."""
    shutil.rmtree(directory.cache / "exports", ignore_errors=True)
