"""README's pictures: the desk on an archive of made scenes, found with one of its own pictures.

They land in test-artifacts/; `make pictures` copies them to docs/guide/.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import pytest
from PIL import Image

from storage.directory import open_directory
from storage.people import find_user, set_user
from tests.e2e.browser import ARTIFACTS, chromium, serving, visitor

PASSWORD = "correct horse battery"
EVENT_S = 8.0
START = "2026-11-18T10:00:00Z"


def hindsight(data: Path, *words: str | Path) -> None:
    argv = [sys.executable, "-m", "hindsight", "--data", str(data), *map(str, words)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(200)
def test_the_desk_shows_a_picture_search_in_both_languages(tmp_path: Path) -> None:
    scenes, data = tmp_path / "scenes", tmp_path / "data"
    cameras = ("north-gate", "market-lane", "night-street", "car-park")
    subprocess.run(
        [sys.executable, "-m", "indexer.scenes", "--out", scenes, "--seconds", "16",
         "--cameras", ",".join(cameras)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    hindsight(data, "init")
    for name in cameras:
        url = f"file:{scenes / name}.mp4"
        place = f"riverside/{name}"
        hindsight(data, "camera", "add", name, url, "--site", place, "--tz", "Asia/Shanghai")
        hindsight(data, "import", scenes / f"{name}.mp4", "--camera", name, "--start", START)
    hindsight(data, "index")
    picture = tmp_path / "asked.png"
    with av.open(str(scenes / "north-gate.mp4")) as container:
        frame = next(f for f in container.decode(video=0) if (f.time or 0) >= EVENT_S)
        Image.fromarray(frame.to_ndarray(format="rgb24")).save(picture)
    directory = open_directory(data)
    with directory.ledger.write() as tx:
        set_user(tx, find_user(tx, "admin"), password=PASSWORD, must_change=False)
    directory.close()
    with chromium() as browser, serving(data) as server:
        context = browser.new_context(
            viewport={"width": 1366, "height": 768}, timezone_id="Asia/Shanghai"
        )
        desk = visitor(context, server.url)
        desk.log_in("admin", PASSWORD)
        desk.page.wait_for_url("**/search**")
        desk.page.set_input_files("input[type=file]", picture)
        desk.page.wait_for_url("**image=**")
        if not desk.page.locator("[data-card], .card").count():
            desk.page.get_by_role("button", name="Search", exact=True).click()
        first = desk.page.locator("[data-card], .card").first
        first.click()
        desk.page.wait_for_function(
            "() => document.querySelector('[data-player] video')?.readyState >= 2"
        )
        assert "north-gate" in first.inner_text()
        desk.shot("search-desk")
        desk.speak("zh")
        desk.page.reload()
        desk.page.locator("[data-card], .card").first.click()
        desk.page.wait_for_function(
            "() => document.querySelector('[data-player] video')?.readyState >= 2"
        )
        assert "检索" in desk.page.locator("body").inner_text()
        desk.shot("search-desk.zh")
        assert desk.complaints == []
    assert (ARTIFACTS / "search-desk.png").stat().st_size > 50_000
