"""The frame in a browser: desks that fit, keys, and what a page does when the server is gone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from storage import cases, login_sessions  # noqa: E402
from storage.login_sessions import open_session  # noqa: E402
from storage.people import add_user, find_user  # noqa: E402
from storage.vocabulary import Role  # noqa: E402
from tests.e2e.browser import chromium, until  # noqa: E402
from tests.e2e.lit_desk import served  # noqa: E402
from tests.storage.media import new_house  # noqa: E402
from tests.web.desk import NOW_US, PASSWORD, Desk  # noqa: E402
from web import sessions  # noqa: E402

pytestmark = pytest.mark.timeout(120)
# What of the bar is drawn over something else, or cut off.
CROWDED = """
() => {
  const parts = [...document.querySelectorAll("header.frame > *, .desks > a, .desks > .more")]
    .filter((one) => one.checkVisibility() && !one.matches(".desks"));
  const boxes = parts.map((one) => one.getBoundingClientRect());
  const faults = [];
  boxes.forEach((one, i) => {
    if (one.right > innerWidth + 1) faults.push(`${parts[i].textContent.trim()} is cut off`);
    boxes.slice(i + 1).forEach((other, j) => {
      if (one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom && other.top < one.bottom)
        faults.push(`${parts[i].textContent.trim()} over ${parts[i + 1 + j].textContent.trim()}`);
    });
  });
  return faults;
}
"""  # noqa: E501
# As the modules of a desk ask.
ASK = """
async ([address, options]) => {
  const { ask } = await import(document.querySelector("script[src$='page.js']").src.replace("page.js", "asking.js"));
  const answer = await ask(address, options);
  return answer ? answer.status : null;
}
"""  # noqa: E501


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    house = new_house(tmp_path_factory.mktemp("frame") / "data", NOW_US)
    made = Desk(house.directory, house.clock)
    with made.directory.ledger.write() as tx:
        add_user(tx, "root", PASSWORD, Role.ADMINISTRATOR, created_us=NOW_US, lang="en",
                 must_change=False)  # fmt: skip
        cases.open_case(tx, "A-117", "a white van", "root", NOW_US)
    yield made
    house.directory.close()


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with chromium() as browser:
        yield browser.new_context(viewport={"width": 1366, "height": 768})


@pytest.fixture(scope="module")
def url(desk: Desk) -> Iterator[str]:
    with served(desk) as address:
        yield address


def sit(desk: Desk, page: Page, url: str, lang: str = "en") -> str:
    """A fresh session for this browser; its token."""
    with desk.directory.ledger.write() as tx:
        token = open_session(tx, find_user(tx, "root"), "127.0.0.1", NOW_US, 12)
    cookies = {sessions.COOKIE: token, "hindsight_lang": lang}
    page.context.add_cookies([
        {"name": name, "value": value, "url": url} for name, value in cookies.items()
    ])  # fmt: skip
    return token


@pytest.fixture
def page(desk: Desk, context: BrowserContext, url: str) -> Iterator[Page]:
    made = context.new_page()
    sit(desk, made, url)
    yield made
    made.close()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_desks_fit_at_every_width(desk: Desk, page: Page, url: str, lang: str) -> None:
    sit(desk, page, url, lang)
    page.goto(url + "/export?case=A-117")
    for width in (360, 390, 480, 640, 641, 800, 1000, 1180, 1366, 1920, 3840):
        page.set_viewport_size({"width": width, "height": 768})
        assert page.evaluate(CROWDED) == [], width
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        # Each desk is in the bar or in the menu, and never in both.
        seen = page.eval_on_selector_all(
            ".desks a",
            "all => all.map((one) => one.checkVisibility() || getComputedStyle(one).display)",
        )
        half = len(seen) // 2
        for bar, menu in zip(seen[:half], seen[half:], strict=True):
            assert (bar is True) != (menu == "block"), (width, seen)
    page.set_viewport_size({"width": 1366, "height": 768})


def test_menu_of_the_desks_works_with_a_thumb(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(url + "/people")
    page.locator(".desks .more summary").click()
    last = page.locator(".desks .panel a:visible").last
    box = last.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["x"] + box["width"] <= 390
    last.click()
    expect(page.locator(".desks .more")).not_to_have_attribute("open", "")
    page.set_viewport_size({"width": 1366, "height": 768})


def test_keys_are_told_and_can_be_turned_off(page: Page, url: str) -> None:
    page.goto(url + "/people")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    opener = page.get_by_role("button", name="Keyboard help")
    opener.focus()
    page.keyboard.press("?")
    help_box = page.get_by_role("dialog", name="Keys")
    expect(help_box).to_be_visible()
    expect(help_box.get_by_text("play, pause")).to_be_hidden()  # no player is here
    for _ in range(8):  # the focus stays in it
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('dialog') || !document.hasFocus() "
                             "|| document.activeElement === document.body")  # fmt: skip
    page.keyboard.press("Escape")
    expect(help_box).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("g")
    expect(page.locator(".desks > a").first).to_be_focused()
    opener.click()
    help_box.get_by_label("Keys of one letter work").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.evaluate("localStorage.clear()")


def test_ended_session_leaves_the_page_and_leads_back(desk: Desk, page: Page, url: str) -> None:
    page.goto(url + "/export?case=A-117#exports")
    with desk.directory.ledger.write() as tx:
        login_sessions.end_sessions(tx, find_user(tx, "root"))
    for asked in ("/api/v1/cases", "/export"):  # a document, and a page that leads to the login
        assert page.evaluate(ASK, [asked, {"headers": {"Accept": "*/*"}}]) is None
    bar = page.locator("#trouble")
    expect(bar).to_contain_text("Your session has ended")
    expect(page.get_by_role("heading", name="Export", exact=True)).to_be_visible()
    page.get_by_role("link", name="Log in and come back here").click()
    page.get_by_label("Name").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/export?case=A-117#exports")


def test_refusal_is_said_and_a_stale_form_token_is_renewed(page: Page, url: str) -> None:
    page.goto(url + "/people")
    assert page.evaluate(ASK, ["/api/v1/cases/none", {}]) == 404
    expect(page.locator("#trouble")).to_be_hidden()
    told = {"status": 403, "content_type": "application/problem+json",
            "body": '{"detail": "grant 7 was revoked"}'}  # fmt: skip
    page.route("**/api/v1/cases", lambda route: route.fulfill(**told))  # type: ignore[arg-type]
    assert page.evaluate(ASK, ["/api/v1/cases", {}]) is None
    expect(page.locator("#trouble")).to_contain_text("grant 7 was revoked")
    page.unroute("**/api/v1/cases")
    page.get_by_role("button", name="Close").last.click()
    expect(page.locator("#trouble")).to_be_hidden()
    page.evaluate("document.querySelector('meta[name=csrf-token]').content = 'stale'")
    opened = {
        "method": "POST", "headers": {"Content-Type": "application/json"},
        "body": '{"id": "C-9", "reason": "a test"}',
    }  # fmt: skip
    assert page.evaluate(ASK, ["/api/v1/cases", opened]) in (200, 201)


def test_page_waits_for_a_server_that_restarts(desk: Desk, context: BrowserContext) -> None:
    page = context.new_page()
    with served(desk) as first:
        sit(desk, page, first)
        page.goto(first + "/people")
        assert page.evaluate(ASK, ["/api/v1/cases", {}]) == 200
    port = int(first.rsplit(":", 1)[1])
    page.evaluate(f"void ({ASK})(['/api/v1/cases', {{}}]).then((got) => (window.got = got))")
    bar = page.locator("#trouble")
    expect(bar).to_contain_text("The server does not answer")
    expect(page.get_by_role("heading", name="People").first).to_be_visible()
    with served(desk, port):
        expect(bar).to_contain_text("answers again", timeout=15_000)
        until(lambda: page.evaluate("window.got") == 200, 5, lambda: "it was not asked again")
        page.close()
