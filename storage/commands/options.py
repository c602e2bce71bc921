"""Options that several of these commands take, and how they print times and sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from sqlalchemy import Connection

from storage.clock import parse_time, rfc3339
from storage.commandline import Invocation
from storage.errors import Invalid
from storage.findings import Progress
from storage.i18n import N_, tr
from storage.register import find_cameras
from storage.vocabulary import Camera

F = TypeVar("F", bound=Callable[..., Any])


def camera_and_span(command: F) -> F:
    """--camera (again and again), --from and --to: parameters `names`, `from_text`, `to_text`."""
    for option in (
        click.option(
            "--to", "to_text", metavar="TIME", help=N_("before this time, with its zone")
        ),
        click.option(
            "--from", "from_text", metavar="TIME", help=N_("from this time on, with its zone")
        ),
        click.option(
            "--camera", "names", multiple=True, metavar="NAME",
            help=N_("only this camera; give it again for more"),
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def asked_times(from_text: str | None, to_text: str | None) -> tuple[int | None, int | None]:
    """UTC microseconds of both ends, None where open. Invalid when they are the wrong way round."""
    from_us = None if from_text is None else parse_time(from_text)
    to_us = None if to_text is None else parse_time(to_text)
    if from_us is not None and to_us is not None and from_us >= to_us:
        raise Invalid(
            "--from {start} does not lie before --to {end}; nothing was looked up",
            start=rfc3339(from_us), end=rfc3339(to_us),
        )  # fmt: skip
    return from_us, to_us


def chosen(tx: Connection, names: Sequence[str]) -> dict[int, Camera]:
    """Cameras by key: those named, or all."""
    return {camera.id: camera for camera in find_cameras(tx, names)}


@contextmanager
def watching(invocation: Invocation, label: str) -> Iterator[Progress]:
    """A progress bar for work that calls back with (done, total)."""
    with invocation.progress() as bar:
        task = bar.add_task(tr(label), total=None)

        def step(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield step


def size_text(size_bytes: float | None) -> str:
    """'12.3 MB', decimal units."""
    if size_bytes is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size_bytes) < 999.5 or unit == "TB":
            break
        size_bytes /= 1000
    return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"


def length_text(seconds: float | None) -> str:
    """'1:02:03', from two days on '3 days', '–' for None."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole >= 2 * 86_400:
        return tr(N_("{days} days"), days=whole // 86_400)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
