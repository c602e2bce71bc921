"""The timeline's page and API: what is drawn, what is said, who sees how much of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from search.track import MOST_CAMERAS
from storage.cases import add_hold, open_case
from storage.clock import US, parse_time
from storage.clocks import correct
from storage.events import EventKind, note
from storage.register import find_camera
from storage.vocabulary import Role, Span
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk, Person
from tests.web.footage import START_US, keep, lose, register
from web.timeline_asked import about, shifted
from web.timeline_density import density
from web.timeline_ruler import ruler

HOUR_US = 3600 * US
WHOLE = "from=2026-11-16T20:59:00%2B08:00&to=2026-11-16T21:02:00%2B08:00"


def told(page: str) -> str:
    """Its words, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@dataclass
class Room:
    """One archive for all tests of this file, which only read: and who sits at it."""

    desk: Desk
    people: dict[str, Person]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Iterator[Room]:
    """Something of everything lies on the timeline of `gate`; 23 more cameras in the city."""
    house = new_house(tmp_path_factory.mktemp("timeline") / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    gate = desk.cameras["gate"] = register(desk.directory, "gate")
    one = keep(desk.directory, gate, clips / "one.mp4", START_US)
    two = keep(desk.directory, gate, clips / "two.mp4", one.end_us)
    lose(desk.directory, gate, two.end_us, two.end_us + 5 * US)
    keep(desk.directory, gate, clips / "one.mp4", two.end_us + 5 * US)
    for number in range(MOST_CAMERAS + 3):
        register(desk.directory, f"camera {number:02d}", site="City/Square")
    span = Span(START_US, START_US + 2 * US)
    with desk.directory.ledger.write() as tx:
        open_case(tx, "A-117", "burglary", "ines", NOW_US)
        add_hold(tx, gate.id, START_US, START_US + US, reason="a bicycle", owner="ines",
                 at_us=NOW_US, case_id="A-117")  # fmt: skip
        note(tx, EventKind.PICTURE_BLURRED, START_US + US, camera_id=gate.id,
             detail=f"see {desk.directory.root}/x")  # fmt: skip
        correct(tx, gate, span, 1_500_000, reason="by the station clock", actor="ines",
                at_us=NOW_US)  # fmt: skip
    people = {
        "ines": desk.person(), "omar": desk.person("omar", Role.OPERATOR),
        "maria": desk.person("maria", Role.MANAGER), "nora": desk.person("nora", granted=False),
    }  # fmt: skip
    yield Room(desk, people)
    desk.close()


def test_a_page_without_scripts_draws_and_lists_it_all(room: Room) -> None:
    page = room.people["ines"].get(f"/timeline?camera=gate&{WHOLE}&tz=Asia/Shanghai").text
    strip = page[page.index('class="tl-strip"') : page.index('class="tl-row tl-foot"')]
    for kind in ("recorded", "gap", "not_indexed", "held", "corrected", "dot"):
        assert f'class="{kind}"' in strip, kind
    said = told(page)
    assert "gate: 6.0 s recorded (54.5%), 5.0 s not recorded, 6.0 s not indexed yet" in unescape(
        strip
    )
    assert "Gaps 1" in said
    assert "Holds 1" in said
    assert "Events 1" in said
    assert "A-117 a bicycle" in said
    assert "+1.500 s by the station clock" in said
    assert "the picture is blurred see …/x" in said  # of folders nothing, to who only looks
    assert "/search?camera=gate&amp;tz=Asia/Shanghai" in page.replace("%2F", "/")
    assert 'href="/export?camera=gate' in page
    assert 'href="/player?camera=gate' in page


def test_the_case_at_hand_goes_along(room: Room) -> None:
    page = room.people["ines"].get(f"/timeline?camera=gate&{WHOLE}&case=A-117&reason=theft").text
    links = re.findall(r'data-(?:do|deed)="\w+"[^>]* href="([^"]+)"', page)
    assert len(links) == 9  # five moves; search, play, export and hold
    assert any(link.startswith("/archive/holds?") for link in links)
    assert all("case=A-117" in link and "reason=theft" in link for link in links)
    assert '<input type="hidden" name="case" value="A-117">' in page


def test_every_view_has_links_to_the_ones_beside_it(room: Room) -> None:
    page = room.people["ines"].get(f"/timeline?camera=gate&{WHOLE}&tz=Asia/Shanghai").text
    links = dict(
        re.findall(r'data-do="(\w+)" href="([^"]+)"', unescape(page))
    )  # fmt: skip
    assert links.keys() == {"earlier", "later", "in", "out", "now"}
    assert "from=2026-11-16T21%3A00%3A07.500" in links["in"]  # a quarter of three minutes
    assert "to=2026-11-16T21%3A00%3A52.500" in links["in"]
    wider = room.people["omar"].get("/timeline" + links["out"])
    assert wider.status_code == 200
    assert "21:06:30" in wider.text


@pytest.mark.parametrize(
    ("query", "said"),
    [("from=2026-01-01&to=2026-11-16", "31 days at most"), ("from=2026-11-16&to=x", "x"),
     ("from=2026-11-16&to=2026-11-15", "does not lie after"), ("tz=Nowhere/At_All", "time zone"),
     ("at=99999999999999999999", "1971–2200"), ("camera=nowhere", "is not registered")],
)  # fmt: skip
def test_what_cannot_be_shown_is_said_and_the_form_stays(room: Room, query: str, said: str) -> None:
    answer = room.people["ines"].get(f"/timeline?{query}")
    assert answer.status_code in (400, 404, 422)
    assert said in told(answer.text)
    assert 'name="from"' in answer.text


def test_a_page_number_without_end_is_none(room: Room) -> None:
    assert room.people["ines"].get("/timeline?skip=" + "9" * 5000).status_code == 200


def test_who_only_sees_is_not_offered_what_they_may_not(room: Room) -> None:
    omar = room.people["omar"]
    page = omar.get(f"/timeline?camera=gate&{WHOLE}").text
    assert 'data-plays="no"' in page
    assert "data-deed=" not in page
    assert "Holds 1" in told(page)
    assert "a bicycle" not in page
    assert "A-117" not in page
    maria = room.people["maria"]
    assert "a bicycle" in maria.get(f"/timeline?camera=gate&{WHOLE}").text
    assert room.desk.audited("search") == []  # figures only: no picture is shown


def test_a_hidden_camera_is_on_no_timeline(room: Room) -> None:
    nobody = room.people["nora"]
    assert "No camera to show" in nobody.get("/timeline").text
    assert nobody.get("/timeline?camera=gate").status_code == 404
    assert nobody.get(f"/api/v1/timeline?{WHOLE}").get_json()["cameras"] == []


def test_more_cameras_than_fit_are_paged_and_the_api_refuses_them(room: Room) -> None:
    ines = room.people["ines"]
    page = ines.get("/timeline?site=City").text
    assert page.count('class="tl-name"') == MOST_CAMERAS
    assert f"20 cameras at a time: 1 to {MOST_CAMERAS} of 23" in told(page)
    rest = ines.get("/timeline?site=City&skip=20").text
    assert rest.count('class="tl-name"') == 3
    assert "21 to 23 of 23" in told(rest)
    refused = ines.get(f"/api/v1/timeline?site=City&{WHOLE}")
    assert refused.status_code == 422
    assert "20 cameras at most, 23" in refused.text


def test_the_api_says_what_the_page_draws(room: Room) -> None:
    answer = room.people["ines"].get(f"/api/v1/timeline?camera=gate&{WHOLE}")
    found: dict[str, Any] = answer.get_json()
    (gate,) = found["cameras"]
    assert (gate["recorded_s"], gate["gap_s"], gate["not_indexed_s"]) == (6.0, 5.0, 6.0)
    kinds = [(one["kind"], one["length_s"], one["cause"]) for one in gate["pieces"]]
    assert ("gap", 5.0, "stalled") in kinds
    assert [one["cause"] for one in found["gaps"]] == ["stalled"]
    assert found["holds"][0]["case"] == "A-117"
    assert found["corrections"][0]["offset_s"] == 1.5
    assert found["events"][0]["kind"] == "picture_blurred"
    assert found["model"] is None


def test_rows_alone_come_for_a_page_that_zooms(room: Room) -> None:
    ines = room.people["ines"]
    rows = ines.get(f"/timeline/rows?camera=gate&{WHOLE}").text
    assert "<html" not in rows
    assert 'data-part="lists"' not in rows
    assert 'data-part="lists"' in ines.get(f"/timeline/rows?camera=gate&{WHOLE}&lists=1").text


def test_the_day_the_clocks_go_back_has_its_hour_twice() -> None:
    day = Span(parse_time("2026-10-25T00:00+02:00"), parse_time("2026-10-26T00:00+01:00"))
    marks = ruler(day, "Europe/Berlin", most=30)
    assert day.duration_us == 25 * HOUR_US
    assert len(marks) == 25
    texts = [mark.text for mark in marks]
    assert texts[:5] == ["10-25", "01:00", "02:00", "+01:00", "03:00"]  # 02:00 again, named
    assert [mark.kind for mark in marks if mark.kind != "time"] == ["day", "clocks"]
    assert all(0 <= mark.x < 100 for mark in marks)
    spring = Span(parse_time("2026-03-29T00:00+01:00"), parse_time("2026-03-29T06:00+02:00"))
    texts = [mark.text for mark in ruler(spring, "Europe/Berlin")]
    assert texts[2:6] == ["01:00", "01:30", "+02:00", "03:30"]  # 02:00 there was not


def test_marks_stand_where_their_clock_time_is_at_every_zoom() -> None:
    at_us = parse_time("2026-11-18T21:04:07.240+08:00")
    for length_us in (US, 7 * US, 60 * US, HOUR_US, 24 * HOUR_US, 31 * 24 * HOUR_US):
        marks = ruler(Span(at_us, at_us + length_us), "Asia/Shanghai")
        assert 3 <= len(marks) <= 13
        for mark in marks:
            assert mark.x == pytest.approx((mark.us - at_us) / length_us * 100, abs=1e-3)


def test_views_stay_within_a_second_and_a_month() -> None:
    span = Span(NOW_US, NOW_US + 10 * US)
    assert about(span, NOW_US + 5 * US, 0.001).duration_us == US
    assert about(span, NOW_US, 1e9).duration_us == 31 * 24 * HOUR_US + HOUR_US
    assert about(span, NOW_US + 5 * US, 0.5) == Span(NOW_US + 2_500_000, NOW_US + 7_500_000)
    assert shifted(span, -(10**18)).start_us == parse_time("1971-01-01T00:00Z")


def test_density_tells_hits_no_footage_and_what_is_not_indexed(room: Room) -> None:
    with room.desk.app.test_request_context(), room.desk.directory.ledger.read() as tx:
        cameras = [find_camera(tx, "gate")]
        drawn = density(
            room.desk.directory, cameras, [START_US + US, START_US + 10 * US],
            from_us=START_US, to_us=START_US + 11 * US, tz="Asia/Shanghai",
        )  # fmt: skip
        assert drawn is not None
        assert [bar.x for bar in drawn.bars] == [
            pytest.approx(9.1, abs=1),
            pytest.approx(91, abs=1),
        ]
        gap = [one for one in drawn.grounds if one.kind == "gap"]
        assert sum(one.width for one in gap) == pytest.approx(5 / 11 * 100, abs=2)
        assert "5.0 s out of 11 s" in drawn.summary
        assert "6.0 s are not indexed" in drawn.summary
        assert density(room.desk.directory, [], [], from_us=None, to_us=None, tz="UTC") is None
        whole = density(room.desk.directory, cameras, [], from_us=None, to_us=None, tz="UTC")
        assert whole is not None
        assert whole.start_us == START_US
        assert whole.end_us == NOW_US
