"""A search that lasts, in a browser: what is found comes day by day and moves nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:  # shares its archive with the web tests, however pytest was started
    sys.path.insert(0, ROOT)

from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import Page, expect  # noqa: E402

import search.engine  # noqa: E402
from indexer.indexing import run  # noqa: E402
from indexer.succession import ensure_generation  # noqa: E402
from search.engine import Engine  # noqa: E402
from storage.clock import US  # noqa: E402
from tests.e2e.browser import WATCH_SHIFTS, Visitor, chromium, until, visitor  # noqa: E402
from tests.e2e.lit_desk import served  # noqa: E402
from tests.search.slow import AT_ONCE, Slow  # noqa: E402
from tests.storage.media import new_house  # noqa: E402
from tests.web.desk import NOW_US, Desk  # noqa: E402
from tests.web.footage import START_US, keep, register, write_clip  # noqa: E402
from tests.web.test_search_desk import settled  # noqa: E402

pytestmark = pytest.mark.timeout(120)
DAYS, DAY_US = 3, 86_400 * US


@dataclass
class Lasting:
    """A served archive of some days, whose searches last."""

    desk: Desk
    url: str
    slow: Slow


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lasting]:
    folder = tmp_path_factory.mktemp("lasting")
    house = new_house(folder / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    gate = register(desk.directory, "gate", site="North")
    for day in range(DAYS):
        clip = write_clip(folder / f"{day}.mp4", first=30 * day)
        keep(desk.directory, gate, clip, START_US - day * DAY_US)
    run(desk.directory, ensure_generation(desk.directory, None))
    settled(desk, "search", confident_from=0.01)
    desk.app.config["SEARCH_WAIT_S"] = 0.1
    desk.person("ines")
    slow = Slow()
    before = search.engine._shared
    search.engine._shared = Engine(desk.directory, workers=slow, pace=AT_ONCE)
    with served(desk) as url:
        yield Lasting(desk, url, slow)
        slow.let_go()
    search.engine._shared = before
    house.directory.close()


@pytest.fixture(scope="module")
def window(lasting: Lasting) -> Iterator[Visitor]:
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
        made = visitor(context, lasting.url)
        made.log_in("ines", "correct horse battery")
        made.speak("en")
        made.page.add_init_script(WATCH_SHIFTS)
        yield made
        context.close()


@pytest.fixture(autouse=True)
def let_go(lasting: Lasting) -> Iterator[None]:
    """No search waits for the next test."""
    yield
    lasting.slow.let_go()


def cards(page: Page) -> list[str]:
    return [one.get_attribute("data-us") or "" for one in page.locator(".card[data-us]").all()]


def asked_for(window: Visitor, lasting: Lasting, words: str) -> Page:
    """A search that has looked through the newest day."""
    lasting.slow.again()
    page = window.page
    page.mouse.move(0, 0)  # over nothing
    page.goto(f"{lasting.url}/search?q={words}")
    expect(page.get_by_text("1 of 3 days looked through.")).to_be_visible()
    expect(page.locator("[data-part=so-far] .card[data-us]").first).to_be_visible()
    return page


def test_what_is_found_comes_after_what_is_there_and_moves_nothing(
    window: Visitor, lasting: Lasting
) -> None:
    page = asked_for(window, lasting, "a+car")
    first = cards(page)
    assert all(int(us) >= START_US for us in first)  # the newest day's
    assert Axe().run(page).response["violations"] == []
    look = json.loads(lasting.desk.audited("search_shown")[-1].detail or "")
    assert (look["so_far"], look["shown"]) == (len(first), ["gate"])
    page.evaluate("window.first = document.querySelector('.card[data-us]')")
    lasting.slow.let(1)
    expect(page.get_by_text("2 of 3 days looked through.")).to_be_visible()
    until(lambda: len(cards(page)) > len(first), 10, lambda: "no more came")
    assert cards(page)[: len(first)] == first
    assert page.evaluate("window.first.isConnected")  # the very same: nothing blinks
    assert page.evaluate("window.shifts") < 0.01, page.evaluate("window.moved")
    window.shot("results-stream-in")
    lasting.slow.let_go()
    expect(page.locator("details.coverage")).to_be_visible()
    expect(page.locator("[data-part=so-far]")).to_have_count(0)
    assert len(cards(page)) >= DAYS
    assert window.complaints == []


def test_the_order_does_not_change_under_the_hand(window: Visitor, lasting: Lasting) -> None:
    page = asked_for(window, lasting, "a+van")
    first = cards(page)
    page.locator(".card[data-us]").first.click()  # it plays beside the results
    lasting.slow.let_go()
    whole = page.get_by_role("button", name="Show the whole answer")
    expect(whole).to_be_visible()
    assert cards(page)[: len(first)] == first
    assert page.evaluate("window.shifts") < 0.01, page.evaluate("window.moved")
    whole.press("Enter")
    expect(page.locator("details.coverage")).to_be_visible()
    expect(page.locator(".card[aria-current=true]")).to_have_count(1)  # still the one that plays
    focused = page.evaluate("document.activeElement.className")
    assert focused == "card"
    assert window.complaints == []


@pytest.mark.parametrize("used", [False, True])
def test_a_cancelled_one_shows_nothing_more(window: Visitor, lasting: Lasting, used: bool) -> None:
    page = asked_for(window, lasting, "a+bus" if used else "a+car")
    if used:
        page.locator(".card[data-us]").first.click()
    page.get_by_role("button", name="Cancel").click()
    lasting.slow.let(1)
    expect(page.get_by_text("this search was cancelled")).to_be_visible()
    expect(page.locator(".card[data-us]")).to_have_count(0)


def test_on_a_small_screen_in_chinese_nothing_moves_either(
    window: Visitor, lasting: Lasting
) -> None:
    page = window.page
    page.set_viewport_size({"width": 390, "height": 844})
    window.speak("zh")
    lasting.slow.again()
    page.goto(f"{lasting.url}/search?q=a+van")
    expect(page.get_by_text("已查看 1/3 天。")).to_be_visible()
    expect(page.locator("[data-part=so-far] .card[data-us]").first).to_be_visible()
    lasting.slow.let(1)
    expect(page.get_by_text("已查看 2/3 天。")).to_be_visible()
    assert page.evaluate("window.shifts") < 0.01, page.evaluate("window.moved")
    assert Axe().run(page).response["violations"] == []
    window.shot("results-stream-in-zh-390")
