"""The walk along the audit chain: which rows were changed, removed, put in, moved or rewritten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from storage import schema
from storage.audit_digest import COLUMNS, GENESIS, digest_of

# A row that is not what it was hashed as may be another's: so many numbers off is tried, for so
# many rows; then only what was found before, so that a million moved rows are walked in time.
FAR, TRIES = 64, 100
Step = Callable[[int], None]  # hears of the row that the walk has come to
_a = schema.audit.c


def unwatched(seq: int) -> None:
    """Nobody waits."""


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain does not hold, and how; `last` is the last of a run of such rows.

    'changed': it is not what was hashed; 'missing'; 'moved': it was written as another number;
    'inserted': its follower follows its predecessor; 'unlinked': it does not follow the row
    before; 'rewritten': it fits, and is not what was signed; 'cut': rows at the end are gone;
    'not noted': what somebody noted is not among the rows.
    """

    seq: int
    what: str
    last: int


@dataclass(frozen=True, slots=True)
class Mark:
    """What a signed head says: row `seq`'s hash begins so, and so it was from row `first` on."""

    first: int
    seq: int
    begins: str


def verify(
    tx: Connection, noted: str | None = None, marks: Iterable[Mark] = (), step: Step = unwatched
) -> Iterator[Break]:  # fmt: skip
    """Walk the chain, streamed; every row or run of rows that does not hold.

    The chain alone cannot show that its newest rows were cut off, or that all of it was written
    anew. `marks` of signed heads show both up to the newest, and `noted`, the hash of a row seen
    earlier and kept elsewhere, up to that row. `step` hears the number of a row now and then.
    """
    found: Break | None = None
    for broken in _Walk(noted, iter(marks)).breaks(tx, step):
        follows = found is not None and found.what == broken.what and broken.seq == found.last + 1
        if found is not None and follows:
            found = replace(found, last=broken.last)
            continue
        if found is not None:
            yield found
        found = broken
    if found is not None:
        yield found


class _Walk:
    """One walk: what it has seen so far."""

    def __init__(self, noted: str | None, marks: Iterator[Mark]) -> None:
        self._noted, self._marks = noted, marks
        self._mark = next(marks, None)
        self._moved_by: int | None = None
        self._tries = 0

    def breaks(self, tx: Connection, step: Step) -> Iterator[Break]:
        due, before, prev = 1, GENESIS, GENESIS  # `before`: the hash of the row before the last
        seen = self._noted is None
        doubted: int | None = None  # a row that does not follow; its follower tells what it is
        broken_at = 0
        for row in _rows(tx, step):
            seq, link, hash_ = row[0], row[-2], row[-1]
            if self._mark is not None and self._mark.seq < seq:
                self._skip_to(seq)
            if doubted is not None:
                yield _one(doubted, "inserted" if link == before else "unlinked")
            was_inserted = doubted is not None and link == before
            doubted = None
            if seq > due:
                yield Break(due, "missing", seq - 1)
                broken_at = seq
            elif seq < due:
                yield _one(seq, "inserted")
                broken_at = seq
            fits = digest_of(row[:-1]) == hash_
            moved = not fits and self._place(row) is not None
            if seq == due and link != prev and not was_inserted:
                broken_at = seq
                if moved:
                    yield _one(seq, "unlinked")
                else:
                    doubted = seq
            if not fits:
                yield _one(seq, "moved" if moved else "changed")
                broken_at = seq
            if self._mark is not None and self._mark.seq == seq:
                if str(hash_)[: len(self._mark.begins)] != self._mark.begins and (
                    broken_at < self._mark.first
                ):
                    yield Break(self._mark.first, "rewritten", seq)
                self._mark = next(self._marks, None)
            due, before, prev = max(due, seq + 1), prev, hash_
            seen = seen or hash_ == self._noted
        if doubted is not None:
            yield _one(doubted, "unlinked")
        signed = due - 1
        while self._mark is not None:
            signed = max(signed, self._mark.seq)
            self._mark = next(self._marks, None)
        if signed >= due:
            yield Break(due, "cut", signed)
        elif not seen:
            yield Break(1, "not noted", due - 1)

    def _skip_to(self, seq: int) -> None:
        """Marks of rows that are not there: those are missing, and said to be."""
        while self._mark is not None and self._mark.seq < seq:
            self._mark = next(self._marks, None)

    def _place(self, row: Sequence[Any]) -> int | None:
        """The number that a row was hashed under, when it is another."""
        seq, rest, hash_ = row[0], tuple(row[1:-1]), row[-1]
        if self._moved_by is not None and digest_of((seq - self._moved_by, *rest)) == hash_:
            return int(seq) - self._moved_by
        if self._tries >= TRIES:
            return None
        self._tries += 1
        for far in range(1, FAR + 1):
            for by in (far, -far):
                if digest_of((seq - by, *rest)) == hash_:
                    self._moved_by = by
                    return int(seq) - by
        return None


def _rows(tx: Connection, step: Step) -> Iterator[tuple[Any, ...]]:
    query = select(*(_a[name] for name in COLUMNS)).order_by(_a.seq)
    # Closed when the reader stops early: on PostgreSQL it is a cursor of the server.
    with tx.execute(query.execution_options(yield_per=5000)) as found:
        for page in found.partitions():
            for row in page:
                yield tuple(row)
            step(page[-1][0])


def _one(seq: int, what: str) -> Break:
    return Break(seq, what, seq)
