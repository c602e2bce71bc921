"""A ledger that changes in every way a ledger can, and questions about its coverage."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, update

from search.coverage import Coverage, coverage
from search.footage import Footage
from storage import generations, schema
from storage.clock import US, parse_time
from storage.ledger import Ledger
from storage.register import add_camera
from storage.vocabulary import Camera, Generation
from tests.search.plain_coverage import plain_coverage

HOUR_US = 3600 * US
BASE_US = parse_time("2026-10-31T18:00:00Z")  # New York puts its clocks back ten hours later
ZONES = ("UTC", "Asia/Shanghai", "America/New_York")
NOW_US = BASE_US + 40 * HOUR_US

moments = st.integers(0, 20_000).map(lambda tick: BASE_US + tick * 7 * US)  # 39 hours
lengths = st.sampled_from([0, 7, 60, 63, 600, 3600]).map(lambda s: s * US) | st.sampled_from(
    [3 * HOUR_US, 30 * HOUR_US]
)
A, B, C = (f"frames/model=words/gen=1/day=2026-10-31/part-{name}.parquet" for name in "abc")
parts = st.sampled_from([None, A, B])
numbers = st.integers(0, 1000)
steps = st.one_of(
    st.tuples(st.just("record"), st.integers(0, 2), moments, lengths),
    st.tuples(st.just("follow"), st.integers(0, 2), st.sampled_from([0, 1, 7 * US]), lengths),
    st.tuples(st.just("expire"), numbers),
    st.tuples(st.just("restore"), numbers),
    st.tuples(st.just("cut"), numbers),
    st.tuples(st.just("move"), numbers, moments, lengths),
    st.tuples(st.just("done"), numbers, parts, st.sampled_from([None, 0, 3])),
    st.tuples(st.just("failed"), numbers),
    st.tuples(st.just("claimed"), numbers),
    st.tuples(st.just("forget"), numbers),
    st.tuples(st.just("gap"), st.integers(0, 2), moments, st.none() | lengths),
    st.tuples(st.just("due"), st.integers(0, 2), moments, st.none() | lengths),
)
questions = st.fixed_dictionaries(
    {
        "from_us": st.none() | moments,
        "to_us": st.none() | moments | st.just(NOW_US + 5 * HOUR_US),
        "between": st.none()
        | st.tuples(st.integers(0, 1439), st.integers(0, 1439)).filter(lambda b: b[0] != b[1]),
        "weekdays": st.just(()) | st.sets(st.integers(1, 7), min_size=1).map(sorted).map(tuple),
        "unread": st.sets(st.sampled_from([A, B, C])),
    }
)


@dataclass
class World:
    """A ledger with three cameras and two generations."""

    ledger: Ledger
    folder: Path
    cameras: list[Camera]
    generations: list[Generation]
    footage: Footage
    made: int = 0
    ids: list[str] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)

    def clear(self) -> None:
        with self.ledger.write() as tx:
            for table in (schema.index_work, schema.segment, schema.gap, schema.expectation):
                tx.execute(delete(table))
        self.ends.clear()
        self.ids.clear()

    def do(self, *steps: tuple[Any, ...]) -> None:
        """In one transaction."""
        with self.ledger.write() as tx:
            for what, *how in steps:
                self._do(tx, what, how)

    def _do(self, tx: Connection, what: str, how: list[Any]) -> None:
        if what in ("gap", "due"):
            camera, start_us, length = how
            values = {
                    "camera_id": self.cameras[camera].id, "start_us": start_us,
                    "end_us": None if length is None else start_us + length,
                }  # fmt: skip
            if what == "gap":
                tx.execute(insert(schema.gap).values(cause="stalled", **values))
            else:
                tx.execute(insert(schema.expectation).values(**values))
        elif what in ("record", "follow"):
            camera, start_us, length = how
            if what == "follow":
                start_us += self.ends.get(camera, BASE_US)
            self._record(tx, camera, start_us, start_us + length)
        elif self.ids:
            self.change(tx, what, self.ids[how[0] % len(self.ids)], *how[1:])

    def _record(self, tx: Connection, camera: int, start_us: int, end_us: int) -> None:
        self.made += 1
        name = f"{self.made:026d}"
        tx.execute(
            insert(schema.segment).values(
                id=name, camera_id=self.cameras[camera].id, start_us=start_us, end_us=end_us,
                duration_us=end_us - start_us, size_bytes=1, sha256="0" * 64, container="mp4",
                volume="main", path=name, state="closed", clock_source="arrival",
                clock_error_us=1, recovered=False, origin="live", first_pts=0,
                time_base="1/90000", created_us=1,
            )
        )  # fmt: skip
        self.ids.append(name)
        self.ends[camera] = end_us

    def change(self, tx: Connection, what: str, name: str, *how: Any) -> None:
        """One segment, within a transaction."""
        s, w = schema.segment, schema.index_work
        mine = (w.c.segment_id == name, w.c.generation_id == self.generations[0].id)
        if what == "expire":
            values = {"state": "expired", "expired_us": 1, "expired_rule": "test"}
            tx.execute(update(s).where(s.c.id == name).values(values))
        elif what == "restore":
            tx.execute(update(s).where(s.c.id == name).values(state="closed", expired_us=None))
        elif what == "move":
            start_us, length = how
            values = {"start_us": start_us, "end_us": start_us + length}
            tx.execute(update(s).where(s.c.id == name).values(values))
        elif what in ("cut", "forget"):
            tx.execute(delete(w).where(w.c.segment_id == name))
            if what == "cut":
                tx.execute(delete(s).where(s.c.id == name))
                self.ids.remove(name)
        else:
            part, damaged = how or (None, None)
            values = {"state": what, "part": part, "damaged": damaged, "detail": f"of {what}"}
            if not tx.execute(update(w).where(*mine).values(values)).rowcount:
                named = {"segment_id": name, "generation_id": self.generations[0].id}
                tx.execute(insert(w).values(worker="tester", **named, **values))

    def ask(self, footage: Footage, generation: Generation | None, **asked: Any) -> Coverage:
        with self.ledger.read() as tx:
            return coverage(
                tx, self.cameras, generation, now_us=NOW_US, footage=footage, **asked
            )  # fmt: skip

    def agree(self, asked: dict[str, Any]) -> None:
        """A process that lives on, and one that begins, say what the plain reading says."""
        for generation in (*self.generations, None):
            with self.ledger.read() as tx:
                plain = plain_coverage(tx, self.cameras, generation, now_us=NOW_US, **asked)
            lasting = self.ask(self.footage, generation, **asked)
            assert in_order(lasting) == in_order(plain)
            assert in_order(self.ask(Footage(self.folder), generation, **asked)) == in_order(plain)


def in_order(stated: Coverage) -> Coverage:
    """Where two gaps begin at once, either may come first."""
    return replace(stated, gaps=tuple(sorted(stated.gaps)))


def new_world(ledger: Ledger, folder: Path) -> World:
    """Three cameras, each in a zone of its own; two generations."""
    with ledger.write() as tx:
        tx.execute(insert(schema.volume).values(name="main", uuid="u", created_us=1))
        cameras = [
            add_camera(tx, name=f"c{n}", url=None, created_us=1, tz=tz)
            for n, tz in enumerate(ZONES)
        ]
        made = [
            generations.add_generation(
                tx, model="words", checkpoint=None, weights_hash="w" * 64,
                preprocess_hash="p" * 64, dimension=8, meaningful=True, state=state, at_us=1,
            )
            for state in ("active", "building")
        ]  # fmt: skip
    # Asked in another order than their keys'.
    return World(ledger, folder, cameras[::-1], made, Footage(folder))
