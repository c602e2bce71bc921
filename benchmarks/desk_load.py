"""50 people searching and 20 playing at once, over loopback: p50 and p95 of every endpoint.

Everybody has their own session and connection, and does what a browser does: a searcher asks in
words, waits for the end, fetches the first row of pictures, reads for some seconds; a player opens
a recording and fetches what is ahead of it as fast as it is played. An answer that is none of
those expected ends the measurement with an error. `HINDSIGHT_LOAD_DATA` names a data directory to
measure on instead of one made here of what lies in shared/footage.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import random
import re
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from benchmarks.house import House, clips, house
from benchmarks.report import RESULTS, report
from storage.clock import US
from storage.directory import open_directory
from storage.grants import GRANTABLE, Place, add_grant
from storage.login_sessions import open_session
from storage.people import add_user
from storage.segments import segments
from storage.vocabulary import Role
from web.playable import is_streamed

SEARCHERS, PLAYERS = 50, 20
WARM_S, MEASURED_S = 30.0, 60.0  # the warm-up spreads who comes in over a reading
READS_S = (15.0, 45.0)  # how long somebody reads what was found
PICTURES = 8  # of a first row
AHEAD_S = 2.0  # of footage in one request of a player
QUESTIONS = (
    "a white van", "a person walking", "an empty street", "a bus", "a red car at night",
    "people crossing the road", "a bicycle", "一辆公共汽车", "a dark car", "rain",
)  # fmt: skip
CASE = {"case": "load", "reason": "a measurement"}
PAUSE_S = 0.4  # of js/running.js between looks
COOKIE = "hindsight_session"


@dataclass
class Measured:
    """Seconds by endpoint, and what went wrong."""

    took_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: Counter[str] = field(default_factory=Counter)
    counts: bool = False
    over: bool = False


class Browser:
    """One connection of one person."""

    def __init__(self, port: int, token: str, measured: Measured) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {"Cookie": f"{COOKIE}={token}", "Accept-Encoding": "gzip"}
        self.measured = measured

    def get(self, name: str, address: str, accept: str = "*/*", **headers: str) -> bytes:
        """The body; timed under `name`. Any answer but 200, 206 and 304 is noted as wrong."""
        began = time.monotonic()
        said = self.headers | {"Accept": accept} | headers
        try:
            self.connection.request("GET", address, headers=said)
            answer = self.connection.getresponse()
            body, status = answer.read(), str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            body, status = b"", type(error).__name__
        if self.measured.counts and not self.measured.over:
            self.measured.took_s[name].append(time.monotonic() - began)
            if status not in ("200", "206", "304"):
                self.measured.wrong[f"{name}: {status}"] += 1
        return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def search(browser: Browser, chance: random.Random, *, once: bool = False) -> None:
    """Until it is over: ask, wait for the end, look at the pictures, read."""
    while not browser.measured.over:
        asked = urlencode({"q": chance.choice(QUESTIONS), **CASE})
        began = time.monotonic()
        page = browser.get("search page", f"/search?{asked}", "text/html").decode()
        if waits := re.search(r'data-waits-for="(\w+)"', page):
            while not browser.measured.over:
                told = browser.get(
                    "search state (waits up to 5 s)", f"/api/v1/searches/{waits[1]}?wait_s=5",
                    "application/json",
                )  # fmt: skip
                with suppress(ValueError):
                    if json.loads(told or b"{}").get("state") in ("done", "failed", "cancelled"):
                        break
                time.sleep(PAUSE_S)
            page = browser.get(
                "search page", f"/search?{asked}&run={waits[1]}", "text/html"
            ).decode()
        pictures = re.findall(r'src="(/media/picture/[^"]+)"', page)
        for picture in pictures[:PICTURES]:
            browser.get("picture", picture.replace("&amp;", "&"))
        if browser.measured.counts and not browser.measured.over:
            browser.measured.took_s["a search until its first row is seen"].append(
                time.monotonic() - began
            )
        if once:
            return
        time.sleep(chance.uniform(*READS_S))


def play(browser: Browser, chance: random.Random, footage: list[tuple[str, int, int]]) -> None:
    """Until it is over: open somewhere, then fetch as fast as it is played."""
    while not browser.measured.over:
        camera, start_us, end_us = chance.choice(footage)
        at = chance.randrange(start_us, max(start_us + 1, end_us - 10 * US))
        told = browser.get(
            "opening", f"/media/{quote(camera)}/opening.json?"
            + urlencode({"at": at, "codecs": "h264", **CASE}), "application/json",
        )  # fmt: skip
        found = json.loads(told) if told.startswith(b"{") else {}
        if not found.get("playlist"):
            time.sleep(1)
            continue
        listed = browser.get("playlist", found["playlist"]).decode()
        for address, length, offset in _ranges(listed):
            if browser.measured.over:
                return
            began = time.monotonic()
            browser.get(
                "footage, 2 s of it", address, Range=f"bytes={offset}-{offset + length - 1}"
            )
            time.sleep(max(0.0, AHEAD_S - (time.monotonic() - began)))


def _ranges(playlist: str) -> list[tuple[str, int, int]]:
    """(address, bytes, first byte) of the pieces of one minute at most."""
    found, length, offset = [], 0, 0
    for line in playlist.splitlines():
        if told := re.match(r"#EXT-X-BYTERANGE:(\d+)@(\d+)", line):
            length, offset = int(told[1]), int(told[2])
        elif line and not line.startswith("#") and length:
            found.append((line, length, offset))
    return found[:30]


def people(made: House) -> tuple[list[str], list[tuple[str, int, int]]]:
    """Tokens of sessions, one a person, and footage to play."""
    directory = open_directory(made.root / "data")
    now_us = directory.clock.now_us()
    tokens = []
    with directory.ledger.write() as tx:
        user = add_user(
            tx, f"load-{now_us}", "correct horse battery", Role.INVESTIGATOR, created_us=now_us,
            lang="en", must_change=False,
        )  # fmt: skip
        add_grant(
            tx, user=user, verbs=GRANTABLE, place=Place(site=""), from_us=0,
            until_us=now_us + 86_400 * US, purpose="a measurement", made_by="the measurement",
            at_us=now_us,
        )  # fmt: skip
        tokens = [
            open_session(tx, user, f"127.0.1.{number}", now_us, 12)
            for number in range(SEARCHERS + PLAYERS)
        ]
    with directory.ledger.read() as tx:
        rows = [row for row in segments(tx) if row.codec == "h264" and is_streamed(row)]
    footage = [(row.camera, row.start_us, row.end_us) for row in rows[-200:]]
    directory.close()
    if not footage:
        raise SystemExit("no footage that browsers play lies in this archive; nothing is measured")
    return tokens, footage


@contextmanager
def server(made: House) -> Iterator[int]:
    """`hindsight serve` as it is shipped; its port."""
    process = subprocess.Popen(
        made.argv("serve", "--port", "0"), stdout=subprocess.PIPE, text=True,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert process.stdout is not None
    told = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
    assert told, "the server did not start"
    try:
        yield int(told[1])
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def archive() -> Iterator[House]:
    """A lived-in one: that named by HINDSIGHT_LOAD_DATA, or one made of clips."""
    if named := os.environ.get("HINDSIGHT_LOAD_DATA"):
        yield House(Path(named).parent)
        return
    with house() as made:
        for number, clip in enumerate(clips(made.root)[::5]):  # of every place some
            made.run("camera", "add", f"load {number}", "file:/nowhere.mp4")
            made.run("import", str(clip), "--camera", f"load {number}", "--start",
                     f"2026-11-18T{8 + number:02}:00:00+08:00")  # fmt: skip
        made.run("index")
        yield made


def measure(port: int, tokens: list[str], footage: list[tuple[str, int, int]]) -> Measured:
    """All of them at once, for a bounded time."""
    measured = Measured()
    search(Browser(port, tokens[0], measured), random.Random(0), once=True)  # loads the model
    threads = []
    for number, token in enumerate(tokens):
        browser, chance = Browser(port, token, measured), random.Random(number)
        does = (search, (browser, chance)) if number < SEARCHERS else (
            play, (browser, chance, footage)
        )  # fmt: skip
        threads.append(threading.Thread(target=does[0], args=does[1], daemon=True))
    for each in threads:
        each.start()
        time.sleep(WARM_S / len(threads))
    measured.counts = True
    time.sleep(MEASURED_S)
    measured.over = True
    for each in threads:
        each.join(70)
    return measured


def main() -> None:
    """Print each endpoint; fail on any error."""
    with archive() as made:
        case = made.argv("case", "open", CASE["case"], "--reason", CASE["reason"])
        subprocess.run(case, capture_output=True, check=False)  # there from an earlier run, perhaps
        tokens, footage = people(made)
        with server(made) as port:
            measured = measure(port, tokens, footage)
    document = {}
    for name, took_s in sorted(measured.took_s.items()):
        took = sorted(took_s)
        p50, p95 = took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.95))]
        document[name] = {"n": len(took), "p50_ms": 1000 * p50, "p95_ms": 1000 * p95,
                          "max_ms": 1000 * took[-1]}  # fmt: skip
        print(f"{name}: n={len(took)} p50={1000 * p50:.0f} ms p95={1000 * p95:.0f} ms"  # noqa: T201
              f" max={1000 * took[-1]:.0f} ms")  # fmt: skip
    print(f"errors: {dict(measured.wrong) or 'none'}")  # noqa: T201
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "desk_load_endpoints.json").write_text(json.dumps(document, indent=1))
    seen = document["a search until its first row is seen"]
    report("desk_load", seen["p95_ms"], "ms until a first row is seen, p95", "2 s", 2000.0)
    if measured.wrong:
        raise SystemExit(f"errors under load: {dict(measured.wrong)}")
