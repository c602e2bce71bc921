"""A server of our own in its own process, and Chromium in front of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from storage.vocabulary import Segment
from tests.web.footage import BITS, HEIGHT, WIDTH

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "test-artifacts"
CHROMIUM = "/usr/bin/chromium"
PERIOD_US = 40_000
# Draws what a screen shows and reads the number its cells say, see tests.web.footage.
READ = f"""(screen) => {{
  const canvas = Object.assign(document.createElement("canvas"), {{width: {WIDTH}, height: {HEIGHT}}});
  const drawing = canvas.getContext("2d", {{willReadFrequently: true}});
  drawing.drawImage(screen, 0, 0, {WIDTH}, {HEIGHT});
  let number = 0;
  for (let i = 0; i < {BITS}; i += 1) {{
    const x = Math.floor((i + 0.5) * {WIDTH} / {BITS});
    number = number * 2 + (drawing.getImageData(x, {HEIGHT // 2}, 1, 1).data[0] > 128 ? 1 : 0);
  }}
  return number;
}}"""  # noqa: E501
READ_NUMBER = f"""
() => {{
  const screen = [...document.querySelectorAll("[data-player] video, [data-player] .stage img")]
    .find((one) => !one.hidden);
  return screen ? ({READ})(screen) : -1;
}}
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; the test is skipped, loudly, where there is none."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is absent: the browser tests DID NOT RUN")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        yield browser
        browser.close()


@dataclass
class Server:
    """`hindsight serve` on a free port."""

    process: subprocess.Popen[str]
    url: str

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def serving(data: Path, port: int = 0) -> Iterator[Server]:
    """Start it, wait for its URL, and end it."""
    command = [sys.executable, "-m", "hindsight", "--data", str(data), "serve"]
    command += ["--port", str(port)]
    environment = os.environ | {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    if found is None:
        process.kill()
        pytest.fail(f"the server did not start: {line}{process.stdout.read()}")
    server = Server(process, found[0].rstrip("/"))
    try:
        yield server
    finally:
        if process.poll() is None:
            server.stop()
        process.stdout.close()


@dataclass
class Visitor:
    """A person at a browser window; what the console complained of."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def go(self, address: str) -> None:
        self.page.goto(self.url + address)

    def speak(self, language: str) -> None:
        """As if the language had been chosen in this browser before."""
        cookie = {"name": "hindsight_lang", "value": language, "url": self.url}
        self.page.context.add_cookies([cookie])  # type: ignore[list-item]

    def log_in(self, name: str, password: str) -> None:
        self.go("/login")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def shot(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")

    def shown_us(self) -> int:
        """The instant the player says it shows."""
        return int(self.page.get_attribute("[data-player]", "data-us") or 0)

    def number(self) -> int:
        """The number the picture on screen says."""
        return int(self.page.evaluate(READ_NUMBER))

    def sees(self, number: int, label: Callable[[int], int], within_s: float = 6) -> None:
        """The picture on screen becomes `number`, and the time beside it agrees."""
        until(
            lambda: (self.number(), label(self.shown_us())) == (number, number),
            within_s,
            lambda: f"wanted {number}, saw {self.number()}, label {label(self.shown_us())}",
        )


def visitor(context: BrowserContext, url: str) -> Visitor:
    """A fresh window whose console is listened to."""
    page = context.new_page()
    made = Visitor(page, url)
    page.on(
        "console",
        lambda said: (
            made.complaints.append(f"{said.text} {said.location['url']}")
            if said.type in ("error", "warning")
            else None
        ),
    )
    page.on("pageerror", lambda error: made.complaints.append(str(error)))
    return made


# What moved although nobody asked for it, as the browser itself counts it.
WATCH_SHIFTS = """
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) {
      window.shifts += one.value;
      window.moved = one.sources.map((source) => source.node?.outerHTML?.slice(0, 200));
    }
  }).observe({type: "layout-shift", buffered: true});
"""


def until(holds: Callable[[], bool], within_s: float, told: Callable[[], str]) -> None:
    """Poll an outside process until `holds`, or fail with `told`."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(told())
        time.sleep(0.02)


def labeller(rows: list[Segment]) -> Callable[[int], int]:
    """Instant → number of the picture shown then; segment i begins with picture 100 × i."""

    def number_at(us: int) -> int:
        for i, row in enumerate(rows):
            if row.start_us <= us + 10 < row.end_us:
                return 100 * i + (us + 10 - row.start_us) // PERIOD_US
        return -1

    return number_at
