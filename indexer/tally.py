"""What indexing did so far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Sums over segments that are done."""

    segments: int = 0
    pictures: int = 0  # vectors
    regions: int = 0  # of these
    looked: int = 0  # pictures decided about
    skipped: int = 0
    damaged: int = 0
    video_us: int = 0
    embedded: int = 0  # pictures that the model was given
    embed_s: float = 0.0  # spent in the model

    def add(self, other: Tally) -> None:
        """What another worker did as well."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
