"""Writes the film of a redacted copy: every picture of a span as the recipe shows it, flat ones
where nothing was recorded, the time below."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from evidence.absences import NO_PICTURE, SEAM, Absence
from evidence.plan import CameraPlan
from evidence.playable import DISK_REFUSES
from evidence.redaction_band import band, band_height
from evidence.redaction_film import Film, Filming
from evidence.redaction_hiding import (
    NOTHING,
    Hidden,
    hide,
    hide_all_but,
    pixels_hidden,
    pixels_shown,
)
from evidence.redaction_pictures import Rgb, Shown, Source
from evidence.redaction_recipe import ALL_BUT_BOXES, Recipe
from evidence.redaction_tracking import Rect
from evidence.redaction_trails import Trail
from storage.clock import US, rfc3339
from storage.errors import DataLoss
from storage.masking import FILL
from storage.vocabulary import Span

LEAST_SILENCE_US = 2 * US  # a longer time without a picture is a gap, whatever the ledger says


def drawn_over(
    shown: Shown, rects: Sequence[Rect | None], recipe: Recipe
) -> tuple[Rgb, Hidden]:  # fmt: skip
    """A picture as the copy shows it, where every subject is known."""
    height, width = shown.rgb.shape[:2]
    keeps = recipe.hide == ALL_BUT_BOXES
    pixels = pixels_shown if keeps else pixels_hidden
    boxes = [pixels(rect, width, height) for rect in rects if rect is not None]
    inside = [box for box in boxes if box is not None]
    return hide_all_but(shown.rgb, inside) if keeps else hide(shown.rgb, inside, recipe.fill)


def film_span(
    path: Path, source: Source, plan: CameraPlan, found: Sequence[Trail], recipe: Recipe,
    asked: Span, burn_time: bool, tick: Callable[[int], None],
) -> tuple[Film, list[Absence]]:  # fmt: skip
    """Write every picture of the span, and a flat one where nothing was recorded; also returns
    where the camera sent no picture though the ledger has it recorded."""
    lost = [one for one in plan.absences if one.cause != SEAM]
    silent: list[Absence] = []
    last: Shown | None = None
    reel: _Reel | None = None
    for shown in source.pictures(asked):
        if reel is None:
            comment = json.dumps(
                {"derivative": "redacted", "camera": plan.camera.slug,
                 "start": rfc3339(asked.start_us), "recipe_sha256": recipe.sha256,
                 "originals": [one.sha256 for one in plan.segments]}
            )  # fmt: skip
            reel = _Reel(path, shown, plan, burn_time, comment, asked)
        if last is not None and (quiet := _silence(last, shown.at_us, lost)):
            silent.append(quiet)
            lost = sorted([*lost, quiet], key=lambda one: one.start_us)
        last = shown
        reel.empty_until(max(shown.at_us, asked.start_us), lost)
        if any(shown.at_us not in trail.rects for trail in found):
            raise DataLoss(
                "segment {segment} ({camera}) was read twice and gave other pictures; nothing was"
                " made, `hindsight check --level hash` tells whether its file is damaged",
                segment=shown.segment.id, camera=shown.segment.camera,
            )  # fmt: skip
        picture, hidden = drawn_over(shown, [one.rects[shown.at_us] for one in found], recipe)
        reel.add(shown, picture, hidden)
        tick(shown.at_us)
    if reel is None:
        raise DataLoss(
            "no picture of {camera} from {start} to {end} can be decoded; nothing was made,"
            " `hindsight check --level hash` tells whether files are damaged",
            camera=plan.camera.slug, start=rfc3339(asked.start_us), end=rfc3339(asked.end_us),
        )  # fmt: skip
    if last is not None and (quiet := _silence(last, asked.end_us, lost)):
        silent.append(quiet)
        lost = sorted([*lost, quiet], key=lambda one: one.start_us)
    reel.empty_until(asked.end_us, lost)
    try:
        return reel.filming.finish(asked.duration_us), silent
    except av.error.FFmpegError as error:
        raise _refused(error, path) from None


def _silence(last: Shown, next_us: int, lost: Sequence[Absence]) -> Absence | None:
    """The time after a picture in which the next was due and did not come."""
    frame_us = round(US / last.segment.fps) if last.segment.fps else 0
    due_us = last.at_us + frame_us
    if next_us - due_us < max(LEAST_SILENCE_US, 3 * frame_us):
        return None
    if any(one.start_us < next_us and one.end_us > due_us for one in lost):
        return None  # the ledger knows of it
    return Absence(last.segment.camera, due_us, next_us, NO_PICTURE, None)


class _Reel:
    """Pictures of one camera on their way into the file: of one size, with the time below."""

    def __init__(
        self, path: Path, first: Shown, plan: CameraPlan, burn_time: bool, comment: str, asked: Span
    ) -> None:
        self.plan = plan
        self.asked = asked
        self.height, self.width = first.rgb.shape[:2]
        self.band = band_height(self.height) if burn_time else 0
        self.path = path
        self.filming = Filming(
            path,
            self.width,
            self.height + self.band,
            first.segment.fps or 0.0,
            first.aspect,
            comment,
        )
        self._told = 0  # absences shown so far

    def empty_until(self, at_us: int, lost: Sequence[Absence]) -> None:
        """Flat pictures for the absences that begin before `at_us`: a frozen picture must not
        pass for one."""
        while self._told < len(lost) and lost[self._told].start_us < at_us:
            one = lost[self._told]
            self._told += 1
            blank = np.full((self.height, self.width, 3), FILL, np.uint8)
            self._write(blank, max(one.start_us, self.asked.start_us), NOTHING, None)

    def add(self, shown: Shown, picture: Rgb, hidden: Hidden) -> None:
        """The next picture."""
        if picture.shape[:2] != (self.height, self.width):
            picture, hidden = _fitted(picture, hidden, self.width, self.height)
        self._write(picture, shown.at_us, hidden, shown.segment.id)

    def _write(self, picture: Rgb, at_us: int, hidden: Hidden, segment: str | None) -> None:
        if self.band:
            line = band(
                self.width, self.band, self.plan.camera, at_us, segment=segment,
                corrections=self.plan.corrections,
            )  # fmt: skip
            picture = np.vstack([picture, line])
        offset_us = max(0, at_us - self.asked.start_us)
        offsets = self.filming.film.offsets_us
        if offsets and offset_us <= offsets[-1]:
            offset_us = offsets[-1] + 1000  # an absence that begins with a picture's own time
        try:
            self.filming.add(picture, offset_us, hidden)
        except av.error.FFmpegError as error:
            raise _refused(error, self.path) from None


def _fitted(picture: Rgb, hidden: Hidden, width: int, height: int) -> tuple[Rgb, Hidden]:
    """A picture of another size in the middle of a frame of the first one's."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    w, h = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    x, y = (width - w) // 2, (height - h) // 2
    result = np.zeros((height, width, 3), np.uint8)
    result[y : y + h, x : x + w] = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
    moved = hidden.patches.astype(np.float64)
    moved[:, (0, 2)] = moved[:, (0, 2)] * (w / picture.shape[1]) + x
    moved[:, (1, 3)] = moved[:, (1, 3)] * (h / picture.shape[0]) + y
    return result, Hidden(np.round(moved).astype(np.int16), hidden.boxes)


def _refused(error: av.error.FFmpegError, path: Path) -> Exception:
    """What a failed write was: the disk's refusal, or the encoder's."""
    if error.errno in DISK_REFUSES:
        return OSError(error.errno, error.strerror, str(path))
    return DataLoss(
        "the copy cannot be encoded ({error}); nothing was published", error=error.strerror
    )
