"""The search desk at work: grouped, unfolded, marked and refined, waited for, never mixed up."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import search.engine
from search.engine import Engine
from search.partitions import Partitions
from storage import cases
from storage.clock import US, rfc3339
from storage.vocabulary import Role
from tests.search.archive import Archive, new_archive
from tests.web.desk import Desk, Person
from tests.web.footage import START_US
from tests.web.test_searches_api import Gate
from web.asked import read
from web.blueprints.searches import jobs

MINUTE_US = 60 * US
TRUCKS = ("milk", "fire", "milk", "fire")


@dataclass
class Town:
    """Buses at the gate all the time, one at the yard; trucks of two kinds at four docks."""

    desk: Desk
    archive: Archive
    gate: Gate

    def page(self, person: Person, address: str) -> str:
        answer = person.get(address)
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def town(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    archive, gate = new_archive(desk.directory), Gate()
    bus = [*["road"] * 25, "bus"]
    archive.footage("gate", START_US - 3600 * US, bus * 8)
    archive.footage("yard", START_US, [*bus, *["road"] * 20])
    for number, kind in enumerate(TRUCKS):
        words = [*["street"] * 20, f"truck {kind}", *["street"] * 20]
        archive.footage(f"dock-{number}", START_US, words)
    engine = Engine(desk.directory, gate, Partitions(desk.directory))
    monkeypatch.setattr(search.engine, "_shared", engine)
    yield Town(desk, archive, gate)
    gate.open.set()
    jobs(desk.app).close()


def settled(desk: Desk, section: str, **values: Any) -> None:
    """With other settings."""
    settings = desk.directory.settings
    changed = getattr(settings, section).model_copy(update=values)
    object.__setattr__(desk.directory, "settings", settings.model_copy(update={section: changed}))


def headings(page: str) -> list[str]:
    return [
        html.unescape(" ".join(re.sub(r"<[^>]+>", " ", one).split()))
        for one in re.findall(r"<h2>(.*?)</h2>", page, re.DOTALL)
        if 'class="count"' in one
    ]


def shown(page: str) -> list[tuple[str, int]]:
    found = re.findall(r'data-camera="([^"]+)" data-tz="[^"]+" data-us="(\d+)"', page)
    return [(camera, int(us)) for camera, us in found]


def link(page: str, text: str) -> str:
    found = re.search(rf'href="([^"]+)"[^>]*>{re.escape(text)}<', page)
    assert found, text
    return "/search" + html.unescape(found[1]).removeprefix("/search")


def held_back(page: str, camera: str) -> str:
    (text,) = re.findall(rf"\d+ more at {camera}", page)
    return link(page, text)


def frames(page: str) -> list[tuple[str, str]]:
    """Camera and value of the buttons of each card."""
    values = re.findall(r'class="right" name="\w+" value="([^"]+)"', page)
    return list(zip([camera for camera, _ in shown(page)], values, strict=True))


def action(page: str, form: str) -> str:
    found = re.search(rf'<form id="{form}"[^>]*action="([^"]+)"', page)
    assert found
    return html.unescape(found[1])


def test_moments_are_grouped_at_an_address_that_shows_the_same_answer(town: Town) -> None:
    ines = town.desk.person()
    page = town.page(ines, "/search?q=bus&top=4")
    assert headings(page) == []
    by_camera = link(page, "by camera")
    (run,) = parse_qs(urlsplit(by_camera).query)["run"]
    page = town.page(ines, by_camera)
    assert sorted(headings(page)) == ["gate 3 moments", "yard 1 moment"]
    page = town.page(ines, link(page, "by time"))
    times = [us for _, us in shown(page)]
    assert len(times) == 4
    assert times == sorted(times)
    assert headings(page)[-1] == "Monday, 16 November 2026, 13:00–14:00 +00:00 1 moment"
    assert len(town.desk.audited("search")) == 1  # regrouped, not asked again
    looks = town.desk.audited("search_shown")
    assert [run in row.detail for row in looks] == [True, True]
    assert "No site given" in town.page(ines, link(page, "by site"))


def test_what_was_held_back_unfolds_in_its_place(town: Town) -> None:
    ines = town.desk.person()
    page = town.page(ines, "/search?q=bus&top=4")
    before = shown(page)
    more = town.page(ines, held_back(page, "gate"))
    assert shown(more)[:4] == before
    added = shown(more)[4:]
    assert {camera for camera, _ in added} == {"gate"}
    assert len(set(added)) == int(re.findall(r"(\d+) more at gate", page)[0])
    assert not set(added) & set(before)
    assert "More at gate" in more
    assert "more at gate</a>" not in more


def test_marked_moments_refine_the_answer_and_the_address_keeps_it(town: Town) -> None:
    ines = town.desk.person()
    settled(town.desk, "search", confident_from=0.05)
    with town.desk.directory.ledger.write() as tx:
        cases.open_case(tx, "A-117", "a stolen truck", "ines", START_US)
    address = "/search?q=truck&case=A-117&reason=theft"
    page = town.page(ines, address)
    of = dict(reversed(frames(page)))  # the best of each camera
    assert "disabled>" in page.split('data-part="refine"')[1][:200]
    said = ines.post(action(page, "marks"), {"right": of["dock-1"]})
    page = town.page(ines, said.location)
    assert "1 right, 0 wrong" in page
    said = ines.post(action(page, "marks"), {"wrong": of["dock-0"]})
    page = town.page(ines, said.location)
    assert "1 right, 1 wrong" in page
    assert f'name="undo" value="{of["dock-0"]}" aria-pressed="true"' in page
    refined = ines.post(action(page, "refine"))
    assert refined.status_code == 302
    page = town.page(ines, refined.location)
    assert "Refined with 2 marks." in page
    assert [camera for camera, _ in shown(page)][:2] == ["dock-1", "dock-3"]
    assert town.page(ines, refined.location).count('data-mark="right"') == 1
    marks = ines.get("/api/v1/cases/A-117/marks").json
    assert {(one["camera"], one["right"]) for one in marks} == {("dock-1", True), ("dock-0", False)}
    back = ines.post(action(page, "marks"), {"undo": dict(reversed(frames(page)))["dock-1"]})
    assert "0 right, 1 wrong" in town.page(ines, back.location)  # what went is counted all the same
    plain = town.page(ines, link(page, "Show the answer without it"))
    assert "Refined with" not in plain


def test_marks_of_what_was_unfolded_refine_too(town: Town) -> None:
    ines = town.desk.person()
    page = town.page(ines, "/search?q=bus&top=4")
    page = town.page(ines, held_back(page, "gate"))
    own, unfolded = frames(page)[0][1], frames(page)[5][1]
    assert own.split(":")[0] != unfolded.split(":")[0]
    said = ines.post(action(page, "marks"), {"wrong": unfolded})
    page = town.page(ines, said.location)
    assert "0 right, 1 wrong" in page
    (of,) = re.findall(r'name="of" form="refine" value="([^"]+)"', page)
    refined = ines.post(action(page, "refine"), {"of": of})
    page = town.page(ines, refined.location)
    assert "Refined with 1 mark." in page
    assert unfolded.split(":")[1] not in page


def test_a_kept_answer_is_shown_to_its_own_question_case_and_people_only(town: Town) -> None:
    ines, ivan = town.desk.person(), town.desk.person("ivan")
    with town.desk.directory.ledger.write() as tx:
        for number in ("A-117", "B-20"):
            cases.open_case(tx, number, "a reason", "ines", START_US)
    address = "/search?q=bus&case=A-117&reason=theft&group=camera"
    page = town.page(ines, address)
    (run,) = parse_qs(urlsplit(link(page, "by time")).query)["run"]
    searches = len(town.desk.audited("search"))

    def asked(person: Person, address: str) -> str:
        return town.page(person, f"{address}&run={run}")

    assert "as of now" not in asked(ines, address)
    assert len(town.desk.audited("search")) == searches
    for other in (address.replace("A-117", "B-20"), address.replace("bus", "truck")):
        page = asked(ines, other)  # another case, another question: asked, not shown
        searches += 1
        row = town.desk.audited("search")[-1]
        assert (len(town.desk.audited("search")), run in row.detail) == (searches, False)
        assert row.case_id == parse_qs(urlsplit(other).query)["case"][0]
    assert "as of now" not in asked(ivan, address)  # of one case, they know of it
    alone = town.page(ines, "/search?q=bus")
    (run,) = parse_qs(urlsplit(link(alone, "by time")).query)["run"]
    assert "as of now" in asked(ivan, "/search?q=bus")
    assert town.desk.audited("search")[-1].actor == "ivan"


def test_a_long_search_shows_where_its_answer_will_be_and_goes_on(town: Town) -> None:
    ines = town.desk.person()
    town.desk.app.config["SEARCH_WAIT_S"] = 0.0
    town.gate.open.clear()
    page = town.page(ines, "/search?q=bus&group=camera")
    assert page.count('class="skeleton"') == 8
    found = re.search(r'http-equiv="refresh" content="1;url=([^"]+)"', page)
    assert found
    again = html.unescape(found[1])
    (run,) = parse_qs(urlsplit(again).query)["run"]
    assert f'data-waits-for="{run}"' in page
    assert f'data-waits-for="{run}"' in town.page(ines, again)  # the same one, no other
    town.gate.open.set()
    assert ines.get(f"/api/v1/searches/{run}?wait_s=30").json["state"] == "done"
    assert "gate" in " ".join(headings(town.page(ines, again)))
    assert len(town.desk.audited("search")) == 1


def test_a_cancelled_search_says_so_and_can_be_asked_again(town: Town) -> None:
    ines = town.desk.person()
    town.desk.app.config["SEARCH_WAIT_S"] = 0.0
    town.gate.open.clear()
    page = town.page(ines, "/search?q=bus")
    run = page.split('data-waits-for="')[1].split('"')[0]
    ines.client.delete(f"/api/v1/searches/{run}", headers={"X-CSRF-Token": ines.token()})
    page = town.page(ines, f"/search?q=bus&run={run}")
    assert "this search was cancelled" in page
    assert shown(page) == []
    town.gate.open.set()
    town.desk.app.config["SEARCH_WAIT_S"] = 30
    assert shown(town.page(ines, link(page, "Ask again")))


def test_neighbours_in_time_are_audited_then_signed_and_gaps_are_said(archive: Desk) -> None:
    ines = archive.person()
    end_us = archive.segments[1].end_us
    near = ines.get("/search/neighbours.json", query_string={"camera": "gate", "at": end_us - US})
    assert [one["step_s"] for one in near.json] == [-10, -2, 2, 10]
    before, missing = near.json[1], near.json[2]
    assert (missing["picture"], missing["missing"]) == (None, "no pictures came")
    assert near.json[0]["missing"] == "nothing is kept here"
    (row,) = archive.audited("view")
    assert (row.actor, row.subject) == ("ines", "gate")
    assert f'"from":"{rfc3339(before["us"])}"' in row.detail
    assert ines.get(before["picture"]).content_type == "image/jpeg"
    assert archive.person("ivan").get(before["picture"]).status_code == 403  # signed for one login
    operator = archive.person("olga", Role.MANAGER)
    asked = {"camera": "gate", "at": end_us}
    assert operator.get("/search/neighbours.json", query_string=asked).status_code == 403


def test_a_cut_out_of_the_player_is_what_is_asked_with(archive: Desk) -> None:
    ines = archive.person()
    cut = f"gate@{rfc3339(START_US)}@8,4,64,40"
    page = ines.get("/search", query_string={"like": cut})
    assert page.status_code == 200
    assert f'name="like" value="{cut.replace("@8", "#8")}"' in page.text
    found = re.search(r'<svg class="cut" viewBox="8 4 64 40".*?<image href="([^"]+)"', page.text)
    assert found
    assert ines.get(html.unescape(found[1])).content_type == "image/jpeg"
    outside = ines.get("/search", query_string={"like": cut.replace("@8", "@100000")})
    assert outside.status_code == 422
    assert 'class="cut"' not in outside.text


def test_a_picture_that_is_too_large_is_refused_with_the_limit(desk: Desk) -> None:
    most = 200_000
    settled(desk, "web", upload_bytes=most)
    ines = desk.person()
    for size, status in ((most + 1, 422), (most + 200_000, 413)):
        answer = ines.post(
            "/search/picture", {"picture": (io.BytesIO(bytes(size)), "query.png")},
            content_type="multipart/form-data", headers={"Accept": "application/json"},
        )  # fmt: skip
        assert (answer.status_code, "too large" in answer.json["detail"]) == (status, status == 413)
    assert not list((desk.directory.cache / "queries").glob("*"))


def test_only_ways_to_group_that_there_are_count() -> None:
    from werkzeug.datastructures import MultiDict

    asked = read(MultiDict([("q", "a"), ("group", "<script>"), ("run", "R"), ("unfold", "x")]), "")
    assert asked.group == ""
    assert asked.address(group="time") == "?q=a&group=time&run=R&unfold=x"
    assert asked.address(text="b") == "?q=b"  # another question: no answer of this one
