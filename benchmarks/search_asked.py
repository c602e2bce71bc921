"""What is asked of a large archive: vectors, filters of three selectivities, and the true answers.

A third each of the filters goes by camera, by day and by time of day. Where one of these alone
lets too much through (a minute is 0.07 % of a day), a second one narrows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.big_lake import HOUR_US, START_US, TZ, BigLake, facts_and_vectors
from benchmarks.grown_vectors import Floats, Int64s
from search.query import Query
from storage.clock import US, to_datetime

DEPTH = 10  # recall@10
MINUTE_US = 60 * US
SELECTIVITIES = (0.0001, 0.01, 0.3)
OFFSET_US = round((to_datetime(START_US, TZ).utcoffset() or 0).total_seconds()) * US  # type: ignore[union-attr]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter, in words every engine can be told. Times UTC; minutes of the cameras' own day."""

    name: str
    cameras: tuple[int, ...] | None = None
    from_us: int | None = None
    to_us: int | None = None
    between: tuple[int, int] | None = None  # end after start

    def keep(self, facts: Facts) -> Bools:
        """(n,) which rows qualify."""
        good = np.ones(len(facts.camera), dtype=bool)
        if self.cameras is not None:
            good &= np.isin(facts.camera, self.cameras)
        if self.from_us is not None and self.to_us is not None:
            good &= (facts.ts_us >= self.from_us) & (facts.ts_us < self.to_us)
        if self.between is not None:
            minute = minutes(facts.ts_us)
            good &= (minute >= self.between[0]) & (minute < self.between[1])
        return good

    def sql(self) -> str:
        """Over columns camera_id, ts_us and minute; '' for none."""
        terms = []
        if self.cameras is not None:
            terms.append(f"camera_id IN ({', '.join(map(str, self.cameras))})")
        if self.from_us is not None and self.to_us is not None:
            terms.append(f"ts_us >= {self.from_us} AND ts_us < {self.to_us}")
        if self.between is not None:
            terms.append(f"minute >= {self.between[0]} AND minute < {self.between[1]}")
        return " AND ".join(terms)

    def fields(self, slugs: dict[int, str]) -> dict[str, Any]:
        """Of a Query."""
        return {
            "cameras": tuple(slugs[key] for key in self.cameras or ()), "from_us": self.from_us,
            "to_us": self.to_us, "between": self.between,
        }  # fmt: skip


EVERYTHING = Wanted("unfiltered")


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """Of all rows, in the order of the archive's parts."""

    frame_id: Int64s
    camera: Int64s
    ts_us: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Of one filter: how many rows qualify, and the exact best of every question."""

    wanted: Wanted
    rows: int
    best: Int64s  # (questions, DEPTH) frame ids; -1 where fewer qualify

    def recall(self, question: int, found: Sequence[int] | Int64s) -> float:
        """The share of the best that is among the first DEPTH found."""
        due = {int(one) for one in self.best[question] if one >= 0}
        return len(due & {int(one) for one in found[:DEPTH]}) / len(due) if due else 1.0


def minutes(ts_us: Int64s) -> Int64s:
    """Minute of the cameras' own day."""
    found: Int64s = (ts_us + OFFSET_US) // MINUTE_US % 1440
    return found


def questions(made: BigLake, count: int = 200) -> Floats:
    """(count, dimension) pictures and words in turn, the same in every run."""
    rng = np.random.default_rng(7)
    half = count // 2
    pictures = made.pictures[rng.permutation(len(made.pictures))[:half]]
    words = min(26, half)  # the investigator's own sentences are always among them
    others = words + rng.permutation(len(made.texts) - words)[: half - words]
    texts = made.texts[np.concatenate([np.arange(words), others])]
    return np.stack([pictures, texts], axis=1).reshape(-1, pictures.shape[1])


def is_picture(question: int) -> bool:
    """Which kind one of `questions` is."""
    return question % 2 == 0


def facts_of(made: BigLake) -> Facts:
    """Facts alone."""
    names = ["frame_id", "camera_id", "ts_us"]
    tables = [pq.read_table(made.directory.lake / part, columns=names) for part in made.parts]
    whole = pa.concat_tables(tables)
    return Facts(*(whole.column(name).to_numpy() for name in names))


def filters(made: BigLake, facts: Facts) -> list[Wanted]:
    """Nine: three selectivities by camera, day and time of day."""
    keys, counts = np.unique(facts.camera, return_counts=True)
    order = np.argsort(counts)
    middle = int(keys[order[len(order) // 2]])
    share = counts / len(facts.camera)
    times = np.sort(facts.ts_us)
    by_minute = np.bincount(minutes(times), minlength=1440) / len(times)
    found = []
    for part in SELECTIVITIES:
        name = f"{100 * part:g}%"
        found.append(_by_camera(facts, name, part, middle, keys, share))
        first = np.searchsorted(times, START_US + made.days // 3 * 24 * HOUR_US + 9 * HOUR_US)
        last = min(int(first) + round(part * len(times)), len(times) - 1)
        found.append(Wanted(f"day {name}", from_us=int(times[first]), to_us=int(times[last])))
        start, length = _window(by_minute, part)
        some = None
        if length == 1:
            some = _cameras(keys, share, part / float(by_minute[start]))
        found.append(Wanted(f"time of day {name}", some, between=(start, start + length)))
    return found


def _window(by_minute: npt.NDArray[np.float64], part: float) -> tuple[int, int]:
    """Of the day that has about `part` of all rows: first minute and length."""
    length = max(1, round(part * 1440))
    whole = np.concatenate([[0.0], np.cumsum(by_minute)])
    shares = whole[length:] - whole[:-length]
    return int(np.argmin(np.abs(shares - max(part, 1 / 1440)))), length


def _by_camera(
    facts: Facts, name: str, part: float, middle: int, keys: Int64s,
    share: npt.NDArray[np.float64],
) -> Wanted:  # fmt: skip
    mine = np.sort(facts.ts_us[facts.camera == middle])
    rows = max(DEPTH, round(part * len(facts.camera)))
    if rows < len(mine):
        start = (len(mine) - rows) // 2
        return Wanted(f"camera {name}", (middle,), int(mine[start]), int(mine[start + rows]))
    return Wanted(f"camera {name}", _cameras(keys, share, part))


def _cameras(keys: Int64s, share: npt.NDArray[np.float64], part: float) -> tuple[int, ...]:
    """Cameras here and there that have about `part` of all rows."""
    order = np.random.default_rng(8).permutation(len(keys))
    few = order[: int(np.searchsorted(np.cumsum(share[order]), part)) + 1]
    return tuple(sorted(int(key) for key in keys[few]))


def truths(made: BigLake, asked: Floats, wanted: Sequence[Wanted]) -> list[Truth]:
    """Every qualifying row compared exactly, in float32."""
    best = [np.full((len(asked), DEPTH), -2, dtype=np.float32) for _ in wanted]
    ids = [np.full((len(asked), DEPTH), -1, dtype=np.int64) for _ in wanted]
    rows = [0] * len(wanted)
    for table, vectors in facts_and_vectors(made):
        facts = Facts(*(table.column(n).to_numpy() for n in ("frame_id", "camera_id", "ts_us")))
        cosines = asked @ vectors.astype(np.float32).T
        for number, one in enumerate(wanted):
            at = np.flatnonzero(one.keep(facts))
            rows[number] += at.size
            if not at.size:
                continue
            some = cosines if at.size == len(facts.camera) else cosines[:, at]
            few = min(DEPTH, at.size)
            near = np.argpartition(-some, few - 1, axis=1)[:, :few]
            value = np.concatenate([best[number], np.take_along_axis(some, near, axis=1)], axis=1)
            key = np.concatenate([ids[number], facts.frame_id[at[near]]], axis=1)
            order = np.argsort(-value, axis=1, kind="stable")[:, :DEPTH]
            best[number] = np.take_along_axis(value, order, axis=1)
            ids[number] = np.take_along_axis(key, order, axis=1)
    return [Truth(*one) for one in zip(wanted, rows, ids, strict=True)]


def query(question: int, wanted: Wanted, slugs: dict[int, str], top: int) -> Query:
    """The same for the whole engine; benchmarks.big_lake.Given knows its vectors by number."""
    from benchmarks.big_lake import picture_of
    from search.query import Part

    shown = is_picture(question)
    part = Part(image=picture_of(question)) if shown else Part(text=str(question))
    return Query(parts=(part,), top=top, **wanted.fields(slugs))
