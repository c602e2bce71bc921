"""A chain of audit rows, ways to attack it, and what the checks say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import text

from storage import audit, audit_heads
from storage.audit_digest import COLUMNS, GENESIS, digest_of
from storage.check_audit import check_audit
from storage.vocabulary import Actor
from tests.storage.media import House

ROWS = 6
ACTOR = Actor("the operator")


def grow(house: House, first: int, last: int, who: str = "li.wei") -> None:
    for i in range(first, last + 1):
        with house.ledger.write() as tx:
            audit.record(
                tx, Actor(who, "C-1", "theft"), "search", f"query {i}", at_us=i,
                detail={"top": i},
            )  # fmt: skip


def attack(house: House, *statements: str) -> None:
    with house.ledger.write() as tx:
        for statement in statements:
            tx.execute(text(statement))


def hashed_anew(house: House, first: int, **changed: Any) -> None:
    """As one who knows how the chain is made: changes row `first` and mends all that follow."""
    with house.ledger.write() as tx:
        rows = [list(row) for row in tx.execute(text("SELECT * FROM audit ORDER BY seq"))]
        prev = GENESIS
        for row in rows:
            values = dict(zip(COLUMNS, row, strict=True))
            if values["seq"] == first:
                values |= changed
            if values["seq"] >= first:
                values["prev_hash"] = prev
                values["hash"] = digest_of(tuple(values[name] for name in COLUMNS[:-1]))
                assign = ", ".join(f"{name} = :{name}" for name in COLUMNS)
                tx.execute(text(f"UPDATE audit SET {assign} WHERE seq = :seq"), values)
            prev = values["hash"]


def breaks(house: House) -> list[tuple[int, str]]:
    """By the chain alone."""
    with house.ledger.read() as tx:
        return [(b.seq, b.what) for b in audit.verify(tx)]


def said(house: House, noted: str | None = None) -> list[str]:
    """By the chain and its heads: the losses, as a person reads them."""
    volumes = dict(house.directory.archive.volumes)
    return [f.what() for f in check_audit(house.directory, volumes, noted) if f.loss]


def copies(house: House) -> list[Path]:
    return sorted((house.root / "volumes/main/.audit").rglob("*.json"))


def heads(house: House) -> list[audit_heads.Head]:
    with house.ledger.read() as tx:
        return audit_heads.heads(tx)
