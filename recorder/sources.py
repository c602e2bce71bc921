"""Sources: what FFmpeg is told to open a camera's URL, and how a failure reads to a person."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import av
import av.error
from av.container import InputContainer

from recorder.rtsp.session import Refused
from recorder.rtsp.wire import WireBroken
from recorder.srt import SrtStream
from storage.clock import US
from storage.settings import RecorderSettings
from storage.source_url import join_url

NOTHING_CAME = "nothing came in time"
# Enough to learn the parameters of any camera we met; the defaults cost a second more per open.
PROBE = {"analyzeduration": "1500000", "probesize": "1500000"}


@dataclass(frozen=True, slots=True)
class Source:
    """What to open. `url` may hold credentials: it never leaves the capture process."""

    url: str
    options: dict[str, str] = field(default_factory=dict)
    format: str | None = None
    file: Path | None = None  # a file played at its own pace
    loop: bool = False
    srt: bool = False  # read through libsrt
    pulled: bool = False  # the far side sends as fast as we read: reading waits for real time

    @property
    def is_plain_rtsp(self) -> bool:
        """RTSP over one TCP connection, which we read ourselves."""
        return self.url.startswith("rtsp:") and self.options.get("rtsp_transport") == "tcp"


class SourceFailed(Exception):
    """A source could not be opened, or ended. The text is fit for a gap's detail."""


def source_of(url: str, credentials: tuple[str, str] | None, settings: RecorderSettings) -> Source:
    """How to open a registered URL. Query words of ours (loop, transport, listen) are taken out;
    the rest reaches the camera letter for letter, for many read it in ways of their own."""
    parts = urlsplit(url)
    words = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "file":
        path = _file_of(url)
        return Source(str(path), file=path, loop=words.get("loop") == "1")
    options = dict(PROBE)
    format_name = None
    query = parts.query
    if parts.scheme in ("rtsp", "rtsps"):
        options["fpsprobesize"] = "0"  # nobody needs a guess at the rate; it costs most of a second
        options["rtsp_transport"] = words.get("transport", settings.rtsp_transport)
        options["timeout"] = str(int(settings.read_timeout_s * US))
        query = _without(query, "transport")
    if parts.scheme in ("rtmp", "rtmps", "http") and words.get("listen") == "1":
        options["listen"] = "1"
        query = _without(query, "listen")
    if parts.scheme in ("tcp", "udp"):  # FFmpeg's tcp takes `listen` from the URL only
        format_name = "mpegts"
    if parts.scheme == "srt":
        return Source(url, options, "mpegts", srt=True)
    bare = urlunsplit(parts._replace(query=query))
    if credentials is not None and not any(credentials):
        credentials = None  # the '@' of udp://@:5000 names nobody
    pulled = parts.scheme in ("http", "https") and "listen" not in options
    return Source(join_url(bare, credentials), options, format_name, pulled=pulled)


def _file_of(url: str) -> Path:
    """`file:/x.mp4`, `file:///x.mp4`, spelt as typed or percent-encoded.

    Absolute, for a relative name such as `concat:…` would be a protocol to FFmpeg.
    """
    text = url.partition(":")[2].partition("?")[0]
    if text.startswith("//"):
        text = "/" + text.lstrip("/")
    path = Path(text)
    return (path if path.exists() else Path(unquote(text))).absolute()


def _without(query: str, word: str) -> str:
    kept = (part for part in query.split("&") if part.partition("=")[0] != word)
    return "&".join(kept)


def open_source(source: Source, settings: RecorderSettings) -> tuple[InputContainer, ExitStack]:
    """Open for demuxing: the container, and what closes it with all it stands on.

    SourceFailed with a sentence when it cannot be. A listening source waits for its sender as long
    as the timeout allows, then is opened again by the caller.
    """
    times = (settings.open_timeout_s, settings.read_timeout_s)
    began = time.monotonic()
    try:
        with ExitStack() as stack:
            stream = None
            if source.srt:
                stream = stack.enter_context(closing(SrtStream(source.url, *times)))
            container = av.open(
                stream or source.url,
                "r",
                format=source.format,
                options=source.options,
                timeout=times,
            )
            stack.enter_context(container)
            return container, stack.pop_all()
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if time.monotonic() - began >= min(times):
            raise SourceFailed(NOTHING_CAME) from None  # whatever FFmpeg makes of its interruption
        raise SourceFailed(reason(error)) from None


@contextmanager
def told() -> Iterator[None]:
    """What our own reader fails of, as a sentence: SourceFailed."""
    try:
        yield
    except (Refused, WireBroken) as failure:
        raise SourceFailed(str(failure)) from None
    except OSError as error:
        raise SourceFailed(reason(error)) from None


def reason(error: BaseException) -> str:
    """A sentence without the URL, which may hold a password."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if isinstance(error, av.error.ExitError | TimeoutError):
        return NOTHING_CAME
    if isinstance(error, av.error.InvalidDataError):
        return "what came is no stream FFmpeg can read, or the far side hung up"
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return f"wrong user or password ({text})"
    return str(text)[:300]
