"""The frame of every page: desks, the case at hand, long lists, and how answers travel."""

from __future__ import annotations

import gzip
import re

import pytest

from storage import cases
from storage.people import add_user
from storage.vocabulary import Role
from tests.web.desk import NOW_US, Desk, Person
from web import frame, paging


def header(page: str) -> str:
    found = re.search(r'<header class="frame">.*?</header>', page, re.DOTALL)
    assert found, page
    return found[0]


@pytest.fixture
def ines(desk: Desk) -> Person:
    """Somebody who searches, and two cases."""
    made = desk.person("ines")
    with desk.directory.ledger.write() as tx:
        for case, reason in (("A-117", "a white van"), ("B-20", "theft <b>of</b> bicycles")):
            cases.open_case(tx, case, reason, "ines", NOW_US)
    return made


def test_page_below_a_desk_marks_its_desk(desk: Desk) -> None:
    root = desk.person("root", Role.ADMINISTRATOR)
    for address, there, how in (("/people", "/people", "page"), ("/grants", "/people", "true"),
                                ("/audit/verification", "/audit", "true"),
                                ("/redact", "/export", "true")):  # fmt: skip
        links = re.findall(r'href="([^"]+)" aria-current="(\w+)"', header(root.get(address).text))
        assert set(links) == {(there, how)}, address


def test_nobody_is_offered_a_desk_that_is_closed_to_them(desk: Desk) -> None:
    aude = header(desk.person("aude", Role.AUDITOR).get("/audit").text)
    assert 'href="/audit"' in aude
    assert 'href="/search"' not in aude
    assert 'href="/people"' not in aude


def test_case_of_the_address_is_shown_and_goes_along(ines: Person) -> None:
    page = header(ines.get("/export?case=A-117&reason=a+white+van&camera=x").text)
    assert re.search(r'class="sr">Case </span>A-117<', page)
    assert 'href="/cases/A-117"' in page
    assert 'href="/search?case=A-117&amp;reason=a+white+van"' in page
    assert 'href="/cases"' in page  # which looks under none
    # To another case, and to none: the rest of the address stays.
    assert (
        'href="/export?camera=x&amp;case=B-20&amp;reason=theft+%3Cb%3Eof%3C%2Fb%3E+bicycles"'
        in page
    )
    assert 'href="/export?camera=x"' in page
    assert "<b>of</b>" not in page


def test_two_tabs_have_two_cases(ines: Person) -> None:
    one, two = (header(ines.get(f"/export?case={case}").text) for case in ("A-117", "B-20"))
    assert "</span>A-117<" in one
    assert "</span>B-20<" in two


def test_case_that_is_hidden_is_not_told(ines: Person) -> None:
    page = header(ines.get("/export?case=SECRET-1").text)
    assert "</span>SECRET-1<" in page  # their own words
    assert "/cases/SECRET-1" not in page


def test_page_of_no_case_shows_none(ines: Person) -> None:
    assert "at-hand" not in header(ines.get("/account").text)
    assert "no case" in header(ines.get("/export").text)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_desks_fit_by_steps_that_grow(desk: Desk, lang: str) -> None:
    root = desk.person("root", Role.ADMINISTRATOR, lang)
    page = header(root.get("/people").text)
    steps = [int(step) for step in re.findall(r'<a class="at-(\d+)" href', page)]
    bar = steps[: len(steps) // 2]
    assert bar == sorted(bar)
    assert bar == steps[len(steps) // 2 :]  # the menu holds them all
    assert bar[-1] <= frame.STEPS


def test_own_files_are_kept_for_good_by_their_version(desk: Desk) -> None:
    browser = desk.app.test_client()
    page = browser.get("/login").text
    address = re.search(r'href="(/static/v-\w+/css/frame\.css)"', page)
    assert address, page
    whole = browser.get(address[1])
    assert whole.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    packed = browser.get(address[1], headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == whole.data
    assert len(packed.data) < len(whole.data) / 2
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert packed.headers["ETag"] != whole.headers["ETag"]
    again = browser.get(address[1], headers={"If-None-Match": whole.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    # Of another version, or of none: what there is, and asked again each time.
    for other in ("/static/v-000000000000/css/frame.css", "/static/css/frame.css"):
        answer = browser.get(other)
        assert (answer.status_code, answer.data) == (200, whole.data)
        assert answer.headers["Cache-Control"] == "public, no-cache"
    assert browser.get("/static/v-000000000000/../app.py").status_code == 404


def test_pages_and_documents_are_packed_footage_is_not(archive: Desk) -> None:
    ines = archive.person()
    asked = {"Accept-Encoding": "gzip"}
    for address in ("/account", "/api/v1/openapi.json"):
        packed, plain = ines.get(address, headers=asked), ines.get(address)
        assert packed.headers["Content-Encoding"] == "gzip", address
        assert "Accept-Encoding" in packed.headers["Vary"]
        assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 2
        assert "Content-Encoding" not in plain.headers
    playlist = ines.opening()["playlist"]
    segment = re.search(r"/media/segment/\S+?\.mp4[^\s\"]*", ines.get(playlist).text)
    assert segment
    for headers in (asked, asked | {"Range": "bytes=0-1999"}):
        answer = ines.get(segment[0], headers=headers)
        assert answer.status_code in (200, 206)
        assert "Content-Encoding" not in answer.headers
    refused = ines.client.get("/account", headers={"Accept-Encoding": "gzip;q=0, br"})
    assert "Content-Encoding" not in refused.headers


def test_long_lists_come_in_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    root = desk.person("root", Role.ADMINISTRATOR)
    with desk.directory.ledger.write() as tx:
        add_user(tx, "omar", "correct horse battery", Role.OPERATOR, created_us=NOW_US, lang="en",
                 must_change=False)  # fmt: skip
    monkeypatch.setattr(paging.part_of, "__defaults__", (2,))

    def names(address: str) -> list[str]:
        return re.findall(r'href="/people/person\?name=(\w+)"', root.get(address).text)

    assert (names("/people"), names("/people?page=2")) == (["admin", "omar"], ["root"])
    assert "1 to 2 of 3" in root.get("/people").text
    assert 'href="/people?q=o&amp;page=2"' in root.get("/people?q=o").text
    assert names("/people?q=ROOT") == ["root"]
    assert "Nobody fits" in root.get("/people?q=nobody").text
    for strange in ("0", "-1", "x", "99999", "9" * 30, "²"):
        assert root.get(f"/people?page={strange}").status_code == 200, strange


def test_form_of_an_ended_session_leads_back_to_its_page(ines: Person) -> None:
    token = ines.token("/cases")
    ines.client.delete_cookie("hindsight_session")
    sent = ines.client.post(
        "/cases", data={"csrf_token": token, "id": "C-1"},
        headers={"Referer": "http://localhost/cases?x=1"},
    )  # fmt: skip
    assert sent.location == "/login?next=/cases?x%3D1"
    elsewhere = ines.client.post("/cases", headers={"Referer": "http://evil.example/cases"})
    assert elsewhere.location == "/login"
