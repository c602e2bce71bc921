"""A query into the ledger's keeping and back, pictures and all."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import numpy as np
from PIL import Image
from sqlalchemy import Connection
from ulid import ULID

from search.query import Picture, Query
from search.query_document import document, from_document, pictures_of
from storage import stored_queries
from storage.stored_queries import StoredQuery


def packed(query: Query) -> dict[str, bytes]:
    """Its pictures as they are kept, without loss: SHA-256 → PNG. Best made before the ledger is
    written to: that takes a quarter of a second each.
    """
    return {name: _png(picture) for name, picture in pictures_of(query).items()}


def text_of(query: Query) -> str:
    """The query as it is kept, JSON: the same for the same query."""
    return json.dumps(document(query), ensure_ascii=False)


def keep(
    tx: Connection, query: Query, by: str, at_us: int, pictures: Mapping[str, bytes] | None = None
) -> StoredQuery:
    """Enter a query as it was asked, with its pictures, as of `packed`."""
    text = text_of(query)
    stored = StoredQuery(str(ULID()), query.case_id, query.reason, by, at_us, None, text)
    stored_queries.add(tx, stored, packed(query) if pictures is None else pictures)
    return stored


def read_back(tx: Connection, query_id: str) -> Query:
    """The query as it was entered.

    NotFound: it is gone. DataLoss: a picture of it is damaged. Invalid: another version wrote it.
    """
    stored = stored_queries.find(tx, query_id)
    opened = {name: _opened(png) for name, png in stored_queries.pictures(tx, query_id).items()}
    readable = {name: picture for name, picture in opened.items() if picture is not None}
    return from_document(json.loads(stored.document), readable)


def subject_of(stored: StoredQuery) -> str:
    """What it asks for in one line, as `Query.subject`, without making a query of it."""
    try:
        asked = json.loads(stored.document)
        steps = [asked["parts"], asked["then_parts"]]
        said = [
            " + ".join(part.get("text") or "picture" for part in step) for step in steps if step
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "?"  # of another version of Hindsight: it is still listed
    return " → ".join(said)


def _png(picture: Picture) -> bytes:
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "PNG")
    return target.getvalue()


def _opened(png: bytes) -> Picture | None:
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as picture:
            return np.asarray(picture.convert("RGB"))
    except Exception:  # on damaged bytes decoders raise every kind there is
        return None
