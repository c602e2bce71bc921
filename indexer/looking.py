"""Looking through a segment: which pictures are due, what is new in them, what gets a vector."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.sampling import samples
from indexer.video import Rgb
from storage.looks import Decision, Look, Reason
from storage.media import Media
from storage.vocabulary import Segment

if TYPE_CHECKING:
    from storage.settings import IndexerSettings

Box = tuple[int, int, int, int]  # x, y, w, h in pixels of the upright picture


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """What gets one vector: a whole picture (`box` None) or a region of it, at full resolution."""

    rgb: Rgb
    box: Box | None
    novelty: float

    @property
    def kind(self) -> str:
        """As the lake calls it."""
        return "frame" if self.box is None else "region"


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """One picture that was due: the decision, and what of it gets a vector (nothing: skipped)."""

    look: Look
    crops: tuple[Crop, ...]


def look_through(
    file: Path | Media, segment: Segment, settings: IndexerSettings
) -> Generator[Looked, None, None]:
    """Decide about every picture of a segment that is due, ascending in time.

    DataLoss or Invalid when the file is missing, cut short, not video, or holds no picture that
    can be decoded. Damage inside costs the pictures it hits, not the rest.
    """
    for sample in samples(file, segment, settings.interval_s):
        look = Look(
            segment.camera_id, segment.id, sample.ts_us, sample.pts, Decision.EMBEDDED,
            Reason.UNGATED, sample.novelty, 0.0, sample.quality, 0,
        )  # fmt: skip
        yield Looked(look, (Crop(sample.rgb, None, sample.novelty),))
