"""A search that was asked and answered, as the ledger keeps it."""

from __future__ import annotations

import json

from ulid import ULID

from storage import search_runs, stored_queries
from storage.generations import add_generation
from storage.ledger import Ledger
from storage.stored_queries import StoredQuery

WEIGHTS = "ab" * 32


def kept_search(
    ledger: Ledger, asked_by: str, at_us: int, *, answered: bool = True
) -> str:  # fmt: skip
    """Its token."""
    token, query_id = str(ULID()), str(ULID())
    with ledger.write() as tx:
        made = add_generation(
            tx, model="nano", checkpoint=None, weights_hash=WEIGHTS, preprocess_hash="cd" * 32,
            dimension=8, meaningful=True, state="building", at_us=at_us,
        )  # fmt: skip
        query = StoredQuery(query_id, None, None, asked_by, at_us, None, '{"text": "红衣 <b>"}')
        stored_queries.add(tx, query, {})
        search_runs.add(
            tx, token=token, query_id=query_id, state="running", asked_by=asked_by, at_us=at_us,
            code_version="0.1/abc",
        )  # fmt: skip
        if answered:
            search_runs.finish(
                tx, token, at_us=at_us, model="nano", generation=made.number,
                answer=json.dumps({"token": token, "query": {"text": "红衣 <b>"}, "moments": []}),
            )  # fmt: skip
    return token
