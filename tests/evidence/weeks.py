"""Archives of very many segments, made fast: one encoded minute under ever another mark."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import av
import numpy as np
from sqlalchemy import insert
from ulid import ULID

from storage import schema
from storage.clock import US
from storage.directory import DataDirectory
from storage.register import add_camera
from storage.timeline import expect
from storage.vocabulary import Camera
from storage.volumes import segment_path

MINUTE_US = 60 * US
MARK = b"mark-of-this-minute-00000000"  # in the file's metadata; no two files have the same bytes


@dataclass(frozen=True)
class Recorded:
    """What was made."""

    camera: Camera
    start_us: int
    end_us: int
    size_bytes: int


def minute(fps: int = 1, size: tuple[int, int] = (64, 48), bits_per_s: int = 0) -> bytes:
    """A minute of H.264 in fragments; of noise with about so many bits, if that is asked."""
    made = io.BytesIO()
    options = {"movflags": "frag_keyframe+delay_moov+default_base_moof"}
    chance = np.random.default_rng(0)
    with av.open(made, "w", format="mp4", options=options) as target:
        target.metadata["comment"] = MARK.decode()
        stream = target.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.gop_size, stream.max_b_frames = 2 * fps if bits_per_s else 20 * fps, 0
        stream.options = {"preset": "ultrafast", "sc_threshold": "0", "threads": "1"}
        if bits_per_s:
            stream.bit_rate = bits_per_s
        noise = [chance.integers(0, 255, (size[1], size[0], 3), np.uint8) for _ in range(3)]
        for i in range(60 * fps):
            picture = noise[i % 3] if bits_per_s else np.full((size[1], size[0], 3), i, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, fps)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    assert made.getvalue().count(MARK) == 1
    return made.getvalue()


def record_minutes(
    directory: DataDirectory, name: str, start_us: int, count: int, media: bytes
) -> Recorded:
    """Files and rows of `count` minutes that follow one another, as a recorder leaves them."""
    volume = next(iter(directory.archive.volumes))
    root = directory.archive.volume(volume).root
    with directory.ledger.write() as tx:
        camera = add_camera(tx, name=name, url=None, created_us=start_us)
        expect(tx, camera.id, start_us, start_us + count * MINUTE_US)
        rows, before = [], None
        for number in range(count):
            begin_us, key = start_us + number * MINUTE_US, str(ULID())
            data = media.replace(MARK, MARK[:-8] + f"{number:08d}".encode())
            path = segment_path(camera.slug, begin_us, key, "mp4")
            _put(root / path, data)
            digest = sha256(data).hexdigest()
            rows.append({
                "id": key, "camera_id": camera.id, "start_us": begin_us,
                "end_us": begin_us + MINUTE_US, "duration_us": MINUTE_US, "size_bytes": len(data),
                "sha256": digest, "prev_sha256": before, "container": "mp4", "codec": "h264",
                "width": 64, "height": 48, "fps": 1.0, "volume": volume, "path": path,
                "state": "closed", "clock_source": "rtcp", "clock_error_us": 40_000,
                "recovered": False, "origin": "live", "first_pts": 0, "time_base": "1/90000",
                "created_us": begin_us + MINUTE_US,
            })  # fmt: skip
            before = digest
        tx.execute(insert(schema.segment), rows)
    return Recorded(camera, start_us, start_us + count * MINUTE_US, count * len(media))


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
