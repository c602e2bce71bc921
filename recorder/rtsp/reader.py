"""A camera read over RTSP: its pictures and its sound as packets, in the order they came.

FFmpeg reads a socket in three calls for every packet of 1400 bytes, each with a wait of its own;
for hundreds of cameras that is most of what recording costs. Here what comes in a fifth of a
second is read in one call. What we do not understand is left to FFmpeg (BeyondUs).
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av import Packet
from av.container import InputContainer
from av.stream import Stream

from recorder.onset import Arrival
from recorder.rtsp.described import described
from recorder.rtsp.pictures import H264Track, H265Track, PictureTrack
from recorder.rtsp.sdp import Description, Media, parse
from recorder.rtsp.session import BeyondUs, Session
from recorder.rtsp.sound import AacTrack, PcmTrack
from recorder.rtsp.track import Track, Unit
from recorder.rtsp.wire import Handler, WireBroken
from recorder.wallclock import SteadyClock
from storage.clock import US

# How long a nap is, and how much may come meanwhile: a fraction of what any kernel buffers.
NAP_S, NAP_BYTES = 0.2, 128 << 10
BURST_NAP_S = 0.03  # after a keyframe larger than that: its sender may be waiting for us
AWAKE_S = 3.0  # no nap while a stream begins
EXACT_EVERY_S = 1.0  # how often a picture is waited for, so that its arrival is known exactly
# What was waited for so long came just now; so did what follows it within so long.
WAITED_S, BUSY_S = 0.0005, 0.005
GATHER_S = 0.002
WINDOW_S = 2.0  # over what the rate is measured
UNSURE_S = 3.0  # where no read ever waits, what is read is as good as it gets
STOP_S = 0.5  # how long a wait may keep us from seeing that we are to stop
REPORT_S = 5.0
# What is looked at before it is sure that we can read a stream.
LOOK_S, LOOK_UNITS, LOOK_BYTES = 0.4, 4, 16 << 20
# Sound is moved when it is off by so much, by the sender's clock, unless that is nonsense.
REALIGN_US, MISALIGNED_US = 20_000, 2 * US
JUMP_US, JUMP_BACK_US = 5 * US, US // 2
NO_PICTURE = "no picture came that can be understood: SPS/PPS are missing, or all of it"
_PICTURES = {"H264": H264Track, "H265": H265Track}
_G711 = {"PCMU", "PCMA"}
# Sound the recorder would keep if FFmpeg unpacked it.
_SOUND_OF_FFMPEG = {"MP4A-LATM", "MPEG4-GENERIC", "OPUS", "MPA", "MPA-ROBUST", "AC3", "EAC3"}
_OWN_SOURCE = 0x48534754  # our SSRC: any number will do


class Reader:
    """An open stream. Only the thread that made it touches it."""

    def __init__(self, url: str, open_timeout_s: float, read_timeout_s: float,
                 steady: SteadyClock) -> None:  # fmt: skip
        """BeyondUs, Refused, WireBroken or OSError when it cannot be opened."""
        self._timeout_s = read_timeout_s
        self._steady = steady
        self._session = Session(url, open_timeout_s)
        try:
            self._open()
        except BaseException:  # whatever it is, the camera gets its connection back
            self._session.close()
            raise

    def _open(self) -> None:
        try:
            told = parse(self._session.describe())
        except ValueError:
            raise BeyondUs from None
        chosen = _choose(told)
        self.tracks: list[Track] = [_track(media) for media in chosen]
        self._session.aggregate(told.control)
        self._handlers: dict[int, Handler] = {}
        self._channels: list[int] = []
        for media, track in zip(chosen, self.tracks, strict=True):
            channel = self._session.set_up(media, 2 * len(self._channels))
            self._channels.append(channel)
            self._handlers[channel] = track.rtp
            self._handlers[channel + 1] = track.rtcp
        self._session.play(self._handlers)
        self._began = self._exact = self._reported = self._last_unit = time.monotonic()
        self._window_began, self._window_bytes = self._began, 0
        self._per_s, self._is_burst = 0.0, False  # bytes a second
        self._is_fresh = False
        self._early: list[Arrival] = []
        video = self.tracks[0]
        assert isinstance(video, PictureTrack)
        early = self._look(video, told_sets=_tells_sets(chosen[0]))
        self.container: InputContainer = described(chosen, video)
        picture = self.container.streams.video[0].codec_context
        if picture.has_b_frames or not picture.width:
            self.container.close()
            raise BeyondUs
        self._streams: list[Stream] = list(self.container.streams)
        self._bases = [Fraction(1, track.clock_hz) for track in self.tracks]
        self._latest_us = next(
            (unit.ticks * US // video.clock_hz, at_us)
            for number, unit, at_us in early
            if not number
        )  # of the picture: where it stands on its line, and its arrival
        self._stood_us = [0] * len(self.tracks)  # where each track's latest unit stands
        self._by_arrival_us: int | None = None  # what sound is moved by, as it arrived
        self._by_clock_us: int | None = None  # and as the sender's clock says
        self._early = [self._arrival(number, unit, at_us, True) for number, unit, at_us in early]

    def _look(self, video: PictureTrack, *, told_sets: bool) -> list[tuple[int, Unit, int]]:
        """Until it is known what is sent. What came meanwhile: track, unit, arrival."""
        early: list[tuple[int, Unit, int]] = []
        pictures, until = 0, self._began + self._timeout_s
        while True:
            now_us = self._steady.now_us()
            for number, unit in self._taken():
                early.append((number, unit, now_us))
                if number == 0:
                    pictures += 1
                    if pictures == 1 and told_sets:
                        until = min(until, time.monotonic() + LOOK_S)
            is_known = told_sets or bool(video.sets)
            left_s = until - time.monotonic()
            if left_s <= 0 or (is_known and pictures >= LOOK_UNITS):
                break
            if self._session.wire.received > LOOK_BYTES:
                break
            if self._session.wait(left_s):
                self._session.wire.take(self._handlers)
        if not pictures and video.source is not None:
            raise BeyondUs  # something comes that we cannot make a picture of
        if not pictures:
            raise WireBroken(NO_PICTURE)
        return _joined(early) if video.marks_lie else early

    def arrivals(self, stop: threading.Event) -> Iterator[Arrival]:
        """Every picture and sound until `stop`. WireBroken, TimeoutError or OSError at the end."""
        yield from self._early
        self._early.clear()
        wire = self._session.wire
        failure: WireBroken | OSError | None = None
        while failure is None and not stop.is_set():
            exact, before = self._wait(stop), wire.received
            try:
                if not wire.take(self._handlers):
                    continue
                self._count(wire.received - before)
            except (WireBroken, OSError) as broken:  # what came before it comes first
                failure = broken
                for track in self.tracks:
                    track.over()
            now_us = self._steady.now_us()
            if exact and not any(track.units for track in self.tracks):
                time.sleep(GATHER_S)  # a picture comes in many packets: not a turn for each
            for number, unit in self._taken():
                yield self._arrival(number, unit, now_us, exact)
                self._last_unit = time.monotonic()
                if exact and number == 0:
                    self._exact = self._last_unit
            self._speak()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Hang up."""
        self._session.close()
        self.container.close()

    def _taken(self) -> Iterator[tuple[int, Unit]]:
        for number, track in enumerate(self.tracks):
            while track.units:
                yield number, track.units.popleft()

    def _wait(self, stop: threading.Event) -> bool:
        """Until there is something to read. Whether it came just now: whatever came during a nap
        came at some time before, and tells nothing of the clock."""
        now = time.monotonic()
        if now - self._began > AWAKE_S and now - self._exact < EXACT_EVERY_S:
            nap_s = BURST_NAP_S if self._is_burst else NAP_BYTES / max(self._per_s, 1.0)
            time.sleep(min(NAP_S, nap_s))
            self._is_fresh = False
            return False
        until = self._last_unit + self._timeout_s
        while True:
            if now >= until:
                raise TimeoutError
            if self._session.wait(min(STOP_S, until - now)):
                break
            now = time.monotonic()
            if stop.is_set():
                return False
            self._speak()
        waited_s = time.monotonic() - now
        self._is_fresh = waited_s > WAITED_S or (self._is_fresh and waited_s < BUSY_S)
        return self._is_fresh or now - self._exact > UNSURE_S

    def _count(self, received: int) -> None:
        """How fast the stream is of late, and whether there is more where this came from."""
        now = time.monotonic()
        self._is_burst = received > NAP_BYTES
        self._window_bytes += received
        elapsed_s = now - self._window_began
        if elapsed_s >= WINDOW_S:
            self._per_s = self._window_bytes / elapsed_s
            self._window_bytes, self._window_began = 0, now
        else:
            self._per_s = max(self._per_s, self._window_bytes / WINDOW_S)

    def _arrival(self, number: int, unit: Unit, at_us: int, exact: bool) -> Arrival:
        packet: Packet[Any] = Packet(unit.data)
        packet.stream = self._streams[number]
        packet.time_base = self._bases[number]
        stands_us = unit.ticks * US // self.tracks[number].clock_hz
        step_us = stands_us - self._stood_us[number]
        if step_us > JUMP_US or step_us < -JUMP_BACK_US:
            self._by_arrival_us = None  # its time begins anew: so does what the two have in common
        self._stood_us[number] = stands_us
        if number == 0:
            self._latest_us = (stands_us, at_us)
            packet.pts = packet.dts = unit.ticks
        else:
            packet.pts = packet.dts = self._moved(number, unit, at_us)
        packet.duration = unit.duration
        packet.is_keyframe = unit.is_keyframe
        return Arrival(packet, at_us, self.tracks[number].utc_us(unit.ticks), exact)

    def _moved(self, number: int, unit: Unit, at_us: int) -> int:
        """Ticks of sound on the picture's time line. The two count from numbers of their own: what
        they have in common is the sender's clock, and, until it speaks, that they arrive."""
        track, video = self.tracks[number], self.tracks[0]
        shown_us, came_us = self._latest_us
        now_us = shown_us + at_us - came_us - unit.ticks * US // track.clock_hz
        if self._by_arrival_us is None:
            self._by_arrival_us = now_us
        known_us, self._by_clock_us = self._by_clock_us, None
        if track.begins_us is not None and video.begins_us is not None:
            moved_us = track.begins_us - video.begins_us
            # Else the two clocks have nothing in common.
            if abs(moved_us - self._by_arrival_us) <= MISALIGNED_US:
                is_off = known_us is None or abs(moved_us - known_us) > REALIGN_US
                self._by_clock_us = moved_us if is_off else known_us
        by_us = self._by_arrival_us if self._by_clock_us is None else self._by_clock_us
        return unit.ticks + by_us * track.clock_hz // US

    def _speak(self) -> None:
        self._session.stay_alive()
        now = time.monotonic()
        if now - self._reported >= REPORT_S:
            self._reported = now
            for channel, track in zip(self._channels, self.tracks, strict=True):
                if track.source is not None:
                    self._session.send(_receiver_report(channel + 1, track, now))


def _joined(early: list[tuple[int, Unit, int]]) -> list[tuple[int, Unit, int]]:
    """Pictures that were taken in pieces, before it was known that every slice is marked."""
    whole: list[tuple[int, Unit, int]] = []
    pictures: dict[int, Unit] = {}
    for number, unit, at_us in early:
        begun = pictures.get(unit.ticks) if number == 0 else None
        if begun is not None:
            begun.data += unit.data
            begun.is_keyframe |= unit.is_keyframe
            continue
        if number == 0:
            pictures[unit.ticks] = unit
        whole.append((number, unit, at_us))
    return whole


def _choose(told: Description) -> list[Media]:
    """The streams to have sent, the video first. BeyondUs when FFmpeg knows more of them."""
    video = next((media for media in told.media if media.kind == "video"), None)
    if video is None or video.encoding not in _PICTURES or video.clock_hz <= 0:
        raise BeyondUs
    if video.words.get("packetization-mode") == "2":
        raise BeyondUs
    if video.words.get("sprop-max-don-diff", "0") != "0":
        raise BeyondUs
    for media in told.media:
        if media.kind == "audio" and media.clock_hz > 0:
            if media.encoding in _G711 or _is_plain_aac(media):
                return [video, media]
            if media.encoding in _SOUND_OF_FFMPEG:
                raise BeyondUs
    return [video]


def _tells_sets(video: Media) -> bool:
    """Whether the SDP has the parameter sets; else they must be seen in the stream."""
    if video.encoding == "H264":
        return bool(video.words.get("sprop-parameter-sets"))
    return all(video.words.get(f"sprop-{kind}") for kind in ("vps", "sps", "pps"))


def _is_plain_aac(media: Media) -> bool:
    said = media.words
    sizes = [said.get(name) for name in ("sizelength", "indexlength", "indexdeltalength")]
    return (
        media.encoding == "MPEG4-GENERIC"
        and said.get("mode", "").upper() == "AAC-HBR"
        and sizes == ["13", "3", "3"]
        and said.get("auxiliarydatasizelength", "0") == "0"
    )


def _track(media: Media) -> Track:
    if media.kind == "video":
        return _PICTURES[media.encoding](media.payload, media.clock_hz)
    if media.encoding in _G711:
        return PcmTrack(media.payload, media.clock_hz, media.channels)
    return AacTrack(media.payload, media.clock_hz)


def _receiver_report(channel: int, track: Track, now: float) -> bytes:
    """That we are here, and what we got (RFC 3550, 6.4.2, with the name it must come with)."""
    heard, at = track.heard or (0, now)
    source = track.source or 0
    data = struct.pack(
        ">BBHIIIIIII", 0x81, 201, 7, _OWN_SOURCE, source, min(track.lost, 0x7FFFFF),
        track.highest & 0xFFFFFFFF, 0, heard, int((now - at) * 65536) & 0xFFFFFFFF,
    )  # fmt: skip
    data += struct.pack(">BBHIBB9sx", 0x81, 202, 4, _OWN_SOURCE, 1, 9, b"hindsight")
    return struct.pack(">BBH", 0x24, channel, len(data)) + data
