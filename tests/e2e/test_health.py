"""The health desk in a real browser: it keeps itself fresh, asks nothing while hidden, prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from storage import timeline  # noqa: E402
from storage.clock import US  # noqa: E402
from storage.vocabulary import GapCause, Role  # noqa: E402
from tests.e2e.browser import chromium  # noqa: E402
from tests.e2e.lit_desk import served  # noqa: E402
from tests.storage.media import new_house  # noqa: E402
from tests.web.desk import NOW_US, Desk  # noqa: E402
from tests.web.footage import START_US, register  # noqa: E402
from tests.web.test_health import DAY, say, seat  # noqa: E402
from web import sessions  # noqa: E402

pytestmark = pytest.mark.timeout(120)
HIDE = """
hidden => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Two cameras that record; one of them lost ten minutes."""
    house = new_house(tmp_path_factory.mktemp("health") / "data", NOW_US)
    made = Desk(house.directory, house.clock)
    for name in ("gate", "yard"):
        camera = made.cameras[name] = register(made.directory, name)
        say(made, camera)
        with made.directory.ledger.write() as tx:
            timeline.expect(tx, camera.id, START_US)
    with made.directory.ledger.write() as tx:
        gate = made.cameras["gate"]
        timeline.add_gap(tx, gate.id, START_US, START_US + 60 * US, GapCause.STALLED, "silent")
    yield made
    house.directory.close()


@pytest.fixture(scope="module")
def page(desk: Desk) -> Iterator[Page]:
    """An operator's window at the desk."""
    cookie = seat(desk, "omar", Role.OPERATOR).client.get_cookie(sessions.COOKIE)
    assert cookie is not None
    with served(desk) as url, chromium() as browser:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, base_url=url)
        context.add_cookies([{"name": sessions.COOKIE, "value": cookie.value, "url": url}])
        yield context.new_page()
        context.close()


def test_it_keeps_itself_fresh_where_nobody_is_and_asks_nothing_while_hidden(
    page: Page, desk: Desk
) -> None:
    page.goto(f"/health?day={DAY}")
    asked: list[int] = []
    page.on("response", lambda one: asked.append(one.status) if one.url.endswith("/now") else None)
    assert page.get_by_text("yard is not recording").count() == 0
    with page.expect_response("**/health/now") as first:
        page.evaluate(HIDE, False)
    assert first.value.status == 200
    page.wait_for_function("document.querySelector('#now .tiles')")
    say(desk, desk.cameras["yard"], "stalled")
    with desk.directory.ledger.write() as tx:
        timeline.open_gap(
            tx, desk.cameras["yard"].id, NOW_US - 30 * US, GapCause.STALLED, "no packet for 30 s"
        )  # fmt: skip
    page.evaluate(HIDE, True)
    assert asked == [200]  # hidden: nothing was asked
    page.evaluate(HIDE, False)
    page.get_by_text("yard is not recording").wait_for()
    with page.expect_response("**/health/now") as again:
        page.evaluate(HIDE, False)
    assert again.value.status == 304
    page.get_by_role("link", name="See the camera yard").focus()
    page.evaluate(HIDE, False)  # whoever stands in it keeps their place
    assert page.evaluate("document.activeElement.textContent.includes('yard')")
    assert asked == [200, 200, 304]


def test_it_is_filtered_by_keyboard_and_the_address_says_so(page: Page) -> None:
    page.goto(f"/health?day={DAY}")
    page.get_by_label("Order").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/health?day={DAY}&order=place")
    assert page.locator(".heat-names .place").inner_text() == "North / Gate"
    page.get_by_role("link", name="by class").press("Enter")
    page.wait_for_url("**table=class*")
    assert page.get_by_role("row", name="class 3").count() == 1


def test_paper_has_the_report_without_what_paper_cannot_do(page: Page) -> None:
    page.goto(f"/health?day={DAY}")
    assert page.get_by_role("button", name="Print").is_visible()
    page.emulate_media(media="print")
    for gone in ("header.frame", ".filter", ".csv", "[data-print]"):
        assert page.locator(gone).first.is_hidden(), gone
    for kept in ("What the figures mean", "What is missing, and why", "silent"):
        assert page.get_by_text(kept).first.is_visible(), kept
    assert page.get_by_text("Printed 2026-11-16 21:02:00").is_visible()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.emulate_media(media="screen")
