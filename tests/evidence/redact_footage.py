"""Footage to hide things in: a still scene, and a magenta subject that bears a text and moves."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.packet import Packet

Picture = npt.NDArray[np.uint8]
WIDTH, HEIGHT, FPS = 320, 192, 10
SUBJECT = (48, 32)  # width and height
SECRET = b"CAMERA-SERIAL-0815"  # in the source's SEI


def scene(width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """A street of coarse texture, nowhere magenta."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(60, 190, (height // 12, width // 12), dtype=np.uint8)
    grey: Any = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.stack([grey, grey, (grey * 0.8).astype(np.uint8)], axis=2)


def with_subject(picture: Picture, x: float, y: float, text: str = "K7") -> Picture:
    """A copy with the subject's upper left corner at (x, y); it may lie partly outside."""
    w, h = SUBJECT
    subject = np.empty((h, w, 3), np.uint8)
    subject[:] = (220, 20, 220)
    subject[::8] = subject[:, ::8] = (120, 0, 120)
    cv2.putText(subject, text, (4, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 230, 255), 2)
    moved = np.array([[1, 0, x], [0, 1, y]], np.float32)
    size = (picture.shape[1], picture.shape[0])
    mask: Any = cv2.warpAffine(np.full((h, w), 255, np.uint8), moved, size)
    drawn: Any = cv2.warpAffine(subject, moved, size)
    return np.where(mask[..., None] > 0, drawn, picture).astype(np.uint8)


def magenta(picture: Picture) -> int:
    """How many pixels can only be the subject's."""
    r, g, b = (picture[..., i].astype(int) for i in range(3))
    return int(((np.minimum(r, b) - g) > 60).sum())


def clip(
    path: Path,
    place: Callable[[int], tuple[float, float] | None],
    pictures: int = 30,
    *,
    text: str = "K7",
    lossless: bool = False,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Path:
    """A film of the scene; `place` says where the subject is in each picture. Every keyframe
    carries SEI user data."""
    background = scene(*size)
    with av.open(str(path), "w", format="mp4") as target:
        target.metadata["title"] = SECRET.decode()
        video = target.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.gop_size, video.max_b_frames = FPS, 0
        video.options = {"preset": "ultrafast", "threads": "1", "crf": "0" if lossless else "16"}
        if lossless:
            video.options = {**video.options, "qp": "0"}
        for i in range(pictures):
            where = place(i)
            picture = background if where is None else with_subject(background, *where, text)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            for packet in video.encode(frame):
                target.mux(_with_sei(packet))
        for packet in video.encode(None):
            target.mux(_with_sei(packet))
    assert SECRET in path.read_bytes()
    return path


def _with_sei(packet: Packet[Any]) -> Packet[Any]:
    """The packet with user data before its picture, as cameras put their signatures there."""
    payload = b"\x08" * 16 + SECRET
    unit = b"\0\0\0\1\x06\x05" + bytes([len(payload)]) + payload + b"\x80"
    made: Packet[Any] = Packet(unit + bytes(packet))
    made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
    made.time_base, made.stream = packet.time_base, packet.stream
    made.is_keyframe = packet.is_keyframe
    return made


def seen(path: Path) -> list[tuple[float, Picture]]:
    """(seconds, picture) of a film, decoded."""
    found = []
    with av.open(str(path)) as source:
        for frame in source.decode(video=0):
            rgb: Any = frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
            found.append((float(frame.time or 0), rgb))
    return found


def box(x: float, y: float, margin: float = 2) -> list[float]:
    """What a person draws round the subject at (x, y), as fractions."""
    x0, y0 = max(0.0, x - margin), max(0.0, y - margin)
    x1, y1 = min(WIDTH, x + SUBJECT[0] + margin), min(HEIGHT, y + SUBJECT[1] + margin)
    return [x0 / WIDTH, y0 / HEIGHT, (x1 - x0) / WIDTH, (y1 - y0) / HEIGHT]
