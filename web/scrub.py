"""Small pictures under the pointer on a strip: one audited look for a span and a minute of it."""

from __future__ import annotations

from dataclasses import dataclass

from storage import audit
from storage.access import access_of
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.errors import Invalid
from storage.purpose import require_look
from storage.rights import Verb
from storage.vocabulary import Actor, Camera, Segment, Span

STEP_US = 2 * US  # as far apart as keyframes of most recordings; so few pictures are made and kept
COUNTS_US = 60 * US  # a look counts so long; then the next is a row of its own
LONGEST_US = 32 * 86_400 * US


@dataclass(frozen=True, slots=True)
class Look:
    """Where small pictures may be shown of, and until when (the server's clock)."""

    camera: Camera
    span: Span
    until_us: int


def begin(directory: DataDirectory, actor: Actor, camera: str, span: Span) -> Look:
    """Commit that somebody looks over a span, before any picture of it is named.

    Errors as of playing there.
    """
    if not 0 < span.duration_us <= LONGEST_US:
        raise Invalid("small pictures are shown of a day or a timeline's span; choose one")
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        access = access_of(tx, actor.name, now_us)
        found = access.camera(tx, Verb.PLAY, camera)
        approved = require_look(tx, directory.settings, access, actor, Verb.PLAY, [found], span)
        audit.record(
            tx, actor, "view", found.slug, at_us=now_us,
            detail={
                "from": rfc3339(span.start_us), "to": rfc3339(span.end_us), "for": "scrubbing",
                **({"approvals": approved} if approved else {}),
            },
        )  # fmt: skip
    return Look(found, span, now_us + COUNTS_US)


def nearest(segment: Segment, at_us: int) -> int:
    """The instant in `segment` whose picture stands for `at_us`."""
    return segment.start_us + (at_us - segment.start_us) // STEP_US * STEP_US
