"""Which rows of the archive qualify: time spans for each zone, and what a row itself must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from search.query import Query
from search.time_of_day import Between, Times, mask, windows
from storage.lake import DARK, INFRARED
from storage.vocabulary import Camera, Span

Bools = npt.NDArray[np.bool_]
KIND_OF = {"frame": 0, "region": 1}  # as in search.rows
NIGHT = DARK | INFRARED
WEEK = 7


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of a query, apart from its cameras' names. Safe across threads."""

    cameras: tuple[Camera, ...]  # what names, sites and distance came down to
    from_us: int | None = None
    to_us: int | None = None
    between: Between | None = None
    weekdays: tuple[int, ...] = ()
    kind: str | None = None
    least_box: int | None = None
    light: str | None = None
    _known: dict[tuple[str, int, int], tuple[Span, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, query: Query, cameras: Sequence[Camera]) -> Filters:
        """`cameras`: those that the register knows under what was asked."""
        return cls(
            tuple(cameras), query.from_us, query.to_us, query.between,
            query.weekdays if len(query.weekdays) < WEEK else (),
            query.kind, query.least_box, query.light,
        )  # fmt: skip

    @property
    def by_clock(self) -> bool:
        """Whether the local time at the camera matters."""
        return self.between is not None or bool(self.weekdays)

    @property
    def of_rows(self) -> tuple[str | None, int | None, str | None]:
        """What rows themselves must be."""
        return self.kind, self.least_box, self.light

    @property
    def by_row(self) -> bool:
        """Whether rows are judged by more than camera and time."""
        return any(one is not None for one in self.of_rows)

    def span(self, within: Span) -> Span | None:
        """What of `within` lies in the asked span; None when nothing does."""
        start_us = within.start_us if self.from_us is None else max(within.start_us, self.from_us)
        end_us = within.end_us if self.to_us is None else min(within.end_us, self.to_us)
        return Span(start_us, end_us) if start_us < end_us else None

    def windows(self, tz: str, within: Span) -> list[Span]:
        """Spans of UTC inside `within` that qualify for cameras of this zone, apart, in order.

        An instant lies in one iff `times` says so.
        """
        key = (tz, within.start_us, within.end_us)
        if key not in self._known:
            asked = self.span(within)
            if asked is None:
                found = []
            elif self.by_clock:
                found = windows(tz, self.between, asked, self.weekdays)
            else:
                found = [asked]
            self._known[key] = tuple(found)
        return list(self._known[key])

    def times(self, ts_us: Times, tz: str) -> Bools:
        """Which instants (n,) qualify for cameras of this zone."""
        keep = np.ones(ts_us.size, dtype=bool)
        if self.from_us is not None:
            keep &= ts_us >= self.from_us
        if self.to_us is not None:
            keep &= ts_us < self.to_us
        if self.by_clock:
            keep[keep] = mask(ts_us[keep], tz, self.between, self.weekdays)
        return keep

    def rows(
        self, kind: npt.NDArray[np.uint8], box: npt.NDArray[np.int32],
        quality: npt.NDArray[np.int32],
    ) -> Bools:  # fmt: skip
        """Which rows qualify by themselves: kind (n,), box (n, 4) x y w h, quality (n,) flags."""
        keep = np.ones(len(kind), dtype=bool)
        if self.kind is not None:
            keep &= kind == KIND_OF[self.kind]
        if self.least_box is not None:
            large = np.minimum(box[:, 2], box[:, 3]) >= self.least_box
            keep &= large | (kind == KIND_OF["frame"])
        if self.light is not None:
            keep &= ((quality & NIGHT) != 0) == (self.light == "night")
        return keep
