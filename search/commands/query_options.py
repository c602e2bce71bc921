"""The options that make a query, for every command that takes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from search import asking
from search.likeness import parts_like
from search.query import Query
from storage.clock import parse_time, parse_time_of_day
from storage.commandline import Invocation
from storage.i18n import N_

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS: list[Callable[[Any], Any]] = [
    click.argument("text", required=False),
    click.option("--also", multiple=True, metavar="TEXT",
                 help=N_("what it must show as well; words^2 count twice; may be repeated")),
    click.option("--image", "images", multiple=True, metavar="FILE",
                 help=N_("a picture to search with; may be repeated")),
    click.option("--box", "boxes", multiple=True, metavar="X,Y,W,H",
                 help=N_("the part of the picture that matters, pixels; the first box is of the"
                         " first picture")),
    click.option("--like", "likes", multiple=True, metavar="CAMERA@TIME[#X,Y,W,H]",
                 help=N_("more like what this camera showed then; may be repeated")),
    click.option("--not", "nots", multiple=True, metavar="TEXT",
                 help=N_("what it must not show")),
    click.option("--not-image", "not_images", multiple=True, metavar="FILE",
                 help=N_("a picture it must not resemble; may be repeated")),
    click.option("--then", metavar="TEXT",
                 help=N_("what happens afterwards, at the same camera")),
    click.option("--within", type=float, metavar="S", help=N_("how soon afterwards, seconds")),
    click.option("--near", type=float, metavar="METRES",
                 help=N_("afterwards also at cameras so near to it")),
    click.option("--camera", "cameras", multiple=True, metavar="NAME",
                 help=N_("only this camera; may be repeated")),
    click.option("--site", "sites", multiple=True, metavar="PATH",
                 help=N_("only this site and what lies below it; may be repeated")),
    click.option("--around", metavar="LAT,LON,RADIUS",
                 help=N_("only cameras within so many metres of a point")),
    click.option("--from", "start", metavar="TIME", help=N_("not before this time")),
    click.option("--to", "end", metavar="TIME", help=N_("before this time")),
    click.option("--between", metavar="HH:MM-HH:MM",
                 help=N_("only at this time of day, by the clock at each camera")),
    click.option("--weekday", "weekdays", multiple=True, metavar="DAY",
                 help=N_("only on this weekday, mon to sun, at each camera; may be repeated")),
    click.option("--kind", metavar="frame|region",
                 help=N_("only whole pictures, or only parts where something changed")),
    click.option("--least-box", type=int, metavar="PIXELS",
                 help=N_("only parts whose shorter side is at least so long")),
    click.option("--light", metavar="day|night",
                 help=N_("only pictures taken by day, or by night")),
    click.option("--top", type=int, metavar="N", help=N_("so many moments")),
    click.option("--case", "case_id", metavar="ID", help=N_("case this is for")),
    click.option("--reason", metavar="TEXT", help=N_("why it is looked for")),
]  # fmt: skip


def query_options(command: F) -> F:
    """Give a command TEXT and the options of a query; it takes them as keywords."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def asked_query(inv: Invocation, options: dict[str, Any]) -> Query:
    """The query that the options of `query_options` make, all of them and no others.

    Looks into the archive, audited, where `--like` says so.
    """
    given = dict(options)
    images, boxes = given.pop("images"), given.pop("boxes")
    likes, weekdays = given.pop("likes"), given.pop("weekdays")
    around, between = given.pop("around"), given.pop("between")
    start, end = given.pop("start"), given.pop("end")
    fields: dict[str, Any] = {
        "exclusions": (
            *asking.several_words(given.pop("nots")),
            *asking.picture_files(given.pop("not_images")),
        ),
        "then": asking.then(given.pop("then"), given.pop("within"), given.pop("near")),
        "around": None if around is None else asking.around(around),
        "from_us": None if start is None else parse_time(start),
        "to_us": None if end is None else parse_time(end),
        "between": None if between is None else parse_time_of_day(between),
        "weekdays": tuple(asking.weekday(day) for day in weekdays),
    }
    parts = (
        *asking.several_words([given.pop("text"), *given.pop("also")]),
        *asking.picture_files(images, [asking.box(one) for one in boxes]),
    )
    seen = [asking.like(one) for one in likes]
    actor = inv.actor(given["case_id"], given["reason"])
    return Query(parts=(*parts, *parts_like(inv.directory, seen, actor)), **fields, **given)
