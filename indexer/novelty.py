"""The gate of one camera: which pictures are decoded, and what of them is worth a vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from indexer.bustle import Bustle, Stretch
from indexer.following import Following, Sighting, histogram
from indexer.health import PictureNews, PictureWatch
from indexer.quality import Eye
from indexer.regions import LEAST_AREA, Blob, Box, blobs, region_of
from indexer.scene import Scene, Seen, Small
from storage.clock import US
from storage.lake import BLACK, COVERED, FROZEN, MOVED, OVEREXPOSED
from storage.looks import Reason

if TYPE_CHECKING:
    from storage.settings import IndexerSettings

DISTRUST_US = 900 * US  # after the packets kept silent about a subject
STALE_US = 86_400 * US  # a scene not seen for so long is looked at anew
SAME_CONTOURS = 0.45  # correlation above which a wholly changed picture is another light
COVERED_BELOW = 0.25  # of the usual contours
ANOTHER_VIEW_US = 60 * US  # so long another view becomes the scene
COVERED_VIEW_US = 3600 * US
LIGHT_LEVELS = 30.0  # grey levels since the last whole picture
REBASE_LEVELS = 5.0
MORE_SHARE = 0.2  # of the picture: so much more changed than in the last whole picture
NOTHING_TO_SEE = BLACK | OVEREXPOSED


@dataclass(frozen=True, slots=True)
class Verdict:
    """About one decoded picture."""

    reason: Reason
    whole: bool  # the whole picture gets a vector
    regions: tuple[Box, ...]  # and these parts of it
    novelty: float
    quality: int


class Gate:
    """Memory and judgement about one camera; pictures come in order of time, or nearly so."""

    def __init__(self) -> None:
        self.scene: Scene | None = None
        self.bustle = Bustle()
        self.following = Following()
        self.eye = Eye()
        self.watch = PictureWatch()
        self.news: list[PictureNews] = []  # for whoever tells people; it empties the list
        self.fresh = False  # the scene is known from pictures that were not yet judged
        self.looked_us: int | None = None  # when a picture was last decoded
        self.whole_us: int | None = None  # when a whole picture last got a vector
        self.whole_share = 0.0  # of it had changed
        self.drift = 0.0  # grey levels of light since then
        self.again = False  # the packets were busy: look at the next picture too
        self.distrust_us = -STALE_US  # until then packets are not believed
        # End of the last segment, and sizes of its packets after the last picture that was due.
        self.tail: tuple[int, npt.NDArray[np.int64]] | None = None
        self.strange_us: int | None = None  # since when another view is seen
        self.bad = 0  # NOTHING_TO_SEE flags of the last picture

    @property
    def memory_bytes(self) -> int:
        """What it holds, about."""
        return 4096 + (self.scene.memory_bytes if self.scene else 0)

    def wants_priming(self, at_us: int, shape: tuple[int, int]) -> bool:
        """Whether nothing is known of the scene, (height, width) at working size, at an instant."""
        stale = self.looked_us is not None and abs(at_us - self.looked_us) > STALE_US
        return self.scene is None or stale or self.scene.shape != shape

    def prime(self, pictures: Sequence[Small]) -> None:
        """Learn a scene from pictures of one time before they are judged."""
        self.scene = Scene.of(pictures)
        self.following = Following()
        self.bustle.forget()
        self.strange_us = None
        self.fresh = True

    def begin(self, start_us: int) -> None:
        """A segment from `start_us` on comes. Where that is no later than what was seen last (a
        backlog, footage indexed anew), nobody in it counts as embedded already."""
        if self.looked_us is not None and start_us <= self.looked_us:
            self.following = Following()
            self.whole_us = None
            self.again = False

    def bustle_of(
        self, stretch: Stretch | None, pixels: int, key_bytes: float, settings: IndexerSettings
    ) -> float | None:
        """How busy the packets are, in parts of what counts as busy; None: they cannot tell.

        `pixels` of a picture, `key_bytes` of a keyframe.
        """
        if stretch is None:
            return None
        return self.bustle.busy(stretch, pixels, key_bytes, factor(settings))

    def must_decode(self, busy: float | None, at_us: int, settings: IndexerSettings) -> bool:
        """Whether the picture at `at_us` is to be looked at; `busy` of the packets before it."""
        if settings.sensitivity >= 1 or self.scene is None or not self.scene.settled:
            return True
        if self.looked_us is None or self.whole_us is None or busy is None or busy >= 1:
            return True
        if self.again:  # what made them busy may only just have come into view
            return True
        since = abs(at_us - self.looked_us)
        return (
            since >= round(settings.look_s * US)
            or abs(at_us - self.whole_us) >= round(settings.heartbeat_s * US)
            or at_us < self.distrust_us
        )

    def decide(
        self,
        small: Small,
        at_us: int,
        size: tuple[int, int],
        settings: IndexerSettings,
        busy: float | None,
        *,
        key: bool,
    ) -> Verdict:
        """Judge a decoded picture of `size` (width, height) and learn from it.

        `busy`: what the packets said of it; where they kept silent about a subject they are not
        believed for a while.
        """
        verdict = self._judge(small, at_us, size, settings, self.eye.look(small, key=key))
        if told := self.watch.look(verdict.quality, at_us):
            self.news.append(told)
        self.again = busy is not None and self.bustle.lasts
        silent = busy is not None and busy < 1
        if silent and verdict.reason is Reason.NEW and verdict.regions:
            self.distrust_us = at_us + DISTRUST_US
        self.looked_us = at_us
        if verdict.whole:
            self.whole_us, self.whole_share, self.drift = at_us, verdict.novelty, 0.0
        return verdict

    def _judge(
        self,
        small: Small,
        at_us: int,
        size: tuple[int, int],
        settings: IndexerSettings,
        quality: int,
    ) -> Verdict:
        bad, self.bad = self.bad, quality & NOTHING_TO_SEE
        if self.bad:  # nothing is learnt of it; one row says that it was so
            return Verdict(
                Reason.LIGHT if bad != self.bad else Reason.STILL, bad != self.bad, (), 0.0, quality
            )
        scene = self.scene
        if scene is None or (not self.fresh and self.wants_priming(at_us, small.shape[:2])):
            return self._anew(small, Reason.FIRST, 1.0, quality)
        fresh, self.fresh = self.fresh, False
        if quality & FROZEN:
            return self._heartbeat(at_us, settings, 0.0, quality) or Verdict(
                Reason.STILL, False, (), 0.0, quality
            )
        seen = scene.see(small, factor(settings))
        if seen.switched and seen.alike >= SAME_CONTOURS:
            self.bustle.forget()
            return self._anew(small, Reason.SWITCHED, seen.share, quality)
        if seen.is_global:
            return self._all_changed(scene, seen, small, at_us, settings, quality)
        self.strange_us = None
        verdict = self._parts_changed(scene, seen, at_us, size, settings, quality)
        if fresh and settings.sensitivity < 1:
            verdict = replace(verdict, reason=Reason.FIRST, whole=True)
        scene.learn(seen, at_us)
        if seen.light.strength > REBASE_LEVELS:
            self.drift += seen.light.strength
            scene.rebase(seen.light)
        return verdict

    def _parts_changed(
        self,
        scene: Scene,
        seen: Seen,
        at_us: int,
        size: tuple[int, int],
        settings: IndexerSettings,
        quality: int,
    ) -> Verdict:
        found: list[Blob] = []
        if seen.share:
            least = LEAST_AREA * factor(settings)
            found = blobs(seen.changed, scene.new_contours(seen.small), least)
        sightings, large = self._sightings(found, seen, size)
        chosen = self.following.worth(
            sightings, at_us, diagonal=math.hypot(*size),
            again_us=round(settings.region_again_s * US), most=settings.regions,
        )  # fmt: skip
        regions = tuple(sighting.box for sighting in chosen)
        novelty = seen.share
        if settings.sensitivity >= 1:
            return Verdict(Reason.UNGATED, True, regions, novelty, quality)
        since_us = STALE_US if self.whole_us is None else abs(at_us - self.whole_us)
        again = since_us >= round(settings.region_again_s * US)
        more = novelty >= self.whole_share + MORE_SHARE
        if chosen or ((large or (sightings and not settings.regions)) and (again or more)):
            return Verdict(Reason.NEW, again or more or not regions, regions, novelty, quality)
        if self.drift + seen.light.strength >= LIGHT_LEVELS:
            return Verdict(Reason.LIGHT, True, (), novelty, quality)
        if beat := self._heartbeat(at_us, settings, novelty, quality):
            return beat
        if found:
            return Verdict(Reason.KNOWN, False, (), novelty, quality)
        reason = Reason.SHAKEN if seen.shift != (0.0, 0.0) else Reason.STILL
        return Verdict(reason, False, (), novelty, quality)

    def _sightings(
        self, found: list[Blob], seen: Seen, size: tuple[int, int]
    ) -> tuple[list[Sighting], bool]:
        """Regions of what changed, and whether something is too large for one."""
        scale = size[0] / seen.small.shape[1]
        sightings, large = [], False
        for blob in found:
            box = region_of(blob.box, scale, *size)
            if box is None:
                large = True
                continue
            x, y, w, h = blob.box
            there = (slice(y, y + h), slice(x, x + w))
            looks = histogram(seen.small[there], seen.changed[there])
            sightings.append(Sighting(box, looks))
        return sightings, large

    def _all_changed(
        self,
        scene: Scene,
        seen: Seen,
        small: Small,
        at_us: int,
        settings: IndexerSettings,
        quality: int,
    ) -> Verdict:
        """Nearly everything is different: the light, a hand before the lens, or another view."""
        if seen.alike >= SAME_CONTOURS:
            return self._anew(small, Reason.LIGHT, seen.share, quality)
        covered = scene.contours_of(small) < COVERED_BELOW
        quality |= COVERED if covered else MOVED
        first = self.strange_us is None
        if self.strange_us is None:
            self.strange_us = at_us
        lasts_us = abs(at_us - self.strange_us)
        if lasts_us >= (COVERED_VIEW_US if covered else ANOTHER_VIEW_US):
            return self._anew(small, Reason.NEW, seen.share, quality)
        since_us = STALE_US if self.whole_us is None else abs(at_us - self.whole_us)
        if first or since_us >= round(settings.region_again_s * US):
            return Verdict(Reason.NEW, True, (), seen.share, quality)
        return Verdict(Reason.KNOWN, False, (), seen.share, quality)

    def _anew(self, small: Small, reason: Reason, novelty: float, quality: int) -> Verdict:
        self.scene = Scene(small)
        self.following = Following()
        self.strange_us = None
        self.fresh = False
        return Verdict(reason, True, (), novelty, quality)

    def _heartbeat(
        self, at_us: int, settings: IndexerSettings, novelty: float, quality: int
    ) -> Verdict | None:
        since_us = STALE_US if self.whole_us is None else abs(at_us - self.whole_us)
        if since_us < round(settings.heartbeat_s * US):
            return None
        return Verdict(Reason.HEARTBEAT, True, (), novelty, quality)


def factor(settings: IndexerSettings) -> float:
    """By what thresholds are multiplied: 2 at sensitivity 0, 1 at 0.5, ½ at 1."""
    return float(2 ** (1 - 2 * settings.sensitivity))


def working_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) at which a picture is compared: a quarter, so that forty pixels stay ten."""
    small_w = min(width, max(320, min(640, width // 4)))
    small_h = max(16, round(height * small_w / width))
    return max(16, small_w // 2 * 2), small_h // 2 * 2
