"""The JSON API's search body, and the pictures sent with it, as a query."""

from __future__ import annotations

from flask import request

from search import asking
from search.likeness import parts_like
from search.query import Around, Query
from storage.clock import parse_time, parse_time_of_day
from storage.vocabulary import Actor
from web import context
from web.shapes import SearchBody


def asked_query(body: SearchBody, actor: Actor) -> Query:
    """The query of this request: its JSON, and the pictures of its form.

    Looks into the archive, audited, where `like` says so. Invalid says what will not do.
    """
    boxes = [body.box] if isinstance(body.box, tuple) else body.box or []
    images = [one.read() for one in request.files.getlist("image")]
    not_images = [one.read() for one in request.files.getlist("not_image")]
    likes = [asking.like(one) for one in body.like]
    return Query(
        parts=(
            *asking.several_words([body.text, *body.also]),
            *asking.pictures(images, boxes, body.weight),
            *parts_like(context.directory(), likes, actor),
        ),
        exclusions=(*asking.several_words(body.not_), *asking.pictures(not_images)),
        then=asking.then(body.then, body.within_s, body.near_m),
        cameras=tuple(body.camera),
        sites=tuple(body.site),
        around=None if body.around is None else Around(**body.around.model_dump()),
        from_us=None if body.from_ is None else parse_time(body.from_),
        to_us=None if body.to is None else parse_time(body.to),
        between=None if body.between is None else parse_time_of_day(body.between),
        weekdays=tuple(asking.weekday(str(day)) for day in body.weekday),
        kind=body.kind,
        least_box=body.least_box,
        light=body.light,
        top=body.top,
        case_id=body.case,
        reason=body.reason,
    )
