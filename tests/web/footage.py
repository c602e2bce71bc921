"""Real media for the web tests: clips whose pixels say which picture they are, kept in a ledger."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from ulid import ULID

from storage import segments, timeline
from storage.clock import US
from storage.directory import DataDirectory
from storage.durable import HashingFile
from storage.fragments import scan
from storage.register import add_camera
from storage.vocabulary import Camera, ClockSource, GapCause, Segment, SegmentState
from storage.volumes import segment_path

WIDTH, HEIGHT = 320, 180
BITS = 16  # a picture's number, as so many black or white cells, the highest first
CELL = WIDTH // BITS
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof+delay_moov"}
START_US = 1_794_834_000 * US  # 2026-11-16T13:00:00Z


def picture(number: int) -> npt.NDArray[np.uint8]:
    """The picture that says `number`."""
    image = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    for i in range(BITS):
        bright = number >> (BITS - 1 - i) & 1
        image[30:150, i * CELL + 2 : (i + 1) * CELL - 2] = 235 if bright else 16
    return image


def number_of(image: npt.NDArray[np.uint8]) -> int:
    """Which picture it is, read from its cells; any size."""
    height, width = image.shape[:2]
    found = 0
    for i in range(BITS):
        x = int((i + 0.5) * width / BITS)
        found = found << 1 | int(image[height // 2, x].mean() > 128)
    return found


def write_clip(
    path: Path,
    *,
    first: int = 0,
    count: int = 50,
    fps: int = 25,
    gop: int = 25,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    b_frames: int = 0,
    format: str | None = None,
) -> Path:
    """Encode pictures `first` … `first + count - 1`; fragmented MP4 unless told otherwise."""
    container_options = FRAGMENTED if options is None else options
    with av.open(str(path), "w", format=format, options=container_options) as target:
        stream = target.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = gop
        if codec == "libx264":
            stream.codec_context.options = {
                "preset": "ultrafast", "bf": str(b_frames), "sc_threshold": "0",
                "keyint_min": str(gop),
            }  # fmt: skip
        stream.codec_context.time_base = Fraction(1, fps)
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(picture(first + i), format="rgb24")
            frame.pts = i
            for packet in stream.encode(frame):
                target.mux(packet)
        for packet in stream.encode():
            target.mux(packet)
    return path


def register(directory: DataDirectory, name: str, **facts: object) -> Camera:
    """A camera at Shanghai's clock."""
    values = {"url": "rtsp://192.0.2.1/live", "tz": "Asia/Shanghai", "site": "North/Gate"} | facts
    with directory.ledger.write() as tx:
        return add_camera(tx, name=name, created_us=START_US, **values)  # type: ignore[arg-type]


def keep(
    directory: DataDirectory,
    camera: Camera,
    clip: Path,
    start_us: int,
    *,
    container: str = "mp4",
    codec: str = "h264",
    origin: str = "live",
    expect: bool = True,
) -> Segment:
    """Put a clip on the volume and its row into the ledger, as a closing recorder does."""
    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        audio = source.streams.audio[0].codec_context.name if source.streams.audio else None
        times = sorted(packet.pts for packet in source.demux(video) if packet.pts is not None)
        tick_us = float(video.time_base) * US
        rate = float(video.average_rate or 25)
        duration_us = round((times[-1] - times[0]) * tick_us + US / rate)
        width, height, base = video.width, video.height, video.time_base
    key = str(ULID())
    volume = directory.archive.recording_volume()
    relative = segment_path(camera.slug, start_us, key, clip.suffix.lstrip("."))
    target = volume.file(relative)
    with HashingFile(target, sealer=volume.sealer()) as file:
        file.write(clip.read_bytes())
        size_bytes, sha256 = file.publish()
    row = Segment(
        id=key, camera_id=camera.id, camera=camera.slug, start_us=start_us,
        end_us=start_us + duration_us, duration_us=duration_us, size_bytes=size_bytes,
        sha256=sha256, prev_sha256=None, container=container, codec=codec,
        width=width, height=height, fps=rate, audio_codec=audio, volume=volume.name,
        path=relative, state=SegmentState.CLOSED, clock_source=ClockSource.ARRIVAL,
        clock_error_us=40_000, recovered=False, origin=origin, original_name=None, note=None,
        first_pts=times[0], time_base=f"{base.numerator}/{base.denominator}",
        created_us=start_us + duration_us, expired_us=None, expired_rule=None,
    )  # fmt: skip
    with directory.ledger.write() as tx:
        segments.insert_segment(tx, row)
        if expect:
            timeline.expect(tx, camera.id, row.start_us, row.end_us)
    return row


def lose(directory: DataDirectory, camera: Camera, start_us: int, end_us: int) -> None:
    """A gap: expected, and not recorded."""
    with directory.ledger.write() as tx:
        timeline.expect(tx, camera.id, start_us, end_us)
        timeline.add_gap(tx, camera.id, start_us, end_us, GapCause.STALLED, "no packet for 10 s")


def fragments_of(path: Path) -> int:
    """How many fragments a file has."""
    return len(scan(path).fragments)
