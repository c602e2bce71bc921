"""Collecting a moment into a case: its picture is taken from the footage and its hash written down
with it, for page, API and command."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from indexer.pictures import Picture, picture_of
from storage.access import Access
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import DataLoss, Invalid
from storage.exhibits import Added, Still, Wanted, add_exhibit, require_collecting
from storage.reading import footage
from storage.register import find_camera
from storage.rights import Verb
from storage.segments import segments
from storage.vocabulary import Actor, Camera, Segment, Span

AROUND_S = 10  # of a moment, before and after, when nobody says which span
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """What somebody wants to collect: a span, or an instant with so much around it."""

    case_id: str
    camera: str  # slug, name or GB code
    from_us: int | None = None
    to_us: int | None = None
    at_us: int | None = None  # of its picture
    box: tuple[int, int, int, int] | None = None
    note: str = ""
    search: str | None = None
    hold: bool | None = None  # None: where they may


def collect(
    directory: DataDirectory, access_of: Callable[[Connection], Access], actor: Actor,
    moment: Moment,
) -> Added:  # fmt: skip
    """Add it. As `storage.exhibits.add_exhibit`; NotFound, Denied for a camera that they do not
    see, or may only see."""
    span, at_us = _span(moment), moment.at_us
    with directory.ledger.read() as tx:
        access = access_of(tx)
        camera = find_camera(tx, moment.camera, access.sees)
        wanted = Wanted(
            moment.case_id, camera, span, moment.note, search=moment.search, hold=moment.hold
        )
        case = require_collecting(tx, directory.settings, access, actor, wanted)
        shown = _segment(tx, camera, span, at_us)
    who = actor.under(case.id, actor.reason or case.reason)
    still = None
    if shown is not None:
        still = _still(directory, who, shown, span.start_us if at_us is None else at_us, moment)
    with directory.ledger.write() as tx:
        return add_exhibit(
            tx, directory.settings, access_of(tx), actor, replace(wanted, still=still)
        )  # fmt: skip


def sha256_of(picture: Picture) -> str:
    """Of its pixels: RGB, 8 bits, row by row, from the top."""
    return hashlib.sha256(picture.rgb.tobytes()).hexdigest()


def _span(moment: Moment) -> Span:
    at_us = moment.at_us
    if moment.from_us is not None and moment.to_us is not None:
        return Span(moment.from_us, moment.to_us)
    if at_us is None or (moment.from_us, moment.to_us) != (None, None):
        raise Invalid("name a span, from and to, or the instant of the moment; nothing collected")
    return Span(max(0, at_us - AROUND_S * US), at_us + AROUND_S * US)


def _segment(tx: Connection, camera: Camera, span: Span, at_us: int | None) -> Segment | None:
    """The recording its picture is in: at the instant, or where the footage of the span begins."""
    start_us = span.start_us if at_us is None else at_us
    if not span.start_us <= start_us < span.end_us:
        raise Invalid("the picture of an exhibit is of its own span; nothing was collected")
    rows = segments(tx, camera_ids=[camera.id], from_us=start_us, to_us=span.end_us, limit=1)
    if not rows:
        rows = segments(tx, camera_ids=[camera.id], from_us=span.start_us, to_us=start_us)[-1:]
    return rows[0] if rows else None


def _still(
    directory: DataDirectory, actor: Actor, segment: Segment, at_us: int, moment: Moment
) -> Still | None:
    """None when nothing can be decoded there: what is damaged is worth keeping as well."""
    opened = footage(directory, segment.id, actor, Verb.PLAY, Verb.SEARCH)
    try:
        picture = picture_of(opened, at_us, always_masked=True)
    except (DataLoss, Invalid) as error:  # gone, cut short, or no video any more
        log.warning("no picture for an exhibit of %s: %s", segment.camera, error)
        return None
    height, width = picture.rgb.shape[:2]
    box = moment.box
    if box is not None:
        x, y, w, h = box
        if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
            raise Invalid("the box lies outside the picture; nothing was collected")
    return Still(picture.ts_us, sha256_of(picture), segment.id, box)
