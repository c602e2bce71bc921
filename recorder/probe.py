"""A look into foreign files, in a process that may be lost: they are made by anybody.

`Prober` starts `python -m recorder.probe` once and asks it about one file after the other. Should
FFmpeg abort or hang on a file, that file is refused and the next one gets a new process.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from storage.clock import US
from storage.errors import Invalid, NotFound

# FFmpeg's demuxer → suffix we keep its files under. Only these: a playlist or a script among the
# "files" must not send FFmpeg to open others, and a raw stream has no time line to enter.
CONTAINERS = {
    "mov": "mp4", "avi": "avi", "matroska": "mkv", "mpegts": "ts", "mpeg": "mpg", "flv": "flv",
    "asf": "wmv", "ogg": "ogv", "mxf": "mxf", "dhav": "dav",
}  # fmt: skip
OPTIONS = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
START_S, BYTES_PER_S = 60, 20_000_000  # how long a look may take: to begin, and per byte
MP4_BEGINS = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"}
SHORT_S, SHORT_PART = 1.0, 0.02  # shorter than it says by both: its end is missing


@dataclass(frozen=True, slots=True)
class Probed:
    """What a file is, measured by walking its packets: a container's own duration is a claim."""

    container: str
    suffix: str
    codec: str
    width: int
    height: int
    fps: float | None
    audio_codec: str | None
    duration_us: int
    first_pts: int
    time_base: str
    size_bytes: int
    damaged: str | None  # what is wrong with its end, when it is cut short


class Prober:
    """Asks the looking process; a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def look(self, path: Path) -> Probed:
        """What a file is. NotFound, or Invalid naming it, when it is no footage."""
        if path.is_dir():
            raise Invalid("{file} is a directory; name the files in it", file=path)
        if not path.is_file():
            raise NotFound("file {file} does not exist", file=path)
        if (size := path.stat().st_size) == 0:
            raise Invalid("file {file} is empty; nothing was imported", file=path)
        try:
            answer = self._ask(path, START_S + size / BYTES_PER_S)
        except (OSError, queue.Empty):
            self.close()
            raise Invalid(
                "file {file} cannot be read: FFmpeg did not survive it; nothing was imported",
                file=path,
            ) from None
        if isinstance(found := answer.get("found"), dict):
            return Probed(**found)
        match answer.get("refused"):
            case "no video":
                raise Invalid("file {file} holds no video; nothing was imported", file=path)
            case "no picture":
                raise Invalid("file {file} holds no picture; nothing was imported", file=path)
            case "not decodable":
                raise Invalid(
                    "no picture of file {file} can be decoded; nothing was imported", file=path
                )
        raise Invalid(
            "file {file} is not a video that can be read ({error}); nothing was imported",
            file=path, error=answer.get("error"),
        )  # fmt: skip

    def _ask(self, path: Path, seconds: float) -> dict[str, Any]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "recorder.probe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=0,
            )
            self._answers = queue.SimpleQueue()
            threading.Thread(
                target=_listen, args=(self._process, self._answers), daemon=True
            ).start()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(str(path.absolute())).encode() + b"\n")
        self._process.stdin.flush()
        line = self._answers.get(timeout=seconds)
        if not line:
            raise OSError("the process ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()

    def __enter__(self) -> Prober:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def _listen(process: subprocess.Popen[bytes], answers: queue.SimpleQueue[bytes]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            answers.put(line)
    answers.put(b"")


class _Refused(Exception):
    """Why a file is no footage."""


def measure(path: Path) -> Probed:
    """Open a file and walk its packets. FFmpegError, or _Refused, when it is no footage."""
    with av.open(str(path), options=OPTIONS) as container:
        if not container.streams.video:
            raise _Refused("no video")
        video = container.streams.video[0]
        walk = _walk(container, video)
        if not _decodes(container, video):
            raise _Refused("not decodable")
        damaged = walk.error or _missing(container, path, walk)
        base, rate = video.time_base, video.average_rate
        audio = container.streams.audio
        name = container.format.name.split(",")[0]
        return Probed(
            container=name, suffix=CONTAINERS[name],
            codec=video.codec_context.codec.canonical_name,
            width=video.codec_context.width, height=video.codec_context.height,
            fps=None if not rate else round(float(rate), 3),
            audio_codec=audio[0].codec_context.codec.canonical_name if audio else None,
            duration_us=walk.duration_us, first_pts=walk.first_pts,
            time_base="" if base is None else f"{base.numerator}/{base.denominator}",
            size_bytes=path.stat().st_size, damaged=damaged,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Walk:
    first_pts: int
    duration_us: int
    error: str | None


def _walk(container: InputContainer, video: VideoStream) -> _Walk:
    first: int | None = None
    end = pictures = 0
    error = None
    try:
        for packet in container.demux(video):
            pts = packet.pts if packet.pts is not None else packet.dts
            if not packet.size or pts is None:
                continue
            pictures += 1
            first = pts if first is None else min(first, pts)
            end = max(end, pts + (packet.duration or 0))
    except (av.error.FFmpegError, OSError) as failure:
        error = getattr(failure, "strerror", None) or str(failure)
    base = video.time_base
    if first is None or base is None:
        raise _Refused("no picture")
    span = end - first
    if span <= 0 and video.average_rate:  # one picture that does not say how long it lasts
        span = int(pictures / video.average_rate / base)
    return _Walk(first, int(span * base * US), error)


def _decodes(container: InputContainer, video: VideoStream) -> bool:
    container.seek(0)
    try:
        return next(container.decode(video), None) is not None
    except av.error.FFmpegError:
        return False


def _missing(container: InputContainer, path: Path, walk: _Walk) -> str | None:
    """Whether the end of the file is missing: its header or its own duration promises more."""
    if _promised_bytes(path) > path.stat().st_size:
        return "cut short"
    video = container.streams.video[0]
    if video.duration is None or video.time_base is None:
        return None
    missing_s = float(video.duration * video.time_base) - walk.duration_us / US
    if missing_s > max(SHORT_S, SHORT_PART * walk.duration_us / US):
        return f"cut short: {missing_s:.1f} s are missing"
    return None


def _promised_bytes(path: Path) -> int:
    """Where the last top-level box of an MP4, or the first RIFF of an AVI, says that it ends."""
    size, offset = path.stat().st_size, 0
    with path.open("rb") as source:
        head = source.read(16)
        if head[:4] == b"RIFF":
            return 8 + int.from_bytes(head[4:8], "little")
        if head[4:8] not in MP4_BEGINS:
            return 0
        while offset + 8 <= size:
            length = int.from_bytes(head[:4], "big")
            if length == 1 and len(head) == 16:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                return 0  # to the end of the file, or no box any more
            offset += length
            source.seek(offset)
            head = source.read(16)
    return offset


def main() -> None:
    """Answer about one file a line, until stdin closes."""
    for line in sys.stdin:
        answer: dict[str, object]
        try:
            answer = {"found": asdict(measure(Path(json.loads(line))))}
        except _Refused as refused:
            answer = {"refused": str(refused)}
        except (av.error.FFmpegError, OSError, ValueError) as error:
            answer = {"error": getattr(error, "strerror", None) or str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
