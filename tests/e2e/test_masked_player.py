"""Chromium plays a camera with a privacy zone: masked, exact, and with the watermark over it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:  # shares footage.py with the web tests, however pytest was started
    sys.path.insert(0, ROOT)

from playwright.sync_api import expect  # noqa: E402

from storage import zone_making  # noqa: E402
from storage.clock import US  # noqa: E402
from storage.directory import init_directory  # noqa: E402
from storage.grants import Place, add_grant  # noqa: E402
from storage.masking import FILL  # noqa: E402
from storage.people import add_user  # noqa: E402
from storage.register import find_camera  # noqa: E402
from storage.rights import Verb  # noqa: E402
from storage.settings import FILE_NAME  # noqa: E402
from storage.vocabulary import Actor, Role, Segment  # noqa: E402
from tests.e2e.browser import chromium, labeller, serving, until, visitor  # noqa: E402
from tests.web.footage import START_US, keep, register, write_clip  # noqa: E402

PASSWORD = "correct horse battery"
# The grey of a pixel in the middle of the highest cell of the number, which is dark when it shows.
HIDDEN_LEVEL = """
() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 320, height: 180});
  const pen = canvas.getContext("2d");
  pen.drawImage(document.querySelector("[data-player] video"), 0, 0, 320, 180);
  return pen.getImageData(10, 90, 1, 1).data[0];
}
"""
WRITTEN = """
() => {
  const canvas = document.querySelector(".stage > .watermark");
  if (!canvas || !canvas.checkVisibility()) return 0;
  const copy = Object.assign(document.createElement("canvas"), {width: 300, height: 150});
  const pen = copy.getContext("2d", {willReadFrequently: true});
  pen.drawImage(canvas, 0, 0, 300, 150);
  const { data } = pen.getImageData(0, 0, 300, 150);
  return data.filter((value, i) => i % 4 === 3 && value > 20).length / (data.length / 4);
}
"""
pytestmark = pytest.mark.timeout(120)


def built(folder: Path) -> list[Segment]:
    """A camera whose left half is hidden, and somebody who may play it."""
    directory, _ = init_directory(folder)
    gate = register(directory, "North gate")
    clip = write_clip(folder.parent / "clip.mp4", count=200, gop=50, b_frames=2)
    row = keep(directory, gate, clip, START_US)
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        user = add_user(
            tx, "ines", PASSWORD, Role.INVESTIGATOR, created_us=1, must_change=False, lang="en"
        )
        add_grant(
            tx, user=user, verbs={Verb.PLAY}, place=Place(site=""), from_us=0, until_us=None,
            purpose="thefts", made_by="admin", at_us=now_us,
        )  # fmt: skip
    zone_making.add(
        directory, Actor("admin", None, "flats"), lambda tx: find_camera(tx, "North gate"),
        name="windows", points=[(0, 0), (0.5, 0), (0.5, 1), (0, 1)], from_us=0, until_us=None,
    )  # fmt: skip
    directory.close()
    with (folder / FILE_NAME).open("a", encoding="utf-8") as settings:
        settings.write("\n[web]\nwatermark = true\n")
    return [row]


def test_a_masked_camera_plays_exactly_and_the_watermark_stays(tmp_path: Path) -> None:
    label = labeller(built(tmp_path / "data"))
    with chromium() as browser, serving(tmp_path / "data") as server:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB")
        window = visitor(context, server.url)
        page = window.page
        window.log_in("ines", PASSWORD)
        page.wait_for_url("**/search")
        window.go(f"/player?camera=north-gate&at={START_US + 5 * US}")
        window.sees(125, label, within_s=30)  # the server has just begun, and its makers are nice
        assert abs(page.evaluate(HIDDEN_LEVEL) - FILL[0]) < 8
        expect(page.get_by_text("Masked preview")).to_be_visible()
        for key, number in ((".", 126), (",", 125), ("Shift+ArrowLeft", 0)):
            page.keyboard.press(key)
            window.sees(number, label)
        page.keyboard.press("k")
        until(lambda: window.number() > 160, 15, lambda: "it does not go on into the next piece")
        page.keyboard.press("k")
        window.shot("player-masked")

        assert 0.02 < page.evaluate(WRITTEN) < 0.5
        page.keyboard.press("f")
        page.wait_for_function("() => document.fullscreenElement?.matches('.stage')")
        page.wait_for_function(f"() => innerHeight > 0 && ({WRITTEN})() > 0.02")
        page.keyboard.press("f")
        page.wait_for_function("() => !document.fullscreenElement")
        page.evaluate("() => { document.querySelector('.watermark').remove(); }")
        page.wait_for_function(f"() => ({WRITTEN})() > 0.02")
        page.evaluate("() => { document.querySelector('.watermark').style.opacity = 0; }")
        page.wait_for_function("() => !document.querySelector('.watermark[style]')")
        context.close()
        # A piece that is not made in time is asked for again.
        assert [one for one in window.complaints if "/masked/" not in one] == []
