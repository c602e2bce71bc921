"""Renders a scene into an H.264 MP4 and writes its truth beside it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from .arrays import Picture
from .picture import Renderer
from .spec import SceneSpec
from .truth import SceneTruth, Witness

_THREADS = 2  # fixed: the number of threads changes what x264 decides


def truth_path(path: Path) -> Path:
    """Where the truth of the clip at `path` lies."""
    return path.with_suffix(".truth.jsonl")


def render_scene(spec: SceneSpec, path: Path) -> SceneTruth:
    """Write the clip to `path` and its truth to `truth_path(path)`; raises `Invalid`.

    Closed groups of pictures of `gop_s` seconds, no B-frames, yuv420p. Neither file appears under
    its name before it is whole.
    """
    renderer, witness = Renderer(spec), Witness(spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        _encode(renderer, witness, unfinished)
        truth = witness.truth()
        words = truth_path(path).with_name(f".{truth_path(path).name}.unfinished")
        words.write_text("\n".join(truth.lines()) + "\n", encoding="utf-8")
        words.replace(truth_path(path))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return truth


def _encode(renderer: Renderer, witness: Witness, path: Path) -> None:
    spec = renderer.spec
    gop = max(1, round(spec.gop_s * spec.fps))
    options = {
        "preset": "superfast",
        "profile": "main",
        "g": str(gop),
        "keyint_min": str(gop),
        "sc_threshold": "0",
        "bf": "0",
        "flags": "+cgop",
        "threads": str(_THREADS),
        "maxrate": str(spec.bitrate_bps * 3 // 2),
        "bufsize": str(spec.bitrate_bps * 2),
    }
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=spec.fps, options=options)
        stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
        stream.bit_rate = spec.bitrate_bps
        stream.time_base = stream.codec_context.time_base = Fraction(1, spec.fps)
        for index in range(spec.frames):
            picture, sightings = renderer.frame(index)
            witness.note(index, sightings)
            container.mux(stream.encode(_frame(picture, index, spec.fps)))
        container.mux(stream.encode(None))


def _frame(picture: Picture, index: int, fps: int) -> av.VideoFrame:
    planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.colorspace, frame.color_range = Colorspace.ITU601, ColorRange.MPEG
    frame.pts, frame.time_base = index, Fraction(1, fps)
    return frame
