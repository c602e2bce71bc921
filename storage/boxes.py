"""Boxes of MP4 (ISO/IEC 14496-12): pure Python, so a damaged file cannot take a process down.

Only what recovery, rebuild and playback need is read: tracks, metadata, timing of fragments.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

HEADER_LIMIT = 64 << 20  # a moov or moof beyond this is damage, not a box
_CODECS = {
    b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc", b"vp09": "vp9",
    b"av01": "av1", b"alaw": "pcm_alaw", b"ulaw": "pcm_mulaw", b"Opus": "opus", b"jpeg": "mjpeg",
    b"mjpa": "mjpeg", b".mp3": "mp3", b"ac-3": "ac3", b"ec-3": "eac3",
}  # fmt: skip
# MPEG-4 object types of an esds box, ISO/IEC 14496-1 table 5
_OBJECT_TYPES = {
    0x20: "mpeg4", 0x21: "h264", 0x23: "hevc", 0x40: "aac", 0x61: "mpeg2video", 0x66: "aac",
    0x67: "aac", 0x68: "aac", 0x69: "mp3", 0x6A: "mpeg1video", 0x6B: "mp3", 0x6C: "mjpeg",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Track:
    """One track of the moov. Codec names are FFmpeg's; None when the entry is not known here."""

    id: int
    kind: str  # 'video' | 'audio' | 'other'
    codec: str | None
    width: int | None
    height: int | None
    timescale: int  # ticks a second
    edit_ticks: int  # subtracted from media time to get the file's own time line


@dataclass(frozen=True, slots=True)
class Box:
    """A top-level box: where it lies in the file, in bytes."""

    kind: bytes
    offset: int
    header_bytes: int
    end: int


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a sample has when nothing nearer says otherwise (trex, then tfhd)."""

    duration: int
    flags: int


@dataclass(frozen=True, slots=True)
class Movie:
    """What a moov says."""

    tracks: tuple[Track, ...]
    defaults: dict[int, Defaults]  # by track id
    tags: dict[str, str]  # text metadata by name


def top_boxes(source: BinaryIO, size: int) -> Iterator[Box]:
    """Whole top-level boxes in order; ends at the first that is cut short or is not a box."""
    offset = 0
    while offset + 8 <= size:
        source.seek(offset)
        head = source.read(16)
        length, kind = struct.unpack(">I4s", head[:8])
        header = 8
        if length == 1:
            if len(head) < 16:
                return
            length, header = struct.unpack(">Q", head[8:16])[0], 16
        elif length == 0:
            length = size - offset  # "to the end of the file"
        # After a power cut a file may end in zeros: no box has such a name.
        if length < header or offset + length > size or not _is_name(kind):
            return
        yield Box(kind, offset, header, offset + length)
        offset += length


def _is_name(kind: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind)


def payload_of(source: BinaryIO, box: Box) -> bytes:
    """What is inside a box; nothing when it is absurdly large."""
    length = box.end - box.offset - box.header_bytes
    if length > HEADER_LIMIT:
        return b""
    source.seek(box.offset + box.header_bytes)
    return source.read(length)


def children(data: bytes, start: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """(kind, payload) of the boxes inside a payload; stops where it makes no sense."""
    offset = start
    while offset + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        header = 8
        if length == 1 and offset + 16 <= len(data):
            length, header = struct.unpack_from(">Q", data, offset + 8)[0], 16
        elif length == 0:
            length = len(data) - offset
        if length < header or offset + length > len(data):
            return
        yield kind, data[offset + header : offset + length]
        offset += length


def find(data: bytes, *path: bytes) -> bytes | None:
    """Payload of the first box on a path of kinds, or None."""
    for kind in path:
        found = next((payload for name, payload in children(data) if name == kind), None)
        if found is None:
            return None
        data = found
    return data


def read_movie(moov: bytes) -> Movie:
    """The payload of a moov box, read."""
    movie_scale = 1000
    tracks: list[Track] = []
    defaults: dict[int, Defaults] = {}
    tags: dict[str, str] = {}
    for kind, payload in children(moov):
        try:
            if kind == b"mvhd":
                movie_scale = struct.unpack_from(">I", payload, 20 if payload[0] else 12)[0]
            elif kind == b"trak":
                tracks.append(_track(payload, movie_scale or 1000))
            elif kind == b"mvex":
                for name, trex in children(payload):
                    if name == b"trex":
                        key, _, duration, _, flags = struct.unpack_from(">5I", trex, 4)
                        defaults[key] = Defaults(duration, flags)
            elif kind == b"meta":
                tags |= _tags(payload)
            elif kind == b"udta" and (meta := find(payload, b"meta")) is not None:
                tags |= _tags(meta)
        except (struct.error, IndexError):
            continue  # a damaged box hides its own facts only
    return Movie(tuple(tracks), defaults, tags)


def _track(trak: bytes, movie_scale: int) -> Track:
    tkhd = find(trak, b"tkhd") or b""
    track_id = struct.unpack_from(">I", tkhd, 20 if tkhd[0] else 12)[0]
    mdhd = find(trak, b"mdia", b"mdhd") or b""
    timescale = struct.unpack_from(">I", mdhd, 20 if mdhd[0] else 12)[0] or 1
    handler = (find(trak, b"mdia", b"hdlr") or b"")[8:12]
    kind = {b"vide": "video", b"soun": "audio"}.get(handler, "other")
    codec = width = height = None
    stsd = find(trak, b"mdia", b"minf", b"stbl", b"stsd") or b""
    for name, entry in children(stsd, 8):
        codec = _codec(name, entry, kind)
        if kind == "video" and len(entry) >= 28:
            width, height = struct.unpack_from(">HH", entry, 24)
        break
    edit = _edit_ticks(find(trak, b"edts", b"elst"), timescale, movie_scale)
    return Track(track_id, kind, codec, width, height, timescale, edit)


def _codec(name: bytes, entry: bytes, kind: str) -> str | None:
    if name not in (b"mp4v", b"mp4a"):
        return _CODECS.get(name)
    # Fixed part of a sample entry: 78 bytes for video, 28 for audio, 44 in QuickTime's version 1.
    for fixed in (78,) if kind == "video" else (28, 44):
        for box, esds in children(entry, fixed):
            if box == b"esds" and (found := _OBJECT_TYPES.get(_object_type(esds))):
                return found
    return "mpeg4" if name == b"mp4v" else "aac"


def _object_type(esds: bytes) -> int:
    """objectTypeIndication of an esds box: ES_Descriptor → DecoderConfigDescriptor."""
    at = 4
    for tag, fixed in ((3, 3), (4, 0)):
        if esds[at] != tag:
            return 0
        at += 1
        while esds[at] & 0x80:  # length of one to four bytes
            at += 1
        at += 1 + fixed
    return esds[at]


def _edit_ticks(elst: bytes | None, timescale: int, movie_scale: int) -> int:
    """Media time that the edit list puts at zero; empty edits before it delay the track."""
    if not elst:
        return 0
    wide = elst[0] == 1
    (count,) = struct.unpack_from(">I", elst, 4)
    delay = 0
    for i in range(count):
        form, step = (">Qq", 20) if wide else (">Ii", 12)
        duration, media_time = struct.unpack_from(form, elst, 8 + i * step)
        if media_time >= 0:
            return int(media_time) - delay
        delay += duration * timescale // movie_scale
    return -delay


def _tags(meta: bytes) -> dict[str, str]:
    """Text metadata by name (`keys` + `ilst`)."""
    # MP4's meta begins with version and flags, QuickTime's does not.
    start = 0 if meta[4:8] == b"hdlr" else 4
    boxes = dict(children(meta, start))
    keys_box, list_box = boxes.get(b"keys"), boxes.get(b"ilst")
    if keys_box is None or list_box is None:
        return {}
    names = [name.decode("utf-8", "replace") for _, name in children(keys_box, 8)]
    tags = {}
    for index, item in children(list_box):
        number = int.from_bytes(index, "big")
        data = find(item, b"data")
        if data is not None and 1 <= number <= len(names):
            tags[names[number - 1]] = data[8:].decode("utf-8", "replace")
    return tags


@dataclass(frozen=True, slots=True)
class Run:
    """Timing of one track's part of a fragment, in ticks of the track."""

    first: int  # earliest presentation
    duration: int
    keyframe: bool  # begins with one
    samples: int


def track_run(traf: bytes, wanted: int, movie: Movie) -> Run | None:
    """The run inside a traf payload; None when it is another track's or damaged."""
    try:
        return _track_run(traf, wanted, movie)
    except (struct.error, IndexError):
        return None


def _track_run(traf: bytes, wanted: int, movie: Movie) -> Run | None:
    tfhd = find(traf, b"tfhd")
    if tfhd is None:
        return None
    flags = int.from_bytes(tfhd[1:4], "big")
    (track_id,) = struct.unpack_from(">I", tfhd, 4)
    if track_id != wanted:
        return None
    known = movie.defaults.get(track_id, Defaults(0, 0))
    at, duration, sample_flags = 8, known.duration, known.flags
    # base data offset, sample description, default duration, default size, default flags
    for bit, length in ((0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4)):
        if flags & bit:
            value = int.from_bytes(tfhd[at : at + length], "big")
            duration = value if bit == 0x8 else duration
            sample_flags = value if bit == 0x20 else sample_flags
            at += length
    tfdt = find(traf, b"tfdt") or bytes(8)
    decode = struct.unpack_from(">Q" if tfdt[0] else ">I", tfdt, 4)[0]
    start, earliest, keyframe, count = decode, None, False, 0
    for kind, trun in children(traf):
        if kind != b"trun":
            continue
        for ticks, cts, these in _samples(trun, duration, sample_flags):
            shown = decode + cts
            earliest = shown if earliest is None else min(earliest, shown)
            if count == 0:
                keyframe = not these & 0x10000  # sample_is_non_sync_sample
            decode += ticks
            count += 1
    return Run(start if earliest is None else earliest, decode - start, keyframe, count)


def _samples(trun: bytes, duration: int, flags: int) -> Iterator[tuple[int, int, int]]:
    """(duration, composition offset, flags) of each sample of a trun box."""
    bits = int.from_bytes(trun[1:4], "big")
    (count,) = struct.unpack_from(">I", trun, 4)
    at = 8 + (4 if bits & 0x1 else 0)
    first_flags = None
    if bits & 0x4:
        (first_flags,) = struct.unpack_from(">I", trun, at)
        at += 4
    signed = trun[0] == 1
    for i in range(count):
        ticks, cts, these = duration, 0, flags
        if bits & 0x100:
            (ticks,) = struct.unpack_from(">I", trun, at)
            at += 4
        if bits & 0x200:
            at += 4  # size
        if bits & 0x400:
            (these,) = struct.unpack_from(">I", trun, at)
            at += 4
        if bits & 0x800:
            (cts,) = struct.unpack_from(">i" if signed else ">I", trun, at)
            at += 4
        if i == 0 and first_flags is not None:
            these = first_flags
        yield ticks, cts, these
