"""The standing-queries desk: from a search to a watch, in words, and back to what it noticed."""

from __future__ import annotations

import html
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from storage import cases, standing_firings, standing_queries
from storage.clock import parse_time
from storage.departments import add_department, set_department
from storage.people import find_user
from storage.vocabulary import Role
from tests.search.receiver import with_webhooks
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk, Person
from tests.web.footage import START_US, keep, register, write_clip
from tests.web.test_register import typed

UNTIL = "2026-11-20 12:00"


class Watch:
    """An application where footage is kept and a case is open."""

    def __init__(self, desk: Desk, clip: Path) -> None:
        self.desk = desk
        gate = desk.cameras["gate"] = register(desk.directory, "gate", site="city/north")
        register(desk.directory, "yard", site="city/south")
        desk.segments.append(keep(desk.directory, gate, clip, START_US))
        with desk.directory.ledger.write() as tx:
            cases.open_case(tx, "A-1", "storm", "ines", NOW_US)
            add_department(tx, "north", NOW_US)
            cases.open_case(tx, "B-1", "storm", "ines", NOW_US, "north")
        with_webhooks(desk.directory, duty="https://duty.example/geheim")
        self.ines: Person = desk.person("ines")
        with desk.directory.ledger.write() as tx:
            set_department(tx, find_user(tx, "ines").id, "north")

    def fire(self, name: str, times: int = 1) -> None:
        segment = self.desk.segments[0]
        with self.desk.directory.ledger.write() as tx:
            found = standing_queries.find(tx, name)
            for n in range(times):
                standing_firings.add(
                    tx, standing_id=found.id, at_us=NOW_US + n, camera_id=segment.camera_id,
                    segment_id=segment.id, frame_id=2**61 + found.id * 1000 + n,
                    start_us=segment.start_us, end_us=segment.end_us,
                    ts_us=segment.start_us + n * 1000, score=0.9, model="nano", generation=1,
                    delivery="quiet",
                )  # fmt: skip


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    folder = tmp_path_factory.mktemp("standing")
    made = new_house(folder / "data", NOW_US)
    desk = Desk(made.directory, made.clock)
    yield Watch(desk, write_clip(folder / "clip.mp4", count=50))
    desk.close()


def good(name: str) -> dict[str, str]:
    return {"name": name, "q": "water on the road", "case": "A-1", "reason": "storm warning",
            "expires": UNTIL, "tz": "UTC", "threshold": "0.75", "quiet_from": "22:00",
            "quiet_until": "06:00", "webhook": "duty", "site": "city/north"}  # fmt: skip


def test_a_search_becomes_a_watch_and_its_filters_go_along(watch: Watch) -> None:
    page = watch.ines.get(
        "/standing?q=a+red+car&camera=gate&after=20:00&before=23:00&not=bus&case=A-1"
        "&from=2026-11-01&run=abc"
    ).text  # fmt: skip
    form = typed(page)
    assert form["q"] == "a red car"
    assert (form["camera"], form["after"], form["not"], form["case"]) == ("gate", "20:00", "bus",
                                                                          "A-1")  # fmt: skip
    assert "from" not in form
    assert "never for a person" in page
    made = watch.ines.post("/standing", form | {"name": "red", "reason": "theft"}, at="/standing")
    assert made.status_code == 303, made.text
    (row,) = watch.desk.audited("standing_added")
    assert row.case_id == "A-1"
    assert '"gate"' in str(row.detail)


def test_what_will_not_do_is_said_and_what_was_typed_stays(watch: Watch) -> None:
    for wrong, said in (
        ({"expires": "2031-01-01 00:00"}, "too far away"), ({"quiet_until": ""}, "begin and an"),
        ({"q": ""}, "words"), ({"case": ""}, "open case"), ({"webhook": "nobody"}, "nobody"),
        ({"threshold": "0.1"}, "cannot be used"), ({"name": "a/b"}, "without /"),
    ):  # fmt: skip
        answer = watch.ines.post("/standing", good("wrong") | wrong)
        assert answer.status_code in (404, 422), (wrong, answer.status_code)
        assert said in answer.text, wrong
        assert typed(answer.text)["reason"] == "storm warning"


def test_the_page_shows_each_moment_with_its_picture_and_the_way_to_it(watch: Watch) -> None:
    watch.ines.post("/standing", good("flood"))
    watch.fire("flood", 30)
    listed = watch.ines.get("/standing").text
    assert ">30<" in listed.replace("<b>", ">").replace("</b>", "<").replace(">>", ">")
    page = watch.ines.get("/standing/flood").text
    assert page.count("/media/picture/") == 24
    way = html.unescape(page.split('class="shot" href="')[1].split('"')[0])
    asked = parse_qs(urlsplit(way).query)
    assert asked["camera"] == ["gate"]
    assert START_US <= parse_time(asked["at"][0]) < START_US + 1_000_000
    assert asked["case"] == ["A-1"]
    assert "strong likeness only" in page
    assert "not from 22:00-06:00" in page
    row = watch.desk.audited("standing_shown")[-1]
    assert '"cameras":["gate"]' in str(row.detail)
    picture = page.split('<img src="/media')[1].split('"')[0].replace("&amp;", "&")
    assert watch.ines.get("/media" + picture).content_type == "image/jpeg"
    assert watch.ines.get("/standing/flood?n=48").text.count("/media/picture/") == 30


def test_it_is_extended_and_ended_with_a_reason(watch: Watch) -> None:
    watch.ines.post("/standing", good("smoke"))
    at = "/standing/smoke"
    assert "goes on until" in watch.ines.post(
        f"{at}/extend", {"expires": "2026-12-01 00:00", "tz": "UTC", "reason": "still wet"},
        follow_redirects=True,
    ).text  # fmt: skip
    no_reason = watch.ines.post(f"{at}/end", {"reason": " "}, follow_redirects=True).text
    assert "reason of 1 to 500" in no_reason
    ended = watch.ines.post(f"{at}/end", {"reason": "dry again"}, follow_redirects=True).text
    assert "dry again" in ended
    assert "/standing/smoke" not in watch.ines.get("/standing").text
    assert "/standing/smoke" in watch.ines.get("/standing?ended=1").text


def test_whose_case_it_is_not_finds_nothing(watch: Watch) -> None:
    watch.ines.post("/standing", good("hidden") | {"case": "B-1"})
    eve = watch.desk.person("eve", Role.INVESTIGATOR, granted=False)
    assert "/standing/hidden" not in eve.get("/standing").text
    assert eve.get("/standing/hidden").status_code == 404
    assert eve.post("/standing/hidden/end", {"reason": "x"}).status_code == 404
