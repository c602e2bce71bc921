"""The health desk: who records, what is missing and why; of the cameras one may see, no others."""

from __future__ import annotations

import csv
import gzip
import io
import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from storage import timeline
from storage.camera_states import set_state
from storage.clock import US, to_datetime
from storage.clocks import correct, note_offset
from storage.completeness import Kept, Missing
from storage.events import EventKind, note
from storage.grants import Place, add_grant
from storage.login_sessions import open_session
from storage.people import add_user, find_user
from storage.register import add_camera
from storage.rights import Verb
from storage.status import local_day
from storage.vocabulary import Camera, CameraState, GapCause, Role, Span
from storage.volume_states import VolumeState, set_volume_state
from tests.web.desk import NOW_US, PASSWORD, Desk, Person, grant_everything
from tests.web.footage import START_US, register
from web import sessions
from web.formats import percent_text
from web.health_desk import Mark
from web.health_drawing import heat
from web.health_files import FILES
from web.shapes_health import HealthCompleteness, HealthNow

HOUR_US = 3600 * US
DAY = to_datetime(START_US, "Asia/Shanghai").date()  # of the archive's footage


def say(desk: Desk, camera: Camera, word: str = "recording", **facts: object) -> None:
    """The recorder's word of this moment."""
    values = {
        "since_us": NOW_US, "alive_us": NOW_US, "last_packet_us": NOW_US, "bitrate_bps": 4e6,
        "fps": 25.0, "gop_s": 2.0, "restarts": 0, "error": None,
    } | facts  # fmt: skip
    with desk.directory.ledger.write() as tx:
        set_state(tx, CameraState(camera.id, word, **values))  # type: ignore[arg-type]


def lost(desk: Desk, camera: Camera, since_us: int, cause: GapCause, detail: str) -> None:
    """It should record, and has not since then."""
    with desk.directory.ledger.write() as tx:
        timeline.expect(tx, camera.id, since_us)
        timeline.open_gap(tx, camera.id, since_us, cause, detail)


def seat(
    desk: Desk, name: str = "ines", role: Role = Role.INVESTIGATOR, lang: str = "en", *,
    granted: bool = True,
) -> Person:  # fmt: skip
    """Somebody at a browser of their own; without the slow check of a password."""
    with desk.directory.ledger.write() as tx:
        user = add_user(tx, name, PASSWORD, role, created_us=NOW_US, lang=lang, must_change=False)
        if granted:
            grant_everything(tx, user)
        token = open_session(tx, user, "192.0.2.7", NOW_US, 12)
    client = desk.app.test_client()
    client.set_cookie(sessions.COOKIE, token)
    return Person(client)


def asked(person: Person, address: str) -> dict[str, Any]:
    """A JSON document."""
    found = person.get(address).json
    assert isinstance(found, dict), address
    return found


def rows_of(answer: TestResponse) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))


def test_what_does_not_record_stands_first_with_since_when_why_and_one_way_to_act(
    archive: Desk,
) -> None:
    gate, yard = archive.cameras["gate"], register(archive.directory, "yard", site_class=1)
    lost(archive, yard, NOW_US - HOUR_US, GapCause.CONNECT_FAILED, "tried 9 times; <b>no</b>")
    say(archive, yard, "connecting", error="no route to host", restarts=3)
    say(archive, gate, clock_offset_us=-7 * US, gop_s=14.0)
    with archive.directory.ledger.write() as tx:
        note(tx, EventKind.PICTURE_FROZEN, NOW_US - 90 * US, camera_id=gate.id)
    page = seat(archive, "omar", Role.OPERATOR).get("/health").text
    shown = page[page.index("Needs somebody") : page.index("Background work: when")]
    order = [
        shown.index(text)
        for text in (
            "yard is not recording", "the picture is frozen", "its clock is -7.0 s off",
            "a keyframe only every 14.0 s",
        )
    ]  # fmt: skip
    assert order == sorted(order)
    for text in ("could not connect", "tried 9 times; &lt;b&gt;no&lt;/b&gt;", "restarted 3 times",
                 'href="/cameras/yard"', "the recorder goes on trying"):  # fmt: skip
        assert text in shown, text
    assert "2026-11-16</span> <b>20:02:00" in shown  # an hour ago, complete, by the yard's clock
    chinese = seat(archive, "wei", Role.OPERATOR, lang="zh").get(f"/health?day={DAY}").text
    for text in ("录像完整率", "联网率", "在线率", "yard 未在录像", "缺失与原因", "低于 95%"):
        assert text in chinese, text


def test_when_all_is_well_it_is_calm(archive: Desk) -> None:
    gate = archive.cameras["gate"]
    with archive.directory.ledger.write() as tx:
        timeline.expect(tx, gate.id, archive.segments[-1].end_us)
        set_volume_state(tx, VolumeState("main", NOW_US, 1, 10**12, None))
    say(archive, gate)
    omar = seat(archive, "omar", Role.OPERATOR)
    document = asked(omar, "/api/v1/health")
    HealthNow.model_validate(document)
    assert document["alarms"] == []
    late = {one["what"] for one in document["background"] if one["late"]}
    assert late == {"index", "seals", "audit_head", "scrub"}  # which nobody ran here
    assert document["figures"]["online_now"] == 1
    assert "is not recording" not in omar.get("/health/now").text


def test_completeness_is_drawn_listed_and_explained(archive: Desk) -> None:
    ines = seat(archive)
    page = ines.get(f"/health?day={DAY}").text
    assert re.search(r'class="lost" fill="url\(#missing\)" x="875\.0"', page), "21:00 at the gate"
    assert "5.0 s missing of 11 s" in page
    assert "no pictures came" in page
    assert "no packet for 10 s" in page
    before_us = archive.segments[1].end_us - 5 * US
    assert f"/player?camera=gate&amp;at={before_us}" in page
    assert "/timeline?camera=gate" in page
    document = asked(ines, f"/api/v1/health/completeness?day={DAY}")
    HealthCompleteness.model_validate(document)
    assert document["figures"]["missing_s"] == 5
    assert document["figures"]["completeness"] == pytest.approx(6 / 11)
    assert [(one["cause"], one["gaps"]) for one in document["causes"]] == [("stalled", 1)]
    omar = seat(archive, "omar", Role.OPERATOR)
    assert "/player?camera=gate" not in omar.get(f"/health?day={DAY}").text  # he does not play


def test_only_cameras_one_may_see_are_shown_and_counted(archive: Desk) -> None:
    yard = register(archive.directory, "yard", site="South/Yard", department="=SUM(A1)")
    lost(archive, yard, NOW_US - HOUR_US, GapCause.STALLED, "secret detail")
    eve = seat(archive, "eve", Role.OPERATOR, granted=False)
    empty = eve.get("/health").text
    assert "gate" not in empty
    assert "yard" not in empty
    with archive.directory.ledger.write() as tx:
        add_grant(
            tx, user=find_user(tx, "eve"), verbs=[Verb.SEE], place=Place(site="North"), from_us=0,
            until_us=NOW_US + HOUR_US, purpose="a test", made_by="the test", at_us=NOW_US,
        )  # fmt: skip
    addresses = ["/health", "/health/now", "/api/v1/health", "/api/v1/health/completeness",
                 f"/health?span=month&day={DAY}&table=site"]  # fmt: skip
    addresses += [f"/health/export?what={what}&day={DAY}" for what in FILES]
    for address in addresses:
        answer = eve.get(address)
        assert answer.status_code == 200, address
        for hidden in ("yard", "Yard", "South", "SUM", "secret"):
            assert hidden not in answer.text, (address, hidden)
    assert "Of the 1 camera you may see" in eve.get("/health").text
    assert asked(eve, "/api/v1/health")["figures"]["cameras"] == 1
    # One that is hidden is answered as one that is not there.
    secret, unknown = (
        eve.get(f"/api/v1/health/completeness?camera={name}") for name in ("yard", "moon")
    )
    assert secret.status_code == unknown.status_code == 404
    assert secret.text.replace("yard", "moon") == unknown.text


def test_files_say_what_the_page_says_and_run_no_formula(archive: Desk) -> None:
    yard = register(archive.directory, "yard", department="=SUM(A1)")
    lost(archive, yard, START_US, GapCause.DISK_FULL, "+1 more")
    say(archive, yard, "stalled")
    root = seat(archive, "root", Role.ADMINISTRATOR)
    day = f"&day={DAY}"
    gate, other = sorted(
        rows_of(root.get(f"/health/export?what=camera{day}")), key=lambda row: row["camera"]
    )
    assert (gate["missing h"], gate["standing"]) == ("0.001", "under 95%")
    assert other["department"] == "'=SUM(A1)"
    gaps = rows_of(root.get(f"/health/export?what=gaps{day}"))
    assert {row["cause"] for row in gaps} == {"no pictures came", "the disk was full"}
    lasting = next(row for row in gaps if row["camera"] == "yard")
    assert (lasting["end"], lasting["detail"]) == ("", "'+1 more")
    for what in ("site", "class", "department", "causes", "clocks"):
        answer = root.get(f"/health/export?what={what}&span=week{day}")
        assert rows_of(answer), what
        assert (
            f"health-{what}_{DAY - timedelta(days=6)}_{DAY}.csv"
            in (answer.headers["Content-Disposition"])
        )
    assert root.get("/health/export?what=people").status_code == 422


def test_time_lost_by_our_disks_is_not_the_streams_fault(archive: Desk) -> None:
    yard = register(archive.directory, "yard", site_class=2)
    with archive.directory.ledger.write() as tx:
        for cause, start_us in (
            (GapCause.DISK_FULL, START_US),
            (GapCause.STALLED, START_US + 60 * US),
        ):
            timeline.expect(tx, yard.id, start_us, start_us + 30 * US)
            timeline.add_gap(tx, yard.id, start_us, start_us + 30 * US, cause)
    root = seat(archive, "root", Role.ADMINISTRATOR)
    found = asked(root, f"/api/v1/health/completeness?day={DAY}&class=2&by=class")
    (one,) = found["groups"]
    assert (one["name"], one["completeness"], one["online_rate"]) == ("class 2", 0, 0.5)


def test_clocks_pictures_and_streams_of_each_camera(archive: Desk) -> None:
    gate, first = archive.cameras["gate"], archive.segments[0]
    say(archive, gate, clock_offset_us=1_500_000)
    with archive.directory.ledger.write() as tx:
        for n in range(500):
            note_offset(tx, gate.id, START_US - 600 * US + n * US, (n % 3) * US, False)
        correct(tx, gate, Span(first.start_us, first.end_us), US, reason="NTP", actor="omar",
                at_us=NOW_US)  # fmt: skip
        note(tx, EventKind.PICTURE_BLURRED, START_US - 2 * HOUR_US, camera_id=gate.id)
        note(tx, EventKind.PICTURE_GOOD, START_US - HOUR_US, camera_id=gate.id)
    page = seat(archive, "omar", Role.OPERATOR).get(f"/health?day={DAY}").text
    for text in ("+1.50 s off", "1 correction of recorded time", "the picture is blurred",
                 "4.00 Mbit/s"):  # fmt: skip
        assert text in page, text
    (points,) = re.findall(r'polyline points="([^"]+)"', page)
    assert 100 < len(points.split()) < 300  # thinned, whatever the clock did
    assert "from +0.00 s to +2.00 s" in page


def test_the_part_that_changes_is_answered_304_while_it_does_not(archive: Desk) -> None:
    omar = seat(archive, "omar", Role.OPERATOR)
    first = omar.get("/health/now")
    tag = first.headers["ETag"]
    assert omar.get("/health/now", headers={"If-None-Match": tag}).status_code == 304
    lost(archive, archive.cameras["gate"], NOW_US - HOUR_US, GapCause.STALLED, "silent")
    assert omar.get("/health/now", headers={"If-None-Match": tag}).status_code == 200


def test_an_odd_address_is_answered(archive: Desk) -> None:
    omar = seat(archive, "omar", Role.OPERATOR)
    for query in (
        "day=tomorrow", "day=9999-12-31", "day=0001-01-01&span=month", "page=99999", "page=x",
        "span=age&class=9&order=1&table=%3Cb%3E", "site=" + "x" * 500,
    ):  # fmt: skip
        answer = omar.get(f"/health?{query}")
        assert answer.status_code == (422 if query == "day=tomorrow" else 200), query
        assert "<b>" not in re.sub(r"<b>[^<]*</b>", "", answer.text)
    refused = omar.get("/health?day=tomorrow").text
    for text in ("cannot be read", "Online now", "What was recorded"):
        assert text in refused, text


def test_a_page_of_many_cameras_stays_small(archive: Desk) -> None:
    with archive.directory.ledger.write() as tx:
        for n in range(120):
            one = add_camera(
                tx, name=f"camera {n}", url=f"rtsp://192.0.2.1/{n}", tz="Asia/Shanghai",
                site=f"City/District {n % 20}/Gate {n % 50}", created_us=START_US,
            )  # fmt: skip
            for hour in range(n % 7, 24, 4):
                at_us = START_US - 20 * HOUR_US + hour * HOUR_US + n * US
                timeline.expect(tx, one.id, at_us, at_us + HOUR_US)
                timeline.add_gap(tx, one.id, at_us, at_us + n * US, GapCause.STALLED, f"no {n}")
    answer = seat(archive, "root", Role.ADMINISTRATOR).get(f"/health?span=week&day={DAY}")
    assert answer.status_code == 200
    assert len(gzip.compress(answer.data)) < 60_000
    assert answer.text.count('<li><a href="/cameras/') == 50
    assert "Page 1 of 3" in answer.text


def test_the_lines() -> None:
    assert [Mark(share).kind for share in (None, 1, 0.98, 0.9799, 0.95, 0.9499)] == [
        "none", "good", "good", "low", "low", "bad",
    ]  # fmt: skip


def test_no_figure_is_rounded_up_to_a_line_that_it_misses(archive: Desk) -> None:
    with archive.app.test_request_context(headers={"Accept-Language": "en"}):
        shown = [percent_text(share) for share in (1, 0.99996, 0.98, 0.97996, 0.94999, 0.6666, 0)]
    assert shown == ["100%", "99.9%", "98%", "97.9%", "94.9%", "66.7%", "0%"]


def test_a_month_in_which_the_clocks_go_back_has_one_cell_a_day(archive: Desk) -> None:
    gate, tz = archive.cameras["gate"], "Europe/Berlin"
    first, last, dark = date(2026, 10, 10), date(2026, 11, 8), local_day(date(2026, 10, 27), tz)
    span = Span(local_day(first, tz).start_us, local_day(last, tz).end_us)
    gap = Missing(gate.id, dark.start_us, dark.end_us, GapCause.STALLED, None, dark.start_us, False)
    seen = (Span(span.start_us, dark.start_us), Span(dark.end_us, span.end_us))
    kept = Kept(gate.id, span, 0, 0, (gap,), seen)
    with archive.app.test_request_context():
        drawn = heat([replace(gate, tz=tz)], {gate.id: kept}, {gate.id: span}, span.end_us, first,
                     last, by_place=False)  # fmt: skip
    runs = [(run.kind, run.x, run.width) for run in drawn.rows[0].runs]
    assert runs == [("kept", 0, 566.67), ("lost", 566.67, 33.33), ("kept", 600, 400)]
