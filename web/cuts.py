"""Pictures of the archive that are asked with, as the desk shows them: cut to what matters."""

from __future__ import annotations

from dataclasses import dataclass

from search import asking
from search.query import Box
from storage.rights import Verb
from storage.segments import segment_at
from storage.vocabulary import Camera
from web import context
from web.addresses import THUMBNAIL_WIDTHS, picture_address
from web.asked import Asked


@dataclass(frozen=True, slots=True)
class Cut:
    """A picture, and the part of it that is asked with."""

    camera: Camera
    at_us: int
    address: str
    width: int
    height: int
    box: Box


def cuts(asked: Asked) -> dict[str, Cut]:
    """Of each picture of the archive that is asked with, where there still is one. To be called
    after the search was let in: it records the looks (search.likeness)."""
    found: dict[str, Cut] = {}
    with context.directory().ledger.read() as tx:
        access = context.access(tx)
        for text in asked.likes:
            like = asking.like(text)
            camera = access.camera(tx, Verb.SEARCH, like.camera)
            row = segment_at(tx, camera.id, like.at_us)
            if row is None or not row.width or not row.height:
                continue
            address = picture_address(row.id, like.at_us, asked.case or None)
            address += f"&w={THUMBNAIL_WIDTHS[1]}"
            whole = (0, 0, row.width, row.height)
            found[text] = Cut(camera, like.at_us, address, row.width, row.height, like.box or whole)
    return found
