"""Standing queries through the API: the command line's documents, rights, and one-line refusals."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from search.query import Part, Query
from search.standing import JOB, Watch
from search.standing_register import Wanted, add
from storage import cases, standing_firings, standing_queries
from storage.clock import US, SystemClock, rfc3339
from storage.vocabulary import Actor, Role
from tests.e2e.browser import serving, until
from tests.search.receiver import SECRET, with_webhooks
from tests.storage.media import CommandLine, new_house
from tests.web.desk import NOW_US, Desk, Person
from tests.web.test_search import png
from web import shapes_standing as shapes
from web.problems import PROBLEM_TYPE

DAY_US = 86_400 * US
GOOD: dict[str, Any] = {
    "name": "flood", "text": "water on the road", "case": "A-1", "reason": "storm warning",
    "expires": rfc3339(NOW_US + 10 * DAY_US), "camera": ["gate"], "webhook": "duty",
    "quiet": "22:00-06:00", "threshold": 0.75,
}  # fmt: skip


def send(person: Person, address: str, body: object) -> Any:
    return person.client.post(
        f"/api/v1{address}", json=body, headers={"X-CSRF-Token": person.token()}
    )


@pytest.fixture
def standing(archive: Desk) -> Desk:
    """The archive, an open case, and a webhook in the settings."""
    with archive.directory.ledger.write() as tx:
        cases.open_case(tx, "A-1", "storm", "ines", NOW_US)
    with_webhooks(archive.directory, duty="https://duty.example/geheim")
    return archive


def fire(desk: Desk) -> None:
    """As if its scene had been seen."""
    segment = desk.segments[0]
    with desk.directory.ledger.write() as tx:
        found = standing_queries.find(tx, "flood")
        standing_firings.add(
            tx, standing_id=found.id, at_us=NOW_US, camera_id=segment.camera_id,
            segment_id=segment.id, frame_id=2**62 + 1, start_us=segment.start_us,
            end_us=segment.end_us, ts_us=segment.start_us, score=0.9, model="nano", generation=1,
            delivery="waiting",
        )  # fmt: skip


def test_answers_have_the_shapes_they_are_described_with(standing: Desk) -> None:
    ines = standing.person()
    made = send(ines, "/standing", GOOD)
    assert made.status_code == 201, made.text
    fire(standing)
    extended = send(
        ines, "/standing/flood/extend",
        {"expires": rfc3339(NOW_US + 80 * DAY_US), "reason": "still wet"},
    )  # fmt: skip
    for answer, shape in (
        (made, shapes.StandingMade),
        (ines.get("/api/v1/standing"), shapes.StandingList),
        (ines.get("/api/v1/standing/flood"), shapes.StandingShown),
        (extended, shapes.Standing),
        (send(ines, "/standing/flood/end", {"reason": "dry"}), shapes.Standing),
        (ines.get("/api/v1/standing?ended=true"), shapes.StandingList),
    ):
        assert answer.status_code < 300, answer.text
        adapter: TypeAdapter[Any] = TypeAdapter(shape)
        told = json.loads(adapter.dump_json(adapter.validate_json(answer.data), by_alias=True))
        assert told == answer.json
    assert ines.get("/api/v1/standing").json["standing"] == []


def test_the_api_says_what_the_command_line_says(
    standing: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    ines = standing.person()
    send(ines, "/standing", GOOD)
    fire(standing)
    hindsight = CommandLine(standing.directory.root, capsys)

    def timeless(document: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in document.items() if key != "lag_s"}

    (ours,) = ines.get("/api/v1/standing").json["standing"]
    (theirs,) = hindsight.json("standing", "list")["standing"]
    assert timeless(ours) == timeless(theirs)
    shown = ines.get("/api/v1/standing/flood").json
    assert timeless(shown) == timeless(hindsight.json("standing", "show", "flood"))
    assert shown["fired"][0]["frame"] == str(2**62 + 1)


def test_what_it_looks_for_may_be_the_part_of_a_picture(standing: Desk) -> None:
    ines = standing.person()
    query = {**GOOD, "text": None, "box": [1, 1, 4, 4]}
    form = {"query": json.dumps(query), "image": (io.BytesIO(png(8, 8)), "x.png")}
    answer = ines.client.post("/api/v1/standing", data=form, headers={"X-CSRF-Token": ines.token()})
    assert answer.status_code == 201, answer.text
    assert answer.json["subject"] == "picture"
    (row,) = standing.audited("standing_added")
    assert json.loads(row.detail)["query"]["parts"][0]["box"] == [1, 1, 4, 4]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"case": None}, 422),
        ({"reason": " "}, 422),
        ({"case": "B-1"}, 404),
        ({"expires": rfc3339(NOW_US)}, 422),
        ({"expires": rfc3339(NOW_US + 91 * DAY_US)}, 422),
        ({"threshold": 0.4}, 422),
        ({"quiet": "late"}, 422),
        ({"webhook": "https://169.254.169.254/"}, 404),
        ({"camera": ["nowhere"]}, 404),
        ({"text": None}, 422),
        ({"from": rfc3339(NOW_US)}, 422),
        ({"url": "https://evil.example/"}, 422),
        ({"name": "a/b"}, 422),
    ],
)
def test_what_cannot_be_is_a_problem_document(
    standing: Desk, changes: dict[str, Any], status: int
) -> None:
    answer = send(standing.person(), "/standing", {**GOOD, **changes})
    assert (answer.status_code, answer.content_type) == (status, PROBLEM_TYPE)
    assert "geheim" not in answer.text
    assert standing.audited("standing_added") == []


def test_a_name_or_an_end_that_is_taken_is_a_conflict(standing: Desk) -> None:
    ines = standing.person()
    send(ines, "/standing", GOOD)
    assert send(ines, "/standing", GOOD).status_code == 409
    assert send(ines, "/standing/flood/end", {"reason": "dry"}).status_code == 200
    assert send(ines, "/standing/flood/end", {"reason": "dry"}).status_code == 409
    assert send(ines, "/standing/other/end", {"reason": "dry"}).status_code == 404
    assert ines.get("/api/v1/standing/other").status_code == 404


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.MANAGER, Role.AUDITOR])
def test_who_may_not_search_may_not_have_it_searched_for(standing: Desk, role: Role) -> None:
    send(standing.person(), "/standing", GOOD)
    other = standing.person("otto", role)
    for address in ("/standing", "/standing/flood", "/webhooks"):
        assert other.get(f"/api/v1{address}").status_code == 403
    assert send(other, "/standing", {**GOOD, "name": "x"}).status_code == 403
    assert send(other, "/standing/flood/end", {"reason": "r"}).status_code == 403


def test_a_form_of_another_site_changes_nothing(standing: Desk) -> None:
    ines = standing.person()
    assert ines.client.post("/api/v1/standing", json=GOOD).status_code == 400
    assert standing.audited("standing_added") == []


def test_webhooks_are_named_and_nothing_else(standing: Desk) -> None:
    answer = standing.person().get("/api/v1/webhooks")
    assert answer.json == ["duty"]
    for text in (answer.text, standing.person("io").get("/api/v1/standing").text):
        assert "geheim" not in text
        assert SECRET not in text


def test_each_act_is_audited_with_who_and_why(standing: Desk) -> None:
    ines = standing.person()
    send(ines, "/standing", GOOD)
    ines.get("/api/v1/standing/flood")
    send(ines, "/standing/flood/end", {"reason": "dry"})
    for action, reason in (
        ("standing_added", "storm warning"), ("standing_shown", None), ("standing_ended", "dry"),
    ):  # fmt: skip
        (row,) = standing.audited(action)
        assert (row.actor, row.case_id, row.reason) == ("ines", "A-1", reason)


def test_serve_looks_and_lets_go_when_it_ends(tmp_path: Path) -> None:
    """What a look does without a model: it ends what has no case any more."""
    house = new_house(tmp_path / "data", SystemClock().now_us())
    directory, now_us = house.directory, house.clock.now
    with directory.ledger.write() as tx:
        cases.open_case(tx, "A-1", "storm", "ines", now_us)
    query = Query(parts=(Part(text="water on the road"),), case_id="A-1", reason="storm")
    add(directory, Wanted("flood", query, now_us + DAY_US), Actor("ines"))
    with directory.ledger.write() as tx:
        cases.close_case(tx, "A-1", now_us)

    def ended() -> bool:
        with directory.ledger.read() as tx:
            return standing_queries.find(tx, "flood").ended_us is not None

    with serving(directory.root) as server:
        until(ended, 30, lambda: "it did not look")
        assert directory.is_running(JOB)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=15) == 0
    assert not directory.is_running(JOB)
    directory.close()


def test_what_the_api_made_is_looked_for(standing: Desk) -> None:
    send(standing.person(), "/standing", GOOD)
    found = Watch(standing.directory).look()
    assert (found.queries, found.failed) == (1, {})
