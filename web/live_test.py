"""A live test picture, for who registers cameras: one short look through a source before it is
saved, on this server, by the recorder's way in (recorder.trial).

It is the only place where the server opens an address that somebody typed at a browser. So: the
right to register that camera comes first, one look a person and few in all at a time, a row in
the audit chain before anything is opened, camera schemes only, a process that is killed after
LIMIT_S, and an answer that names the step that failed and nothing that the far side said.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask, current_app
from sqlalchemy import Connection

from storage import audit
from storage.directory import DataDirectory
from storage.errors import Invalid, ResourceExhausted
from storage.i18n import N_, tr
from storage.logs import redact
from storage.vocabulary import Actor
from web.board import LONG_GOP_S, WRONG_CLOCK_S
from web.formats import number_text

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt")
LIMIT_S = 10.0
ANSWER_BYTES = 2 << 20
AT_ONCE = 2  # looks of everybody
MOST, OVER_S = 20, 600.0  # looks of one person in so long: who registers needs no more
EXTENSION = "hindsight_live_test"
FAILURES = {
    "name": N_("The name of this host is not known. Check the spelling, or write its address."),
    "forbidden": N_("No camera is asked at this address: it is one of the network itself."),
    "refused": N_(
        "Nobody answers at this host and port. Check both, and whether the camera is on."
    ),
    "silent": N_(
        "It does not answer in time. Check address and port, and whether this server reaches the"
        " camera's network."
    ),
    "login": N_(
        "It refuses user or password. Too many wrong ones lock an account at some cameras."
    ),
    "moved": N_("It sends on to another address. Register that one, if it is the camera's."),
    "no_video": N_("It answers, but no picture came. Check the path: it may name another stream."),
    "unreadable": N_("It answers, but not with a stream that can be read. Check path and scheme."),
}


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it."""

    connected: bool
    said: str  # in one line
    facts: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    picture: str | None = None  # JPEG, base64


class Admission:
    """Who looks now, and how often of late. One per application."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: set[str] = set()
        self._lately: dict[str, deque[float]] = {}

    @contextmanager
    def of(self, user: str) -> Iterator[None]:
        """While somebody looks. ResourceExhausted when it is too many."""
        with self._lock:
            self._let_in(user)
        try:
            yield
        finally:
            with self._lock:
                self._now.discard(user)

    def _let_in(self, user: str) -> None:
        now = time.monotonic()
        mine = self._lately.setdefault(user, deque())
        while mine and now - mine[0] > OVER_S:
            mine.popleft()
        if user in self._now:
            raise ResourceExhausted("you are testing a source already; wait for its answer")
        if len(self._now) >= AT_ONCE:
            raise ResourceExhausted("others are testing sources; try again in some seconds")
        if len(mine) >= MOST:
            raise ResourceExhausted(
                "{n} sources in {minutes} minutes are as many as one person may test; save the"
                " camera, and its page says how it does",
                n=MOST, minutes=int(OVER_S // 60),
            )  # fmt: skip
        mine.append(now)
        self._now.add(user)


def init_live_test(app: Flask) -> None:
    """One admission for the application."""
    app.extensions[EXTENSION] = Admission()


def check_source(url: str | None) -> None:
    """Invalid where a source cannot be tried from here."""
    if not url:
        raise Invalid("type the source first")
    parts = urlsplit(url)
    words = dict(parse_qsl(parts.query))
    if parts.scheme not in SCHEMES:
        raise Invalid(
            "only {schemes} can be tested here", schemes=", ".join(f"{one}:" for one in SCHEMES)
        )
    if words.get("listen") == "1" or words.get("mode") == "listener" or not parts.hostname:
        raise Invalid("this source waits until the camera calls; it cannot be tested from here")


def look(
    directory: DataDirectory,
    actor: Actor,
    subject: str,
    url: str | None,
    credentials: tuple[str, str] | None,
    admit: Callable[[Connection], None],
) -> Tried:
    """Try a source. `admit` raises unless they may, in the transaction of the audit row."""
    check_source(url)
    assert url is not None
    admission: Admission = current_app.extensions[EXTENSION]
    with admission.of(actor.name):
        with directory.ledger.write() as tx:
            admit(tx)
            audit.record(
                tx, actor, "camera.try", subject, at_us=directory.clock.now_us(),
                detail={"url": redact(url), "credentials": credentials is not None},
            )  # fmt: skip
        user, password = credentials or ("", "")
        answer = _asked({
            "url": url, "user": user, "password": password,
            "settings": directory.settings.recorder.model_dump(mode="json"),
        })  # fmt: skip
    return _told(answer)


def _asked(order: dict[str, Any]) -> dict[str, Any]:
    """What the looking process says in time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "recorder.trial"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    ending = threading.Timer(LIMIT_S, process.kill)
    ending.start()
    try:
        with process.stdin as orders:
            orders.write(json.dumps(order).encode())
        with process.stdout as answers:
            said = answers.read(ANSWER_BYTES + 1)
        found = json.loads(said) if len(said) <= ANSWER_BYTES else None
        if isinstance(found, dict):
            return found
    except (OSError, ValueError):
        pass  # it was killed, by us or by its stream
    finally:
        ending.cancel()
        process.kill()
        process.wait()
    return {"failed": "silent"}


def _told(answer: dict[str, Any]) -> Tried:
    step = answer.get("failed")
    if step is not None:
        return Tried(False, tr(FAILURES.get(str(step), FAILURES["unreadable"])))
    codec, fps, gop_s = str(answer["codec"]), answer["fps"], answer["gop_s"]
    offset_s = answer["clock_offset_s"]
    facts = [(tr("Codec"), NAMES.get(codec, codec))]
    if answer["width"]:
        facts.append((tr("Size"), f"{int(answer['width'])} × {int(answer['height'])}"))
    if fps:
        facts.append((tr("Pictures"), tr("{n} a second", n=number_text(fps, 1))))
    facts.append((
        tr("Keyframe"),
        tr("a keyframe every {s} s", s=number_text(gop_s, 1)) if gop_s
        else tr("one in {s} s", s=number_text(answer["looked_s"], 1)),
    ))  # fmt: skip
    if offset_s is not None:
        facts.append((tr("Camera's clock"), tr("{s} s off", s=f"{offset_s:+.2f}")))
    facts.append((tr("Sound"), tr("yes") if answer["sound"] else tr("no")))
    return Tried(
        True, tr("Connected: this is what it shows now."), tuple(facts),
        tuple(_warnings(codec, gop_s, offset_s)), answer["picture"],
    )  # fmt: skip


NAMES = {"h264": "H.264", "hevc": "H.265", "mjpeg": "MJPEG", "mpeg4": "MPEG-4", "av1": "AV1"}


def _warnings(codec: str, gop_s: float | None, offset_s: float | None) -> list[str]:
    said = []
    if codec == "hevc":
        said.append(tr("Most browsers do not play H.265; choose H.264 at the camera if you can."))
    if gop_s is None or gop_s > LONG_GOP_S:
        said.append(
            tr("Its keyframes are far apart. Turn smart codecs (H.264+, H.265+) off, and set a"
               " keyframe every 1 to 4 seconds.")
        )  # fmt: skip
    if offset_s is not None and abs(offset_s) > WRONG_CLOCK_S:
        said.append(tr("Its clock is wrong. Let it follow a time server."))
    return said
