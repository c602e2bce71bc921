"""Opening a recording: which footage around an instant a player gets, and what is missing there.

The look is audited before anything is said; addresses are signed for the login that looked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlalchemy import Connection

from storage import audit, timeline
from storage.access import access_of
from storage.approvals_needed import Approvals
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.errors import DataLoss, NotFound, Unavailable
from storage.i18n import tr
from storage.purpose import require_look, without_case
from storage.reading import Footage, footage_of_all, unmasked
from storage.register import camera_by_id
from storage.rights import Verb
from storage.segments import neighbours, segments
from storage.vocabulary import Actor, Camera, Gap, Segment, Span
from web.masked import Preview, served
from web.playable import Playable, is_streamed

BEFORE_US = 60 * US  # footage offered before the asked instant
AFTER_US = 900 * US  # and after it; the player asks again when it comes to the end
HOLE_US = 500_000  # less between two segments is a seam, not a hole


@dataclass(frozen=True, slots=True)
class Hole:
    """Time between two pieces of footage, and why nothing is there (None: nothing expected)."""

    start_us: int
    end_us: int
    cause: str | None
    said: bool = False  # `cause` is a sentence already, and no key of formats.CAUSES


@dataclass(frozen=True, slots=True)
class Opening:
    """What a player gets: consecutive footage that is played in one way."""

    camera: Camera
    at_us: int  # the asked instant, moved onto footage where there was none
    streamed: bool  # False: still pictures only
    transcoded: bool  # a preview, masked for everybody: the browser lacks its codec
    segments: list[Segment]
    holes: list[Hole]  # between and just before the segments
    before_us: int | None  # an instant in the footage before the first segment
    after_us: int | None  # and after the last
    files: tuple[Playable | Preview, ...] = ()  # what to serve of each segment; () for stills
    readable: tuple[Footage, ...] = ()  # the segments, with their privacy zones

    @property
    def start_us(self) -> int:
        """Where its footage begins."""
        return self.segments[0].start_us

    @property
    def end_us(self) -> int:
        """Where it ends."""
        return max(segment.end_us for segment in self.segments)


def record_look(
    directory: DataDirectory, actor: Actor, action: str, camera: Camera, start_us: int,
    end_us: int, *, masks: bool = False,
) -> None:  # fmt: skip
    """Commit the audit row of a look before its bytes leave (invariant 10).

    `masks`: what zones hide is hidden from whoever looks, too, so that the row names none.

    Denied, NotFound, Conflict: who looks may not play this camera, or not for this case.
    """
    now_us = directory.clock.now_us()

    def look(tx: Connection) -> None:
        access = access_of(tx, actor.name, now_us)
        now = camera_by_id(tx, camera.id)  # it may have moved, or become sensitive, meanwhile
        access.require(Verb.PLAY, now)
        span, detail = Span(start_us, end_us), {"from": rfc3339(start_us), "to": rfc3339(end_us)}
        whole = Span(start_us, max(end_us, start_us + 1))  # an instant is of a segment, too
        approved = require_look(
            tx, directory.settings, access, actor, Verb.PLAY, [now], span
        )  # fmt: skip
        audit.record(
            tx, actor, action, camera.slug, at_us=now_us,
            detail=detail | ({"approvals": approved} if approved else {})
            | ({} if masks else unmasked(tx, actor, [now], whole, now_us)),
        )  # fmt: skip

    directory.ledger.write_together(look)


def record_view(
    directory: DataDirectory, actor: Actor, cameras: Sequence[Camera]
) -> frozenset[int]:
    """Commit the row for newest pictures shown on a board; keys of the cameras whose picture may
    be shown. A board has no case of its own: where one is demanded, as for what a second person
    has to approve, the player asks for it."""
    now_us = directory.clock.now_us()

    def look(tx: Connection) -> frozenset[int]:
        access = access_of(tx, actor.name, now_us)
        approvals = Approvals(tx, directory.settings.access, access, None)
        shown = [
            one
            for one in cameras
            if access.may(Verb.PLAY, one)
            and without_case(directory.settings.search, access, Verb.PLAY, [one])
            and approvals.allow(Verb.PLAY, one, None)
        ]
        if shown:
            slugs = [one.slug for one in shown]
            audit.record(
                tx, actor, "view", ", ".join(slugs), at_us=now_us, detail={"cameras": slugs}
            )
        return frozenset(one.id for one in shown)

    return directory.ledger.write_together(look)


def open_recording(
    directory: DataDirectory, actor: Actor, camera: str, at_us: int,
    codecs: Collection[str] | None, *, previews: bool = False,
) -> Opening:  # fmt: skip
    """Find the footage around `at_us`, audit the look, and say what can be served of it.

    `previews`: of what the browser does not play, a preview that is encoded anew. A file that is
    gone is a hole. DataLoss: nothing around the instant is there any more.
    """
    with directory.ledger.read() as tx:
        access = access_of(tx, actor.name, directory.clock.now_us())
        chosen = access.camera(tx, Verb.PLAY, camera)
        approvals = Approvals(tx, directory.settings.access, access, actor.case_id)
        found = opening(tx, chosen, at_us, codecs, approvals.spans(Verb.PLAY, chosen))
    # Read first: a zone that is added between the two is named, and no address sees through it.
    readable = footage_of_all(directory, [row.id for row in found.segments], actor, Verb.PLAY)
    anew = previews and not found.streamed
    record_look(
        directory, actor, "play", found.camera, found.start_us, found.end_us, masks=anew
    )  # fmt: skip
    found = _there(replace(found, readable=tuple(readable)))
    if anew:
        masked = tuple(one.as_masked() for one in found.readable)
        found = replace(found, streamed=True, transcoded=True, readable=masked)
    if not found.streamed:
        return found
    try:
        return replace(
            found,
            files=tuple(
                served(directory, one, transcoded=found.transcoded) for one in found.readable
            ),
        )
    except Unavailable:
        # No stream can be made of one of them; its pictures can still be looked at.
        return replace(found, streamed=False)


def _there(found: Opening) -> Opening:
    """`found` without the segments whose files are gone: each of them is a hole that says so."""
    here, holes, lost = [], list(found.holes), None
    for one in found.readable:
        try:
            one.require_there()
            here.append(one)
        except DataLoss as error:
            lost = lost or error
            said = tr("its file is gone: {path}", path=one.segment.path)
            holes.append(Hole(one.segment.start_us, one.segment.end_us, said, said=True))
    if lost is None:
        return found
    if not here:
        raise lost
    at_us = found.at_us
    on = next((one for one in here if one.segment.end_us > at_us), here[-1]).segment
    return replace(
        found, readable=tuple(here), segments=[one.segment for one in here],
        holes=sorted(holes, key=lambda hole: hole.start_us),
        at_us=min(max(at_us, on.start_us), max(on.start_us, on.end_us - 1)),
    )  # fmt: skip


def opening(
    tx: Connection, camera: Camera, at_us: int, codecs: Collection[str] | None = None,
    approved: Sequence[Span] | None = None,
) -> Opening:  # fmt: skip
    """Footage around `at_us`, or the nearest after it, or the last before.

    `codecs` are what the browser plays (None: all that any browser does). The run stops where the
    way of playing changes, and where what is `approved` (None: all) ends. NotFound when
    the camera has no footage at all.
    """
    before, after = neighbours(tx, camera.id, at_us)
    here = before if before is not None and before.end_us > at_us else after or before
    if here is None:
        raise NotFound(
            "camera {camera} has no footage yet; `hindsight record` or `hindsight import` brings"
            " some",
            camera=camera.slug,
        )  # fmt: skip
    at_us = min(max(at_us, here.start_us), max(here.start_us, here.end_us - 1))
    rows = segments(
        tx, camera_ids=[camera.id], from_us=at_us - BEFORE_US, to_us=at_us + AFTER_US
    )  # fmt: skip
    index = next((i for i, row in enumerate(rows) if row.id == here.id), None)
    if index is None:
        rows, index = [here], 0
    streamed = _plays(here, codecs)
    ways = [(_plays(row, codecs), _is_inside(row, approved)) for row in rows]
    first = last = index
    while first > 0 and ways[first - 1] == ways[index]:
        first -= 1
    while last + 1 < len(rows) and ways[last + 1] == ways[index]:
        last += 1
    run = rows[first : last + 1]
    end_us = max(row.end_us for row in run)
    earlier, _ = neighbours(tx, camera.id, run[0].start_us - 1)
    _, later = neighbours(tx, camera.id, end_us - 1)
    return Opening(
        camera=camera,
        at_us=at_us,
        streamed=streamed,
        transcoded=False,
        segments=run,
        holes=_holes(tx, camera, run, earlier, later),
        before_us=None if earlier is None else max(earlier.start_us, earlier.end_us - US),
        after_us=None if later is None else later.start_us,
    )


def _plays(segment: Segment, codecs: Collection[str] | None) -> bool:
    return is_streamed(segment) and (codecs is None or segment.codec in codecs)


def _is_inside(row: Segment, approved: Sequence[Span] | None) -> bool:
    return approved is None or any(
        row.start_us < span.end_us and row.end_us > span.start_us for span in approved
    )


def _holes(
    tx: Connection, camera: Camera, run: list[Segment], earlier: Segment | None,
    later: Segment | None,
) -> list[Hole]:  # fmt: skip
    chain = [row for row in (earlier, *run, later) if row is not None]
    holes = []
    for one, other in pairwise(chain):
        if other.start_us - one.end_us < HOLE_US:
            continue
        rows = timeline.gaps(
            tx, camera_ids=[camera.id], from_us=one.end_us, to_us=other.start_us
        )  # fmt: skip
        holes.append(
            Hole(one.end_us, other.start_us, _main_cause(rows, one.end_us, other.start_us))
        )
    return holes


def _main_cause(rows: list[Gap], start_us: int, end_us: int) -> str | None:
    """The cause of the longest gap in a hole."""
    longest = max(
        rows,
        key=lambda gap: min(gap.end_us or end_us, end_us) - max(gap.start_us, start_us),
        default=None,
    )
    return None if longest is None else longest.cause.value
