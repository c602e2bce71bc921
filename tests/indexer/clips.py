"""Clips whose pixels carry their picture number, and data directories that hold them.

from tests.indexer.clips import Clip, steady, write_clip
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from ulid import ULID

from storage import segments
from storage.clock import US
from storage.directory import DataDirectory
from storage.durable import sha256_file
from storage.vocabulary import Camera, ClockSource, Segment, SegmentState
from storage.volumes import segment_path

BITS = 12  # of the picture number, as bright or dark blocks along the top
START_US = 1_780_000_000 * US
Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clip:
    """How a clip is made: `times` are the instants of its pictures, seconds."""

    times: tuple[Fraction, ...]
    gop: int = 25
    b_frames: int = 0
    codec: str = "libx264"
    size: tuple[int, int] = (312, 176)
    fragmented: bool = False
    noise: int = 0  # grey levels; makes pictures differ everywhere


def steady(rate: Fraction | int | str, seconds: float) -> tuple[Fraction, ...]:
    """Times of a constant rate."""
    rate = Fraction(rate)
    return tuple(i / rate for i in range(int(seconds * rate)))


def numbered_picture(number: int, size: tuple[int, int], noise: int = 0) -> Rgb:
    """A picture that says its number, so that a test sees which one it was given."""
    width, height = size
    rgb = np.full((height, width, 3), 60, np.uint8)
    rgb[height // 2 :, :, 0] = np.linspace(20, 220, width, dtype=np.uint8)
    block = width // BITS
    for bit in range(BITS):
        if number >> bit & 1:
            rgb[8:56, bit * block + 4 : (bit + 1) * block - 4] = 235
    if noise:
        grain = np.random.default_rng(number).integers(-noise, noise + 1, rgb.shape)
        rgb = np.clip(rgb.astype(np.int16) + grain, 0, 255).astype(np.uint8)
    return rgb


def number_in(rgb: Rgb) -> int:
    """The number a decoded picture carries."""
    block = rgb.shape[1] // BITS
    middles = [
        float(rgb[16:48, bit * block + 8 : (bit + 1) * block - 8].mean()) for bit in range(BITS)
    ]
    return sum(1 << bit for bit, level in enumerate(middles) if level > 140)


def write_clip(path: Path, clip: Clip) -> Path:
    """Encode a clip through PyAV."""
    base = Fraction(1, 90_000)
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if clip.fragmented else {}
    with av.open(str(path), "w", options=options) as target:
        stream = target.add_stream(clip.codec, rate=25)
        stream.width, stream.height = clip.size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = clip.gop
        stream.max_b_frames = clip.b_frames
        stream.codec_context.time_base = base
        stream.codec_context.thread_count = 1
        if clip.codec == "libx264":
            stream.options = {
                "preset": "ultrafast",
                "x264-params": f"scenecut=0:keyint={clip.gop}:min-keyint={clip.gop}"
                f":bframes={clip.b_frames}:b-adapt=0",
            }
        elif clip.codec == "libx265":
            stream.options = {
                "preset": "ultrafast",
                "x265-params": f"log-level=none:scenecut=0:keyint={clip.gop}"
                f":min-keyint={clip.gop}:bframes={clip.b_frames}:pools=1:frame-threads=1",
            }
        if clip.codec in ("mpeg4", "msmpeg4v2"):
            stream.codec_context.time_base = Fraction(1, 25)  # MPEG-4 counts in 16 bits
            stream.bit_rate = 4_000_000
        base = stream.codec_context.time_base or base
        for number, at in enumerate(clip.times):
            rgb = numbered_picture(number, clip.size, clip.noise)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts = round(at / base)
            frame.time_base = base
            for packet in stream.encode(frame):
                target.mux(packet)
        for packet in stream.encode(None):
            target.mux(packet)
    return path


def segment_of(path: Path, *, camera: Camera | None = None, start_us: int = START_US) -> Segment:
    """A row that fits a file, as the recorder would write it."""
    key = str(ULID())
    try:
        with av.open(str(path)) as container:
            duration_us = int(container.duration or 0)
            codec = container.streams.video[0].codec_context.name
    except (av.FFmpegError, IndexError):
        duration_us, codec = 10 * US, "h264"
    slug = camera.slug if camera else "gate"
    return Segment(
        id=key, camera_id=camera.id if camera else 1, camera=slug, start_us=start_us,
        end_us=start_us + duration_us, duration_us=duration_us, size_bytes=path.stat().st_size,
        sha256=sha256_file(path), prev_sha256=None, container="mp4", codec=codec, width=312,
        height=176, fps=25.0, audio_codec=None, volume="main",
        path=segment_path(slug, start_us, key, path.suffix.lstrip(".") or "mp4"),
        state=SegmentState.CLOSED, clock_source=ClockSource.DECLARED, clock_error_us=0,
        recovered=False, origin="import", original_name=path.name, note=None, first_pts=0,
        time_base="1/90000", created_us=start_us, expired_us=None, expired_rule=None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Archive:
    """A data directory with one camera, and how footage gets into it."""

    directory: DataDirectory
    camera: Camera

    def put(self, source: Path, start_us: int = START_US) -> Segment:
        """Take in a file as a closed segment of the camera."""
        segment = segment_of(source, camera=self.camera, start_us=start_us)
        target = self.directory.archive.volume("main").file(segment.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        with self.directory.ledger.write() as tx:
            segments.insert_segment(tx, segment)
        return segment

    def file(self, segment: Segment) -> Path:
        """Where it lies."""
        return self.directory.archive.segment_file(segment)
