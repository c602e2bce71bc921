"""The viewer of a bundle, in a real browser, from a folder, without a network."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from storage.clock import US
from storage.clocks import correct
from storage.directory import init_directory
from storage.timeline import add_gap
from storage.vocabulary import Actor, GapCause, Span
from tests.e2e.browser import chromium, until
from tests.evidence.conftest import START_US, House

HOSTILE = "</script><script>window.bad=1</script>门<img src=x onerror=window.bad=2>"
FPS = {"north gate": 10, HOSTILE: 20}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of four cameras: two that play, one with a gap, H.265, and what MP4 cannot hold."""
    folder = tmp_path_factory.mktemp("played")
    directory, _ = init_directory(folder / "data")
    house = House(directory)
    camera = house.camera("north gate", tz="Asia/Shanghai")
    house.camera(HOSTILE, tz="Asia/Shanghai", site="a/<b>")
    house.expect("north gate", 0)
    size = (320, 180)
    for at_s in (0, 10, 30):
        house.segment("north gate", at_s, 10, size=size, fps=10)
    for at_s in (0, 10, 30):
        house.segment(HOSTILE, at_s, 10, size=size, fps=20, gop=20, bframes=2)
    house.segment("south yard", 0, 4, size=size, codec="libx265")
    house.segment("west lane", 0, 4, container="avi", codec="msmpeg4v2", origin="import")
    with house.ledger.write() as tx:
        gap = (START_US + 20 * US, START_US + 30 * US)
        add_gap(tx, camera.id, *gap, GapCause.STALLED, "<u>&\u2028")
        late = Span(START_US + 32 * US, START_US + 40 * US)
        correct(tx, camera, late, -60 * US, reason="slow", actor="wang", at_us=START_US)
    house.export(folder / "bundle", 1, 38, actor=Actor("<i>li", None, "</script>"))
    directory.close()
    return folder / "bundle"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests here."""
    with chromium() as opened:
        yield opened


@dataclass
class Viewer:
    """The page as somebody at it sees it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)

    def seconds(self) -> float:
        """The clock, after START_US."""
        return (int(self.page.get_attribute("body", "data-us") or 0) - START_US) / US

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def tile(self, slug: str) -> Any:
        return self.page.locator(f'.tile[data-camera="{slug}"]')

    def note(self, slug: str) -> str:
        """What stands where the picture would be."""
        return str(self.tile(slug).locator(".note").inner_text())

    def grey(self, slug: str) -> int:
        """Of the picture on screen, at the foot of it."""
        raw = self.tile(slug).locator("video").screenshot()
        with Image.open(io.BytesIO(raw)) as shot:
            pixel = shot.convert("RGB").getpixel((shot.width // 2 + 40, shot.height * 2 // 3))
        return int(pixel[0]) if isinstance(pixel, tuple) else -1

    def number(self, slug: str, fps: int) -> set[int]:
        """Which pictures it may be: grey is 5 × number + start in ms, modulo 255."""
        seen, second = self.grey(slug), int(self.seconds()) // 10 * 10
        greys = {n: (n * 5 + second * 1000) % 255 for n in range(10 * fps)}
        return {n for n, grey in greys.items() if abs(grey - seen) <= 2}

    def shows(self, slug: str, fps: int) -> None:
        """The picture on screen is that of the clock."""
        until(
            lambda: int(self.seconds() % 10 * fps + 1e-6) in self.number(slug, fps), 5,
            lambda: f"{slug} at {self.seconds()}: {self.number(slug, fps)}",
        )  # fmt: skip


@pytest.fixture
def viewer(browser: Browser, played: Path) -> Iterator[Viewer]:
    """Opened from the disk, at the size of a small laptop."""
    context = browser.new_context(
        viewport={"width": 1366, "height": 768}, locale="en-GB", offline=True
    )
    page = context.new_page()
    made = Viewer(page)
    page.on("console", lambda said: made.complaints.append(said.text))
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    page.on("request", lambda asked: made.asked_for.append(asked.url))
    page.goto((played / "data/viewer.html").as_uri())
    ready = (
        "document.querySelector('video').readyState"  # no wait_for_function: the page forbids eval
    )
    until(lambda: page.evaluate(ready) >= 2, 8, lambda: "no picture")
    yield made
    context.close()
    assert made.complaints == []
    assert all(url.startswith(played.as_uri()) for url in made.asked_for), made.asked_for


def slug_of(played: Path, name: str) -> str:
    """As the bundle calls the camera."""
    manifest = json.loads((played / "data/manifest.json").read_text("utf-8"))
    return next(str(one["camera"]) for one in manifest["cameras"] if one["name"] == name)


def test_cameras_show_the_pictures_of_one_clock(viewer: Viewer, played: Path) -> None:
    slugs = {name: slug_of(played, name) for name in FPS}
    for keys in ((), ("Shift+ArrowRight",), ("Shift+ArrowRight", "Shift+ArrowRight")):
        viewer.press(*keys)
        for name, fps in FPS.items():
            viewer.shows(slugs[name], fps)
    viewer.press("Home", "Space")
    until(lambda: viewer.seconds() > 3, 8, lambda: f"{viewer.seconds()}")
    viewer.press("k")
    until(lambda: viewer.page.get_attribute("body", "data-playing") == "false", 3, lambda: "plays")
    for name, fps in FPS.items():
        viewer.shows(slugs[name], fps)


def test_one_picture_on_and_back_again(viewer: Viewer, played: Path) -> None:
    viewer.shows("north-gate", 10)
    seen = [viewer.seconds()]
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        viewer.press(key)
        last = seen[-1]
        until(lambda: viewer.seconds() != last, 5, lambda: f"{seen}")  # noqa: B023
        viewer.shows("north-gate", 10)
        seen.append(viewer.seconds())
    assert seen == pytest.approx([1, 1.1, 1.2, 1.3, 1.2], abs=0.002)


def test_a_gap_is_said_with_its_cause_and_skipped(viewer: Viewer) -> None:
    viewer.press("Shift+ArrowRight", "Shift+ArrowRight")  # 21 s, in the gap
    until(lambda: "stopped sending" in viewer.note("north-gate"), 3, lambda: "no cause")
    assert viewer.note("north-gate").split("\n") == [
        "No footage: camera stopped sending · <u>&\u2028", "until 2026-11-18 21:00:30.000 +08:00",
    ]  # fmt: skip
    assert not viewer.tile("north-gate").locator("video").is_visible()
    viewer.press("Space")
    until(lambda: 30 <= viewer.seconds() < 38, 8, lambda: f"{viewer.seconds()}")
    viewer.press("Space")
    viewer.shows("north-gate", 10)


def test_a_gap_is_waited_through_when_skipping_is_off(viewer: Viewer) -> None:
    viewer.page.get_by_label("Skip gaps").uncheck()
    viewer.press("Shift+ArrowRight", "Shift+ArrowRight", "ArrowUp", "ArrowUp", "Space")
    until(lambda: 22 < viewer.seconds() < 29, 5, lambda: f"{viewer.seconds()}")
    assert "stopped sending" in viewer.note("north-gate")
    until(lambda: viewer.seconds() > 31, 8, lambda: f"{viewer.seconds()}")


def test_the_hash_beside_a_picture_is_that_of_its_original(viewer: Viewer, played: Path) -> None:
    manifest = json.loads((played / "data/manifest.json").read_text("utf-8"))
    due = [one["sha256"] for one in manifest["cameras"][0]["segments"]]
    said = viewer.tile("north-gate").locator("code")
    assert said.inner_text() == due[0]
    viewer.press("Shift+ArrowRight")
    until(lambda: said.inner_text() == due[1], 3, said.inner_text)


def test_a_corrected_clock_is_shown_beside_the_recorded_one(viewer: Viewer) -> None:
    viewer.press("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    beside = viewer.tile("north-gate").locator(".right")
    assert not beside.is_visible()  # 31 s: not yet
    viewer.press("End")
    until(beside.is_visible, 3, beside.inner_text)
    assert beside.inner_text() == "with the clock corrected: 2026-11-18 20:59:38.000 +08:00"


def test_what_the_browser_cannot_show_is_said(viewer: Viewer) -> None:
    until(lambda: "(hevc)" in viewer.note("south-yard"), 5, lambda: viewer.note("south-yard"))
    assert "playable/south-yard_" in viewer.note("south-yard")
    assert "without a playable copy" in viewer.note("west-lane")
    assert "originals/west-lane/" in viewer.note("west-lane")


def test_hostile_names_are_only_text(viewer: Viewer, played: Path) -> None:
    assert viewer.page.evaluate("window.bad") is None
    assert viewer.page.locator(".tile img").count() == 0
    assert viewer.tile(slug_of(played, HOSTILE)).locator("b").inner_text() == HOSTILE
    text = (played / "data/viewer.html").read_text("utf-8")
    assert text.count("</script>") == 2  # of the data, and of the one script


def test_both_languages_and_both_clocks_on_a_small_laptop(viewer: Viewer) -> None:
    page = viewer.page
    assert page.locator("[data-part=local]").inner_text() == "2026-11-18 21:00:01.000 +08:00"
    assert page.locator("[data-part=utc]").inner_text() == "2026-11-18 13:00:01.000 UTC"
    page.get_by_role("button", name="中文").click()
    assert page.get_by_role("heading").inner_text() == "证据播放页"
    assert page.get_by_text("跳过缺口").is_visible()
    height, width = page.evaluate(
        "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
    )
    assert (height, width) == (768, 1366)
    assert page.locator("[data-strip]").count() == 4


def test_a_page_without_its_footage_says_what_to_do(
    browser: Browser, played: Path, tmp_path: Path
) -> None:
    (tmp_path / "viewer.html").write_bytes((played / "data/viewer.html").read_bytes())
    page = browser.new_page(locale="zh-CN")
    page.goto((tmp_path / "viewer.html").as_uri())
    note = page.locator('.tile[data-camera="north-gate"] .note')
    until(lambda: "zip，请先解压" in note.inner_text(), 5, note.inner_text)
    page.close()
