"""More like this: a picture out of the archive as part of a query, its look audited."""

from __future__ import annotations

from collections.abc import Sequence

from search.asking import Like
from search.query import Part
from storage import audit
from storage.access import access_of
from storage.clock import rfc3339
from storage.directory import DataDirectory
from storage.errors import NotFound
from storage.purpose import require_look
from storage.reading import footage
from storage.rights import Verb
from storage.segments import segment_at
from storage.vocabulary import Actor, Span


def parts_like(
    directory: DataDirectory, likes: Sequence[Like], actor: Actor
) -> tuple[Part, ...]:  # fmt: skip
    """The pictures as parts of a query; each look is committed to the audit chain.

    NotFound: no such camera, or no footage of it then. Invalid: the box lies outside. DataLoss:
    the footage cannot be decoded. Denied, Conflict, NotFound: of the case, as a search.
    """
    return tuple(_part(directory, one, actor) for one in likes)


def _part(directory: DataDirectory, asked: Like, actor: Actor) -> Part:
    from indexer.pictures import picture_of  # PyAV: only when footage is looked at

    with directory.ledger.read() as tx:
        access = access_of(tx, actor.name, directory.clock.now_us())
        camera = access.camera(tx, Verb.SEARCH, asked.camera)
        at = Span(asked.at_us, asked.at_us)
        approvals = require_look(
            tx, directory.settings, access, actor, Verb.SEARCH, [camera], at
        )  # fmt: skip
        segment = segment_at(tx, camera.id, asked.at_us)
    if segment is None:
        raise NotFound(
            "camera {camera} has no footage at {time}",
            camera=camera.slug, time=rfc3339(asked.at_us),
        )  # fmt: skip
    opened = footage(directory, segment.id, actor, Verb.SEARCH)
    shown = picture_of(opened, asked.at_us, always_masked=True)  # as what is searched
    made = Part(image=shown.rgb, box=asked.box, weight=asked.weight)
    seen = rfc3339(shown.ts_us)
    with directory.ledger.write() as tx:
        audit.record(
            tx, actor, "view", camera.slug, at_us=directory.clock.now_us(),
            detail={
                "from": seen, "to": seen, "for": "search",
                **({"approvals": approvals} if approvals else {}),
            },
        )  # fmt: skip
    return made
