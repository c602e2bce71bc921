"""Standing queries: what ends, ends; what goes wrong for one keeps no other and loses nothing."""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import select, update

from search import standing_register
from search.engine import Engine
from search.standing import JOB, Round, Watch, follow
from storage import audit, cases, schema, standing_queries
from storage.clock import US
from storage.search_tables import query_picture, standing_query, stored_query
from tests.search.archive import Words, asked
from tests.search.lookout import (
    ASKER,
    CASE,
    DAY_US,
    FLOOD,
    STREET,
    Lookout,
    boxed_picture,
)


def test_it_ends_when_it_expires(lookout: Lookout) -> None:
    made = lookout.add(days=1)
    lookout.clock.forward(DAY_US - 100 * US)
    lookout.film("gate", FLOOD, lag_s=200)
    found = lookout.look()
    assert (found.queries, found.fired, found.ended) == (0, 0, ["flood"])
    ended = lookout.now()
    assert (ended.ended_us, ended.end_reason) == (made.expires_us, "it expired")
    (row,) = lookout.audited("standing_ended")
    assert row.case_id == CASE
    assert lookout.look().ended == []


def test_it_ends_when_its_case_is_closed(lookout: Lookout) -> None:
    lookout.open_case("other")
    lookout.add()
    lookout.add("wet", asked(text="flood", case_id="other", reason="r"))
    lookout.close_case()
    lookout.film("gate", FLOOD)
    found = lookout.look()
    assert (found.fired, found.ended) == (1, ["flood"])
    assert lookout.now().end_reason == "its case was closed"
    assert lookout.firings() == []


class ClosingEngine(Engine):
    """Somebody closes the case while the question is answered."""

    def answer(self, *args: Any, **kwargs: Any) -> Any:
        found = super().answer(*args, **kwargs)
        with self.directory.ledger.write() as tx:
            if cases.cases(tx, open_only=True):
                cases.close_case(tx, CASE, self.directory.clock.now_us())
        return found


def test_a_case_that_is_closed_while_it_is_looked_for_fires_no_more(lookout: Lookout) -> None:
    lookout.add()
    lookout.film("gate", FLOOD)
    watch = Watch(lookout.directory, ClosingEngine(lookout.directory, Words()))
    assert watch.look().fired == 0
    assert lookout.firings() == []
    assert watch.look().ended == ["flood"]


def test_one_that_cannot_be_answered_keeps_no_other_and_loses_nothing(lookout: Lookout) -> None:
    """The picture of one is damaged, and restored a while later."""
    lookout.add("nine", boxed_picture())
    lookout.add()
    with lookout.directory.ledger.write() as tx:
        png = tx.execute(query_picture.select()).mappings().one()["png"]
        tx.execute(update(query_picture).values(png=b"damaged"))
    lookout.film("gate", [*FLOOD, "pixel9,9,9", *STREET])
    found = lookout.look()
    assert found.fired == 1
    assert list(found.failed) == ["nine"]
    assert "damaged" in (lookout.now("nine").trouble or "")
    assert lookout.look().failed == {}, "it is not tried again at once"
    with lookout.directory.ledger.write() as tx:
        tx.execute(update(query_picture).values(png=png))
    lookout.clock.forward(600 * US)
    found = lookout.look()
    assert (found.fired, found.failed) == (1, {})
    assert [len(lookout.firings(name)) for name in ("flood", "nine")] == [1, 1]
    assert lookout.now("nine").trouble is None


def test_footage_whose_part_cannot_be_read_is_looked_at_when_it_can(lookout: Lookout) -> None:
    """Its disk was away for an hour; what others show is seen meanwhile."""
    lookout.add()
    missed = lookout.film("gate", FLOOD)
    with lookout.directory.ledger.read() as tx:
        w = schema.index_work.c
        part = tx.execute(select(w.part).where(w.segment_id == missed.id)).scalar_one()
    path = lookout.directory.lake / str(part)
    path.rename(path.with_suffix(".away"))
    lookout.film("bridge", FLOOD)
    found = lookout.look()
    assert found.fired == 1
    assert str(part) in found.failed["flood"]
    assert lookout.now().trouble == found.failed["flood"]
    for _ in range(3):
        lookout.clock.forward(1200 * US)
        assert lookout.look().fired == 0
    path.with_suffix(".away").rename(path)
    found = lookout.look()
    assert (found.fired, found.failed) == (1, {})
    assert lookout.now().trouble is None
    assert lookout.now().seen_us == lookout.clock.now


def test_a_camera_that_left_its_site_is_said_and_keeps_no_other(lookout: Lookout) -> None:
    lookout.archive.camera("pier", site="city/harbour")
    lookout.add("wet", asked(text="flood", sites=("city/harbour",), case_id=CASE, reason="r"))
    lookout.add()
    with lookout.directory.ledger.write() as tx:
        tx.execute(update(schema.camera).values(site="elsewhere"))
    lookout.film("gate", FLOOD)
    found = lookout.look()
    assert (found.fired, list(found.failed)) == (1, ["wet"])
    assert "city/harbour" in found.failed["wet"]


def test_then_may_follow_in_the_next_segment_or_be_indexed_first(lookout: Lookout) -> None:
    def then(name: str) -> None:
        query = asked(text="smoke", then_text="flood", within_s=90, case_id=CASE, reason="r")
        lookout.add(name, query)

    then("in order")
    lookout.film("gate", [*STREET, "smoke", *STREET], lag_s=0)
    assert lookout.look().fired == 0
    lookout.film("gate", FLOOD, lag_s=0)
    assert lookout.look().fired == 1
    lookout.clock.forward(3000 * US)
    then("out of order")
    first = lookout.film("bridge", [*STREET, "smoke", *STREET], lag_s=0)
    lookout.done(first, None)
    lookout.film("bridge", FLOOD, lag_s=0)
    assert lookout.look().fired == 0
    lookout.done(first, lookout.clock.now)
    lookout.look()
    assert len(lookout.firings("out of order")) == 1


def test_more_moments_than_an_answer_holds_all_fire(lookout: Lookout) -> None:
    lookout.set(standing_again_s=0, moment_gap_s=0)
    lookout.add()
    words = ["street", "street", "street", "flood"] * 180
    rows = Words().embed_texts(words)  # without noise: one counts like the other
    for camera in ("gate", "bridge", "pier"):
        for _ in range(2):
            segment = lookout.archive.segment(camera, lookout.clock.now, 3 * len(words))
            lookout.archive.index(segment, rows, every_s=3)
            lookout.clock.now = segment.end_us
            lookout.done(segment, segment.end_us)
    assert lookout.look().fired == 3 * 2 * 180
    assert len({one.frame_id for one in lookout.firings()}) == 3 * 2 * 180


def test_an_idle_look_writes_nothing_but_now_and_then(lookout: Lookout) -> None:
    lookout.add()
    lookout.clock.forward(100 * US)
    lookout.look()
    seen_us = lookout.now().seen_us
    assert seen_us == lookout.clock.now
    for _ in range(3):
        lookout.clock.forward(5 * US)
        lookout.look()
    assert lookout.now().seen_us == seen_us
    lookout.clock.forward(60 * US)
    lookout.look()
    assert lookout.now().seen_us == lookout.clock.now


def test_it_can_be_extended_and_ended_with_a_reason(lookout: Lookout) -> None:
    lookout.add(days=1)
    until_us = lookout.clock.now + 80 * DAY_US
    standing_register.extend(lookout.directory, "flood", until_us, "still wet", ASKER)
    lookout.clock.forward(2 * DAY_US)
    lookout.film("gate", FLOOD)
    assert lookout.look().fired == 1
    standing_register.end(lookout.directory, "flood", "dry", ASKER)
    lookout.clock.forward(3600 * US)
    lookout.film("gate", FLOOD)
    assert lookout.look().queries == 0
    rows = [*lookout.audited("standing_extended"), *lookout.audited("standing_ended")]
    assert [(row.actor, row.case_id, row.reason) for row in rows] == [
        ("ines", CASE, "still wet"), ("ines", CASE, "dry"),
    ]  # fmt: skip


def test_the_audit_chain_holds_over_all_of_it(lookout: Lookout) -> None:
    lookout.add()
    lookout.film("gate", FLOOD)
    lookout.look()
    standing_register.shown(lookout.directory, "flood", ASKER, limit=10)
    with lookout.directory.ledger.read() as tx:
        assert list(audit.verify(tx)) == []
        actions = [row.action for row in audit.rows(tx)]
    assert actions[-3:] == ["standing_added", "standing_fired", "standing_shown"]


def test_following_waits_while_another_process_looks(lookout: Lookout) -> None:
    lookout.add()
    lookout.film("gate", FLOOD)
    stop, looked, rounds = threading.Event(), threading.Event(), list[Round]()

    def each(found: Round) -> None:
        rounds.append(found)
        looked.set()

    thread = threading.Thread(
        target=follow, args=(lookout.directory, stop),
        kwargs={"engine": lookout.engine, "interval_s": 0.01, "each": each},
    )  # fmt: skip
    with lookout.directory.exclusive(JOB):
        thread.start()
        assert not looked.wait(0.3)
    assert looked.wait(30)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    assert rounds[0].fired == 1
    assert sum(found.fired for found in rounds) == 1
    assert not lookout.directory.is_running(JOB)


def test_a_query_of_a_later_version_is_said_and_keeps_no_other(lookout: Lookout) -> None:
    lookout.add("later")
    with lookout.directory.ledger.write() as tx:
        tx.execute(update(stored_query).values(document='{"parts": "of another kind"}'))
    lookout.add()
    lookout.film("gate", FLOOD)
    found = lookout.look()
    assert (found.fired, list(found.failed)) == (1, ["later"])
    (shown, _) = standing_register.listed(lookout.directory, ASKER)
    assert shown.subject == "?"


def test_what_ended_is_not_noted_as_looked_at(lookout: Lookout) -> None:
    lookout.add()
    with lookout.directory.ledger.write() as tx:
        tx.execute(update(standing_query).values(ended_us=1, end_reason="dry"))
        standing_queries.looked(tx, [lookout.now().id], lookout.clock.now + 5)
    assert lookout.now().seen_us < lookout.clock.now + 5
