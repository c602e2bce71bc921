"""The playable cut: a span of one camera as MP4, by stream copy, across segment borders."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from io import BytesIO
from itertools import chain, count
from math import ceil
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext

from evidence.measure import Measured, keyframe_at_or_before, measure
from storage.clock import US, to_datetime
from storage.durable import OPEN_SUFFIX, sha256_file
from storage.errors import DataLoss
from storage.vocabulary import Segment, Span

LONGEST_HELD_US = 10 * US  # a longer gap begins a new file: a frozen picture must not pass for one
LARGEST_OVERLAP_US = US  # jitter of a camera's clock; more is another recording of the same time
LEAST_STEP_S = Fraction(1, 1000)  # between two packets where clocks overlap; any time base shows it
DISK_REFUSES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
# Fragmented: written in flat memory however long, and playable as far as it was written.
MP4 = {"movflags": "frag_keyframe+delay_moov+default_base_moof", "min_frag_duration": str(2 * US)}
ADTS = "aac_adtstoasc"
Tick = Callable[[int], None] | None


@dataclass(frozen=True, slots=True)
class Source:
    """A bit-exact original in the bundle, and what was measured of it."""

    segment: Segment
    path: Path
    measured: Measured

    def instant_us(self, pts: int) -> int:
        """UTC of the picture with this PTS."""
        after = (pts - self.measured.first_pts) * self.measured.time_base
        return self.segment.start_us + round(after * US)


@dataclass(frozen=True, slots=True)
class Playable:
    """A derivative: one MP4, and what it was made from."""

    path: Path
    span: Span  # from its first picture to the end of its last
    size_bytes: int
    sha256: str
    originals: tuple[Segment, ...]
    held: tuple[Span, ...]  # gaps bridged by the picture before them
    audio: str | None  # codec carried over
    audio_left_out: str | None  # codec MP4 cannot carry
    credentials: str | None = None  # name of the C2PA manifest in it


@dataclass(frozen=True, slots=True)
class NotPlayable:
    """Originals for which there is no playable copy, and why."""

    originals: tuple[Segment, ...]
    reason: str  # codec | no_keyframe | error | unfaithful
    detail: str


@dataclass(frozen=True, slots=True)
class _Codec:
    """What must agree for two segments to share one MP4."""

    video: str
    size: tuple[int, int]
    video_facts: bytes
    audio: str | None
    audio_facts: tuple[object, ...]


def cut(
    camera: str, sources: Sequence[Source], asked: Span, folder: Path, tick: Tick = None
) -> tuple[list[Playable], list[NotPlayable]]:
    """Make the playable files of one camera in `folder`; `sources` by start, all in the bundle.

    What cannot be made faithfully is left out with the reason. OSError when the disk refuses;
    `tick` is told how many bytes were read.
    """
    made: list[Playable] = []
    refused: list[NotPlayable] = []
    folder.mkdir(parents=True, exist_ok=True)
    for codec, run in _runs(sources):
        result = _cut_run(camera, codec, run, asked, folder, tick)
        if isinstance(result, Playable):
            made.append(result)
        else:
            refused.append(result)
    return made, refused


def _cut_run(
    camera: str, codec: _Codec, run: Sequence[Source], asked: Span, folder: Path, tick: Tick
) -> Playable | NotPlayable:
    originals = tuple(source.segment for source in run)
    if codec.video not in _carried():
        return NotPlayable(originals, "codec", codec.video)
    carries_audio = codec.audio in _carried()
    open_path = folder / f"{camera}{OPEN_SUFFIX}"
    try:
        with av.open(str(open_path), "w", format="mp4", options=MP4) as target:
            writer = _Writer(target, carries_audio)
            begun = writer.write(run, asked, tick)
        with ThreadPoolExecutor(1) as beside:  # hashing lets this thread run
            hashed = beside.submit(sha256_file, open_path)
            differs = writer.differs(measure(open_path)) if begun else None
    except av.error.FFmpegError as error:
        open_path.unlink(missing_ok=True)
        if error.errno in DISK_REFUSES:
            raise OSError(error.errno, error.strerror, str(open_path)) from None
        return NotPlayable(originals, "error", str(error.strerror))
    except DataLoss as error:  # what was written cannot be read again
        differs = str(error)
    if not begun or differs is not None:
        open_path.unlink()
        reason = ("unfaithful", differs) if differs else ("no_keyframe", run[0].segment.id)
        return NotPlayable(originals, *reason)
    span = writer.span
    path = _free_name(folder, f"{camera}_{_stamp(span.start_us)}_{_stamp(span.end_us)}")
    open_path.rename(path)
    return Playable(
        path, span, path.stat().st_size, hashed.result(), originals, tuple(writer.held),
        codec.audio if carries_audio else None, None if carries_audio else codec.audio,
    )  # fmt: skip


def _runs(sources: Iterable[Source]) -> Iterator[tuple[_Codec, list[Source]]]:
    """Cut the segments into runs that one file can hold."""
    run: list[Source] = []
    current: _Codec | None = None
    for source in sources:
        with av.open(str(source.path)) as container:
            codec = _codec(container)
        gap_us = source.segment.start_us - run[-1].segment.end_us if run else 0
        fits = -LARGEST_OVERLAP_US <= gap_us <= LONGEST_HELD_US and codec == current
        if run and current is not None and not fits:
            yield current, run
            run = []
        run.append(source)
        current = codec
    if run and current is not None:
        yield current, run


def _codec(container: InputContainer) -> _Codec:
    video = container.streams.video[0].codec_context
    sound = container.streams.audio[0] if container.streams.audio else None
    audio = None if sound is None else sound.codec_context
    if audio is None:  # none, or one FFmpeg has no name for
        return _Codec(*_video_facts(video), None if sound is None else "unknown", ())
    facts = (audio.sample_rate, audio.layout.name, bytes(audio.extradata or b""))
    return _Codec(*_video_facts(video), audio.codec.canonical_name, facts)


def _video_facts(video: VideoCodecContext | None) -> tuple[str, tuple[int, int], bytes]:
    if video is None:
        return "unknown", (0, 0), b""
    size = (video.width, video.height)
    return video.codec.canonical_name, size, bytes(video.extradata or b"")


@dataclass(slots=True)
class _Lane:
    """One stream of one original on its way into the file; ticks are those of the original."""

    out: Stream
    tick_s: Fraction
    offset: int  # added to the original's time stamps
    stop: int  # packets decoded from here on lie beyond the span
    last_dts: int  # of what was written so far
    done: bool = False

    def place(self, packet: Packet[Stream]) -> bool:
        """Put the packet on the file's clock; False when it does not belong there."""
        if packet.is_discard or self.done:
            return False
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is None:
            return False
        dts = pts if packet.dts is None else packet.dts
        self.done = dts + self.offset >= self.stop
        if self.done or pts + self.offset < 0:
            return False  # shown before the start: it may lean on a picture that is not here
        # Clocks may overlap by a little from one segment to the next; DTS must grow.
        packet.time_base = self.tick_s
        packet.dts = self.last_dts = max(dts + self.offset, self.last_dts + 1)
        packet.pts = max(pts + self.offset, packet.dts)
        packet.stream = self.out
        return True


class _Writer:
    """Writes one run into one MP4 whose clock is the wall clock: zero is `span.start_us`."""

    def __init__(self, target: OutputContainer, carries_audio: bool) -> None:
        self.target = target
        self.kinds = ("video", "audio") if carries_audio else ("video",)
        self.span = Span(0, 0)
        self.held: list[Span] = []
        self.frame_us = 0  # the longest of its originals
        self._streams: dict[str, Stream] = {}
        self._last_s: dict[str, Fraction] = {}  # DTS of the last packet written

    def write(self, run: Sequence[Source], asked: Span, tick: Tick) -> bool:
        """Copy from the last keyframe at or before the start to the end; False without keyframe."""
        first = run[0]
        behind = Fraction(max(0, asked.start_us - first.segment.start_us), US)
        sought = first.measured.first_pts + int(behind / first.measured.time_base)
        start_pts = keyframe_at_or_before(first.path, sought)
        if start_pts is None:
            return False
        start_us = first.instant_us(start_pts)
        self.span = Span(start_us, start_us)
        for source in run:
            if source.segment.start_us > self.span.end_us + source.measured.frame_us:
                self.held.append(Span(self.span.end_us, source.segment.start_us))
            self.frame_us = max(self.frame_us, source.measured.frame_us)
            self._append(source, asked.end_us, tick)
        return True

    def differs(self, measured: Measured) -> str | None:
        """How the file read back is not what was written, None when it is."""
        due_us = self.span.duration_us
        if abs(measured.duration_us - due_us) <= 2 * max(self.frame_us, measured.frame_us):
            return None
        return f"{measured.duration_us / US:.3f} s / {due_us / US:.3f} s"

    def _append(self, source: Source, stop_us: int, tick: Tick) -> None:
        with av.open(str(source.path)) as container:
            streams = [getattr(container.streams, kind)[0] for kind in self.kinds]
            lanes = {stream.type: self._lane(stream, source, stop_us) for stream in streams}
            filters = {s.type: BitStreamFilterContext(ADTS, s) for s in streams if _is_adts(s)}
            begun = source.segment.start_us > self.span.start_us
            for raw in container.demux(streams):
                kind = raw.stream.type
                if tick is not None:
                    tick(raw.size)
                if all(lane.done for lane in lanes.values()):
                    break
                if not raw.size:
                    continue
                for packet in filters[kind].filter(raw) if kind in filters else (raw,):
                    keyframe = kind == "video" and packet.is_keyframe
                    if lanes[kind].place(packet) and (begun or keyframe or kind == "audio"):
                        begun = begun or keyframe
                        self._mux(packet, kind)
            for kind, lane in lanes.items():
                self._last_s[kind] = lane.last_dts * lane.tick_s

    def _mux(self, packet: Packet[Stream], kind: str) -> None:
        if kind == "video" and packet.pts is not None and packet.time_base is not None:
            end_s = (packet.pts + (packet.duration or 0)) * packet.time_base
            end_us = self.span.start_us + round(end_s * US)
            self.span = Span(self.span.start_us, max(self.span.end_us, end_us))
        self.target.mux(packet)

    def _lane(self, stream: Stream, source: Source, stop_us: int) -> _Lane:
        if stream.type not in self._streams:
            made = self.target.add_stream_from_template(stream)
            if stream.codec_context.codec.canonical_name == "hevc":
                made.codec_context.codec_tag = "hvc1"  # players of one large maker ask for it
            self._streams[stream.type] = made
        tick_s = stream.time_base or Fraction(1)
        zero_us, segment_us = self.span.start_us, source.segment.start_us
        zero_s = source.measured.first_pts * source.measured.time_base
        offset = round((Fraction(segment_us - zero_us, US) - zero_s) / tick_s)
        last = int((self._last_s.get(stream.type, Fraction(-(10**6))) + LEAST_STEP_S) / tick_s)
        stop = ceil(Fraction(stop_us - zero_us, US) / tick_s)
        return _Lane(self._streams[stream.type], tick_s, offset, stop, last)


def _is_adts(stream: Stream) -> bool:
    """AAC as broadcasters frame it, which MP4 wants stripped."""
    context = stream.codec_context
    return context.codec.canonical_name == "aac" and not context.extradata


@cache
def _carried() -> frozenset[str]:
    """Codecs MP4 can hold, by FFmpeg's names."""
    with av.open(BytesIO(), "w", format="mp4") as target:
        return frozenset(target.supported_codecs)


def _free_name(folder: Path, stem: str) -> Path:
    """Two runs may begin and end alike: the same footage imported twice."""
    names = chain([f"{stem}.mp4"], (f"{stem}_{number}.mp4" for number in count(2)))
    return next(folder / name for name in names if not (folder / name).exists())


def _stamp(us: int) -> str:
    when = to_datetime(us)
    return f"{when:%Y%m%dT%H%M%S}.{when.microsecond // 1000:03d}Z"
