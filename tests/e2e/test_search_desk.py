"""The search desk in a browser: marked by keyboard, regrouped in place, watched while it looks."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:  # shares its archive with the web tests, however pytest was started
    sys.path.insert(0, ROOT)

from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import Page, Route, expect  # noqa: E402

import search.engine  # noqa: E402
from indexer.indexing import run  # noqa: E402
from indexer.succession import ensure_generation  # noqa: E402
from search.engine import Engine  # noqa: E402
from storage.generations import active_generation  # noqa: E402
from storage.login_sessions import end_sessions, open_session  # noqa: E402
from storage.people import find_user  # noqa: E402
from tests.e2e.browser import WATCH_SHIFTS, Visitor, chromium, until, visitor  # noqa: E402
from tests.e2e.lit_desk import served  # noqa: E402
from tests.storage.media import new_house  # noqa: E402
from tests.web.desk import NOW_US, Desk  # noqa: E402
from tests.web.footage import START_US, keep, lose, register, write_clip  # noqa: E402
from tests.web.test_search_desk import settled  # noqa: E402
from web import sessions  # noqa: E402

pytestmark = pytest.mark.timeout(120)
ALL_OF_FILM = "[...document.querySelectorAll('.film img')]"


class Held:
    """The model, which answers when it may."""

    def __init__(self, model: Any) -> None:
        self.model, self.open = model, threading.Event()
        self.open.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def embed_texts(self, texts: Sequence[str]) -> Any:
        assert self.open.wait(60)
        return self.model.embed_texts(texts)


@dataclass
class Lit:
    """A served archive, and the model behind it."""

    desk: Desk
    url: str
    model: Held


@pytest.fixture(scope="module")
def lit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lit]:
    folder = tmp_path_factory.mktemp("lit")
    house = new_house(folder / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    for number, name in enumerate(("North gate", "South gate")):
        camera = register(desk.directory, name, site=name)
        at_us = START_US
        for i in range(3):
            clip = write_clip(folder / f"{number}{i}.mp4", first=100 * number + 30 * i)
            at_us = keep(desk.directory, camera, clip, at_us).end_us
        lose(desk.directory, camera, at_us, at_us + 60_000_000)
    run(desk.directory, ensure_generation(desk.directory, None))
    with desk.directory.ledger.read() as tx:
        generation = active_generation(tx)
    assert generation is not None
    settled(desk, "search", confident_from=0.01)
    model = Held(Engine(desk.directory)._embedder(generation))
    before, search.engine._shared = search.engine._shared, Engine(desk.directory, model)
    desk.person("ines")
    with served(desk) as url:
        yield Lit(desk, url, model)
    search.engine._shared = before
    house.directory.close()


@pytest.fixture(scope="module")
def window(lit: Lit) -> Iterator[Visitor]:
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
        made = visitor(context, lit.url)
        made.speak("en")
        yield made
        context.close()


@pytest.fixture
def desk(window: Visitor, lit: Lit) -> Iterator[Page]:
    """The page of somebody who has just logged in; its console has nothing to complain of."""
    lit.desk.app.config["SEARCH_WAIT_S"] = 30
    lit.model.open.set()
    with lit.desk.directory.ledger.write() as tx:
        token = open_session(tx, find_user(tx, "ines"), "127.0.0.1", NOW_US, 12)
    cookie = {"name": sessions.COOKIE, "value": token, "url": lit.url}
    window.page.context.add_cookies([cookie])  # type: ignore[list-item]
    window.complaints.clear()
    yield window.page
    assert window.complaints == []


def accessible(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []


def test_moments_are_marked_by_keyboard_and_refined(desk: Page, lit: Lit) -> None:
    desk.goto(f"{lit.url}/search?q=a+car")
    desk.locator("main").focus()
    desk.keyboard.press("ArrowRight")
    desk.keyboard.press("v")
    right = desk.get_by_role("button", name="Right", exact=True).first
    expect(right).to_have_attribute("aria-pressed", "true")
    desk.keyboard.press("ArrowRight")
    desk.keyboard.press("x")
    expect(desk.get_by_text("1 right, 1 wrong")).to_be_visible()
    desk.keyboard.press("x")  # taken back
    expect(desk.get_by_text("1 right, 0 wrong")).to_be_visible()
    until(lambda: len(lit.desk.audited("mark")) == 3, 5, lambda: "not kept")
    accessible(desk)
    desk.keyboard.press("r")
    desk.wait_for_url("**&run=*")
    expect(desk.get_by_text("Refined with 1 mark.")).to_be_visible()
    expect(desk.locator("li[data-mark=right]")).to_have_count(1)


def test_marks_made_quickly_arrive_one_after_the_other(desk: Page, lit: Lit) -> None:
    held: list[Route] = []
    desk.route("**/marks/*", lambda route: held.append(route))

    def said() -> list[str]:
        desk.evaluate("fetch('/healthz')")  # what was asked before it is here by then
        return [one.request.method for one in held]

    desk.goto(f"{lit.url}/search?q=a+lorry")
    desk.locator("main").focus()
    desk.keyboard.press("ArrowRight")
    before = len(lit.desk.audited("mark"))
    for key in "xxv":
        desk.keyboard.press(key)
    expect(desk.get_by_text("1 right, 0 wrong")).to_be_visible()
    desk.keyboard.press("r")  # refines with what was said, not with what has arrived
    assert said() == ["PUT"]  # wrong; the others wait for it
    held[0].continue_()
    until(lambda: said() == ["PUT", "PUT"], 5, lambda: f"not sent: {said()}")
    assert held[1].request.post_data == '{"right":true}'
    assert "run=" not in desk.url
    held[1].continue_()
    desk.wait_for_url("**&run=*")
    expect(desk.get_by_text("Refined with 1 mark.")).to_be_visible()
    assert len(lit.desk.audited("mark")) == before + 2
    desk.unroute("**/marks/*")


def test_regrouped_and_unfolded_the_page_stays_and_back_works(desk: Page, lit: Lit) -> None:
    desk.goto(f"{lit.url}/search?q=a+car&top=4")
    desk.evaluate("window.stays = true")
    desk.get_by_role("link", name="by camera").click()
    expect(desk.locator(".bunch h2")).to_have_count(2)
    assert "group=camera" in desk.url
    asked = len(lit.desk.audited("search"))
    more = desk.locator("a[data-unfold]")
    if more.count():
        more.first.click()
        expect(desk.locator(".held .card").first).to_be_focused()
        assert "unfold=" in desk.url
        asked += 1
    assert len(lit.desk.audited("search")) == asked
    desk.go_back()
    expect(desk.locator(".bunch h2")).to_have_count(0)
    assert desk.evaluate("window.stays") is True


def test_hovered_for_a_moment_a_card_shows_before_and_after_and_nothing_moves(
    desk: Page, lit: Lit
) -> None:
    desk.add_init_script(WATCH_SHIFTS)
    desk.goto(f"{lit.url}/search?q=a+car")
    card = desk.locator(".card").first
    card.scroll_into_view_if_needed()
    looks = len(lit.desk.audited("view"))
    card.hover()
    film = desk.locator(".film")
    expect(film.locator("a")).to_have_count(4)
    expect(film.get_by_text("no pictures came").or_(film.locator("img")).first).to_be_visible()
    assert len(lit.desk.audited("view")) == looks + 1
    until(
        lambda: bool(desk.evaluate(f"{ALL_OF_FILM}.every((one) => one.complete)")), 5,
        lambda: "no pictures",
    )  # fmt: skip
    assert desk.evaluate("window.shifts") < 0.01
    accessible(desk)
    desk.keyboard.press("Escape")
    expect(film).to_have_count(0)
    desk.mouse.move(0, 0)
    card.focus()
    desk.keyboard.press("b")
    expect(film.locator("a")).to_have_count(4)


def test_a_long_search_is_watched_and_can_be_cancelled(desk: Page, lit: Lit) -> None:
    lit.desk.app.config["SEARCH_WAIT_S"] = 0.0
    lit.model.open.clear()
    desk.goto(f"{lit.url}/search?q=bars+and+stripes")
    expect(desk.locator(".skeleton")).to_have_count(8)
    desk.wait_for_url("**&run=*")  # a reload would find this search
    accessible(desk)
    lit.model.open.set()
    expect(desk.locator(".card[data-us]").first).to_be_visible()
    lit.model.open.clear()
    desk.goto(f"{lit.url}/search?q=bars+and+lines")
    desk.get_by_role("button", name="Cancel").click()
    expect(desk.get_by_text("this search was cancelled")).to_be_visible()
    lit.model.open.set()
    desk.get_by_role("link", name="Ask again").click()
    expect(desk.locator(".card[data-us]").first).to_be_visible()


def test_a_session_that_ends_midway_loses_nothing_of_what_was_typed(
    desk: Page, lit: Lit, window: Visitor
) -> None:
    desk.goto(f"{lit.url}/search?q=a+car")
    desk.get_by_role("searchbox").fill("bars at night")
    with lit.desk.directory.ledger.write() as tx:
        end_sessions(tx, find_user(tx, "ines"))
    desk.get_by_role("button", name="Wrong", exact=True).first.click()
    login = desk.get_by_role("link", name=re.compile("[Ll]og in"))
    expect(login).to_be_visible()
    assert "q%3Dbars%2Bat%2Bnight" in (login.get_attribute("href") or "")
    expect(desk.locator("li[data-mark=wrong]")).to_have_count(0)  # not said, so not shown as said
    expect(desk.get_by_role("searchbox")).to_have_value("bars at night")
    window.complaints.clear()  # the browser itself reports the 401


def test_a_picture_of_fifty_megabytes_is_refused_before_it_is_sent(desk: Page, lit: Lit) -> None:
    desk.goto(f"{lit.url}/search")
    desk.evaluate(
        """() => {
          const clipboardData = new DataTransfer();
          const big = new File([new Uint8Array(50e6)], "big.png", {type: "image/png"});
          clipboardData.items.add(big);
          document.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true}));
        }"""
    )
    expect(desk.locator("#said")).to_contain_text("50.0 MB, and 20.0 MB are the most")
    assert desk.url.endswith("/search")
