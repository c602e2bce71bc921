"""A short look through a camera's source, by the recorder's own way in, in a process that may be
lost: `python -m recorder.trial` takes one order on stdin and gives one line of JSON on stdout.

In: {"url", "user", "password", "settings": of [recorder]}. Out: {"failed": STEP} with STEP one of
`name`, `forbidden`, `refused`, `silent`, `login`, `moved`, `no_video`, `unreadable`; or
{"codec", "width", "height", "fps", "gop_s", "clock_offset_s", "sound", "picture": base64 JPEG}.
What the far side says is not handed on: who asks learns which step failed, and nothing else.
"""

from __future__ import annotations

import base64
import io
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import av
import av.error
from av.video.frame import VideoFrame
from PIL import Image

from recorder import guarded
from recorder.onset import Arrival
from recorder.packets import Feed, codec_name
from recorder.rtsp.reader import Reader
from recorder.rtsp.session import BeyondUs
from recorder.sources import NOTHING_CAME, Source, SourceFailed, source_of, told
from recorder.wallclock import SteadyClock
from storage.clock import US, SystemClock
from storage.settings import RecorderSettings
from storage.source_url import PORTS

OPEN_S, READ_S = 4.0, 3.0
LOOK_S, LEAST_S = 4.0, 1.5  # how long packets are looked at once they come, at most and at least
MOST_BYTES = 32 << 20
MEMORY_BYTES, CPU_S, LONGEST_S = 3 << 30, 12, 15
PICTURE = (640, 640)


class _Failed(Exception):
    """At which step."""


def main() -> None:
    """Obey one order, answer, and end at once: libavformat may hang in its farewell."""
    signal.alarm(LONGEST_S)  # whoever asked may be gone, and with it who would end this
    order = json.load(sys.stdin)
    _bound()
    try:
        answer = look(order)
    except _Failed as failed:
        answer = {"failed": str(failed)}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)


def look(order: dict[str, Any]) -> dict[str, Any]:
    """See above. _Failed says at which step."""
    given = RecorderSettings(**order["settings"])
    settings = given.model_copy(update={"open_timeout_s": OPEN_S, "read_timeout_s": READ_S})
    credentials = (order["user"], order["password"]) if order["user"] else None
    parts = urlsplit(order["url"])
    if not parts.hostname:
        raise _Failed("name")
    _knock(parts.scheme, parts.hostname, parts.port)
    socket.getaddrinfo = guarded.guarded_getaddrinfo
    gate = guarded.Gate()
    gate.as_proxy()
    source = source_of(order["url"], credentials, settings)
    if parts.scheme == "rtsp":  # over UDP nothing stands between FFmpeg and where it is sent on to
        source.options["rtsp_transport"] = "tcp"
    elif parts.scheme in ("http", "https"):  # what it answers may name other sources: not by UDP
        source.options["protocol_whitelist"] = "http,https,tls,tcp,httpproxy,crypto,data"
    try:
        feed = _opened(source, settings, gate)
        return _seen(feed)
    except SourceFailed as failure:
        raise _Failed(_step(str(failure), gate)) from None
    except guarded.Forbidden:
        raise _Failed("forbidden") from None


def _knock(scheme: str, host: str, port: int | None) -> None:
    """Whether the name is known and somebody listens, by a connection that says nothing."""
    try:
        if scheme == "srt":
            guarded.resolved(host, port or 0)
            return
        guarded.connected(host, port or PORTS[scheme]).close()
    except guarded.Forbidden:
        raise _Failed("forbidden") from None
    except socket.gaierror:
        raise _Failed("name") from None
    except TimeoutError:
        raise _Failed("silent") from None
    except (OSError, UnicodeError):
        raise _Failed("refused") from None


def _opened(source: Source, settings: RecorderSettings, gate: guarded.Gate) -> Feed:
    steady = SteadyClock(SystemClock())
    if source.is_plain_rtsp:
        try:
            return _OwnFeed(source, settings, steady)
        except BeyondUs:  # FFmpeg's turn, through the gate
            source = _by(source, "127.0.0.1", gate)
    elif source.url.startswith("rtmp:"):
        source = _by(source, None, gate)
    return Feed(source, settings, steady, by_ffmpeg=True)


class _OwnFeed(Feed):
    """Read by ourselves, or not at all: BeyondUs."""

    def _read(self) -> Reader:
        with told():
            return Reader(
                self.source.url, self.settings.open_timeout_s, self.settings.read_timeout_s,
                self.steady,
            )  # fmt: skip


def _by(source: Source, loopback: str | None, gate: guarded.Gate) -> Source:
    """The same source at the address that was checked; by `loopback`: through the gate."""
    parts = urlsplit(source.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    if loopback is not None:
        place = f"{loopback}:{gate.to(host, port)}"
    else:
        checked = str(guarded.resolved(host, port)[0][4][0])
        place = f"[{checked}]:{port}" if ":" in checked else f"{checked}:{port}"
    user, mark, _ = parts.netloc.rpartition("@")
    url = urlunsplit(parts._replace(netloc=f"{user}{mark}{place}"))
    return Source(url, source.options, source.format, pulled=source.pulled)


def _seen(feed: Feed) -> dict[str, Any]:
    """What comes, until enough is known."""
    video = feed.streams.video
    context = video.codec_context
    began = time.monotonic()
    shown: VideoFrame | None = None
    keys: list[float] = []
    times: list[float] = []
    size, offset_s = 0, None
    for arrival in _arriving(feed, times):
        packet = arrival.packet
        size += packet.size
        if arrival.camera_us is not None and arrival.exact:
            offset_s = (arrival.camera_us - arrival.arrival_us) / US
        if packet.stream_index == video.index:
            if packet.pts is not None and packet.time_base:
                at_s = float(packet.pts * packet.time_base)
                times.append(at_s)
                if packet.is_keyframe:
                    keys.append(at_s)
            if shown is None and keys:
                shown = _decoded(context, packet)
        took_s = time.monotonic() - began
        is_known = shown is not None and len(keys) > 1 and offset_s is not None
        if took_s > LOOK_S or size > MOST_BYTES or (is_known and took_s > LEAST_S):
            break
    if not times:
        raise _Failed("no_video")
    span_s = max(times) - min(times)
    return {
        "codec": codec_name(video),
        "width": shown.width if shown else context.width,
        "height": shown.height if shown else context.height,
        "fps": round((len(times) - 1) / span_s, 1) if span_s > 0.5 else None,
        "gop_s": round(keys[-1] - keys[-2], 2) if len(keys) > 1 else None,
        "looked_s": round(time.monotonic() - began, 1),
        "clock_offset_s": None if offset_s is None else round(offset_s, 2),
        "sound": feed.streams.audio is not None,
        "picture": None if shown is None else _jpeg(shown),
    }  # fmt: skip


def _arriving(feed: Feed, times: list[float]) -> Iterator[Arrival]:
    """What comes; an end is none of our business once pictures came."""
    try:
        yield from feed.packets(threading.Event())
    except SourceFailed:
        if not times:
            raise


def _decoded(context: Any, packet: Any) -> VideoFrame | None:
    try:
        return next(iter(context.decode(packet)), None)
    except (av.error.FFmpegError, ValueError):
        return None


def _jpeg(frame: VideoFrame) -> str:
    image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    image.thumbnail(PICTURE)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=82)
    return base64.b64encode(target.getvalue()).decode()


def _step(text: str, gate: guarded.Gate) -> str:
    match gate.refused:
        case guarded.Forbidden():
            return "moved"
        case socket.gaierror() | ConnectionRefusedError():
            return "refused"
    if text.startswith("wrong user or password"):
        return "login"
    if text == NOTHING_CAME:
        return "silent"
    return "no_video" if "no video" in text or "no picture" in text else "unreadable"


def _bound() -> None:
    """What a hostile stream may take of this machine."""
    for kind, most in (
        (resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, 128),
    ):  # fmt: skip
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
