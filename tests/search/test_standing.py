"""Standing queries: what appears fires once, whatever happens to who looks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from search.engine import Engine
from storage import generations, lake, schema
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.ledger import Ledger
from storage.vocabulary import Generation, Segment
from tests.search.archive import DIMENSION, Words, asked
from tests.search.lookout import (
    CASE,
    DAY_US,
    FLOOD,
    NINE,
    STREET,
    Lookout,
    boxed_picture,
    new_lookout,
)
from tests.search.receiver import with_webhooks


def test_what_appears_fires_once_with_its_audit_row(lookout: Lookout) -> None:
    lookout.add()
    begun_us = lookout.clock.now
    segment = lookout.film("gate", FLOOD)
    lookout.film("bridge", STREET)
    found = lookout.look()
    assert (found.fired, found.failed) == (1, {})
    (firing,) = lookout.firings()
    assert (firing.camera, firing.segment_id) == ("gate", segment.id)
    assert firing.ts_us == begun_us + 20 * US
    assert firing.start_us <= firing.ts_us < firing.end_us
    assert firing.at_us == lookout.clock.now
    assert firing.score >= 0.6
    assert (firing.model, firing.generation, firing.delivery) == ("words", 1, "none")
    (row,) = lookout.audited("standing_fired")
    assert (row.case_id, row.reason, row.subject) == (CASE, "storm warning", "flood")
    detail = json.loads(row.detail)
    assert (detail["camera"], detail["firing"]) == ("gate", firing.id)
    assert detail["time"] == rfc3339(firing.ts_us)
    assert detail["score"] == round(firing.score, 4)
    assert detail["frame"] == str(firing.frame_id)
    for _ in range(3):
        lookout.clock.forward(100 * US)
        assert lookout.look().fired == 0
        lookout.restart()
    assert len(lookout.firings()) == 1


def test_what_is_not_there_does_not_fire(lookout: Lookout) -> None:
    for name in ("smoke", "zebra", "boat"):
        lookout.add(name)
    lookout.film("gate", FLOOD)
    found = lookout.look()
    assert (found.queries, found.segments, found.fired) == (3, 3, 0)


def test_each_camera_fires_for_itself(lookout: Lookout) -> None:
    lookout.add()
    lookout.add("wet", asked(text="flood", cameras=("bridge",), case_id=CASE, reason="r"))
    lookout.film("gate", FLOOD)
    lookout.film("bridge", FLOOD)
    assert lookout.look().fired == 3
    assert [one.camera for one in lookout.firings()] == ["gate", "bridge"]
    assert [one.camera for one in lookout.firings("wet")] == ["bridge"]


def test_what_was_recorded_before_it_was_made_does_not_fire(lookout: Lookout) -> None:
    """Also where it is indexed afterwards, and where a segment was being recorded then."""
    old = lookout.archive.footage("gate", lookout.clock.now, FLOOD)
    half = lookout.archive.footage("bridge", lookout.clock.now, [*FLOOD, *STREET])
    lookout.clock.now = old.end_us
    lookout.add()
    lookout.clock.forward(30 * US)
    for segment in (old, half):
        lookout.done(segment, lookout.clock.now)
    assert lookout.look().fired == 0


def test_a_scene_that_goes_on_is_one_firing(lookout: Lookout) -> None:
    lookout.add()
    lookout.film("gate", [*STREET, *["flood"] * 3], lag_s=0)
    lookout.look()
    (first,) = lookout.firings()
    for _ in range(3):
        last = lookout.film("gate", ["flood", *STREET, "flood"], lag_s=0)
        assert lookout.look().fired == 0
        lookout.restart()
    (firing,) = lookout.firings()
    assert (firing.ts_us, firing.start_us, firing.at_us) == (
        first.ts_us, first.start_us, first.at_us,
    )  # fmt: skip
    assert last.end_us - US < firing.end_us <= last.end_us
    assert len(lookout.audited("standing_fired")) == 1


def test_a_scene_that_comes_back_fires_again(lookout: Lookout) -> None:
    lookout.set(standing_again_s=300)
    lookout.add()
    lookout.film("gate", FLOOD)
    lookout.look()
    lookout.clock.forward(200 * US)
    lookout.film("gate", FLOOD)
    lookout.look()
    assert len(lookout.firings()) == 1
    lookout.clock.forward(400 * US)
    lookout.film("gate", FLOOD)
    lookout.look()
    assert len(lookout.firings()) == 2


def test_what_is_indexed_too_late_does_not_fire(lookout: Lookout) -> None:
    lookout.set(standing_late_s=3600)
    lookout.add()
    lookout.film("gate", FLOOD, lag_s=3700)
    assert lookout.look().fired == 0
    lookout.film("gate", FLOOD, lag_s=3500)
    assert lookout.look().fired == 1


def test_a_look_that_comes_late_still_sees_what_was_indexed_in_time(lookout: Lookout) -> None:
    """Nobody looked for two days; nothing of them is lost."""
    lookout.add()
    lookout.film("gate", FLOOD)
    lookout.clock.forward(2 * DAY_US)
    assert lookout.look().fired == 1


def test_a_commit_that_comes_late_is_seen(lookout: Lookout) -> None:
    lookout.add()
    segment = lookout.film("gate", FLOOD)
    done_us = lookout.clock.now
    lookout.done(segment, None)
    lookout.clock.forward(120 * US)
    assert lookout.look().fired == 0
    assert lookout.now().seen_us == lookout.clock.now
    lookout.done(segment, done_us)  # its transaction began before that look
    assert lookout.look().fired == 1


def test_a_clock_that_is_set_back_leaves_no_hole(lookout: Lookout) -> None:
    lookout.add()
    lookout.clock.forward(7200 * US)
    lookout.look()
    lookout.clock.forward(-7000 * US)
    lookout.film("gate", FLOOD)
    assert lookout.look().fired == 1


def test_footage_that_is_indexed_anew_does_not_fire_anew(lookout: Lookout) -> None:
    lookout.add()
    segment = lookout.film("gate", FLOOD)
    lookout.look()
    lookout.clock.forward(3000 * US)
    lookout.done(segment, lookout.clock.now)
    found = lookout.look()
    assert (found.segments, found.fired) == (1, 0)


class Killed(BaseException):
    """What a process does that is killed."""


def killing(ledger: Ledger, number: int, *, after_commit: bool) -> Callable[[], Any]:
    """A `write` of which the `number`th dies."""
    write, left = ledger.write, [number]

    @contextmanager
    def dying() -> Iterator[Connection]:
        left[0] -= 1
        with write() as tx:
            yield tx
            if left[0] == 0 and not after_commit:
                raise Killed
        if left[0] == 0:
            raise Killed

    return dying


@pytest.mark.parametrize("after_commit", [False, True])
def test_killed_at_any_commit_and_begun_again_nothing_is_lost_or_doubled(
    lookout: Lookout, after_commit: bool
) -> None:
    lookout.set(standing_again_s=60)
    for name in ("flood", "smoke", "tree"):
        lookout.add(name)
    for _ in range(2):
        lookout.film("gate", [*STREET, "flood", *STREET, "smoke", *STREET])
        lookout.film("bridge", [*STREET, "tree", *STREET])
        lookout.clock.forward(600 * US)
    ledger = lookout.directory.ledger
    write = ledger.write
    for number in range(1, 20):
        lookout.restart()
        ledger.write = killing(ledger, number, after_commit=after_commit)  # type: ignore[method-assign]
        try:
            lookout.look()
        except Killed:
            continue
        finally:
            ledger.write = write  # type: ignore[method-assign]
        break
    else:
        pytest.fail("it never came to its end")
    assert number > 1, "it was not killed once"
    assert [len(lookout.firings(name)) for name in ("flood", "smoke", "tree")] == [2, 2, 2]
    assert len(lookout.audited("standing_fired")) == 6


def index_again(lookout: Lookout, generation: Generation, segment: Segment, words: Any) -> None:
    """As another model sees it."""
    before = lookout.archive.generation
    lookout.archive.generation = generation
    rows = Words().embed_texts(words)
    frames = [
        lake.Frame(lake.frame_id(segment.id, i, "frame", None), segment.camera_id, segment.id,
                   segment.start_us + i * US, i, "frame", None, 0.0, 0)
        for i in range(len(rows))
    ]  # fmt: skip
    (part,) = lake.write_parts(lookout.directory.lake, generation, frames, rows.astype(np.float16))
    with lookout.directory.ledger.write() as tx:
        tx.execute(
            schema.index_work.insert().values(
                segment_id=segment.id, generation_id=generation.id, state="done", worker="t",
                attempts=1, frames=len(frames), part=part, done_us=lookout.clock.now,
            )
        )  # fmt: skip
    lookout.archive.generation = before


def another_model(lookout: Lookout) -> Generation:
    with lookout.directory.ledger.write() as tx:
        return generations.add_generation(
            tx, model="other", checkpoint=None, weights_hash="v" * 64, preprocess_hash="p" * 64,
            dimension=DIMENSION, meaningful=True, state="building", at_us=lookout.clock.now,
        )  # fmt: skip


def switch_to(lookout: Lookout, generation: Generation) -> None:
    with lookout.directory.ledger.write() as tx:
        generations.activate(tx, generation.id, at_us=lookout.clock.now)


def test_a_new_model_does_not_fire_for_what_was_looked_at(lookout: Lookout) -> None:
    """Although it sees a flood where the old one saw a street."""
    lookout.add()
    made = another_model(lookout)
    seen = lookout.film("gate", STREET)
    lookout.look()
    index_again(lookout, made, seen, FLOOD)
    lookout.clock.forward(1000 * US)
    assert lookout.look().fired == 0
    switch_to(lookout, made)
    found = lookout.look()
    assert (found.segments, found.fired) == (0, 0)
    lookout.archive.generation = made
    lookout.clock.forward(1000 * US)
    lookout.film("gate", FLOOD)
    assert lookout.look().fired == 1
    (firing,) = lookout.firings()
    assert (firing.model, firing.generation) == ("other", 1)


def test_what_was_not_looked_at_before_a_switch_is_looked_at_after_it(lookout: Lookout) -> None:
    """The new model had it indexed long before the last look; the old one never came to it."""
    lookout.add()
    made = another_model(lookout)
    missed = lookout.film("gate", STREET)
    lookout.done(missed, None)
    index_again(lookout, made, missed, FLOOD)
    lookout.clock.forward(1000 * US)
    lookout.look()
    switch_to(lookout, made)
    assert lookout.look().fired == 1
    lookout.restart()
    assert lookout.look().fired == 0


def test_an_untrained_model_fires_on_no_words_but_on_a_picture(directory: DataDirectory) -> None:
    lookout = new_lookout(directory, meaningful=False)
    lookout.add()
    lookout.add("nine", asked(text="flood", image=NINE, case_id=CASE, reason="r"))
    lookout.add("boxed", boxed_picture())
    lookout.film("gate", [*FLOOD, "pixel9,9,9", *STREET])
    lookout.look()
    assert [len(lookout.firings(name)) for name in ("flood", "nine", "boxed")] == [0, 0, 1]


def test_a_picture_is_held_against_whole_pictures_only(lookout: Lookout) -> None:
    """What moved is cut out as a region, and is mostly a person or a vehicle."""
    lookout.add("nine", boxed_picture())
    shown = Words().embed_images([NINE])
    segment = lookout.film("gate", STREET)
    region = lookout.archive.segment("gate", segment.end_us, 20)
    lookout.archive.index(region, shown, kind="region", box=(0, 0, 40, 80))
    lookout.clock.now = region.end_us
    lookout.done(region, region.end_us)
    found = lookout.look()
    assert (found.segments, found.fired) == (2, 0)
    assert lookout.engine.answer(boxed_picture()).confident, "a search finds it"
    lookout.film("gate", [*STREET, "pixel9,9,9", *STREET])
    assert lookout.look().fired == 1


def test_words_the_model_was_never_taught_do_not_fire(lookout: Lookout) -> None:
    lookout.engine = Engine(lookout.directory, Words(strange=["flood"]))
    lookout.restart()
    lookout.add()
    lookout.film("gate", FLOOD)
    found = lookout.look()
    assert (found.segments, found.fired, found.failed) == (1, 0, {})


def test_what_would_not_be_confident_does_not_fire_whatever_the_threshold(
    lookout: Lookout,
) -> None:
    lookout.add(threshold=0.5)
    lookout.set(confident_from=1.0)
    lookout.film("gate", FLOOD)
    assert lookout.look().fired == 0


def test_what_convinces_beside_a_minute_must_convince_beside_its_day(lookout: Lookout) -> None:
    """The best of few is soon good enough, and a day has many minutes."""
    lookout.archive.footage("gate", lookout.clock.now, STREET * 1000, 0.1)
    lookout.clock.forward(2000 * US)
    made = lookout.add()
    weak = lookout.film("gate", [*STREET, "flood street", *STREET])
    query = asked(text="flood", case_id=CASE, reason="r")
    alone = lookout.engine.answer(query, segments=frozenset([weak.id]))
    assert alone.confident
    assert alone.moments[0].score > made.threshold
    assert lookout.look().fired == 0
    lookout.film("gate", FLOOD)
    assert lookout.look().fired == 1
    (firing,) = lookout.firings()
    day = lookout.engine.answer(query)
    assert firing.score == pytest.approx(day.moments[0].score, abs=0.02)


def test_quiet_hours_go_by_each_cameras_own_clock_across_midnight(lookout: Lookout) -> None:
    lookout.archive.camera("shanghai", tz="Asia/Shanghai")  # 09:00 there
    lookout.archive.camera("london", tz="Europe/London")  # 01:00
    with_webhooks(lookout.directory, duty="https://duty.example/x")
    lookout.add(quiet="22:00-06:00", webhook="duty")
    lookout.film("shanghai", FLOOD)
    lookout.film("london", FLOOD)
    lookout.look()
    assert [(one.camera, one.delivery) for one in lookout.firings()] == [
        ("shanghai", "waiting"), ("london", "quiet"),
    ]  # fmt: skip
    told = [json.loads(row.detail)["delivery"] for row in lookout.audited("standing_fired")]
    assert told == ["waiting", "quiet"]
