"""What each role comes for, from login to the last page, in both languages and at two sizes.

The pictures of README are taken on the way: `make pictures` copies them to docs/guide/.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from storage.i18n import tr
from tests.e2e.browser import ROOT, Visitor, chromium, visitor
from tests.e2e.lived_city import CASE, PASSWORD, LivedCity, lived_city

WIDE, NARROW = (1366, 768), (390, 844)
WAYS = [pytest.param("en", WIDE, id="en-wide"), pytest.param("zh", NARROW, id="zh-narrow")]
EVENT_S = 8.0  # a red car leaves the picture
PLAYS = "() => document.querySelector('[data-player] video')?.readyState >= 2"
pytestmark = pytest.mark.timeout(150)
Sit = Callable[[str, str, tuple[int, int]], Visitor]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[LivedCity]:
    with lived_city(tmp_path_factory.mktemp("city")) as made:
        yield made


@pytest.fixture(scope="module")
def picture(city: LivedCity) -> Path:
    """A picture out of one of the clips, as somebody got it on a phone."""
    path = city.scenes / "asked.png"
    with av.open(str(city.scenes / "north-gate.mp4")) as container:
        frame = next(f for f in container.decode(video=0) if (f.time or 0) >= EVENT_S)
        Image.fromarray(frame.to_ndarray(format="rgb24")).save(path)
    return path


@pytest.fixture
def sit(city: LivedCity, browser: Browser) -> Iterator[Sit]:
    """Somebody logs in, in a language, at a screen; no page may complain to the console."""
    seated: list[Visitor] = []

    def take_a_seat(name: str, lang: str, size: tuple[int, int]) -> Visitor:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, timezone_id="Asia/Shanghai",
            accept_downloads=True,
        )  # fmt: skip
        one = visitor(context, city.server.url)
        seated.append(one)
        one.log_in(name, PASSWORD)
        one.page.wait_for_url(lambda address: "/login" not in address)
        one.speak(lang)
        return one

    yield take_a_seat
    for one in seated:
        assert one.complaints == []
        one.page.context.close()


def plays(page: Page) -> None:
    page.wait_for_function(PLAYS)


@pytest.mark.parametrize(("lang", "size"), WAYS)
def test_an_investigator_finds_a_moment_and_takes_it_along_as_evidence(
    sit: Sit, city: LivedCity, picture: Path, lang: str, size: tuple[int, int]
) -> None:
    desk = sit("ines", lang, size)
    page = desk.page
    desk.go(f"/search?case={CASE}&reason=bus")
    page.set_input_files("#picture", picture)
    page.wait_for_url("**image=**")
    first = page.locator(".card[data-us]").first
    expect(first).to_contain_text("north-gate", timeout=30_000)
    expect(page.locator(".coverage summary")).to_be_visible()
    first.click()
    plays(page)
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    desk.shot("search-desk" if lang == "en" else "search-desk.zh")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.keyboard.press("k")
    page.keyboard.press("i")
    for _ in range(30):
        page.keyboard.press(".")
    page.keyboard.press("o")
    page.locator("[data-part=export]").first.click()
    page.wait_for_url("**/export?*")
    expect(page.locator("[name=case]").first).to_have_value(CASE)
    page.locator("#download").click()
    link = page.get_by_role("link", name=tr("Download", lang=lang)).first
    expect(link).to_be_visible(timeout=60_000)
    with page.expect_download() as waiting:
        link.click()
    bundle = Path(waiting.value.path())
    named = bundle.rename(bundle.with_suffix(".zip"))
    words = [sys.executable, "-m", "hindsight", "verify", "--json", str(named)]
    verdict = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_an_investigator_works_by_keyboard_alone(sit: Sit) -> None:
    desk = sit("ines", "en", WIDE)
    page = desk.page
    desk.go(f"/search?case={CASE}&reason=bus")
    page.keyboard.type("a road junction by a gate")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=a+road+junction**")
    first = page.locator(".card[data-us]").first
    expect(first).to_be_visible(timeout=30_000)
    page.locator("main").focus()
    page.keyboard.press("ArrowRight")
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    plays(page)
    page.keyboard.press("k")
    page.keyboard.press("e")
    expect(page.get_by_role("status").filter(has_text=f"of case {CASE}")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    desk.go(f"/cases/{CASE}")
    expect(page.locator("main")).to_contain_text("north-gate")


@pytest.mark.parametrize(("lang", "size"), WAYS)
def test_a_manager_promises_a_class_longer_and_sees_what_becomes_of_it(
    sit: Sit, lang: str, size: tuple[int, int]
) -> None:
    desk = sit("maria", lang, size)
    page = desk.page
    desk.go("/archive")
    desk.shot(f"journey-archive-{lang}")
    days = {"en": "120", "zh": "150"}[lang]
    form = page.locator("form.change").first
    form.locator("[name=days]").fill(days)
    form.locator("button").click()
    page.locator("[name=reason]").fill("the city asks for more")
    page.locator("form button.primary").click()
    page.wait_for_url("**/archive")
    expect(page.locator("article.class").first).to_contain_text(days)
    expect(page.locator("main")).to_contain_text("the city asks for more")
    desk.shot(f"journey-promise-{lang}")


@pytest.mark.parametrize(("lang", "size"), WAYS)
def test_an_operator_explains_yesterdays_gap(
    sit: Sit, city: LivedCity, lang: str, size: tuple[int, int]
) -> None:
    desk = sit("omar", lang, size)
    page = desk.page
    desk.go("/health")
    desk.shot(f"journey-health-{lang}")
    row = page.locator("table.gaps tbody tr").filter(has_text="north-gate").first
    expect(row).to_contain_text("no packet for 10 s")
    row.get_by_role("link", name=tr("Timeline", lang=lang)).click()
    page.wait_for_url("**/timeline?*")
    expect(page.locator("main")).to_contain_text("north-gate")
    desk.shot(f"journey-gap-{lang}")


@pytest.mark.parametrize(("lang", "size"), WAYS)
def test_an_auditor_answers_who_looked(sit: Sit, lang: str, size: tuple[int, int]) -> None:
    ines = sit("ines", lang, WIDE)
    ines.go(f"/search?q=a+white+van&camera=car-park&case={CASE}&reason=van")
    ines.page.locator(".card[data-us], .teach").first.wait_for()
    desk = sit("aude", lang, size)
    page = desk.page
    desk.go("/audit")
    page.locator("[name=actor]").fill("ines")
    page.locator("[name=case]").fill(CASE)
    page.locator("form.filter button.primary").click()
    page.wait_for_url("**actor=ines**")
    expect(page.locator("table.log")).to_contain_text("a white van")
    desk.shot(f"journey-audit-{lang}")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows
    assert all("ines" in json.dumps(row) for row in rows)
