"""Telling of firings: signed, once where it can be, again where it cannot, never after the end."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler

import pytest
from sqlalchemy import update

from search import standing_register, webhooks
from search.standing_telling import AGAIN_AFTER_S, CLAIM_S, MOST_ATTEMPTS, Telling
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.search_tables import standing_firing
from storage.standing_firings import Firing
from tests.search.archive import asked
from tests.search.lookout import ASKER, CASE, DAY_US, FLOOD, Lookout, new_lookout
from tests.search.receiver import SECRET, Receiver, receiving, status, with_webhooks


@pytest.fixture
def lookout(directory: DataDirectory, receiver: Receiver) -> Lookout:
    """It has fired once, and the duty desk waits to be told."""
    made = new_lookout(directory)
    made.archive.camera("pier", site="city/harbour", tz="Asia/Shanghai")
    with_webhooks(directory, duty=receiver.url)
    made.add(webhook="duty")
    made.film("pier", FLOOD)
    assert made.look().fired == 1
    return made


def tell(lookout: Lookout, **limits: float) -> Firing:
    telling = Telling(lookout.directory, **limits)
    telling.begin()
    telling.wait()
    return lookout.firings()[0]


def test_a_firing_is_told_once_and_can_be_verified(lookout: Lookout, receiver: Receiver) -> None:
    firing = tell(lookout)
    tell(lookout)
    (request,) = receiver.taken
    assert (firing.delivery, firing.attempts, firing.error) == ("delivered", 1, None)
    assert firing.delivered_us == lookout.clock.now
    stamp = request.headers["webhook-timestamp"]
    assert int(stamp) == lookout.clock.now // US
    signed = b".".join([request.headers["webhook-id"].encode(), stamp.encode(), request.body])
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    proof = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{proof}"
    message = json.loads(request.body)
    assert (message["type"], message["timestamp"]) == ("standing.fired", rfc3339(firing.at_us))
    assert message["data"] == {
        "standing": "flood", "case": CASE, "firing": firing.id, "camera": "pier",
        "camera_name": "pier", "site": "city/harbour", "start": rfc3339(firing.start_us),
        "end": rfc3339(firing.end_us), "time": rfc3339(firing.ts_us),
        "score": round(firing.score, 4), "model": "words", "generation": 1,
        "link": message["data"]["link"],
    }  # fmt: skip
    assert message["data"]["link"].startswith("/player?camera=pier&at=2026-11-18T")
    (row,) = lookout.audited("standing_told")
    assert row.case_id == CASE
    assert json.loads(row.detail) == {
        "firing": firing.id, "webhook": "duty", "attempt": 1, "status": 204, "outcome": "delivered",
    }  # fmt: skip


def test_it_is_tried_again_ever_later_and_then_has_failed(
    lookout: Lookout, receiver: Receiver
) -> None:
    receiver.answers += [status(503, b"busy")] * 10
    for number, after_s in enumerate([*AGAIN_AFTER_S, None], start=1):
        firing = tell(lookout)
        assert (firing.attempts, len(receiver.taken)) == (number, number)
        assert firing.error == "HTTP 503: busy"
        if after_s is not None:
            assert firing.delivery == "waiting"
            assert firing.next_us == lookout.clock.now + after_s * US
            lookout.clock.forward(after_s * US - 1)
            assert tell(lookout).attempts == number, "too early"
            lookout.clock.forward(1)
    assert (firing.delivery, firing.next_us) == ("failed", None)
    lookout.clock.forward(DAY_US)
    tell(lookout)
    assert len(receiver.taken) == MOST_ATTEMPTS
    assert len({request.headers["webhook-id"] for request in receiver.taken}) == 1
    assert len({request.headers["webhook-timestamp"] for request in receiver.taken}) == 6
    outcomes = [json.loads(row.detail)["outcome"] for row in lookout.audited("standing_told")]
    assert outcomes == ["again"] * 5 + ["failed"]


def test_a_receiver_that_comes_back_is_told(lookout: Lookout, receiver: Receiver) -> None:
    receiver.answers.append(status(500))
    assert tell(lookout).delivery == "waiting"
    lookout.clock.forward(60 * US)
    firing = tell(lookout)
    assert (firing.delivery, firing.attempts, firing.error) == ("delivered", 2, None)


def test_a_receiver_that_wants_no_more_is_told_no_more(
    lookout: Lookout, receiver: Receiver
) -> None:
    receiver.answers.append(status(410))
    assert tell(lookout).delivery == "failed"


def test_a_redirect_to_another_host_is_an_error_and_not_followed(
    lookout: Lookout, receiver: Receiver
) -> None:
    with receiving() as inner:
        receiver.answers.append(status(307, Location=inner.url))
        firing = tell(lookout)
        assert inner.taken == []
    assert (firing.delivery, firing.error) == (
        "waiting", "HTTP 307: it redirects, which is not followed",
    )  # fmt: skip


@pytest.mark.parametrize("how", ["closed", "expired", "ended"])
def test_nobody_is_told_after_the_end(lookout: Lookout, receiver: Receiver, how: str) -> None:
    if how == "closed":
        lookout.close_case()
    elif how == "ended":
        standing_register.end(lookout.directory, "flood", "dry", ASKER)
    else:
        lookout.clock.forward(11 * DAY_US)
    firing = tell(lookout)
    assert receiver.taken == []
    assert (firing.delivery, firing.attempts) == ("failed", 0)
    assert how in (firing.error or "")
    (row,) = lookout.audited("standing_told")
    assert json.loads(row.detail)["outcome"] == "failed"


def test_who_was_killed_while_telling_is_followed_by_another(
    lookout: Lookout, receiver: Receiver
) -> None:
    """The claim was committed, the outcome never: the receiver may have it, and sees its id."""
    with lookout.directory.ledger.write() as tx:
        tx.execute(
            update(standing_firing).values(
                attempts=1, next_us=lookout.clock.now + CLAIM_S * US
            )
        )  # fmt: skip
    assert tell(lookout).delivery == "waiting"
    assert receiver.taken == []
    lookout.clock.forward(CLAIM_S * US)
    firing = tell(lookout)
    assert (firing.delivery, firing.attempts) == ("delivered", 2)
    made = lookout.now()
    assert receiver.taken[0].headers["webhook-id"] == f"{made.query_id}-{firing.id}"


def test_who_is_killed_each_time_gives_up_at_last(lookout: Lookout, receiver: Receiver) -> None:
    with lookout.directory.ledger.write() as tx:
        tx.execute(update(standing_firing).values(attempts=MOST_ATTEMPTS))
    firing = tell(lookout)
    assert receiver.taken == []
    assert (firing.delivery, firing.error) == ("failed", "the last attempt was interrupted")


def test_a_dead_receiver_keeps_neither_the_others_nor_who_looks(
    lookout: Lookout, receiver: Receiver
) -> None:
    hanging, over = threading.Event(), threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        hanging.set()
        over.wait(30)
        status(204)(handler)

    with receiving() as dead:
        dead.answers += [hang] * 10
        with_webhooks(lookout.directory, duty=receiver.url, dead=dead.url)
        for name in ("wet", "puddle"):
            query = asked(text="flood", case_id=CASE, reason="r")
            lookout.add(name, query, webhook="dead")
        lookout.clock.forward(3600 * US)
        lookout.film("pier", FLOOD)
        assert lookout.look().fired == 3
        telling = Telling(lookout.directory)
        telling.begin()
        assert hanging.wait(30)
        lookout.clock.forward(3600 * US)
        lookout.film("pier", FLOOD)
        assert lookout.look().fired == 3, "looking does not wait for it"
        telling.begin()
        over.set()
        telling.wait()
        telling.begin()
        telling.wait()
    assert len(receiver.taken) == 3
    assert [one.delivery for one in lookout.firings()] == ["delivered"] * 3
    assert [one.delivery for one in lookout.firings("wet")] == ["delivered"] * 2


def test_nobody_there_costs_one_attempt_a_round(lookout: Lookout) -> None:
    """The other firings are not counted against a receiver that is away."""
    with_webhooks(lookout.directory, duty="http://127.0.0.1:9/nobody")
    lookout.clock.forward(3600 * US)
    lookout.film("pier", FLOOD)
    lookout.look()
    tell(lookout, connect_s=0.5, total_s=0.5)
    assert [one.attempts for one in lookout.firings()] == [1, 0]
    tell(lookout, connect_s=0.5, total_s=0.5)
    assert [one.attempts for one in lookout.firings()] == [1, 1]


def test_a_webhook_that_was_taken_out_of_the_settings_is_an_outcome(lookout: Lookout) -> None:
    with_webhooks(lookout.directory)
    firing = tell(lookout)
    assert firing.delivery == "waiting"
    assert "webhook duty is not in the settings" in (firing.error or "")


def test_no_address_or_secret_gets_into_the_ledger(lookout: Lookout, receiver: Receiver) -> None:
    receiver.answers.append(status(404, f"nothing at {receiver.url}".encode()))
    tell(lookout)
    lookout.directory.ledger.close()
    stored = b"".join(path.read_bytes() for path in lookout.directory.root.glob("ledger.db*"))
    assert b"standing_told" in stored
    for secret in (b"geheim", b"hunter2", SECRET.encode(), SECRET[6:].encode()):
        assert secret not in stored


def test_an_answer_is_kept_short(lookout: Lookout, receiver: Receiver) -> None:
    receiver.answers.append(status(500, b"x" * 5000))
    assert len(tell(lookout).error or "") <= webhooks.ANSWER_CHARACTERS + 12


def test_quiet_firings_are_never_told(lookout: Lookout, receiver: Receiver) -> None:
    query = asked(text="flood", case_id=CASE, reason="r")
    lookout.add("night", query, webhook="duty", quiet="00:00-23:59")
    lookout.clock.forward(3600 * US)
    lookout.film("pier", FLOOD)
    lookout.look()
    for _ in range(2):
        tell(lookout)
        lookout.clock.forward(DAY_US)
    assert [one.delivery for one in lookout.firings("night")] == ["quiet"]
    assert {json.loads(one.body)["data"]["standing"] for one in receiver.taken} == {"flood"}
