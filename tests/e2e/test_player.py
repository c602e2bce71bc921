"""Chromium plays four cameras on one clock: together to a picture or two, past a gap of one of
them, stepping, sought; what the strip, the box, the timeline, the hold and the preview do; and what
becomes of an open player when a right is taken back or the session ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:  # shares footage.py with the web tests, however pytest was started
    sys.path.insert(0, ROOT)

from playwright.sync_api import expect  # noqa: E402

from storage.cases import holds  # noqa: E402
from storage.clock import US  # noqa: E402
from storage.directory import DataDirectory, init_directory  # noqa: E402
from storage.grants import Place, add_grant, revoke_grant  # noqa: E402
from storage.people import add_user, find_user  # noqa: E402
from storage.rights import Verb  # noqa: E402
from storage.vocabulary import Role, User  # noqa: E402
from tests.e2e.browser import (  # noqa: E402
    PERIOD_US,
    READ,
    Visitor,
    chromium,
    serving,
    until,
    visitor,
)
from tests.web.footage import (  # noqa: E402
    START_US,
    keep,
    lose,
    register,
    write_clip,
)

PASSWORD = "correct horse battery"
# The numbers on all screens, the main one first; -1 where nothing is shown.
NUMBERS = f"""
() => [...document.querySelectorAll("[data-player] video")].map((screen) =>
  screen.checkVisibility({{visibilityProperty: true}}) ? ({READ})(screen) : -1)
"""
pytestmark = pytest.mark.timeout(150)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Visitor, DataDirectory]]:
    """Four cameras that show the same numbers at the same time; the second has a gap."""
    folder = tmp_path_factory.mktemp("together")
    directory, _ = init_directory(folder / "data")
    clip = write_clip(folder / "clip.mp4", count=500, gop=50)
    head = write_clip(folder / "head.mp4", count=150, gop=50)
    rest = write_clip(folder / "rest.mp4", first=250, count=250, gop=50)
    gate, yard, lane, alley = (
        register(directory, name) for name in ("Gate", "Yard", "Lane", "Alley")
    )  # fmt: skip
    for one in (gate, lane, alley):
        keep(directory, one, clip, START_US)
    for times in range(1, 8):  # more than a browser loads ahead
        keep(directory, lane, clip, START_US + times * 20 * US)
    keep(directory, yard, head, START_US)
    lose(directory, yard, START_US + 6 * US, START_US + 10 * US)
    keep(directory, yard, rest, START_US + 10 * US)
    old = register(directory, "Old", url=None)
    film = write_clip(folder / "old.avi", codec="mpeg4", format="avi", options={})
    keep(directory, old, film, START_US, container="avi", codec="mpeg4", origin="import")
    with directory.ledger.write() as tx:
        user = add_user(
            tx, "ines", PASSWORD, Role.INVESTIGATOR, created_us=1, must_change=False, lang="en"
        )
        grant(tx, user, Verb.PLAY, Verb.SEARCH, Verb.HOLD)
    with chromium() as browser, serving(folder / "data") as server:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
        made = visitor(context, server.url)
        made.log_in("ines", PASSWORD)
        made.page.wait_for_url("**/search")
        yield made, directory
        context.close()
    directory.close()


@pytest.fixture
def window(desk: tuple[Visitor, DataDirectory]) -> Visitor:
    desk[0].complaints.clear()
    return desk[0]


def grant(tx: Connection, user: User, *verbs: Verb) -> int:
    return add_grant(
        tx, user=user, verbs=set(verbs), place=Place(site=""), from_us=0, until_us=None,
        purpose="thefts", made_by="admin", at_us=START_US,
    ).id  # fmt: skip


def numbers(window: Visitor) -> list[int]:
    found: list[int] = window.page.evaluate(NUMBERS)
    return found


def test_four_cameras_keep_one_clock_and_a_gap_of_one_stops_none(window: Visitor) -> None:
    page = window.page
    window.go(f"/player?camera=gate&camera=yard&camera=lane&camera=alley&at={START_US + US}")
    until(lambda: numbers(window) == [25] * 4, 12, lambda: f"begin: {numbers(window)}")
    for key, number in ((".", 26), (".", 27), (",", 26)):
        page.keyboard.press(key)
        until(lambda n=number: numbers(window) == [n] * 4, 6, lambda: f"step: {numbers(window)}")
    page.keyboard.press("k")
    until(lambda: numbers(window)[0] > 60, 8, lambda: f"plays: {numbers(window)}")
    apart: list[int] = []
    while numbers(window)[0] < 130:
        first, *others = numbers(window)
        apart += [abs(first - one) for one in others if one >= 0]
    apart.sort()
    assert apart[len(apart) // 2] <= 2, apart
    tile = page.locator('[data-tile][data-camera="yard"]')
    expect(tile).to_have_attribute("data-shows", "gap", timeout=8000)
    expect(tile).to_contain_text("Not recorded")
    expect(tile).to_have_attribute("data-shows", "stream", timeout=12000)
    page.keyboard.press("k")
    until(lambda: len(set(numbers(window))) == 1, 6, lambda: f"rest: {numbers(window)}")
    box = page.locator(".transport").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 768
    window.shot("player-four")
    assert window.complaints == []


def test_the_clock_runs_on_where_the_main_camera_has_a_gap(window: Visitor) -> None:
    page = window.page
    window.go(f"/player?camera=yard&camera=gate&at={START_US + 5 * US + 5 * PERIOD_US}")
    until(lambda: numbers(window) == [130] * 2, 12, lambda: f"begin: {numbers(window)}")
    page.keyboard.press("k")
    expect(page.locator(".stage-gap")).to_contain_text("Not recorded", timeout=8000)
    until(lambda: 160 < numbers(window)[1] < 245, 8, lambda: f"in the gap: {numbers(window)}")
    expect(page.locator(".stage-gap")).to_be_hidden(timeout=8000)
    until(lambda: numbers(window)[0] > 255, 8, lambda: f"after it: {numbers(window)}")
    page.keyboard.press("k")
    until(lambda: len(set(numbers(window))) == 1, 6, lambda: f"rest: {numbers(window)}")
    assert window.complaints == []


def test_strip_shows_pictures_and_a_box_becomes_a_question(window: Visitor) -> None:
    page = window.page
    window.go(f"/player?camera=gate&at={START_US + US}")
    page.wait_for_selector("[data-player][data-us]")
    track = page.locator(".track").nth(1).bounding_box()
    assert track
    page.mouse.move(track["x"] + track["width"] * 10 / 3600, track["y"] + 8)
    page.wait_for_selector(".glance[data-us] img:visible")
    assert abs(int(page.get_attribute(".glance", "data-us") or 0) - START_US - 10 * US) < 4 * US
    window.shot("player-glance")
    page.mouse.move(5, 5)
    page.keyboard.press("b")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?like=gate*")
    assert "%40" in page.url
    assert page.url.count("%2C") == 3


def test_the_timeline_below_seeks_marks_and_follows(window: Visitor) -> None:
    page = window.page
    window.go(f"/player?camera=gate&camera=yard&at={START_US + US}")
    until(lambda: numbers(window) == [25] * 2, 12, lambda: f"begin: {numbers(window)}")
    rows = page.locator(".under .tl-row[data-camera]")
    expect(rows).to_have_count(2)
    expect(rows.nth(1).locator("rect.gap")).to_have_count(1)
    line = page.locator(".under .tl-over")
    line.focus()
    for _ in range(6):
        page.keyboard.press("+")  # from an hour to a minute about the cursor
    until(
        lambda: view_of(window)[1] - view_of(window)[0] < 60 * US, 6,
        lambda: f"zoomed to {view_of(window)}",
    )  # fmt: skip
    start, end = view_of(window)
    strip = rows.first.locator("svg").bounding_box()
    assert strip

    def at(us: int) -> float:
        return strip["x"] + strip["width"] * (us - start) / (end - start)

    page.mouse.click(at(START_US + 4 * US), strip["y"] + 16)
    until(lambda: abs(numbers(window)[0] - 100) < 8, 8, lambda: f"sought: {numbers(window)}")
    page.mouse.move(at(START_US + 2 * US), strip["y"] + 16)
    page.mouse.down()
    page.mouse.move(at(START_US + 5 * US), strip["y"] + 16, steps=4)
    page.mouse.up()
    expect(page.locator("[data-part=marks]")).to_be_visible()
    span = [
        int(part) for part in (page.get_attribute("[data-player]", "data-span") or "").split("-")
    ]
    assert all(abs(us - START_US - s * US) < US // 2 for us, s in zip(span, (2, 5), strict=True))
    window.shot("player-timeline")
    line.press("Escape")
    expect(page.locator("[data-part=marks]")).to_be_hidden()
    assert window.complaints == []


def view_of(window: Visitor) -> tuple[int, int]:
    """What the timeline has drawn."""
    drawn = window.page.locator(".under [data-part=drawn]")
    return tuple(int(drawn.get_attribute(f"data-{name}") or 0) for name in ("start", "end"))


def test_a_marked_span_is_held_without_leaving_the_player(
    window: Visitor, desk: tuple[Visitor, DataDirectory]
) -> None:
    page = window.page
    window.go(f"/player?camera=gate&at={START_US + US}")
    shows(window, 25)
    page.keyboard.press("i")
    for _ in range(5):
        page.keyboard.press(".")
    shows(window, 30)
    page.keyboard.press("o")
    page.locator(".holding summary").click()
    page.get_by_label("Why is it held").fill("the court asked")
    page.get_by_role("button", name="Hold this span").click()
    expect(page.locator(".holding [role=status]")).to_have_text("The span is held.")
    with desk[1].ledger.read() as tx:
        (held,) = holds(tx)
    assert (held.reason, held.start_us, held.end_us) == (
        "the court asked", START_US + 25 * PERIOD_US, START_US + 30 * PERIOD_US,
    )  # fmt: skip
    assert window.complaints == []


def test_a_right_taken_back_stops_the_player_and_says_so(
    window: Visitor, desk: tuple[Visitor, DataDirectory]
) -> None:
    page, directory = window.page, desk[1]
    window.go(f"/player?camera=lane&at={START_US + US}")
    shows(window, 25)
    with directory.ledger.write() as tx:
        user = find_user(tx, "ines")
        revoke_grant(tx, 1, "moved away", "admin", directory.clock.now_us())
        grant(tx, user, Verb.SEE)
    try:
        page.locator(".track").nth(1).press("PageUp")  # a minute on: not loaded yet
        note = page.locator("[data-part=note]").first
        expect(note).to_contain_text("was not granted to watch lane", timeout=15000)
        expect(page.locator("[data-part=pause-icon]")).to_be_hidden()
        window.shot("player-right-gone")
    finally:
        with directory.ledger.write() as tx:
            grant(tx, find_user(tx, "ines"), Verb.PLAY, Verb.SEARCH, Verb.HOLD)
    page.locator(".track").nth(1).press("PageUp")  # granted anew it goes on, without a reload
    until(
        lambda: (window.number(), window.shown_us()) == (25, START_US + 61 * US), 12,
        lambda: f"saw {window.number()} at {window.shown_us()}",
    )  # fmt: skip


def shows(window: Visitor, number: int) -> None:
    """Until the picture is there and the player knows it: keys before that are lost."""
    window.sees(number, lambda us: (us + 10 - START_US) // PERIOD_US, 12)


def test_a_session_that_ends_under_the_player_leads_back_to_the_instant(window: Visitor) -> None:
    page = window.page
    window.go(f"/player?camera=gate&at={START_US + US}")
    shows(window, 25)
    page.context.clear_cookies()
    page.keyboard.press("Shift+ArrowRight")
    line = page.locator(".under .tl-over")
    line.press("+")
    bar = page.locator("#trouble")
    expect(bar).to_contain_text("session has ended")
    assert window.number() >= 25  # what was shown stays
    bar.get_by_role("link").click()
    page.wait_for_url("**/login?next=*")
    window.page.get_by_label("Name").fill("ines")
    window.page.get_by_label("Password").fill(PASSWORD)
    window.page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/player?camera=gate*")
    until(lambda: window.number() >= 0, 12, lambda: f"saw {window.number()}")


def test_a_codec_this_browser_lacks_is_said_and_previewed(window: Visitor) -> None:
    page = window.page
    window.go(f"/player?camera=old&at={START_US + US}")
    expect(page.locator("[data-part=note]").first).to_contain_text("does not play MPEG4")
    page.get_by_role("button", name="Play a preview").click()
    expect(page.get_by_text("the original is untouched")).to_be_visible(timeout=12000)
    until(lambda: window.number() == 25, 40, lambda: f"saw {window.number()}")
    window.shot("player-preview")
    page.wait_for_url("**preview=1**")
