"""How generations stand: progress in footage, the way back, what the ledger asks its indexes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, event, update

from storage import generations, schema, segments, standings
from storage.directory import DataDirectory
from storage.i18n import use_language
from storage.standings import Golden
from storage.vocabulary import Generation
from tests.search.archive import Archive

MINUTE_US = 60_000_000


def generation(tx: Connection, state: str, model: str = "m") -> Generation:
    return generations.add_generation(
        tx, model=model, checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=4,
        meaningful=True, state=state, at_us=1,
    )  # fmt: skip


def work(tx: Connection, segment_id: str, made: Generation, state: str) -> None:
    tx.execute(
        schema.index_work.insert().values(
            segment_id=segment_id, generation_id=made.id, state=state, worker="w", frames=1
        )
    )


def footage(directory: DataDirectory, count: int) -> list[str]:
    """Segments of a minute each, of which only rows exist."""
    shelf = Archive(directory, Generation(0, "", 0, "", "", 0, "", True, 0))
    return [shelf.segment("gate", number * MINUTE_US, 60).id for number in range(count)]


def test_progress_is_counted_in_footage_that_is_kept(directory: DataDirectory) -> None:
    keys = footage(directory, 10)
    with directory.ledger.write() as tx:
        old, new = generation(tx, "active"), generation(tx, "building", "n")
        for key in keys:
            work(tx, key, old, "done")
        for key, state in zip(keys, ["done"] * 4 + ["failed"] * 2 + ["claimed"], strict=False):
            work(tx, key, new, state)
        segments.expire(tx, [keys[0]], "a rule", 5)  # done in both: counts no more
    with directory.ledger.read() as tx:
        far = standings.progress(tx)
        assert far[old.id].document() == {
            "indexed_s": 540, "failed_s": 0, "failed_segments": 0, "kept_s": 540, "share": 1,
        }  # fmt: skip
        assert far[new.id] == standings.progress(tx, new.id)[new.id]
        assert (far[new.id].done_us, far[new.id].failed_us) == (3 * MINUTE_US, 2 * MINUTE_US)
        assert (far[new.id].failed, far[new.id].share) == (2, pytest.approx(5 / 9))
        assert standings.is_pending(tx, new.id)
        assert standings.is_pending(tx, new.id, newest_first=False, from_us=6 * MINUTE_US)
        assert not standings.is_pending(tx, old.id)
        assert standings.has_answers(tx, new.id)


def test_progress_of_an_empty_archive_is_whole(directory: DataDirectory) -> None:
    with directory.ledger.write() as tx:
        made = generation(tx, "active")
        assert standings.progress(tx)[made.id].share == 1
        assert not standings.has_answers(tx, made.id)


def test_a_generation_remembers_which_answered_before_it(directory: DataDirectory) -> None:
    with directory.ledger.write() as tx:
        first, second = generation(tx, "building"), generation(tx, "building", "n")
        generations.activate(tx, first.id, at_us=5)
        generations.activate(tx, second.id, at_us=7)
        generations.activate(tx, second.id, at_us=9)  # it does already
        stand = {one.generation.id: one for one in standings.standings(tx)}
        assert (stand[first.id].follows, stand[first.id].activated_us) == (None, 5)
        assert (stand[second.id].follows, stand[second.id].activated_us) == (first.id, 7)
        assert [one.generation.state for one in stand.values()] == ["retired", "active"]
        standings.go_back(tx, second.id, first.id, at_us=11)
        back = standings.standing(tx, first.id)
        assert (back.generation.state, back.follows, back.activated_us) == ("active", None, 11)


def test_a_refusal_says_why_and_what_to_do_in_both_languages(directory: DataDirectory) -> None:
    with directory.ledger.write() as tx:
        made = generation(tx, "building", "ViT-B-32/x y")
        golden = Golden("1", 0.25, 0.2, 0.21, against=7, theirs=0.9, wanted=0.72)
        standings.set_golden(tx, made.id, golden)
        one = standings.building_standing(tx)
        assert one is not None
        assert one.golden == golden
        said = one.refusal()
        assert said is not None
        assert "answers 0.25 (mAP, English; 0.72 wanted)" in said
        assert "`hindsight model use 'ViT-B-32/x y' --anyway`" in said
        use_language("zh")
        try:
            assert "要求 0.72" in (one.refusal() or "")
        finally:
            use_language("en")
        # With a file of its own, the command names it.
        g = schema.generation.c
        tx.execute(update(schema.generation).where(g.id == made.id).values(checkpoint="/w.st"))
        assert "--checkpoint /w.st --anyway" in (standings.standing(tx, made.id).refusal() or "")
        standings.set_anyway(tx, made.id, True)
        assert standings.standing(tx, made.id).refusal() is None
        tx.execute(update(schema.generation).values(golden="not JSON"))
        assert standings.standing(tx, made.id).golden is None


def test_progress_walks_through_work_and_finds_segments_by_their_id(
    directory: DataDirectory,
) -> None:
    keys = footage(directory, 3)
    with directory.ledger.write() as tx:
        made = generation(tx, "active")
        work(tx, keys[0], made, "done")
    assert plans(directory, lambda tx: standings.progress(tx, made.id)) >= {
        "SEARCH index_work USING INDEX ix_index_work_generation_state"
        " (generation_id=? AND state=?)",
        "SEARCH segment USING INDEX sqlite_autoindex_segment_1 (id=?)",
    }
    (first, *_) = sorted(plans(directory, lambda tx: standings.is_pending(tx, made.id)))
    assert first.startswith("SEARCH index_work USING INDEX sqlite_autoindex_index_work_1")
    assert plans(directory, lambda tx: generations.failures(tx, made.id)) >= {
        "SEARCH segment USING INDEX sqlite_autoindex_segment_1 (id=?)"
    }


def plans(directory: DataDirectory, ask: Callable[[Connection], Any]) -> set[str]:
    """How SQLite goes about what `ask` asks."""
    seen: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, text: str, parameters: Any, *_rest: Any) -> None:
        seen.append((text, parameters))

    engine = directory.ledger.engine
    with directory.ledger.read() as tx:
        event.listen(engine, "before_cursor_execute", note)
        try:
            ask(tx)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return {
            row[3]
            for text, parameters in seen
            for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
        }
