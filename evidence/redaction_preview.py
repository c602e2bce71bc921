"""One picture of a span as a copy would show it, for whoever draws the boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from evidence.redaction import require_allowed
from evidence.redaction_pictures import Rgb, Source
from evidence.redaction_recipe import ALL_BUT_BOXES, Drawn, Recipe, Subject
from evidence.redaction_reel import drawn_over
from evidence.redaction_tracking import Rect
from evidence.redaction_trails import MARGIN, Trail, trails
from storage import audit
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.errors import NotFound
from storage.segments import segments
from storage.vocabulary import Actor, Camera, Span
from storage.zones import zones_of_segments

AROUND_US = 6 * US  # before and after the instant, that is tracked for a preview


@dataclass(frozen=True, slots=True)
class Glance:
    """A picture, when it was taken, and for whom it is only about right."""

    rgb: Rgb
    at_us: int
    rough: tuple[str, ...]  # names of subjects drawn too far off to be followed in haste


def glance(
    directory: DataDirectory, camera: Camera, asked: Span, recipe: Recipe | None, at_us: int,
    actor: Actor,
) -> Glance:  # fmt: skip
    """The picture on screen at an instant of the span, privacy zones hidden, and what the recipe
    hides; recipe None: nothing else hidden, to draw on.

    Audited before it is decoded. NotFound: nothing is recorded then, or no such camera for them;
    Denied, Conflict as a copy of it.
    """
    at_us = min(max(at_us, asked.start_us), asked.end_us - 1)
    with directory.ledger.write() as tx:
        _, approved = require_allowed(tx, directory, camera, asked, actor)
        near = Span(max(asked.start_us, at_us - AROUND_US), min(asked.end_us, at_us + AROUND_US))
        rows = segments(tx, camera_ids=[camera.id], from_us=near.start_us, to_us=near.end_us)
        if not any(row.start_us <= at_us < row.end_us for row in rows):
            raise NotFound(
                "camera {camera} has no footage at {time}", camera=camera.slug, time=rfc3339(at_us)
            )
        source = Source(directory.archive, tuple(rows), zones_of_segments(tx, rows))
        audit.record(
            tx, actor, "redact.look", camera.slug, at_us=directory.clock.now_us(),
            detail={"camera": camera.slug, "at": rfc3339(at_us), "hidden": recipe is not None,
                    **({"approvals": approved} if approved else {})},
        )  # fmt: skip
    shown = next(source.pictures(Span(at_us, at_us + 1)), None)
    if shown is None:
        raise NotFound(
            "camera {camera} has no footage at {time}", camera=camera.slug, time=rfc3339(at_us)
        )
    if recipe is None:
        return Glance(shown.rgb, shown.at_us, ())
    rects, rough = _near(source, recipe, near, max(shown.at_us, near.start_us))
    return Glance(drawn_over(shown, rects, recipe)[0], shown.at_us, rough)


def _near(
    source: Source, recipe: Recipe, near: Span, at_us: int
) -> tuple[list[Rect | None], tuple[str, ...]]:
    """Where the subjects are, and which of them are only guessed."""
    alive = [one for one in recipe.subjects if _is_there(one, at_us)]
    close = [one for one in (_cut(subject, near) for subject in alive) if one.drawn]
    found = trails(source, replace(recipe, subjects=tuple(close)), near) if close else []
    rects = [_seen(trail, at_us) for trail in found]
    followed = {one.name for one in close}
    rest = [one for one in alive if one.name not in followed]
    rough = [one for one in rest if one.track]
    if recipe.hide != ALL_BUT_BOXES:
        rects += [_about(one, at_us) for one in rough]
    rects += [_straight(one, at_us) for one in rest if not one.track]
    return rects, tuple(one.name for one in rough)


def _seen(trail: Trail, at_us: int) -> Rect | None:
    """In the picture on screen at an instant."""
    return trail.rects[max((us for us in trail.rects if us <= at_us), default=min(trail.rects))]


def _is_there(subject: Subject, at_us: int) -> bool:
    return (subject.from_us is None or subject.from_us <= at_us) and (
        subject.until_us is None or at_us < subject.until_us
    )


def _cut(subject: Subject, near: Span) -> Subject:
    """What of it lies near."""
    from_us, until_us = subject.from_us, subject.until_us
    return replace(
        subject,
        drawn=tuple(one for one in subject.drawn if near.start_us <= one.at_us < near.end_us),
        from_us=None if from_us is None or from_us < near.start_us else from_us,
        until_us=None if until_us is None or until_us > near.end_us else until_us,
    )


def _about(subject: Subject, at_us: int) -> Rect:
    """All it may be in: from the box before to the box after."""
    before, after = _beside(subject, at_us)
    return _rect(before).hull(_rect(after)).grown(MARGIN)


def _straight(subject: Subject, at_us: int) -> Rect:
    """On the way from the box before to the box after."""
    before, after = _beside(subject, at_us)
    if before is after:
        return _rect(before)
    share = (at_us - before.at_us) / (after.at_us - before.at_us)
    return _rect(before).moved(_rect(after), share)


def _beside(subject: Subject, at_us: int) -> tuple[Drawn, Drawn]:
    """What was drawn before and after; the same where there is nothing on one side."""
    before = [one for one in subject.drawn if one.at_us <= at_us]
    after = [one for one in subject.drawn if one.at_us > at_us]
    return (before or after[:1])[-1], (after or before[-1:])[0]


def _rect(drawn: Drawn) -> Rect:
    box = drawn.box
    return Rect(box.x, box.y, box.x + box.w, box.y + box.h)
