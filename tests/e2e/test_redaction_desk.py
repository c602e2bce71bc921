"""Chromium at the redaction desk: drawn with the mouse or the keyboard, looked at, fetched."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from evidence.verify_redaction import verify_redaction
from storage.clock import US, rfc3339
from storage.people import add_user
from storage.vocabulary import Role
from tests.e2e.browser import Visitor, chromium, serving, visitor
from tests.storage.media import new_house
from tests.web.desk import NOW_US, PASSWORD, grant_everything
from tests.web.footage import START_US, keep, register, write_clip

DESK = f"/redact?camera=gate&from={rfc3339(START_US)}&to={rfc3339(START_US + 2 * US)}"
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def ines(tmp_path: Path) -> Iterator[Visitor]:
    """Before two seconds of a camera, on the desk."""
    house = new_house(tmp_path / "data", NOW_US)
    directory = house.directory
    keep(directory, register(directory, "gate"), write_clip(tmp_path / "clip.mp4"), START_US)
    with directory.ledger.write() as tx:
        user = add_user(
            tx, "ines", PASSWORD, Role.INVESTIGATOR, created_us=NOW_US, must_change=False
        )
        grant_everything(tx, user)
    directory.close()
    with serving(house.root) as server, chromium() as browser:
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        someone = visitor(context, server.url)
        someone.log_in("ines", PASSWORD)
        someone.go(DESK)
        expect(someone.page.locator("[data-part=clock]")).to_contain_text("21:00:00.000")
        yield someone
        assert someone.complaints == []
        context.close()


def drag(page: Page, x: float, y: float, w: float, h: float) -> None:
    """A box on the picture, in fractions of it."""
    area = page.locator("[data-part=picture]").bounding_box()
    assert area is not None
    at = [(area["x"] + a * area["width"], area["y"] + b * area["height"])
          for a, b in ((x, y), (x + w / 2, y + h / 2), (x + w, y + h))]  # fmt: skip
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1])
    page.mouse.move(*at[2])
    page.mouse.up()


def recipe(page: Page, folder: Path) -> list[dict[str, Any]]:
    """The subjects of the recipe as the page saves it."""
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the recipe").click()
    saved.value.save_as(folder / "recipe.json")
    found: list[dict[str, Any]] = json.loads((folder / "recipe.json").read_text())["subjects"]
    return found


def test_boxes_become_a_copy_that_verifies(ines: Visitor, tmp_path: Path) -> None:
    page = ines.page
    drag(page, 0.2, 0.2, 0.3, 0.5)
    page.get_by_role("button", name="Add a subject").click()
    stage = page.locator("[data-part=stage]")
    stage.focus()
    for key in ("n", "ArrowRight", "Shift+ArrowDown", "."):  # without a mouse
        page.keyboard.press(key)
    expect(page.locator("[data-part=clock]")).to_contain_text("21:00:00.040")
    page.get_by_role("button", name="Gone from here").nth(1).click()
    one, other = recipe(page, tmp_path)
    [box] = one["boxes"]
    assert box["at"] == rfc3339(START_US)
    assert box["box"] == pytest.approx([0.2, 0.2, 0.3, 0.5], abs=0.01)
    assert (other["until"], other["boxes"]) == (
        rfc3339(START_US + 40_000),
        [{"at": rfc3339(START_US), "box": [0.41, 0.4, 0.2, 0.21]}],
    )
    page.get_by_role("button", name="As it will be hidden").click()
    expect(page.locator("[data-part=note]")).to_have_text("")
    page.get_by_role("button", name="Make the copy").click()
    link = page.get_by_role("link", name="Download the copy")
    expect(link).to_be_visible(timeout=40_000)
    with page.expect_download() as fetched:
        link.click()
    path = tmp_path / "copy.zip"
    fetched.value.save_as(path)
    assert verify_redaction(path).findings == []
    [name] = [name for name in zipfile.ZipFile(path).namelist() if name.endswith(".json")]
    document = json.loads(zipfile.ZipFile(path).read(name))
    assert len(document["recipe"]["subjects"]) == 2
    page.reload()  # what was drawn is still there
    expect(page.locator(".subject")).to_have_count(2)
