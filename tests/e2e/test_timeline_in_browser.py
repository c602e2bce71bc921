"""The timeline in a browser: from a month to a second, a span marked, an instant played."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from storage.clock import US, parse_time, rfc3339
from storage.people import add_user
from storage.vocabulary import Role
from tests.e2e.browser import Visitor, chromium, serving, until, visitor
from tests.storage.media import new_house
from tests.web.desk import PASSWORD, grant_everything
from tests.web.footage import START_US, keep, lose, register, write_clip

DAY_US = 86_400 * US
ADDRESS = "/timeline?camera=gate&camera=yard&tz=Asia/Shanghai"
VIEW = "() => [...document.querySelectorAll('[data-part=drawn]')].map((one) => [Number(one.dataset.start), Number(one.dataset.end)])[0]"  # noqa: E501


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Two cameras; ines at a browser, logged in once."""
    folder = tmp_path_factory.mktemp("timeline")
    clip = write_clip(folder / "clip.mp4")
    house = new_house(folder / "data", START_US + DAY_US)
    for name in ("gate", "yard"):
        camera = register(house.directory, name)
        kept = keep(house.directory, camera, clip, START_US)
        lose(house.directory, camera, kept.end_us, kept.end_us + 60 * US)
        keep(house.directory, camera, clip, kept.end_us + 60 * US)
    with house.directory.ledger.write() as tx:
        ines = add_user(tx, "ines", PASSWORD, Role.INVESTIGATOR, created_us=1, must_change=False)
        grant_everything(tx, ines)
    house.directory.close()
    with serving(folder / "data") as server, chromium() as browser:
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        made = visitor(context, server.url)
        made.log_in("ines", PASSWORD)
        yield made
        context.close()


def view(page: Page) -> tuple[int, int]:
    """What the server has drawn."""
    start, end = page.evaluate(VIEW)
    return start, end


def drawn(page: Page, least_us: int, most_us: int) -> None:
    """The strips on screen become as long as that."""
    until(
        lambda: least_us <= view(page)[1] - view(page)[0] <= most_us, 8,
        lambda: f"shown are {(view(page)[1] - view(page)[0]) / US} s",
    )  # fmt: skip


def asked(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query)


def month(desk: Visitor) -> None:
    begin_us = START_US - 15 * DAY_US
    span = f"&from={rfc3339(begin_us)}&to={rfc3339(begin_us + 31 * DAY_US)}"
    desk.go(f"{ADDRESS}{span}&at={rfc3339(START_US + US)}")


def test_from_a_month_to_a_second_by_keys_and_play_there(desk: Visitor) -> None:
    month(desk)
    line = desk.page.get_by_role("slider")
    expect(line).to_have_attribute("aria-valuetext", "2026-11-16 21:00:01.000 +08:00, gate")
    for _ in range(22):
        line.press("+")
    drawn(desk.page, US, US)  # the shortest, whatever is pressed
    start_us, end_us = view(desk.page)
    assert start_us <= START_US + US < end_us
    until(lambda: "from=2026-11-16T21%3A00%3A00" in desk.page.url, 5, lambda: desk.page.url)
    line.press("-")
    drawn(desk.page, 2 * US, 2 * US)
    line.press("Shift+ArrowRight")  # the cursor alone: a hundredth of two seconds
    line.press("ArrowDown")
    expect(line).to_have_attribute("aria-valuetext", "2026-11-16 21:00:01.020 +08:00, yard")
    line.press("Enter")
    desk.page.wait_for_url("**/player?*")
    there = asked(desk.page.url)
    assert there["camera"][0] == "yard"
    assert parse_time(there["at"][0]) in range(START_US + US, START_US + US + 100_000)
    desk.page.go_back()  # and the view is as it was left
    desk.page.wait_for_selector("[data-timeline]")
    drawn(desk.page, 2 * US, 2 * US)


def test_the_wheel_zooms_about_the_pointer_and_a_drag_marks_what_is_searched(
    desk: Visitor,
) -> None:
    month(desk)
    place = desk.page.locator(".tl-strip").first.bounding_box()
    assert place is not None
    at = START_US - 15 * DAY_US + round(31 * DAY_US * 0.75)
    x, y = place["x"] + place["width"] * 0.75, place["y"] + 16
    pixel_us = 31 * DAY_US / place["width"]
    desk.page.mouse.move(x, y)
    for _ in range(6):
        desk.page.mouse.wheel(0, -400)
    drawn(desk.page, DAY_US // 50, 2 * DAY_US)
    start_us, end_us = view(desk.page)
    assert start_us + (end_us - start_us) * 0.75 == pytest.approx(at, abs=pixel_us)
    left = place["x"] + place["width"] * 0.25
    desk.page.mouse.move(left, y)
    desk.page.mouse.down()
    desk.page.mouse.move(x, y, steps=3)
    desk.page.mouse.up()
    expect(desk.page.locator("[data-part=chosen-what]")).to_have_text("Marked")
    there = asked(desk.page.locator("[data-deed=search]").get_attribute("href") or "")
    assert there["camera"] == ["gate", "yard"]
    begin, end = (parse_time(f"{there[one][0]}+08:00") for one in ("from", "to"))
    assert end - begin == pytest.approx((end_us - start_us) / 2, rel=0.02)
    desk.page.keyboard.press("Escape")
    expect(desk.page.locator("[data-part=chosen-what]")).to_have_text("Shown")
    desk.page.get_by_role("link", name="last 31 days").click()
    drawn(desk.page, 31 * DAY_US, 31 * DAY_US)
    assert desk.complaints == []
