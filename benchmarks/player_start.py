"""From a click on the strip to the right picture on screen, in Chromium over loopback: median, p95.

Every click lies outside what is open, so each is an opening of its own: the look in the audit
chain, the playlist, the first piece, the decoding and the exact picture.
"""

from __future__ import annotations

import json
import random
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import RESULTS, report
from storage.clock import US
from storage.directory import init_directory
from storage.grants import Place, add_grant
from storage.people import add_user
from storage.rights import Verb
from storage.vocabulary import Role
from tests.e2e.browser import PERIOD_US, READ, chromium, serving, visitor
from tests.web.footage import START_US, keep, register, write_clip

CLICKS, WARM = 60, 5
PASSWORD = "correct horse battery"
LIMIT_MS = 300.0
SEGMENTS, LONG_S = 120, 60
PICTURES = LONG_S * 25
# Clicks on the day's strip and waits until the screen shows the picture whose time stands beside
# it: the number that its pixels say is compared with that time.
MEASURE = f"""
async ([us, start_us]) => {{
  const read = {READ};
  const root = document.querySelector("[data-player]");
  const screen = root.querySelector("video");
  const track = root.querySelector(".track");
  const [from, to] = [Number(track.dataset.start), Number(track.dataset.end)];
  const place = track.getBoundingClientRect();
  const at = {{ clientX: place.left + (us - from) / (to - from) * place.width, clientY: place.top + 2 }};
  const near = (to - from) / place.width;
  const began = performance.now();
  track.dispatchEvent(new MouseEvent("click", {{ bubbles: true, ...at }}));
  for (;;) {{
    const shown = Number(root.dataset.us);
    const number = Math.floor((shown - start_us + 10) / {PERIOD_US}) % {PICTURES};
    if (Math.abs(shown - us) <= 2 * near && read(screen) === number) return performance.now() - began;
    if (performance.now() - began > 20_000) return -1;
    await new Promise(requestAnimationFrame);
  }}
}}
"""  # noqa: E501


def main() -> None:
    """Measure and report."""
    with TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        _fill(data)
        took = _measured(data)
    took.sort()
    median, p95 = statistics.median(took), took[int(len(took) * 0.95) - 1]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "player_start_all.json").write_text(
        json.dumps({"median_ms": median, "p95_ms": p95, "ms": took}, indent=1)
    )
    report("player_start_median", median, "ms to the right picture, median", "limit", LIMIT_MS)
    report("player_start", p95, "ms to the right picture, p95", "limit", LIMIT_MS)


def _fill(data: Path) -> None:
    directory, _ = init_directory(data)
    gate = register(directory, "Gate")
    clip = write_clip(data.parent / "clip.mp4", count=PICTURES, gop=50)
    for i in range(SEGMENTS):
        keep(directory, gate, clip, START_US + i * LONG_S * US)
    with directory.ledger.write() as tx:
        user = add_user(
            tx, "ines", PASSWORD, Role.INVESTIGATOR, created_us=1, must_change=False, lang="en"
        )
        add_grant(
            tx, user=user, verbs={Verb.PLAY, Verb.SEARCH}, place=Place(site=""), from_us=0,
            until_us=None, purpose="a measurement", made_by="admin",
            at_us=directory.clock.now_us(),
        )  # fmt: skip
    directory.close()


def _measured(data: Path) -> list[float]:
    choose = random.Random(8)
    took: list[float] = []
    with chromium() as browser, serving(data) as server:
        window = visitor(browser.new_context(viewport={"width": 1366, "height": 768}), server.url)
        window.log_in("ines", PASSWORD)
        window.page.wait_for_url("**/search")
        window.go(f"/player?camera=gate&at={START_US}")
        window.page.wait_for_selector("[data-player][data-us]")
        for i in range(CLICKS + WARM):
            us = START_US + choose.randrange(SEGMENTS * LONG_S - 1) * US + 500_000
            ms = window.page.evaluate(MEASURE, [us, START_US])
            if ms < 0:
                raise RuntimeError(f"the picture of {us} did not come in 20 s")
            if i >= WARM:
                took.append(ms)
    return took


if __name__ == "__main__":
    main()
