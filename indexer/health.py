"""Whether a camera's picture has been bad for a while: black, covered, turned away, frozen."""

from __future__ import annotations

from dataclasses import dataclass

from storage.clock import US
from storage.events import EventKind
from storage.lake import BLACK, BLURRED, COVERED, FROZEN, MOVED, OVEREXPOSED

LASTING_US = 60 * US  # a bus before the lens is no event
KINDS = {
    BLACK: EventKind.PICTURE_BLACK,
    OVEREXPOSED: EventKind.PICTURE_OVEREXPOSED,
    COVERED: EventKind.PICTURE_COVERED,
    MOVED: EventKind.PICTURE_MOVED,
    FROZEN: EventKind.PICTURE_FROZEN,
    BLURRED: EventKind.PICTURE_BLURRED,
}  # the worst first


@dataclass(frozen=True, slots=True)
class PictureNews:
    """The picture became bad, or good again. `since_us`: when that began."""

    since_us: int
    kind: EventKind


class PictureWatch:
    """Remembers since when the pictures of one camera show what they show.

    Only what lasts is told, and each change once.
    """

    def __init__(self) -> None:
        self.told: EventKind | None = None
        self.shows: EventKind | None = None  # what is wrong with the last pictures
        self.since_us = 0

    def look(self, flags: int, at_us: int) -> PictureNews | None:
        """Take in the quality flags of a picture; news when a change has lasted."""
        shows = next((kind for flag, kind in KINDS.items() if flags & flag), None)
        if shows != self.shows or at_us < self.since_us:  # also when older footage is indexed
            self.shows, self.since_us = shows, at_us
        if shows == self.told or at_us - self.since_us < LASTING_US:
            return None
        before, self.told = self.told, shows
        if shows is None and before is EventKind.PICTURE_MOVED:
            return None  # the new view was taken for granted; nobody turned it back
        return PictureNews(self.since_us, shows or EventKind.PICTURE_GOOD)
