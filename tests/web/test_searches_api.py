"""Searches that are kept, over HTTP: begun, waited for, read page by page, ended, asked again."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import TypeAdapter
from werkzeug.test import TestResponse

import search.engine
from search import runs
from search.engine import Engine
from search.partitions import Partitions
from storage import cases, segments
from storage.clock import US
from storage.vocabulary import Actor, Role
from tests.search.archive import Archive, Floats, Words, asked, new_archive
from tests.search.slow import AT_ONCE, Slow
from tests.web.desk import Desk, Person
from tests.web.footage import START_US
from tests.web.test_search import png
from web import shapes, shapes_searches
from web.blueprints.searches import jobs
from web.problems import PROBLEM_TYPE

LONG_S = 60.0  # nobody waits so long unless something is broken
WHOLE_WAIT = {"wait_s": 30}


class Gate(Words):
    """An embedder that answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        self.asked.release()
        assert self.open.wait(LONG_S)
        return super().embed_texts(texts)


@dataclass
class Town:
    """The application over an archive with three buses, and the gate before its model."""

    desk: Desk
    archive: Archive
    gate: Gate

    def begin(self, person: Person, **body: Any) -> str:
        answer = send(person, "POST", "", {"text": "bus", **body})
        assert answer.status_code == 202, answer.text
        token: str = answer.json["token"]
        return token

    def done(self, person: Person, **body: Any) -> str:
        token = self.begin(person, **body)
        state = get(person, f"/{token}", WHOLE_WAIT).json
        assert state["state"] == "done", state
        return token


@pytest.fixture
def town(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    archive, gate = new_archive(desk.directory), Gate()
    for number, camera in enumerate(("gate", "yard", "lane")):
        words = [*["road"] * 20, "bus", "bus", *["road"] * 20]
        archive.footage(camera, START_US + number * 60 * US, words)
    engine = Engine(desk.directory, gate, Partitions(desk.directory))
    monkeypatch.setattr(search.engine, "_shared", engine)
    yield Town(desk, archive, gate)
    gate.open.set()
    jobs(desk.app).close()


def send(
    person: Person, method: str, path: str, body: object = None, query: dict[str, Any] | None = None
) -> TestResponse:
    """With the form token in its header."""
    sent = {} if body is None else {"json": body}
    return person.client.open(
        f"/api/v1/searches{path}", method=method, query_string=query or {},
        headers={"X-CSRF-Token": person.token()}, **sent,
    )  # fmt: skip


def get(person: Person, path: str, query: dict[str, Any] | None = None) -> TestResponse:
    return person.get(f"/api/v1/searches{path}", query_string=query or {})


def test_a_search_is_begun_waited_for_and_read_page_by_page(town: Town) -> None:
    ines = town.desk.person()
    begun = send(ines, "POST", "", {"text": "bus", "top": 5})
    assert begun.status_code == 202
    shapes_searches.SearchState.model_validate(begun.json)
    token = begun.json["token"]
    state = get(ines, f"/{token}", WHOLE_WAIT)
    shapes_searches.SearchState.model_validate(state.json)
    assert (state.json["state"], state.json["progress"]) == ("done", 1.0)
    assert state.json["confident"] is True
    total = state.json["total"]
    first = get(ines, f"/{token}/moments", {"limit": 2})
    page = shapes_searches.MomentsPage.model_validate(first.json)
    assert (page.total, len(page.moments), page.next) == (total, 2, 2)
    assert page.coverage is not None
    assert page.coverage.cameras == 3
    found = list(page.moments)
    while page.next is not None:
        answer = get(ines, f"/{token}/moments", {"start": page.next, "limit": 2})
        page = shapes_searches.MomentsPage.model_validate(answer.json)
        assert page.coverage is None  # once is enough
        found += page.moments
    assert len(found) == total
    straight = ines.client.post(
        "/api/v1/search", json={"text": "bus", "top": 5}, headers={"X-CSRF-Token": ines.token()}
    ).json
    told = [one.model_dump(mode="json", exclude={"footage"}) for one in found]
    assert told == straight["moments"]
    assert {one.footage.state for one in found} == {"kept"}


def test_a_page_beyond_the_end_is_empty(town: Town) -> None:
    ines = town.desk.person()
    token = town.done(ines)
    page = get(ines, f"/{token}/moments", {"start": 1000}).json
    assert (page["moments"], page["next"]) == ([], None)


def test_before_the_end_there_are_no_moments_and_who_waits_too_shortly_is_told_so(
    town: Town,
) -> None:
    ines = town.desk.person()
    town.gate.open.clear()
    token = town.begin(ines)
    assert get(ines, f"/{token}", {"wait_s": 0.05}).json["state"] in ("waiting", "running")
    page = shapes_searches.MomentsPage.model_validate(get(ines, f"/{token}/moments").json)
    assert (page.total, page.moments, page.next) == (None, [], 0)
    town.gate.open.set()
    page = get(ines, f"/{token}/moments", WHOLE_WAIT).json
    assert page["total"] == len(page["moments"])


def test_a_search_that_is_ended_shows_nothing(town: Town) -> None:
    ines = town.desk.person()
    town.gate.open.clear()
    token = town.begin(ines)
    ended = send(ines, "DELETE", f"/{token}")
    assert (ended.status_code, ended.json["state"]) == (200, "cancelled")
    town.gate.open.set()
    town.done(ines, text="road")
    assert get(ines, f"/{token}").json["state"] == "cancelled"
    refused = get(ines, f"/{token}/moments")
    assert (refused.status_code, refused.content_type) == (409, PROBLEM_TYPE)
    assert "cancelled" in refused.json["detail"]


def test_one_that_has_ended_stays_when_it_is_ended(town: Town) -> None:
    ines = town.desk.person()
    token = town.done(ines)
    assert send(ines, "DELETE", f"/{token}").json["state"] == "done"
    assert get(ines, f"/{token}/moments").json["moments"]


def test_nobody_else_learns_that_there_is_a_search(town: Town) -> None:
    ines = town.desk.person()
    token = town.done(ines, reason="mine")
    unknown = "01KB3F6E0V8Q4YJ2M5T7W9XZAC"
    for name, role in (("otto", Role.INVESTIGATOR), ("olga", Role.OPERATOR)):
        other = town.desk.person(name, role)
        for path in ("", "/moments"):
            there = get(other, f"/{token}{path}")
            nowhere = get(other, f"/{unknown}{path}")
            assert there.status_code == nowhere.status_code
            assert there.json["detail"].replace(token, unknown) == nowhere.json["detail"]
    otto = Person(town.desk.app.test_client())
    assert otto.log_in("otto", "correct horse battery").status_code == 302
    for method, path in (("DELETE", ""), ("POST", "/again")):
        assert send(otto, method, f"/{token}{path}").status_code == 404
    assert get(otto, f"/{token}/differences", {"then": token}).status_code == 404
    assert get(otto, "").json == []
    assert get(ines, f"/{token}").json["state"] == "done"


def test_who_audits_reads_every_search_and_asks_none(town: Town) -> None:
    ines = town.desk.person()
    token = town.done(ines)
    aud = town.desk.person("aud", Role.AUDITOR)
    assert get(aud, f"/{token}/moments").json["moments"]
    assert [one["token"] for one in get(aud, "").json] == [token]
    assert send(aud, "POST", f"/{token}/again").status_code == 403
    assert send(aud, "DELETE", f"/{token}").status_code == 403
    assert send(aud, "POST", "", {"text": "bus"}).status_code == 403
    shown = [row for row in town.desk.audited("search_shown") if row.actor == "aud"]
    assert [json.loads(row.detail)["token"] for row in shown] == [token]


def test_every_page_that_is_read_is_a_look(town: Town) -> None:
    ines = town.desk.person()
    token = town.done(ines)
    assert town.desk.audited("search_shown") == []  # a state shows nothing
    get(ines, f"/{token}/moments", {"start": 0, "limit": 1})
    get(ines, f"/{token}/moments", {"start": 1, "limit": 1})
    (searched,) = town.desk.audited("search")
    assert json.loads(searched.detail)["token"] == token
    looks = [json.loads(row.detail) for row in town.desk.audited("search_shown")]
    assert [(one["start"], one["moments"], one["token"]) for one in looks] == [
        (0, 1, token), (1, 1, token),
    ]  # fmt: skip


def test_what_is_found_so_far_is_read_as_a_look_before_the_end(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*["road"] * 20, "bus", "bus", *["road"] * 20]
    town.archive.footage("gate", START_US - 86_400 * US, words)
    slow = Slow(allowed=3)  # of two days the newer one
    engine = Engine(town.desk.directory, town.gate, workers=slow, pace=AT_ONCE)
    monkeypatch.setattr(search.engine, "_shared", engine)
    ines = town.desk.person()
    token = town.begin(ines)
    state = get(ines, f"/{token}", {**WHOLE_WAIT, "known": 0}).json
    shapes_searches.SearchState.model_validate(state)
    assert (state["state"], state["total"]) == ("running", None)
    assert state["so_far"] == {"moments": 3, "days_done": 1, "days": 2}
    assert town.desk.audited("search_shown") == []  # a state shows nothing
    page = shapes_searches.MomentsPage.model_validate(get(ines, f"/{token}/moments").json)
    assert (page.total, page.moments, page.next) == (None, [], 0)
    assert page.so_far is not None
    assert {one.camera for one in page.so_far} == {"gate", "yard", "lane"}
    (look,) = town.desk.audited("search_shown")
    assert json.loads(look.detail)["shown"] == ["gate", "lane", "yard"]
    slow.let_go()
    done = get(ines, f"/{token}", WHOLE_WAIT).json
    assert (done["state"], done["so_far"]) == ("done", None)
    assert done["total"] >= 4


def test_the_same_again_says_that_nothing_changed(town: Town) -> None:
    ines = town.desk.person()
    token = town.done(ines)
    again = send(ines, "POST", f"/{token}/again", query=WHOLE_WAIT)
    assert again.status_code == 200, again.text
    told = shapes_searches.Again.model_validate(again.json)
    assert told.differences is not None
    assert told.differences.changed is False
    assert told.differences.circumstances == []
    assert again.json["answer"]["moments"]
    found = get(ines, f"/{told.run.token}/differences", {"then": token})
    assert found.json == again.json["differences"]


def test_footage_that_went_is_said_of_the_old_answer_and_of_the_new(town: Town) -> None:
    ines = town.desk.person()
    token = town.done(ines)
    page = get(ines, f"/{token}/moments").json
    gone = next(one for one in page["moments"] if one["camera"] == "yard")
    town.desk.clock.forward(US)
    with town.desk.directory.ledger.write() as tx:
        now_us = town.desk.clock.now_us()
        segments.expire(tx, [gone["best"]["segment"]], "class 3: 30 days", now_us)
    town.desk.clock.forward(US)
    shown = get(ines, f"/{token}/moments")
    shapes_searches.MomentsPage.model_validate(shown.json)
    states = {one["camera"]: one["footage"]["state"] for one in shown.json["moments"]}
    assert states == {"gate": "kept", "yard": "gone", "lane": "kept"}
    (old,) = [one for one in shown.json["moments"] if one == {**gone, "footage": one["footage"]}]
    assert old["footage"]["rule"] == "class 3: 30 days"
    again = send(ines, "POST", f"/{token}/again", query=WHOLE_WAIT).json
    differences = shapes_searches.Differences.model_validate(again["differences"])
    lost = [one for one in differences.moments if one.change == "gone"]
    assert {one.camera for one in lost} == {"yard"}
    assert {cause.cause for one in lost for cause in one.why or []} == {"footage_expired"}


def test_asked_again_behind_others_it_is_fetched_later(town: Town) -> None:
    ines = town.desk.person()
    token = town.done(ines)
    town.gate.open.clear()
    again = send(ines, "POST", f"/{token}/again").json
    assert (again["answer"], again["differences"]) == (None, None)
    now = again["run"]["token"]
    early = get(ines, f"/{now}/differences", {"then": token})
    assert early.status_code == 409
    town.gate.open.set()
    get(ines, f"/{now}", WHOLE_WAIT)
    assert get(ines, f"/{now}/differences", {"then": token}).json["changed"] is False


def test_a_picture_comes_in_a_form(town: Town) -> None:
    ines = town.desk.person()
    answer = ines.post(
        "/api/v1/searches",
        {"query": json.dumps({"camera": ["gate"]}), "image": (io.BytesIO(png()), "q.png")},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 202, answer.text
    token = answer.json["token"]
    page = get(ines, f"/{token}/moments", WHOLE_WAIT).json
    assert page["query"]["image"]["width"] == 64
    again = send(ines, "POST", f"/{token}/again", query=WHOLE_WAIT).json
    assert again["differences"]["changed"] is False


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422), ({"text": "x" * 10_000}, 422), ({"text": "bus", "colour": "red"}, 422),
        ({"text": "bus", "camera": ["nowhere"]}, 404), ({"text": "bus", "case": "none"}, 404),
        ({"text": "bus", "case": "closed"}, 409), ({"text": "bus", "top": 1001}, 422),
        (["bus"], 422),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_at_once_and_not_kept(
    town: Town, body: object, status: int
) -> None:
    with town.desk.directory.ledger.write() as tx:
        cases.open_case(tx, "closed", "over", "ines", 1)
        cases.close_case(tx, "closed", 2)
    ines = town.desk.person()
    answer = send(ines, "POST", "", body)
    assert (answer.status_code, answer.content_type) == (status, PROBLEM_TYPE)
    assert get(ines, "").json == []


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("", {"wait_s": 31}, 422), ("", {"wait_s": -1}, 422), ("", {"wait_s": "nan"}, 422),
        ("/moments", {"limit": 0}, 422), ("/moments", {"limit": 1001}, 422),
        ("/moments", {"start": -1}, 422), ("/differences", {}, 422),
        ("/differences", {"then": "nonsense"}, 404),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_in_a_sentence(
    town: Town, path: str, query: dict[str, Any], status: int
) -> None:
    ines = town.desk.person()
    answer = get(ines, f"/{town.done(ines)}{path}", query)
    assert (answer.status_code, answer.content_type) == (status, PROBLEM_TYPE)


@pytest.mark.parametrize("token", ["nonsense", "0" * 26, "../session", "%00", "x" * 5000])
def test_no_token_leads_anywhere_else(town: Town, token: str) -> None:
    ines = town.desk.person()
    assert get(ines, f"/{token}").status_code == 404


def test_more_than_may_wait_are_refused(town: Town) -> None:
    ines = town.desk.person()
    town.gate.open.clear()
    searches = jobs(town.desk.app)
    tokens = [town.begin(ines)]
    while len(searches._queue) < searches._most_waiting:
        tokens.append(searches.submit(asked("bus"), Actor("ines")))
    refused = send(ines, "POST", "", {"text": "bus"})
    assert refused.status_code == 507
    assert "wait already" in refused.json["detail"]
    for token in tokens:
        send(ines, "DELETE", f"/{token}")
    town.gate.open.set()
    town.done(ines)


def test_a_list_is_of_ones_own_and_of_a_case(town: Town) -> None:
    with town.desk.directory.ledger.write() as tx:
        cases.open_case(tx, "A-1", "theft", "ines", 1)
    ines, otto = town.desk.person(), town.desk.person("otto")
    mine = town.done(ines, case="A-1", reason="theft")
    idle = town.done(ines)
    theirs = town.done(otto)
    listed = get(ines, "")
    TypeAdapter(list[shapes_searches.Run]).validate_python(listed.json)
    assert {one["token"] for one in listed.json} == {mine, idle}
    assert [one["token"] for one in get(ines, "", {"case": "A-1"}).json] == [mine]
    assert [one["token"] for one in get(otto, "").json] == [theirs]


def test_the_straight_search_is_kept_as_well(town: Town) -> None:
    ines = town.desk.person()
    answer = ines.client.post(
        "/api/v1/search", json={"text": "bus"}, headers={"X-CSRF-Token": ines.token()}
    ).json
    shapes.Answer.model_validate(answer)
    page = get(ines, f"/{answer['token']}/moments").json
    assert [one["best"] for one in page["moments"]] == [one["best"] for one in answer["moments"]]
    desk = ines.get("/search", query_string={"q": "bus"})
    assert desk.status_code == 200
    assert len(get(ines, "").json) == 2


def test_a_search_of_the_command_line_can_be_ended_but_only_by_who_administers(
    town: Town,
) -> None:
    token = runs.enter(
        town.desk.directory, asked("bus"), Actor("command line (uid 0)"), state="running"
    )
    assert send(town.desk.person(), "DELETE", f"/{token}").status_code == 404
    root = town.desk.person("root", Role.ADMINISTRATOR)
    assert send(root, "DELETE", f"/{token}").json["state"] == "cancelled"
