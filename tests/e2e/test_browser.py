"""Chromium through the whole desk: log in, search, play the instant, step, export, switch."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:  # shares footage.py with the web tests, however pytest was started
    sys.path.insert(0, ROOT)

from playwright.sync_api import Browser, expect  # noqa: E402

from storage.cases import open_case  # noqa: E402
from storage.clock import US, rfc3339  # noqa: E402
from storage.directory import init_directory, open_directory  # noqa: E402
from storage.people import find_user, set_user  # noqa: E402
from storage.vocabulary import Segment  # noqa: E402
from tests.e2e.browser import (  # noqa: E402
    PERIOD_US,
    Server,
    Visitor,
    chromium,
    labeller,
    serving,
    until,
    visitor,
)
from tests.web.footage import START_US, keep, lose, register, write_clip  # noqa: E402

# What makes the page scroll sideways, if anything does.
TOO_WIDE = """
() => document.documentElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll("body *")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth)
    .map((one) => `${one.tagName} ${one.className} ${one.getBoundingClientRect().right}`)
"""
PASSWORD = "correct horse battery"
HOLE_US = 7 * US
pytestmark = pytest.mark.timeout(120)


@dataclass
class House:
    """A served archive: one camera of six segments with a gap, one of an old codec."""

    server: Server
    data: Path
    one_time_password: str
    gate: list[Segment]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    data = folder / "data"
    directory, password = init_directory(data)
    gate = register(directory, "North gate", site="North/Gate")
    rows: list[Segment] = []
    at = START_US
    for i in range(6):
        # Reordered pictures and edit lists in every other file: the instant must hold all the same.
        clip = write_clip(
            folder / f"{i}.mp4", first=100 * i, count=100, gop=50, b_frames=2 * (i % 2)
        )
        if i == 3:
            lose(directory, gate, at, at + HOLE_US)
            at += HOLE_US
        rows.append(keep(directory, gate, clip, at))
        at = rows[-1].end_us
    old = register(directory, "Old recorder", url=None, site="Imports")
    clip = write_clip(folder / "old.avi", codec="mpeg4", format="avi", options={})
    keep(directory, old, clip, START_US, container="avi", codec="mpeg4", origin="import")
    directory.close()
    subprocess.run(
        [sys.executable, "-m", "hindsight", "--data", str(data), "index"],
        cwd=ROOT, check=True, timeout=110,
    )  # fmt: skip
    with serving(data) as server:
        yield House(server, data, password, rows)


@pytest.fixture(scope="module")
def password_chosen(house: House) -> None:
    """For the tests that do not begin with the first login."""
    directory = open_directory(house.data)
    with directory.ledger.write() as tx:
        set_user(tx, find_user(tx, "admin"), password=PASSWORD, must_change=False)
    directory.close()


@pytest.fixture
def window(browser: Browser, house: House) -> Iterator[Visitor]:
    """A window; anything its console complains of fails the test."""
    context = browser.new_context(
        viewport={"width": 1366, "height": 768}, locale="en-GB", accept_downloads=True
    )
    made = visitor(context, house.server.url)
    made.speak("en")
    yield made
    context.close()
    assert made.complaints == []


@pytest.fixture
def desk(window: Visitor, password_chosen: None) -> Visitor:
    """A window of somebody logged in."""
    window.log_in("admin", PASSWORD)
    window.page.wait_for_url("**/search")
    return window


def test_investigator_finds_checks_and_exports(window: Visitor, house: House) -> None:
    page = window.page
    window.log_in("admin", house.one_time_password)
    page.wait_for_url("**/account/first")
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Set password and go on").click()
    page.wait_for_url("**/search")
    expect(page.get_by_text("your password is changed")).to_be_visible()

    page.keyboard.type("bars of black and white")  # the box has the focus
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=bars+of+black+and+white")
    coverage = page.locator(".coverage summary")
    # The server has just begun: the first answer may wait for the model.
    expect(coverage).to_contain_text("searched 2 cameras", timeout=30_000)
    expect(coverage).to_contain_text("1 gap")
    card = page.locator('.card[data-camera="north-gate"]').first
    at_us = int(card.get_attribute("data-us") or 0)
    card.click()
    label = labeller(house.gate)
    until(lambda: window.shown_us() >= at_us, 8, lambda: "nothing plays")
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    until(lambda: window.number() == label(window.shown_us()), 3, lambda: "picture and time differ")
    window.shot("search-results")
    page.reload()
    expect(page.locator('.card[aria-current="true"]')).to_have_attribute("data-us", str(at_us))

    page.goto(f"{window.url}/player?camera=north-gate&at={house.gate[1].start_us + US}")
    window.sees(125, label)
    page.keyboard.press("i")
    page.goto(f"{window.url}/player?camera=north-gate&at={house.gate[1].start_us + US}")
    window.sees(125, label)
    page.keyboard.press("i")
    page.locator(".track").nth(1).focus()
    page.keyboard.press("ArrowRight")  # ten seconds on lies in the gap: what follows it is shown
    window.sees(300, label)
    page.keyboard.press("o")
    page.get_by_role("link", name="Export this span").click()
    page.wait_for_url("**/export?*")
    expect(page.get_by_text("This bundle will hold")).to_be_visible()
    window.shot("export")
    with page.expect_download(timeout=60_000) as waiting:
        page.get_by_role("button", name="Build and download the bundle").click()
    bundle = Path(waiting.value.path())
    with zipfile.ZipFile(io.BytesIO(bundle.read_bytes())) as held:
        names = held.namelist()
    assert sum("/originals/north-gate/" in name for name in names) == 2
    named = bundle.rename(bundle.with_suffix(".zip"))
    verdict = subprocess.run(
        [sys.executable, "-m", "hindsight", "verify", str(named)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_player_opens_at_the_exact_picture_and_steps_both_ways(desk: Visitor, house: House) -> None:
    label = labeller(house.gate)
    for number in (0, 30, 100, 137, 299, 357, 407, 500, 599):
        row = house.gate[number // 100]
        desk.go(f"/player?camera=north-gate&at={row.start_us + number % 100 * PERIOD_US}")
        desk.sees(number, label)
        last = len(house.gate) * 100 - 1
        for key, step in ((".", 1), (",", -1), (",", -1), (".", 1)):
            number = min(last, max(0, number + step))
            desk.page.keyboard.press(key)
            desk.sees(number, label)


def test_playing_goes_on_over_segments_and_says_the_gap(desk: Visitor, house: House) -> None:
    label = labeller(house.gate)
    row = house.gate[2]
    desk.go(f"/player?camera=north-gate&at={row.start_us + 3 * US}")
    desk.sees(275, label)
    desk.page.get_by_label("Speed", exact=True).select_option("2")
    desk.page.keyboard.press("k")
    note = desk.page.locator("[data-part=note]")
    expect(note).to_contain_text("no pictures came", timeout=8000)
    expect(note).to_contain_text("7 s")
    until(lambda: label(desk.shown_us()) >= 420, 10, lambda: f"stuck at {label(desk.shown_us())}")
    desk.page.keyboard.press("k")
    until(lambda: desk.number() == label(desk.shown_us()), 3, lambda: "picture and time differ")
    desk.shot("player")
    desk.page.keyboard.press("j")  # backwards, over the border again
    until(lambda: label(desk.shown_us()) < 395, 8, lambda: f"stuck at {label(desk.shown_us())}")
    desk.page.keyboard.press("k")
    until(lambda: desk.number() == label(desk.shown_us()), 3, lambda: "picture and time differ")


def test_end_of_the_footage_is_said(desk: Visitor, house: House) -> None:
    label = labeller(house.gate)
    desk.go(f"/player?camera=north-gate&at={house.gate[5].start_us + 99 * PERIOD_US}")
    desk.sees(599, label)
    desk.page.keyboard.press(".")
    expect(desk.page.locator("[data-part=note]")).to_have_text("The newest footage ends here.")
    desk.go(f"/player?camera=north-gate&at={START_US}")
    desk.sees(0, label)
    desk.page.keyboard.press(",")
    expect(desk.page.locator("[data-part=note]")).to_have_text("The oldest footage begins here.")


def test_footage_no_browser_plays_is_stepped_as_stills(desk: Visitor, house: House) -> None:
    desk.go(f"/player?camera=old-recorder&at={START_US + 10 * PERIOD_US}")
    note = desk.page.locator("[data-part=note]")
    expect(note).to_contain_text("does not play MPEG4")
    until(lambda: desk.number() == 10, 6, lambda: f"saw {desk.number()}")
    desk.shot("stills")
    for key, number in ((".", 11), (".", 12), (",", 11), (",", 10), (",", 9)):
        desk.page.keyboard.press(key)
        until(lambda n=number: desk.number() == n, 6, lambda: f"saw {desk.number()}")  # type: ignore[misc]
    assert desk.shown_us() == START_US + 9 * PERIOD_US


def test_strip_snapshot_and_address_follow_the_instant(desk: Visitor, house: House) -> None:
    page, label = desk.page, labeller(house.gate)
    desk.go("/player?camera=north-gate")
    until(lambda: label(desk.shown_us()) >= 500, 6, lambda: "newest footage did not open")
    hour = page.locator(".track").nth(1)
    box = hour.bounding_box()
    assert box is not None
    start, end = (int(hour.get_attribute(f"data-{name}") or 0) for name in ("start", "end"))
    wanted = house.gate[1].start_us + 2 * US
    page.mouse.click(
        box["x"] + box["width"] * (wanted - start) / (end - start), box["y"] + box["height"] / 2
    )
    until(lambda: abs(desk.shown_us() - wanted) < 8 * US, 6, lambda: f"{desk.shown_us() - wanted}")
    address = "location.search"
    until(lambda: "at=2026-11-16T21" in page.evaluate(address), 3, lambda: page.evaluate(address))
    with page.expect_download() as waiting:
        page.keyboard.press("s")
    name = waiting.value.suggested_filename
    assert name == f"north-gate_{rfc3339(desk.shown_us()).replace('-', '').replace(':', '')}.png"


def test_picture_is_pasted_and_stays_in_the_address(desk: Visitor, house: House) -> None:
    page = desk.page
    desk.go("/search")
    page.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(64, 64);
          canvas.getContext("2d").fillRect(0, 0, 64, 64);
          const blob = await canvas.convertToBlob({type: "image/png"});
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([blob], "pasted.png", {type: "image/png"}));
          document.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true}));
        }"""
    )
    page.wait_for_url("**/search?image=*")
    expect(page.get_by_alt_text("The picture asked with")).to_be_visible()
    expect(page.locator(".coverage summary")).to_be_visible()
    page.reload()
    expect(page.get_by_alt_text("The picture asked with")).to_be_visible()
    page.get_by_label("Search without the picture").click()
    page.wait_for_url("**/search?")


def test_language_switches_and_the_page_stays(desk: Visitor, house: House) -> None:
    page = desk.page
    desk.go("/search?q=van&camera=north-gate&from=2026-11-16T21:00&tz=Asia/Shanghai")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="切换为中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    assert page.url.endswith(
        "/search?q=van&camera=north-gate&from=2026-11-16T21:00&tz=Asia/Shanghai"
    )
    expect(page.locator(".coverage summary")).to_contain_text("检索了 1 台摄像机")
    expect(page.locator(".chip").first).to_contain_text("North gate")
    desk.shot("search-zh")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_result_becomes_an_exhibit_by_keyboard_and_the_page_stays(
    desk: Visitor, house: House
) -> None:
    directory = open_directory(house.data)
    with directory.ledger.write() as tx:
        open_case(tx, "2026-311", "thefts", "admin", START_US)
    directory.close()
    page = desk.page
    desk.go("/search?q=bars")
    page.locator(".card").first.focus()
    page.keyboard.press("e")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.type("the bars")  # the note has the focus
    page.keyboard.press("Enter")
    said = page.locator("#collected")
    expect(said).to_contain_text("Exhibit 1 of case 2026-311")
    assert "/search?q=bars" in page.url
    page.get_by_role("button", name="into a case").nth(1).click()  # no question the second time
    expect(said).to_contain_text("Exhibit 2 of case 2026-311")
    said.get_by_role("link").click()
    expect(page.get_by_text("the bars")).to_be_visible()
    shown = "[...document.querySelectorAll('.exhibits img')].filter((one) => one.naturalWidth)"
    until(lambda: page.evaluate(f"{shown}.length") == 2, 8, lambda: "no pictures")


def test_keyboard_reaches_results_and_help(desk: Visitor, house: House) -> None:
    page = desk.page
    desk.go("/search?q=bars")
    page.locator("main").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".card").first).to_be_focused()
    page.keyboard.press("Enter")
    until(lambda: desk.shown_us() > 0, 8, lambda: "nothing plays")
    page.keyboard.press("k")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_pages_fit_small_screens_in_both_languages_and_themes(
    browser: Browser, house: House, password_chosen: None
) -> None:
    addresses = {
        "search": "/search", "results": "/search?q=bars", "cameras": "/cameras",
        "camera": "/cameras/north-gate", "player": f"/player?camera=north-gate&at={START_US}",
        "export": "/export?camera=north-gate",
    }  # fmt: skip
    for width, height, theme, language in (
        (390, 844, "dark", "zh"), (390, 844, "light", "en"), (1366, 768, "light", "zh"),
        (1366, 768, "dark", "en"),
    ):  # fmt: skip
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, locale="en-GB"
        )  # type: ignore[arg-type]
        window = visitor(context, house.server.url)
        window.log_in("admin", PASSWORD)
        window.page.wait_for_url("**/search")
        window.speak(language)
        for name, address in addresses.items():
            window.go(address)
            assert window.page.evaluate(TOO_WIDE) == [], f"{name} at {width}"
            window.shot(f"{name}-{width}-{theme}-{language}")
        context.close()
        assert window.complaints == []


def test_desk_reads_without_scripts(browser: Browser, house: House, password_chosen: None) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    window = visitor(context, house.server.url)
    window.log_in("admin", PASSWORD)
    window.page.locator("input[name=q]").fill("bars")
    window.page.locator("input[name=q]").press("Enter")
    card = window.page.locator(".card").first
    expect(card).to_be_visible()
    card.click()
    window.page.wait_for_url("**/player?camera=*")
    expect(window.page.locator("img, svg.strip").first).to_be_visible()
    context.close()


def test_page_survives_a_server_that_restarts(
    browser: Browser, house: House, password_chosen: None
) -> None:
    context = browser.new_context(locale="en-GB")
    with serving(house.data) as second:
        window = visitor(context, second.url)
        window.speak("en")
        window.log_in("admin", PASSWORD)
        window.page.wait_for_url("**/search")
        window.go(f"/player?camera=north-gate&at={START_US}")
        window.sees(0, labeller(house.gate))
        assert second.stop() == 0
        window.page.keyboard.press("Shift+ArrowRight")
        window.page.locator(".track").first.focus()
        window.page.keyboard.press("PageDown")
        note = window.page.locator("[data-part=note]")
        expect(note).to_contain_text("The server does not answer", timeout=8000)
    context.close()
