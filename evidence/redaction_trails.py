"""Where each subject of a recipe is in every picture of a span: drawn, followed, or unsure.

Unsure errs on the side of hiding: what is hidden grows, what is shown is hidden.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from evidence.redaction_pictures import Shown, Source
from evidence.redaction_recipe import ALL_BUT_BOXES, Box, Drawn, Recipe, Subject
from evidence.redaction_tracking import Past, Rect, Small, Step, follow, patch, small
from storage.clock import US
from storage.vocabulary import Span

MARGIN = 0.06  # of a followed box, on every side
MARGIN_PER_S = 0.03  # more for every second since it was drawn, where no later box corrects it
MOST_MARGIN = 0.5
# How far it may be from where it was last seen for sure, in its own longer side.
REACH, REACH_PER_S = 0.15, 1.0
# At least, in widths of the picture: what is small walks no slower, and its speed may have been
# measured on the ground.
LEAST_PER_S = 0.25
PAST_US = US // 2  # what is slow shows against a picture so long ago
SPEED_KEPT = 0.7  # and as far again as it was seen to move: a mean over some pictures
MEETS = 0.4  # how far (intersection over union) what was followed must lie on what was drawn
LONGEST_STEP_US = US  # between two pictures; nothing is followed over a gap
CHUNK_US = 4 * US  # of pictures kept in memory, to be followed backwards
Tick = Callable[[int], None] | None


@dataclass(frozen=True, slots=True)
class Trail:
    """A subject's way: the box by picture (its time as decoded) of the span, None where it is not
    there."""

    subject: Subject
    rects: dict[int, Rect | None]
    unsure: tuple[Span, ...]  # where the tracker was not sure


@dataclass(slots=True)
class _Way:
    """What is known of one subject while pictures are gone through; by index of the picture."""

    subject: Subject
    first: int  # of the pictures in which it may be there
    end: int
    anchors: dict[int, Rect]  # where it was drawn
    aspect: float  # of the picture
    followed: dict[int, Step | None] = field(default_factory=dict)  # from the box before
    arrived: dict[int, Rect | None] = field(default_factory=dict)  # at an anchor, just before it
    back: dict[int, Step | None] = field(default_factory=dict)  # before the first box

    @property
    def stops(self) -> list[int]:
        """Pictures it was drawn in."""
        return sorted(self.anchors)


def trails(source: Source, recipe: Recipe, span: Span, tick: Tick = None) -> list[Trail]:
    """The way of every subject. Decodes the span up to three times; memory stays flat.

    `tick` is told the time of every picture gone through.
    """
    if not recipe.subjects:
        return []
    followed = [one for one in recipe.subjects if one.track]
    if not followed:  # pictures are needed for their times only
        times = [shown.at_us for shown in source.pictures(span)]
        ways = [_way(one, times, span, 1.0) for one in recipe.subjects]
    else:
        times, ways = _forwards(source, recipe.subjects, span, tick)
        _backwards(source, [way for way in ways if way.subject.track], times, span, tick)
    finish = _shown_trail if recipe.hide == ALL_BUT_BOXES else _hidden_trail
    return [finish(way, times) for way in ways]


def _forwards(
    source: Source, subjects: Sequence[Subject], span: Span, tick: Tick
) -> tuple[list[int], list[_Way]]:
    """One pass: each subject followed from every box it was drawn in to the next."""
    times: list[int] = []
    walks = [_Walk(one, span) for one in subjects]
    ahead: Iterator[Shown | None] = chain(source.pictures(span), (None,))
    before: Small | None = None
    aspect = 1.0
    here = next(ahead)
    while here is not None:
        following = next(ahead)
        until_us = span.end_us if following is None else following.at_us
        now = small(here.rgb)
        joined = bool(times) and here.at_us - times[-1] <= LONGEST_STEP_US
        for walk in walks:
            walk.step(len(times), here.at_us, until_us, before if joined else None, now)
        times.append(here.at_us)
        aspect = now.shape[1] / now.shape[0]
        if tick is not None:
            tick(here.at_us)
        before, here = now, following
    ways = [_way(one, times, span, aspect) for one in subjects]
    for way, walk in zip(ways, walks, strict=True):
        way.followed, way.arrived = walk.followed, walk.arrived
    return times, ways


class _Walk:
    """Follows one subject forwards while pictures come by."""

    def __init__(self, subject: Subject, span: Span) -> None:
        self.subject = subject
        self._end_us = span.end_us
        self.left = list(subject.drawn) if subject.track else []
        self.until_us = span.end_us if subject.until_us is None else subject.until_us
        self.followed: dict[int, Step | None] = {}
        self.arrived: dict[int, Rect | None] = {}
        self._now: Step | None = None
        self._drawn: npt.NDArray[np.float32] | None = None
        self._past = _Past()

    def step(
        self, index: int, at_us: int, until_us: int, before: Small | None, now: Small
    ) -> None:  # fmt: skip
        """The next picture, which is on screen until `until_us`."""
        if self._now is not None:
            rect, past = self._now.rect, self._past.at(at_us)
            self._now = None if before is None else follow(before, now, rect, self._drawn, past)
        drawn: list[Drawn] = []
        while self.left and self._is_of(self.left[0].at_us, at_us, until_us):
            drawn.append(self.left.pop(0))
        if drawn:
            self.arrived[index] = None if self._now is None else self._now.rect
            self._now = Step(_rect(drawn[-1].box), False)
            self._drawn = patch(now, self._now.rect)
            self._past = _Past()
        elif self.subject.track:
            self.followed[index] = self._now
        self._past.keep(at_us, now, self._now)

    def _is_of(self, drawn_us: int, at_us: int, until_us: int) -> bool:
        """Whether a box is of the picture: what was drawn in a gap is of the next one."""
        if drawn_us >= until_us:
            return False
        return drawn_us - at_us <= LONGEST_STEP_US or until_us >= self._end_us


class _Past:
    """The pictures of the last half second, and where the box was in them."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, Past]] = deque()

    def at(self, at_us: int) -> Past | None:
        """The oldest."""
        while self._kept and abs(at_us - self._kept[0][0]) > PAST_US:
            self._kept.popleft()
        return self._kept[0][1] if self._kept else None

    def keep(self, at_us: int, picture: Small, step: Step | None) -> None:
        """One more, while it is followed."""
        if step is not None:
            self._kept.append((at_us, Past(picture, step.rect)))


def _backwards(
    source: Source, ways: Sequence[_Way], times: Sequence[int], span: Span, tick: Tick
) -> None:
    """Each subject followed from the first box it was drawn in back to where it appears."""
    waiting = {way.stops[0]: way for way in ways if way.stops and way.first < way.stops[0]}
    if not waiting:
        return
    latest = max(way.stops[0] for way in ways)
    begun: list[_Back] = []
    before: Small | None = None
    for index, now in _reversed(source, times, latest, span, tick):
        joined = before is not None and times[index + 1] - times[index] <= LONGEST_STEP_US
        for one in begun:
            one.step(index, times[index], before if joined else None, now)
        begun += [
            _Back(way, times[index], now)
            for way in ways
            if way.stops and way.stops[0] == index and way.first < index
        ]
        before = now


def _reversed(
    source: Source, times: Sequence[int], latest: int, span: Span, tick: Tick
) -> Iterator[tuple[int, Small]]:
    """(index, picture) from `latest` back to the first, a few seconds in memory at a time."""
    end = latest + 1
    while end > 0:
        end_us = times[end] if end < len(times) else span.end_us
        start = min(bisect_right(times, times[end - 1] - CHUNK_US), end - 1)
        index_of = {times[i]: i for i in range(start, end)}
        kept = [
            (index_of[shown.at_us], small(shown.rgb))
            for shown in source.pictures(Span(max(times[start], span.start_us), end_us))
            if shown.at_us in index_of
        ]
        for index, picture in reversed(kept):
            yield index, picture
            if tick is not None:
                tick(times[index])
        end = start


class _Back:
    """Follows one subject backwards."""

    def __init__(self, way: _Way, at_us: int, now: Small) -> None:
        self.way = way
        self._now: Step | None = Step(way.anchors[way.stops[0]], False)
        self._drawn = patch(now, way.anchors[way.stops[0]])
        self._past = _Past()
        self._past.keep(at_us, now, self._now)

    def step(self, index: int, at_us: int, before: Small | None, now: Small) -> None:
        """The picture before the last one."""
        if self._now is not None:
            rect, past = self._now.rect, self._past.at(at_us)
            self._now = None if before is None else follow(before, now, rect, self._drawn, past)
        self.way.back[index] = self._now
        self._past.keep(at_us, now, self._now)


def _way(subject: Subject, times: Sequence[int], span: Span, aspect: float) -> _Way:
    """Which pictures it was drawn in, and in which it may be."""
    from_us = span.start_us if subject.from_us is None else subject.from_us
    until_us = span.end_us if subject.until_us is None else subject.until_us
    anchors: dict[int, Rect] = {}
    for drawn in subject.drawn:
        index = _on_screen(times, drawn.at_us)
        if drawn.at_us - times[index] > LONGEST_STEP_US and index + 1 < len(times):
            index += 1  # in a gap: not of the picture before it
        rect = _rect(drawn.box)
        anchors[index] = anchors[index].hull(rect) if index in anchors else rect
    first = _on_screen(times, from_us)
    end = _on_screen(times, until_us - 1) + 1
    return _Way(subject, first, end, anchors, aspect)


def _on_screen(times: Sequence[int], at_us: int) -> int:
    """Index of the picture seen at an instant."""
    return max(0, bisect_right(times, at_us) - 1)


def _hidden_trail(way: _Way, times: Sequence[int]) -> Trail:
    """What must be hidden: everything the subject may be in."""
    rects: dict[int, Rect | None] = {}
    unsure: list[Span] = []
    if way.subject.track:
        stops = way.stops
        for a, b in pairwise(stops):
            sure = _between(way, a, b, times, rects)
            if not sure and b > a + 1:
                unsure.append(Span(times[a], times[b]))
        back = [(i, way.back.get(i)) for i in range(stops[0] - 1, way.first - 1, -1)]
        ahead = [(i, way.followed.get(i)) for i in range(stops[-1] + 1, way.end)]
        for begin, steps in ((stops[0], back), (stops[-1], ahead)):
            unsure += _beyond(way, begin, steps, times, rects)
        rects.update(way.anchors)
    else:
        rects.update(_straight(way, times))
    return _trail(way, times, rects, unsure)


def _between(
    way: _Way, a: int, b: int, times: Sequence[int], rects: dict[int, Rect | None]
) -> bool:
    """Fill in the pictures between two drawn boxes; whether the tracker was sure of them."""
    known = {i: way.followed.get(i) for i in range(a + 1, b)}
    there, here, due = way.arrived.get(b), way.anchors[a], way.anchors[b]
    sure = all(known.values()) and there is not None and there.overlap(due) >= MEETS
    seen = [step.rect for step in known.values() if step is not None]
    everywhere = here.hull(due, *seen).grown(MARGIN)
    doubts = _doubts(way, times, a, list(known.items()), lost=not sure)
    for (i, step), (last, reach) in zip(known.items(), doubts, strict=True):
        # All it may reach from where it was last seen, and from where it reaches the next box.
        ahead = due.spread(_reach(due, way, (times[b] - times[i]) / US, 0.0), way.aspect)
        if sure and step is not None and there is not None:
            corrected = _corrected(step.rect, there, due, a, b, i, times)
            box = step.rect.hull(corrected).grown(MARGIN)
            both = box.spread(reach, way.aspect).common(ahead) if reach else None
            rects[i] = box if both is None else box.hull(both)
            continue
        both = last.spread(reach, way.aspect).common(ahead)
        rects[i] = everywhere if both is None else everywhere.hull(both)
    return sure


def _doubts(
    way: _Way, times: Sequence[int], begin: int, steps: Sequence[tuple[int, Step | None]],
    lost: bool,
) -> list[tuple[Rect, float]]:  # fmt: skip
    """For each picture, in the order they were followed: where it was seen last, and how far it
    may be from there, in widths of the picture; 0 while that is sure.

    `lost`: it was, in one of them. When it went is not known then, so doubt begins at the box
    that was drawn. Otherwise half a second before something moved, and until it looks as drawn.
    """
    since: list[int | None] = [begin if lost else None] * len(steps)
    doubted: int | None = None
    for k, (index, step) in enumerate(steps):
        if lost or step is None:
            continue
        if step.alert:
            early = k
            while early and abs(times[index] - times[steps[early - 1][0]]) <= PAST_US:
                early -= 1
            doubted = steps[early][0] if doubted is None else doubted
            since[early:k] = [doubted if one is None else one for one in since[early:k]]
        elif step.alike:
            doubted = None
        since[k] = doubted
    result: list[tuple[Rect, float]] = []
    last, before, speed, gone = way.anchors[begin], begin, 0.0, False
    for (index, step), from_ in zip(steps, since, strict=True):
        gone = gone or step is None
        if step is not None and not gone:
            now = _speed(last, step.rect, abs(times[index] - times[before]) / US, way.aspect)
            speed += (now - speed) * (1 - SPEED_KEPT)
            last, before = step.rect, index
        passed_s = 0.0 if from_ is None else abs(times[index] - times[from_]) / US
        result.append((last, 0.0 if from_ is None else _reach(last, way, passed_s, speed)))
    return result


def _reach(rect: Rect, way: _Way, passed_s: float, speed: float) -> float:
    """How far it may have come, in widths of the picture; `speed`: of these a second."""
    length = rect.length(way.aspect)
    return REACH * length + (max(REACH_PER_S * length, LEAST_PER_S) + speed) * passed_s


def _speed(old: Rect, rect: Rect, passed_s: float, aspect: float) -> float:
    """In widths of the picture a second."""
    dx = (rect.x0 + rect.x1 - old.x0 - old.x1) / 2
    dy = (rect.y0 + rect.y1 - old.y0 - old.y1) / 2 / aspect
    return 0.0 if passed_s <= 0 else float((dx * dx + dy * dy) ** 0.5 / passed_s)


def _corrected(
    rect: Rect, there: Rect, due: Rect, a: int, b: int, i: int, times: Sequence[int]
) -> Rect:
    """What was followed, less its share of the error that showed at the next drawn box."""
    share = (times[i] - times[a]) / (times[b] - times[a])
    return Rect(*(r + (d - t) * share for r, t, d in zip(rect, there, due, strict=True)))


def _beyond(
    way: _Way, begin: int, steps: Sequence[tuple[int, Step | None]], times: Sequence[int],
    rects: dict[int, Rect | None],
) -> list[Span]:  # fmt: skip
    """Fill in what lies before the first or after the last drawn box, nearest first."""
    anchor = way.anchors[begin]
    lost = any(step is None for _, step in steps)
    doubts = _doubts(way, times, begin, steps, lost)
    for (index, _), (last, reach) in zip(steps, doubts, strict=True):
        passed_s = abs(times[index] - times[begin]) / US
        margin = min(MARGIN + MARGIN_PER_S * passed_s, MOST_MARGIN)
        box = _no_smaller(last, anchor).grown(margin)
        rects[index] = box.spread(reach, way.aspect) if reach else box
    if not lost:
        return []
    near_us, far_us = times[steps[0][0]], times[steps[-1][0]]
    return [Span(min(near_us, far_us), max(near_us, far_us) + 1)]


def _no_smaller(rect: Rect, drawn: Rect) -> Rect:
    """A box that was followed for long may have shrunk onto a part of its subject."""
    w, h = max(rect.width, 0.8 * drawn.width), max(rect.height, 0.8 * drawn.height)
    x, y = (rect.x0 + rect.x1) / 2, (rect.y0 + rect.y1) / 2
    return Rect(x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def _shown_trail(way: _Way, times: Sequence[int]) -> Trail:
    """What may be shown: only what certainly is the subject's."""
    rects: dict[int, Rect | None] = {}
    unsure: list[Span] = []
    if way.subject.track:
        for a, b in pairwise(way.stops):
            known = {i: way.followed.get(i) for i in range(a + 1, b)}
            there, due = way.arrived.get(b), way.anchors[b]
            calm = not any(step is None or step.alert for step in known.values())
            if there is None or there.overlap(due) < MEETS or not calm:
                if b > a + 1:
                    unsure.append(Span(times[a], times[b]))
                continue
            for i, step in known.items():
                if step is not None:
                    corrected = _corrected(step.rect, there, due, a, b, i, times)
                    rects[i] = step.rect.common(corrected)
        rects.update(way.anchors)
    else:
        rects.update(_straight(way, times))
    return _trail(way, times, rects, unsure)


def _straight(way: _Way, times: Sequence[int]) -> dict[int, Rect | None]:
    """In a straight line from box to box; still before the first and after the last."""
    drawn: dict[int, Rect] = {}
    for one in way.subject.drawn:
        seen_us = times[_on_screen(times, one.at_us)]
        # Drawn on a picture, it is of that; in a gap, of its own instant.
        at_us = seen_us if 0 <= one.at_us - seen_us <= LONGEST_STEP_US else one.at_us
        rect = _rect(one.box)
        drawn[at_us] = drawn[at_us].hull(rect) if at_us in drawn else rect
    stops = sorted(drawn)
    rects: dict[int, Rect | None] = {}
    for i in range(way.first, way.end):
        after = bisect_right(stops, times[i])
        if after == 0 or after == len(stops):
            rects[i] = drawn[stops[0 if after == 0 else -1]]
            continue
        a, b = stops[after - 1], stops[after]
        rects[i] = drawn[a].moved(drawn[b], (times[i] - a) / (b - a))
    return rects


def _trail(
    way: _Way, times: Sequence[int], rects: dict[int, Rect | None], unsure: Sequence[Span]
) -> Trail:
    ordered = sorted(unsure, key=lambda span: span.start_us)
    everywhere = {at_us: rects.get(i) for i, at_us in enumerate(times)}
    return Trail(way.subject, everywhere, tuple(ordered))


def _rect(box: Box) -> Rect:
    return Rect(box.x, box.y, box.x + box.w, box.y + box.h)
