"""Small clips for test cameras, encoded once a session: what goes in is known to the byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

FPS = 10
SIZE = (160, 120)


def make_clip(
    path: Path,
    *,
    codec: str = "libx264",
    seconds: int = 4,
    audio: str | None = None,
    gop: int = FPS,
    b_frames: int = 0,
    seed: int = 0,
) -> Path:
    """A moving pattern; `audio` is an encoder's name. The container follows the suffix."""
    with av.open(str(path), "w") as target:
        video = target.add_stream(codec, rate=FPS)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.gop_size, video.max_b_frames = gop, b_frames
        video.options = {"preset": "ultrafast", "sc_threshold": "0", "threads": "1"}
        if codec == "libx265":
            video.options = {
                "preset": "ultrafast",
                "x265-params": "log-level=none:pools=1:bframes=0",
            }
        rate = 8000 if audio == "pcm_alaw" else 16000
        sound = target.add_stream(audio, rate=rate, layout="mono") if audio else None
        for i in range(seconds * FPS):
            target.mux(video.encode(_picture(i, seed)))
            if sound is not None:
                target.mux(sound.encode(_sound(i, rate)))
        target.mux(video.encode(None))
        if sound is not None:
            target.mux(sound.encode(None))
    return path


def make_packets(clip: Path, path: Path) -> list[str]:
    """The clip as access units in Annex B, for the RTSP server; returns their hashes in order."""
    kind, units = units_of(clip)
    units = [(at_ns, signed(unit, kind, i)) for i, (at_ns, unit) in enumerate(units)]
    with path.open("wb") as target:
        for at_ns, unit in units:
            line = {"at_ns": at_ns, "size": len(unit)}
            target.write(json.dumps(line).encode() + b"\n")
        target.write(b"\n")
        for _, unit in units:
            target.write(unit)
    return [hash_of(pictures(annexb_nals(unit), kind)) for _, unit in units]


def units_of(clip: Path) -> tuple[str, list[tuple[int, bytes]]]:
    """(codec, access units of a clip in Annex B, each with its time from the first on)."""
    units: list[tuple[int, bytes]] = []
    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        kind = video.codec_context.name
        annexb = BitStreamFilterContext(f"{kind}_mp4toannexb", video)
        for packet in source.demux(video):
            for unit in annexb.filter(packet if packet.size else None):
                assert unit.pts is not None
                units.append((int(unit.pts * (video.time_base or 1) * 10**9), bytes(unit)))
    return kind, [(at_ns - units[0][0], unit) for at_ns, unit in units]


def signed(unit: bytes, codec: str, number: int) -> bytes:
    """An access unit as a camera sends it: parameter sets first, then an SEI of its own."""
    nals = list(annexb_nals(unit))
    sets = [nal for nal in nals if not pictures(iter([nal]), codec)]
    rest = [nal for nal in nals if nal not in sets]
    if codec == "h264":  # user_data_unregistered: 16 bytes of UUID, then what the camera likes
        word = b"signature %08d" % number
        sets.append(bytes([6, 5, 16 + len(word)]) + b"hindsight-camera" + word + b"\x80")
    return b"".join(b"\0\0\0\1" + nal for nal in sets + rest)


def picture_hashes(path: Path) -> list[str]:
    """Of each access unit of a file: the hash of its NAL units, parameter sets left aside."""
    with av.open(str(path)) as source:
        video = source.streams.video[0]
        kind = video.codec_context.name
        return [
            hash_of(pictures(_length_nals(bytes(packet)), kind))
            for packet in source.demux(video)
            if packet.size
        ]


def pictures(nals: Iterator[bytes], codec: str) -> list[bytes]:
    """NAL units without delimiters and parameter sets, which a container keeps in its header."""
    kept = []
    for nal in nals:
        kind = nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F
        if kind not in ((7, 8, 9) if codec == "h264" else (32, 33, 34, 35)):
            kept.append(nal)
    return kept


def annexb_nals(unit: bytes) -> Iterator[bytes]:
    """NAL units between start codes."""
    for part in unit.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1"):
        if part:
            yield part


def _length_nals(unit: bytes) -> Iterator[bytes]:
    if unit.startswith((b"\0\0\0\1", b"\0\0\1")):
        yield from annexb_nals(unit)
        return
    at = 0
    while at + 4 <= len(unit):
        length = int.from_bytes(unit[at : at + 4], "big")
        yield unit[at + 4 : at + 4 + length]
        at += 4 + length


def hash_of(nals: list[bytes]) -> str:
    """One hash of several NAL units, their borders included."""
    digest = hashlib.sha256()
    for nal in nals:
        digest.update(len(nal).to_bytes(4, "big") + nal)
    return digest.hexdigest()


def _picture(i: int, seed: int) -> av.VideoFrame:
    noise = np.random.default_rng(seed * 1000 + i).integers(0, 255, (8, 10, 3), np.uint8)
    picture = np.kron(noise, np.ones((15, 16, 1), np.uint8))
    picture[:, (i * 4) % SIZE[0]] = 255
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.pts, frame.time_base = i, Fraction(1, FPS)
    return frame


def _sound(i: int, rate: int) -> av.AudioFrame:
    count = rate // FPS
    wave = np.sin(np.arange(i * count, (i + 1) * count) * 0.1) * 8000
    frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, i * count, Fraction(1, rate)
    return frame
