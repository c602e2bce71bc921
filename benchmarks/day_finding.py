"""Whether what happened in a made day can be found: by a row in the lake, and by words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.day_truth import Box, Event
from storage import generations, lake, lake_work
from storage.clock import US
from storage.directory import DataDirectory
from storage.vocabulary import Actor

COVERED = 0.3  # of the subject, from which on a region shows it
TOP = 10


@dataclass(frozen=True, slots=True)
class Row:
    """A vector's facts."""

    camera_id: int
    ts_us: int
    kind: str
    box: Box | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What one sentence found: right events there are, those among the top moments."""

    text: str
    right: int
    found: int

    @property
    def recall(self) -> float:
        """Of as many as the top has room for."""
        return min(self.found, TOP) / min(TOP, self.right)


def rows(directory: DataDirectory) -> list[Row]:
    """All rows that count, in order of time."""
    with directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
        if generation is None:
            return []
        live = generations.live_parts(tx, generation.id)
    found = []
    for part, segment_ids in live.items():
        wanted = set(segment_ids)
        table, _ = lake.read_part(directory.lake, part, generation)
        for row in table.to_pylist():
            if row["segment_id"] in wanted:
                box = None if row["x"] is None else (row["x"], row["y"], row["w"], row["h"])
                found.append(Row(row["camera_id"], row["ts_us"], row["kind"], box))
    return sorted(found, key=lambda row: row.ts_us)


def shows(row: Row, event: Event, slack_us: int) -> bool:
    """Whether the row is of the event's time, and of a small subject's place."""
    if not event.start_us - slack_us <= row.ts_us <= event.end_us + slack_us:
        return False
    if row.box is None:
        return not event.small
    return covered(row.box, event.box_near(row.ts_us)) >= COVERED


def covered(region: Box, subject: Box) -> float:
    """The share of the subject that lies in the region."""
    (x, y, w, h), (x2, y2, w2, h2) = region, subject
    wide = min(x + w, x2 + w2) - max(x, x2)
    high = min(y + h, y2 + h2) - max(y, y2)
    return max(0, wide) * max(0, high) / max(1, w2 * h2)


def missed(events: Iterable[Event], found: Sequence[Row], slack_us: int) -> list[Event]:
    """Events of one camera of which no row tells."""
    return [event for event in events if not any(shows(row, event, slack_us) for row in found)]


def region_share(found: Iterable[Row], pixels: int) -> float:
    """The median region's share of the picture; 0 without regions."""
    shares = sorted(row.box[2] * row.box[3] / pixels for row in found if row.box is not None)
    return shares[len(shares) // 2] if shares else 0.0


def reasons(directory: DataDirectory, event: Event, slack_us: int) -> Counter[str]:
    """Why the pictures within an event were embedded or skipped, as far as that was stored.

    Of an archive with one camera.
    """
    counted: Counter[str] = Counter()
    for file in look_files(directory):
        table = pq.read_table(file, partitioning=None)
        for row in table.to_pylist():
            if event.start_us - slack_us <= row["ts_us"] <= event.end_us + slack_us:
                counted[str(row["reason"])] += 1
    return counted


def all_reasons(directory: DataDirectory) -> Counter[str]:
    """How often each reason was given."""
    counted: Counter[str] = Counter()
    for file in look_files(directory):
        counted.update(
            map(str, pq.read_table(file, partitioning=None).column("reason").to_pylist())
        )
    return counted


def part_files(directory: DataDirectory, kind: str) -> list[Path]:
    """Parts that count, of 'frames' or 'looks': replaced ones stay for a while beside them."""
    with directory.ledger.read() as tx:
        names = lake_work.all_names(tx)
    return [directory.lake / name for name in sorted(names) if name.startswith(f"{kind}/")]


def look_files(directory: DataDirectory) -> list[Path]:
    """Parts with the decisions."""
    return part_files(directory, "looks")


def ask(
    directory: DataDirectory, cameras: dict[str, list[Event]], lang: str, *, slack_us: int
) -> list[Asked]:
    """Search for every sentence of the events, over all cameras (slug → its events).

    Right is every event of that kind, and of that colour where the sentence says one. A moment
    finds the events within whose time its best picture lies.
    """
    from search.engine import Engine
    from search.query import Part, Query

    every = [event for events in cameras.values() for event in events]
    engine, asked = Engine(directory), []
    for text in dict.fromkeys(_words(event, lang) for event in every):
        like = next(event for event in every if _words(event, lang) == text)
        right = [event for event in every if _answers(event, like)]
        answer = engine.search(Query(parts=(Part(text=text),), top=TOP), Actor("benchmark"))
        found = {
            (event.camera, event.start_us)
            for moment in answer.moments
            for event in right
            if event.camera == moment.camera.slug
            and event.start_us - slack_us <= moment.best.at_us <= event.end_us + slack_us
        }
        asked.append(Asked(text, len(right), len(found)))
    return asked


def slack_us(interval_s: float) -> int:
    """Around an event, one interval still counts."""
    return round(interval_s * US)


def _words(event: Event, lang: str) -> str:
    return event.en if lang == "en" else event.zh


def _answers(event: Event, like: Event) -> bool:
    return event.kind == like.kind and (like.colour is None or event.colour == like.colour)
