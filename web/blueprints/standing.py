"""/api/v1/standing: descriptions that are looked for in footage as it is indexed."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from search import standing_register
from search.standing import JOB
from search.standing_register import Wanted, firing_document, standing_document
from storage.clock import parse_time
from web import context
from web.blueprints.api import _api as api
from web.search_body import asked_query
from web.shapes_standing import (
    FiringsPage,
    StandingBody,
    StandingEnd,
    StandingExtend,
    StandingList,
    StandingListed,
    StandingMade,
    StandingShown,
)
from web.shapes_standing import Standing as StandingShape


@api.operation(
    "GET", "/standing", "What is looked for in footage to come", query=StandingListed,
    answer=StandingList,
)  # fmt: skip
def list_standing(query: StandingListed) -> Response:
    """As `standing list --json`."""
    directory, now_us = context.directory(), context.now_us()
    found = standing_register.listed(directory, context.actor(), ended=query.ended)
    return jsonify(
        {
            "running": directory.is_running(JOB),
            "standing": [standing_document(one, now_us) for one in found],
        }
    )


@api.operation(
    "POST", "/standing", "Look for a scene from now on", body=StandingBody, upload="image",
    answer=StandingMade, status=201,
)  # fmt: skip
def add_standing(body: StandingBody) -> tuple[Response, int]:
    """As `standing add`: JSON, or a form with the JSON in `query` and pictures as in a search."""
    actor = context.actor(body.case, body.reason)
    wanted = Wanted(
        body.name, asked_query(body, actor), parse_time(body.expires), body.threshold, body.quiet,
        body.webhook,
    )  # fmt: skip
    made, notes = standing_register.add(context.directory(), wanted, actor)
    return jsonify({**_document(made.name), "notes": notes}), 201


@api.operation(
    "GET", "/standing/<name>", "A standing query and what it noticed", query=FiringsPage,
    answer=StandingShown,
)  # fmt: skip
def show_standing(name: str, query: FiringsPage) -> Response:
    """As `standing show --json`; audited."""
    one, firings = standing_register.shown(
        context.directory(), name, context.actor(), limit=query.limit
    )
    document = standing_document(one, context.now_us())
    return jsonify({**document, "fired": [firing_document(firing) for firing in firings]})


@api.operation(
    "POST", "/standing/<name>/extend", "Let it go on", body=StandingExtend, answer=StandingShape
)
def extend_standing(name: str, body: StandingExtend) -> Response:
    """As `standing extend`."""
    made = standing_register.extend(
        context.directory(), name, parse_time(body.expires), body.reason, context.actor()
    )
    return jsonify(_document(made.name))


@api.operation(
    "POST", "/standing/<name>/end", "Look for it no more", body=StandingEnd, answer=StandingShape
)
def end_standing(name: str, body: StandingEnd) -> Response:
    """As `standing end`; what it noticed stays."""
    made = standing_register.end(context.directory(), name, body.reason, context.actor())
    return jsonify(_document(made.name))


@api.operation("GET", "/webhooks", "Who may be told of a firing", answer=list[str])
def list_webhooks() -> Response:
    """Names of the webhooks in the settings; nothing else is said of them."""
    return jsonify(sorted(context.directory().settings.webhooks))


def _document(name: str) -> dict[str, Any]:
    one = standing_register.named(context.directory(), name, context.actor())
    return standing_document(one, context.now_us())
