"""Where every sample of an MP4's video track lies, how large it is and when it is shown.

Read from its tables alone (ISO/IEC 14496-12), whole or fragmented; the media data is never read.
What cannot be told with certainty is not told: then the file must be read by a demuxer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from storage.boxes import HEADER_LIMIT, children, find

Int64s = npt.NDArray[np.int64]
CHUNK = 4096  # bytes read at a fragment: its tables, and the head of what follows
MOST_SAMPLES = 2_000_000  # a day at 23 pictures a second; more is damage
_NON_SYNC = 0x10000
_IDENTITY = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_SETUPS = {b"avc1": b"avcC", b"avc3": b"avcC", b"hvc1": b"hvcC", b"hev1": b"hvcC"}


class Unclear(Exception):
    """The tables do not tell enough, or not surely. Never shown: a demuxer reads the file."""


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """What its boxes say of the one video track."""

    id: int
    entry: bytes  # kind of the sample entry, as 'avc1'
    setup: bytes  # what a decoder needs first: payload of avcC or hvcC
    width: int
    height: int
    timescale: int
    edit_ticks: int  # media time of the beginning
    table: bytes  # payload of stbl


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Columns, in the order of decoding; times in ticks of the track, edit list applied."""

    dts: Int64s
    pts: Int64s
    size: Int64s
    offset: Int64s
    key: npt.NDArray[np.bool_]


def read_samples(source: BinaryIO, size: int) -> tuple[VideoTrack, Samples]:
    """The video track of an open file of `size` bytes and all its samples.

    Unclear: not MP4, damaged, or made in a way that this does not know. OSError as the file's.
    """
    try:
        moov, moofs = _walk(source, size)
        track, defaults, base_track = _track(moov)
        if moofs:
            samples = _of_fragments(moofs, track, defaults)
        elif base_track:
            raise Unclear
        else:
            samples = _of_tables(track)
    except (struct.error, IndexError, ValueError, OverflowError):
        raise Unclear from None
    _check(samples, size)
    return track, samples


def _walk(source: BinaryIO, size: int) -> tuple[bytes, list[tuple[int, bytes]]]:
    """The payload of moov, and (offset, payload) of every moof."""
    moov, moofs, offset = b"", [], 0
    chunk, chunk_at = b"", 0

    def at(place: int, length: int) -> bytes:
        nonlocal chunk, chunk_at
        if not chunk_at <= place or place + length > chunk_at + len(chunk):
            source.seek(place)
            chunk, chunk_at = source.read(max(CHUNK, length)), place
            while len(chunk) < length and (more := source.read(length - len(chunk))):
                chunk += more
        return chunk[place - chunk_at : place - chunk_at + length]

    while offset + 8 <= size:
        head = at(offset, min(16, size - offset))
        if len(head) < 8:
            raise Unclear
        length, kind = struct.unpack_from(">I4s", head)
        header = 8
        if length == 1:
            length, header = struct.unpack_from(">Q", head, 8)[0], 16
        elif length == 0:
            length = size - offset
        if length < header or offset + length > size:
            raise Unclear  # cut short: FFmpeg may still read some of it
        if kind in (b"moov", b"moof"):
            if length > HEADER_LIMIT:
                raise Unclear
            payload = at(offset + header, length - header)
            if len(payload) < length - header:
                raise Unclear
            if kind == b"moov":
                if moov:
                    raise Unclear
                moov = payload
            else:
                moofs.append((offset, payload))
        offset += length
    if not moov or offset != size:
        raise Unclear
    return moov, moofs


def _track(moov: bytes) -> tuple[VideoTrack, dict[str, int], bool]:
    """The video track, what trex says of its samples, and whether fragments are to follow."""
    found: VideoTrack | None = None
    trex: dict[int, dict[str, int]] = {}
    movie_scale = 1000
    fragmented = False
    for kind, payload in children(moov):
        if kind == b"mvhd":
            movie_scale = struct.unpack_from(">I", payload, 20 if payload[0] else 12)[0]
        elif kind == b"trak":
            track = _video_track(payload, movie_scale)
            if track is not None and found is not None:
                raise Unclear
            found = track or found
        elif kind == b"mvex":
            fragmented = True
            for name, box in children(payload):
                if name == b"trex":
                    key, _, duration, size, flags = struct.unpack_from(">5I", box, 4)
                    trex[key] = {"duration": duration, "size": size, "flags": flags}
    if found is None:
        raise Unclear
    return found, trex.get(found.id, {"duration": 0, "size": 0, "flags": 0}), fragmented


def _video_track(trak: bytes, movie_scale: int) -> VideoTrack | None:
    media = find(trak, b"mdia") or b""
    if (find(media, b"hdlr") or b"")[8:12] != b"vide":
        return None
    tkhd = find(trak, b"tkhd") or b""
    wide = tkhd[0] == 1
    (key,) = struct.unpack_from(">I", tkhd, 20 if wide else 12)
    if tkhd[52 if wide else 40 :][:36] != _IDENTITY:
        raise Unclear  # turned: the demuxer says how
    mdhd = find(media, b"mdhd") or b""
    (timescale,) = struct.unpack_from(">I", mdhd, 20 if mdhd[0] == 1 else 12)
    table = find(media, b"minf", b"stbl") or b""
    stsd = find(table, b"stsd") or b""
    entries = list(children(stsd, 8))
    dref = find(media, b"minf", b"dinf", b"dref") or b""
    urls = list(children(dref, 8))
    # A flag of 1 says that the media lies in this file.
    elsewhere = any(box[:4] != b"\x00\x00\x00\x01" for _, box in urls)
    if len(entries) != 1 or elsewhere or not timescale:
        raise Unclear
    entry, body = entries[0]
    if entry not in _SETUPS:
        raise Unclear
    setup = dict(children(body, 78)).get(_SETUPS[entry])
    if not setup:
        raise Unclear
    width, height = struct.unpack_from(">HH", body, 24)
    edit = _edit(find(trak, b"edts", b"elst"), timescale, movie_scale)
    return VideoTrack(key, entry, setup, width, height, timescale, edit, table)


def _edit(elst: bytes | None, timescale: int, movie_scale: int) -> int:
    """Media time at which the file begins; only the one plain edit that encoders write."""
    if elst is None:
        return 0
    wide = elst[0] == 1
    (count,) = struct.unpack_from(">I", elst, 4)
    if count != 1:
        raise Unclear
    _, start, rate = struct.unpack_from(">Qqi" if wide else ">Iii", elst, 8)
    if start < 0 or rate != 1 << 16:
        raise Unclear
    return int(start)


def _of_fragments(
    moofs: list[tuple[int, bytes]], track: VideoTrack, trex: dict[str, int]
) -> Samples:
    columns: list[tuple[Int64s, ...]] = []
    count, next_dts = 0, 0
    if _count_of(find(track.table, b"stsz")):
        raise Unclear  # samples in the moov as well
    for offset, moof in moofs:
        for kind, traf in children(moof):
            if kind != b"traf":
                continue
            rows, next_dts = _of_traf(traf, offset, track, trex, next_dts)
            for row in rows:
                count += len(row[0])
                if count > MOST_SAMPLES:
                    raise Unclear
                columns.append(row)
    return _joined(columns, track)


def _count_of(stsz: bytes | None) -> int:
    return 0 if stsz is None else int(struct.unpack_from(">I", stsz, 8)[0])


def _of_traf(
    traf: bytes, moof_at: int, track: VideoTrack, trex: dict[str, int], next_dts: int
) -> tuple[list[tuple[Int64s, ...]], int]:
    boxes = list(children(traf))
    tfhd = next((box for kind, box in boxes if kind == b"tfhd"), None)
    if tfhd is None:
        raise Unclear
    flags = int.from_bytes(tfhd[1:4], "big")
    (key,) = struct.unpack_from(">I", tfhd, 4)
    if key != track.id:
        return [], next_dts
    at, base, known = 8, moof_at, dict(trex)
    if not flags & 0x1 and not flags & 0x20000:
        raise Unclear  # offsets count from the end of the track fragment before
    for bit, length, name in (
        (0x1, 8, "base"), (0x2, 4, "description"), (0x8, 4, "duration"), (0x10, 4, "size"),
        (0x20, 4, "flags"),
    ):  # fmt: skip
        if flags & bit:
            value = int.from_bytes(tfhd[at : at + length], "big")
            at += length
            if name == "base":
                base = value
            elif name == "description" and value != 1:
                raise Unclear
            else:
                known[name] = value
    tfdt = next((box for kind, box in boxes if kind == b"tfdt"), None)
    dts = next_dts
    if tfdt is not None:
        dts = struct.unpack_from(">Q" if tfdt[0] == 1 else ">I", tfdt, 4)[0]
    rows = []
    place: int | None = None
    for kind, trun in boxes:
        if kind == b"trun":
            row, dts, place = _of_trun(trun, base, place, known, dts)
            rows.append(row)
    return rows, dts


def _of_trun(
    trun: bytes, base: int, place: int | None, known: dict[str, int], dts: int
) -> tuple[tuple[Int64s, ...], int, int]:
    """((dts, cts, size, offset, flags), dts after it, place after it)."""
    flags = int.from_bytes(trun[1:4], "big")
    (count,) = struct.unpack_from(">I", trun, 4)
    at = 8
    if flags & 0x1:
        place = base + struct.unpack_from(">i", trun, at)[0]
        at += 4
    first_flags = None
    if flags & 0x4:
        (first_flags,) = struct.unpack_from(">I", trun, at)
        at += 4
    if place is None or count > MOST_SAMPLES:
        raise Unclear
    names = [
        name
        for bit, name in ((0x100, "duration"), (0x200, "size"), (0x400, "flags"), (0x800, "cts"))
        if flags & bit
    ]
    fields = np.frombuffer(trun, ">u4", count * len(names), at).reshape(count, len(names))

    def column(name: str) -> Int64s:
        if name in names:
            return fields[:, names.index(name)].astype(np.int64)
        return np.full(count, known.get(name, 0), np.int64)

    durations, sizes, sample_flags = column("duration"), column("size"), column("flags")
    cts = column("cts")
    if "cts" in names and trun[0] == 1:  # signed
        cts = cts.astype(np.uint32).view(np.int32).astype(np.int64)
    if first_flags is not None and count:
        sample_flags[0] = first_flags
    times = dts + np.concatenate(([0], np.cumsum(durations)))
    places = place + np.concatenate(([0], np.cumsum(sizes)))
    row = (times[:-1], cts, sizes, places[:-1], sample_flags)
    return row, int(times[-1]), int(places[-1])


def _joined(columns: list[tuple[Int64s, ...]], track: VideoTrack) -> Samples:
    if not columns:
        raise Unclear
    dts, cts, size, offset, flags = (np.concatenate(each) for each in zip(*columns, strict=True))
    return _edited(dts, cts, size, offset, flags & _NON_SYNC == 0, track)


def _edited(
    dts: Int64s, cts: Int64s, size: Int64s, offset: Int64s, key: Any, track: VideoTrack
) -> Samples:
    """Apply the edit: it may only begin with the first picture, else pictures are left out."""
    pts = dts + cts
    if track.edit_ticks and track.edit_ticks > int(pts.min()):
        raise Unclear
    return Samples(dts - track.edit_ticks, pts - track.edit_ticks, size, offset, key)


def _of_tables(track: VideoTrack) -> Samples:
    boxes = dict(_unique(children(track.table)))
    size = _sizes(boxes[b"stsz"]) if b"stsz" in boxes else None
    if size is None or not size.size:
        raise Unclear
    count = size.size
    durations = _runs(boxes.get(b"stts"), count, signed=False)
    cts = np.zeros(count, np.int64)
    if b"ctts" in boxes:
        cts = _runs(boxes[b"ctts"], count, signed=True)
    key = np.ones(count, bool)
    if b"stss" in boxes:
        (keys,) = struct.unpack_from(">I", boxes[b"stss"], 4)
        numbers = np.frombuffer(boxes[b"stss"], ">u4", keys, 8).astype(np.int64) - 1
        key[:] = False
        key[numbers] = True
    dts = np.concatenate(([0], np.cumsum(durations[:-1]))).astype(np.int64)
    return _edited(dts, cts, size, _offsets(boxes, size), key, track)


def _unique(boxes: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    seen = set()
    for kind, payload in boxes:
        if kind in seen and kind in (b"stsz", b"stts", b"ctts", b"stss", b"stsc", b"stco"):
            raise Unclear
        seen.add(kind)
        yield kind, payload


def _sizes(stsz: bytes) -> Int64s:
    each, count = struct.unpack_from(">II", stsz, 4)
    if count > MOST_SAMPLES:
        raise Unclear
    if each:
        return np.full(count, each, np.int64)
    return np.frombuffer(stsz, ">u4", count, 12).astype(np.int64)


def _runs(box: bytes | None, count: int, *, signed: bool) -> Int64s:
    """(how many, value) pairs spread out to `count` values."""
    if box is None:
        raise Unclear
    (entries,) = struct.unpack_from(">I", box, 4)
    pairs = np.frombuffer(box, ">u4", 2 * entries, 8).reshape(entries, 2)
    times = pairs[:, 0].astype(np.int64)
    # Encoders write negative offsets under version 0 as well; FFmpeg reads all as signed.
    values = pairs[:, 1].astype(np.uint32).view(np.int32) if signed else pairs[:, 1]
    if int(times.sum()) != count:
        raise Unclear
    return np.repeat(values.astype(np.int64), times)


def _offsets(boxes: dict[bytes, bytes], size: Int64s) -> Int64s:
    wide = b"co64" in boxes
    table = boxes[b"co64"] if wide else boxes.get(b"stco")
    if table is None or b"stsc" not in boxes:
        raise Unclear
    (chunks,) = struct.unpack_from(">I", table, 4)
    starts = np.frombuffer(table, ">u8" if wide else ">u4", chunks, 8).astype(np.int64)
    (entries,) = struct.unpack_from(">I", boxes[b"stsc"], 4)
    rules = np.frombuffer(boxes[b"stsc"], ">u4", 3 * entries, 8).reshape(entries, 3)
    first = rules[:, 0].astype(np.int64) - 1
    if not entries or first[0] != 0 or (rules[:, 2] != 1).any() or (np.diff(first) <= 0).any():
        raise Unclear
    per_chunk = np.repeat(rules[:, 1].astype(np.int64), np.diff(np.append(first, chunks)).clip(0))
    if per_chunk.size != chunks or int(per_chunk.sum()) != size.size or (per_chunk == 0).any():
        raise Unclear
    heads = np.concatenate(([0], np.cumsum(per_chunk)[:-1]))
    before = np.concatenate(([0], np.cumsum(size)[:-1]))
    places: Int64s = np.repeat(starts, per_chunk) + before - np.repeat(before[heads], per_chunk)
    return places


def _check(samples: Samples, size: int) -> None:
    """Absurd tables are damage, and damage is the demuxer's to judge."""
    ends = samples.offset + samples.size
    sound = (
        0 < samples.size.size <= MOST_SAMPLES
        and int(samples.size.min()) > 0
        and int(samples.offset.min()) >= 0
        and int(ends.max()) <= size
        and bool((np.diff(samples.dts) > 0).all())
        and int(np.abs(samples.pts).max()) < 1 << 60
        and np.unique(samples.pts).size == samples.pts.size
    )
    if not sound:
        raise Unclear
