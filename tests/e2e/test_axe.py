"""Every page there is, in both languages, colours and widths: nothing shuts anybody out, nothing
scrolls sideways, nothing jumps while it loads, nothing complains, nothing is heavy."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page
from werkzeug.test import TestResponse

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from storage.rights import RIGHTS  # noqa: E402
from tests.e2e.accessible import AXE, VIOLATIONS  # noqa: E402
from tests.e2e.browser import chromium  # noqa: E402
from tests.e2e.lit_desk import PEOPLE, lived_in, served  # noqa: E402
from tests.web.desk import Person  # noqa: E402
from tests.web.lived_in import CASE, LivedIn  # noqa: E402
from web import access, sessions  # noqa: E402

pytestmark = pytest.mark.timeout(180)
RUN = (
    f"const shut = await ({VIOLATIONS});"
    + """
  const sizes = performance.getEntriesByType("resource")
    .filter((one) => one.name.includes("/static/") && !one.name.includes("/vendor/"));
  const [page] = performance.getEntriesByType("navigation");
  const wide = document.documentElement.scrollWidth > innerWidth
    ? [...document.querySelectorAll("body *")]
      .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)
      .map((one) => `${one.tagName}.${one.className}`).slice(0, 5) : [];
  return {
    axe: shut,
    weight: sizes.reduce((sum, one) => sum + one.encodedBodySize, page.encodedBodySize),
    wide, shift: window.shifted, moved: window.movers, lang: document.documentElement.lang,
  };
"""
)
SHIFTS = """
window.shifted = 0; window.movers = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    if (one.hadRecentInput) continue;
    window.shifted += one.value;
    window.movers.push(...one.sources.map(({node}) => node?.nodeName + "." + node?.className));
  }
}).observe({type: "layout-shift", buffered: true});
"""
# Answer no page; asked with nothing they answer that they cannot.
NO_PAGES = frozenset({
    "auth.begin_at_provider", "auth.end_at_provider", "player.day", "player.near", "player.scrub",
    "search.neighbours_in_time", "search.query_picture", "search.cards_so_far", "archive.export",
})  # fmt: skip
LIGHT_BYTES, STILL = 150_000, 0.02
# Page and what is asked of it, where the bare address shows less than there is.
TIMES = {"from": "2026-11-16 21:00:00", "to": "2026-11-16 21:00:04", "tz": "Asia/Shanghai"}
ASKED: dict[str, list[dict[str, str]]] = {
    "search.desk": [{}, {"q": "a red car", "case": CASE, "reason": "storm"}],
    "player.page": [{}, {"camera": "gate", "case": CASE, "reason": "storm"}],
    "export.page": [{"camera": "gate", "case": CASE, "reason": "storm", **TIMES}],
    "redaction.page": [{}, {"camera": "gate", "case": CASE, "reason": "storm", **TIMES}],
    "people.person": [{"name": "omar"}],
    "archive.promise": [{"class": "3", "days": "5"}],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Visit:
    """One page, as one person sees it in one language, colour and width."""

    endpoint: str
    address: str
    who: str
    lang: str
    theme: str
    width: int


@dataclass
class Faults:
    """What was found, page by page."""

    found: list[str] = field(default_factory=list)

    def note(self, visit: Visit, told: dict[str, Any], complaints: list[str]) -> None:
        at = f"{visit.address} ({visit.who}, {visit.lang}, {visit.theme}, {visit.width})"
        self.found += [f"{at}: {one}" for one in told["axe"] + complaints]
        if told["wide"]:
            self.found.append(f"{at}: scrolls sideways: {told['wide']}")
        if told["shift"] > STILL:
            self.found.append(f"{at}: jumps by {told['shift']:.3f}: {sorted(set(told['moved']))}")
        if told["weight"] > LIGHT_BYTES:
            self.found.append(f"{at}: weighs {told['weight']} bytes")
        if told["lang"] != ("zh-Hans" if visit.lang == "zh" else "en"):
            self.found.append(f"{at}: is in {told['lang']}")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivedIn]:
    with lived_in(tmp_path_factory.mktemp("axe")) as made:
        yield made


def who_may(endpoint: str) -> list[str]:
    """Names of those who reach it."""
    verb = access.VERBS.get(endpoint)
    return [name for name, role in PEOPLE.items() if verb is None or verb in RIGHTS[role]]


def table_sent(who: Person) -> str:
    """Address of what a table of cameras would change, for who sent it."""
    table = (io.BytesIO(b"name,url,site,class\r\nNew,,city/new,1\r\n"), "cameras.csv")
    answer = who.post("/cameras/import", {"table": table}, content_type="multipart/form-data")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])


def is_page(answer: TestResponse) -> bool:
    """And no part of one, nor a document for programs."""
    return answer.status_code == 200 and b"<!doctype html>" in answer.data[:200].lower()


def visits(city: LivedIn) -> tuple[list[Visit], list[str]]:
    """Each page twice: every language, colour and width once, in turns of who may see it; and the
    addresses that lead nowhere, which may be pages that nobody looked at."""
    found: list[Visit] = []
    seats = {name: city.seat(name) for name in PEOPLE}
    known = {name: values[0] for name, values in city.known.items()} | {"case_id": CASE}
    nowhere: list[str] = []
    bind = city.desk.app.url_map.bind("localhost")
    for rule in sorted(city.desk.app.url_map.iter_rules(), key=lambda one: one.endpoint):
        people = who_may(rule.endpoint)
        if "GET" not in (rule.methods or ()) or rule.endpoint == "static" or not people:
            continue
        values = {name: known.get(name, "1") for name in rule.arguments}
        path = bind.build(rule.endpoint, values)
        if rule.endpoint == "register.preview":  # for who sent the table alone
            people = ["root"]
            path = table_sent(seats["root"])
        for asked in ASKED.get(rule.endpoint, [{}]):
            address = f"{path}?{urlencode(asked)}" if asked else path
            who = people[0]
            answer = seats[who].get(address, headers={"Accept": "text/html"})
            for who in people[1:] if answer.status_code == 403 else ():
                answer = seats[who].get(address, headers={"Accept": "text/html"})
                if answer.status_code != 403:
                    break
            if not is_page(answer):
                refused = answer.mimetype == "text/html" and answer.status_code >= 400
                if refused and rule.endpoint not in NO_PAGES:
                    nowhere.append(f"{rule.endpoint}: {address} {answer.status_code}")
                continue
            turn = len(found) // 2
            both = [people[turn % len(people)], people[(turn + 1) % len(people)]]
            both = [one if is_page(seats[one].get(address)) else who for one in both]
            themes = ("dark", "light") if turn % 2 else ("light", "dark")
            widths = (390, 1366) if turn // 2 % 2 else (1366, 390)
            found.append(Visit(rule.endpoint, address, both[0], "en", themes[0], widths[0]))
            found.append(Visit(rule.endpoint, address, both[1], "zh", themes[1], widths[1]))
    return found, nowhere


def test_no_page_shuts_anybody_out(city: LivedIn) -> None:
    todo, nowhere = visits(city)
    assert not nowhere, "say in ASKED or lived_in.known what leads to " + ", ".join(nowhere)
    pages = {visit.endpoint for visit in todo}
    assert {endpoint for endpoint, _ in access.DESKS} <= pages
    faults = Faults()
    with served(city.desk) as url, chromium() as browser:
        context = browser.new_context(viewport={"width": 1366, "height": 768})
        context.add_init_script(SHIFTS)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text)
                if said.type in ("error", "warning") else None)  # fmt: skip
        page.on("pageerror", lambda error: complaints.append(str(error)))
        keys = {name: seat_key(city, name) for name in PEOPLE}
        for visit in todo:
            complaints.clear()
            sit(page, url, visit, keys[visit.who])
            page.goto(url + visit.address, wait_until="load")
            page.evaluate(AXE)
            faults.note(visit, page.evaluate(f"async () => {{{RUN}}}"), complaints)
        context.close()
    assert not faults.found, f"{len(faults.found)} faults:\n" + "\n".join(faults.found)


def seat_key(city: LivedIn, name: str) -> str:
    """The cookie of a session of theirs."""
    cookie = city.seat(name).client.get_cookie(sessions.COOKIE)
    assert cookie is not None
    return cookie.value


def sit(page: Page, url: str, visit: Visit, key: str) -> None:
    """Who looks, and how; what the page before still asks for must not go with their cookie."""
    page.goto("about:blank")
    cookies = {
        sessions.COOKIE: key, "hindsight_lang": visit.lang, "hindsight_theme": visit.theme,
    }  # fmt: skip
    page.context.add_cookies([
        {"name": name, "value": value, "url": url} for name, value in cookies.items()
    ])  # fmt: skip
    page.set_viewport_size({"width": visit.width, "height": 844 if visit.width < 500 else 768})
