"""How right the answers are: real clips by what people would type, and things that are not there.

All clips of shared/footage are imported and indexed once, those of one camera as one camera at
their own times. Asked are the lines of queries.jsonl, the things that captions name (a clip may
hold more than was captioned, so these compare ways rather than say how good one is), and
`absent_things`, to see what is claimed wrongly. Measured through the engine, with regions and with
whole frames only; then, on the same vectors, each piece of the calibration left out, down to the
bare cosine.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.absent_things import FAR, NEAR
from benchmarks.day_stream import cache
from benchmarks.house import SHARED_FOOTAGE, House, clips
from benchmarks.report import report
from indexer.tags import tag_query
from search.calibration import Sample, Usual, row_statistics
from search.engine import Engine
from search.judge import Judge
from search.moments import Hits, peaks
from search.query import Part, Query
from search.questions import Question, QuestionPart
from storage import generations, lake, segments
from storage.clock import US, rfc3339
from storage.directory import DataDirectory, open_directory

CAPTIONS = SHARED_FOOTAGE.parent / "captions" / "captions.jsonl"
VERSION = "1"  # of what is indexed; another one builds anew
LANGUAGES = ("en", "zh")
TOP = 200  # moments of an answer: all that these clips have
NEAR_S = 3.0  # a moment that is only at some time of a clip is right so near to it
SAMPLE_ROWS = 64
WANTED_FALSE = 0.1
ELSEWHERE = "2017-09-04T08:00:00Z"
Scores = Callable[[Question], np.ndarray]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A description, and the clips (and time within) that hold it; none: it is not there."""

    text: str
    clips: frozenset[str]
    t_s: float | None = None
    held_out: bool = False  # not of the half on which the constants were chosen
    known: bool = True  # the model was taught every word of it


@dataclass(frozen=True, slots=True)
class Found:
    """A moment of an answer, best first."""

    clip: str
    at_s: float  # within the clip
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Archived:
    """All rows of the lake (n), as they lie there."""

    vectors: np.ndarray  # (n, d) float32
    statistics: np.ndarray
    camera: np.ndarray
    kind: np.ndarray
    quality: np.ndarray
    ts_us: np.ndarray
    clip: list[str]
    at_s: np.ndarray


def main() -> None:
    """Through the engine, then piece by piece."""
    if not (SHARED_FOOTAGE / "queries.jsonl").is_file():
        print("real clips are absent: the quality of answers is not measured")  # noqa: T201
        return
    with_data(measure)


def measure(directory: DataDirectory) -> None:
    """Everything about an indexed data directory."""
    engine = Engine(directory)
    with directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
    assert generation is not None
    from indexer.embedder import load_embedder

    embedder = load_embedder(directory, generation)
    wanted, absent = asked(embedder.unknown_words)
    named = captioned(embedder.unknown_words)
    threshold = directory.settings.search.confident_from
    taught = embedder.taught_clips
    every = [*wanted, *named, *absent]
    whole = _through_engine(engine, every, None)
    frames = _through_engine(engine, every, "frame")
    rows = archived(directory, engine.bank(generation))
    vectors = embedder.embed_texts([one.text for one in every])
    bare = _ranked(rows, vectors, lambda question: rows.vectors @ question.asked[0].vector)
    peers = {"frames only": frames, "raw cosine": bare}
    for lang in LANGUAGES:
        which = [i for i, one in enumerate(wanted) if _language(one.text) == lang]
        _report_ranks(f"search_quality_{lang}", whole, peers, every, which)
    unseen = [i for i, one in enumerate(wanted) if not one.clips & taught]
    _report_ranks("search_quality_never_trained_on", whole, peers, every, unseen)
    things = [len(wanted) + i for i in range(len(named))]
    _report_ranks("search_quality_captioned", whole, peers, every, things)
    _report_claims(whole, every, threshold)
    heading = "piece by piece, on the half that no constant was chosen on; sure: right and above"
    print(f"{heading} a line that one absent thing in ten passes:")  # noqa: T201
    for name, scores in pieces(rows).items():
        _print_piece(name, _ranked(rows, vectors, scores), every, len(wanted))
    _print_piece("raw cosine", bare, every, len(wanted))


def asked(unknown_words: Callable[[str], Sequence[str]]) -> tuple[list[Wanted], list[Wanted]]:
    """What is there, from queries.jsonl, and what is not."""
    lines = (SHARED_FOOTAGE / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    wanted = [
        Wanted(
            query[lang], frozenset(query["clips"]), query.get("t_s"), _held_out(query["id"]),
            not unknown_words(query[lang]),
        )
        for query in map(json.loads, lines)
        for lang in LANGUAGES
    ]  # fmt: skip
    absent = [
        Wanted(text, frozenset(), None, _held_out(pair[0]), not unknown_words(text))
        for pair in (*NEAR, *FAR)
        for text in pair
    ]
    return wanted, absent


def captioned(unknown_words: Callable[[str], Sequence[str]]) -> list[Wanted]:
    """Every kind of thing, and kind with colour, that the captions name; where captions are."""
    if not CAPTIONS.is_file():
        return []
    clips_with: dict[tuple[str, str | None], set[str]] = {}
    for entry in map(json.loads, CAPTIONS.read_text(encoding="utf-8").splitlines()):
        for kind, colour in entry["objects"]:
            for tag in {(kind, colour), (kind, None)}:
                clips_with.setdefault(tag, set()).add(entry["clip"])
    return [
        Wanted(text, frozenset(held), None, _held_out(f"{tag}"), not unknown_words(text))
        for tag, held in sorted(clips_with.items(), key=str)
        for text in (tag_query(*tag) or {}).values()
    ]


def with_data(use: Callable[[DataDirectory], None]) -> None:
    """Call with the indexed clips, which are made once (about a minute) and kept in the cache."""
    root = cache() / f"search-quality-{VERSION}"
    if not (root / "made").is_file():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        made = House(root)
        made.run("init")
        for file in clips(root):
            camera, start = _camera(file)
            made.run("import", str(file), "--camera", camera, "--start", start)
        made.run("index")
        (root / "made").write_text(VERSION)
    directory = open_directory(root / "data")
    try:
        use(directory)
    finally:
        directory.close()


def _camera(file: Path) -> tuple[str, str]:
    """A traffic camera's clips are one camera's, at the times they were taken."""
    named = re.match(r"tfl_jamcam_(\d+)_(\d{12})", file.name)
    if named is None:
        return re.sub(r"[^a-z0-9]+", "-", file.stem.lower()), ELSEWHERE
    local = datetime.strptime(named[2], "%Y%m%d%H%M").replace(tzinfo=ZoneInfo("Europe/London"))
    return f"jamcam-{named[1]}", rfc3339(round(local.astimezone(UTC).timestamp()) * US)


def archived(directory: DataDirectory, bank: np.ndarray) -> Archived:
    """Every row that counts, as the judge gets them."""
    with directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
        assert generation is not None
        live = generations.live_parts(tx, generation.id)
        known = {one.id: one for ids in live.values() for one in segments.get(tx, sorted(ids))}
    facts, vectors = [], []
    for part, ids in live.items():
        table, found = lake.read_part(directory.lake, part, generation)
        for row, vector in zip(table.to_pylist(), found, strict=True):
            if row["segment_id"] in ids:
                facts.append(row)
                vectors.append(vector)
    stacked = np.array(vectors, dtype=np.float32)
    of = [known[row["segment_id"]] for row in facts]
    ts_us = np.array([row["ts_us"] for row in facts], dtype=np.int64)
    return Archived(
        stacked, row_statistics(stacked, bank),
        np.array([row["camera_id"] for row in facts], dtype=np.int64),
        np.array([row["kind"] == "region" for row in facts], dtype=np.uint8),
        np.array([row["quality"] for row in facts], dtype=np.int32),
        ts_us, [str(one.original_name) for one in of],
        (ts_us - np.array([one.start_us for one in of])) / US,
    )  # fmt: skip


def pieces(rows: Archived) -> dict[str, Scores]:
    """The calibration, and the same with one piece left out; all through the judge's own door."""
    usual = samples(rows)
    kinds = {kind: int((rows.kind == kind).sum()) for kind in (0, 1)}
    pooled = {
        (-1, kind): _pooled([one for key, one in usual.items() if key[1] == kind])
        for kind in (0, 1)
    }
    everything = {(-1, 0): _pooled(list(usual.values()))}

    def judged(usual: dict[tuple[int, int], Sample], compared: int | dict[int, int]) -> Scores:
        def scores(question: Question) -> np.ndarray:
            return Judge(question, Usual.of(usual), compared).scores(
                rows.vectors, rows.camera, rows.kind, rows.quality
            )

        return scores

    return {
        "all": judged(usual, kinds),
        "without a camera's usual": judged(pooled, kinds),
        "without a kind's usual too": judged(everything, kinds),
        "one count for both kinds": judged(usual, len(rows.clip)),
        "not by how many are compared": judged(usual, 0),
    }


def samples(rows: Archived) -> dict[tuple[int, int], Sample]:
    """What each camera and kind usually shows."""
    found = {}
    for camera, kind in sorted(set(zip(rows.camera.tolist(), rows.kind.tolist(), strict=True))):
        at = np.flatnonzero((rows.camera == camera) & (rows.kind == kind))
        at = at[np.argsort(rows.ts_us[at], kind="stable")]
        at = at[np.linspace(0, len(at) - 1, min(SAMPLE_ROWS, len(at))).astype(int)]
        found[camera, kind] = Sample(rows.vectors[at], rows.statistics[at])
    return found


def _pooled(parts: list[Sample]) -> Sample:
    return Sample(
        np.concatenate([one.vectors for one in parts]),
        np.concatenate([one.statistics for one in parts]),
    )


def _ranked(rows: Archived, texts: np.ndarray, scores: Scores) -> list[list[Found]]:
    """Of every text, the moments by these scores; the bare cosine gets the engine's moments too."""
    answers = []
    place = np.arange(len(rows.clip), dtype=np.int64)
    for text in texts:
        value = scores(Question((QuestionPart(text, 1.0, False),)))
        shift = min(0.0, float(value.min()))  # moments are made by shares of the best score
        hits = Hits(
            (value - shift).astype(np.float32), rows.camera, rows.ts_us, place, place * 0, place
        )
        answers.append(
            [
                Found(rows.clip[one.place], float(rows.at_s[one.place]), one.score + shift)
                for one in peaks(hits, round(10 * US), TOP)
            ]
        )
    return answers


def _through_engine(engine: Engine, wanted: list[Wanted], kind: str | None) -> list[list[Found]]:
    answers = []
    for one in wanted:
        query = Query(parts=(Part(text=one.text),), kind=kind, top=TOP, diversify=False)
        answer = engine.answer(query)
        sure = 1.0 if one.known else 0.0  # words never taught are never a match
        answers.append(
            [
                Found(
                    str(moment.best.segment.original_name),
                    (moment.best.at_us - moment.best.segment.start_us) / US, moment.score * sure,
                )
                for moment in answer.moments
            ]
        )  # fmt: skip
        best = answers[-1][0].score if answers[-1] else 0.0
        threshold = engine.directory.settings.search.confident_from
        assert answer.confident == (best >= threshold), one.text
    return answers


def _right(found: Found, one: Wanted) -> bool:
    return found.clip in one.clips and (one.t_s is None or abs(found.at_s - one.t_s) <= NEAR_S)


def _precision(answer: list[Found], one: Wanted) -> float:
    """Average precision: each clip counts where its first right moment is; wrong ones all count."""
    seen: set[str] = set()
    wrong, total = 0, 0.0
    for found in answer:
        if not _right(found, one):
            wrong += 1
        elif found.clip not in seen:
            seen.add(found.clip)
            total += len(seen) / (len(seen) + wrong)
    return total / len(one.clips)


def _place(answer: list[Found], one: Wanted) -> int:
    return next((i for i, found in enumerate(answer, 1) if _right(found, one)), TOP + 1)


def _report_ranks(
    name: str, ours: list[list[Found]], peers: dict[str, list[list[Found]]], wanted: list[Wanted],
    which: list[int],
) -> None:  # fmt: skip
    for peer, theirs in peers.items():
        at = peer.replace(" ", "_")
        unit = f"of {len(which)} queries"
        for measure_name, measured in (
            ("map", _precision), ("r1", lambda a, o: float(_place(a, o) <= 1)),
            ("r5", lambda a, o: float(_place(a, o) <= 5)),
        ):  # fmt: skip
            mine, other = (
                float(np.mean([measured(answers[i], wanted[i]) for i in which]))
                for answers in (ours, theirs)
            )
            report(f"{name}_{measure_name}_against_{at}", mine, unit, peer, other)


def _report_claims(answers: list[list[Found]], every: list[Wanted], threshold: float) -> None:
    best = np.array([answer[0].score if answer else 0.0 for answer in answers])
    there = np.array([bool(one.clips) for one in every])
    known = np.array([one.known for one in every])
    held = np.array([one.held_out for one in every])
    claims = (best >= threshold) & ~there
    for name, which in {
        "": ~there, "_held_out": ~there & held, "_known_words": ~there & known,
        "_known_words_held_out": ~there & known & held,
    }.items():  # fmt: skip
        report(f"search_false_confident{name}", float(claims[which].mean()),
               f"of {int(which.sum())} absent things", "allowed", WANTED_FALSE)  # fmt: skip
    first = np.array([_place(answer, one) <= 1 for answer, one in zip(answers, every, strict=True)])
    report("search_right_and_confident", float((first & (best >= threshold))[there & known].mean()),
           f"of {int((there & known).sum())}", "right at all",
           float(first[there & known].mean()))  # fmt: skip
    claimed = [one.text for one, said in zip(every, claims, strict=True) if said]
    print(f"claimed though absent: {', '.join(claimed) or 'nothing'}")  # noqa: T201


def _print_piece(name: str, answers: list[list[Found]], every: list[Wanted], queries: int) -> None:
    """Ranks on the held-out half, and how many are right and sure where the line is drawn such
    that one absent thing in ten is claimed: this needs no constant, and compares any scores."""
    best = np.array([answer[0].score for answer in answers])
    held = np.array([one.held_out for one in every])
    known = np.array([one.known for one in every])
    absent = np.array([not one.clips for one in every])
    line = float(np.quantile(best[absent & known & held], 1 - WANTED_FALSE))
    first = np.array([_place(answer, one) <= 1 for answer, one in zip(answers, every, strict=True)])
    precision = np.array(
        [_precision(answer, one) if one.clips else 0.0
         for answer, one in zip(answers, every, strict=True)]
    )  # fmt: skip
    query = np.arange(len(every)) < queries
    said = []
    for kind, which in (("queries", query), ("captioned", ~query & ~absent)):
        if (which & held).any():
            sure = (first & (best > line))[which & held & known].mean()
            said.append(f"{kind} mAP {precision[which & held].mean():.3f}"
                        f" R@1 {first[which & held].mean():.2f} sure {sure:.2f}")  # fmt: skip
    print(f"  {name:30} {'; '.join(said)}")  # noqa: T201


def _held_out(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[-1] % 2 == 1


def _language(text: str) -> str:
    return "en" if text.isascii() else "zh"


if __name__ == "__main__":
    main()
