"""The audit desk: plain words, filters, pages, files, and the walk along the chain."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from storage import audit
from storage.audit_reading import PAGE, exported_slowly
from storage.audit_words import WORDS
from storage.clock import US
from storage.login_sessions import open_session
from storage.people import add_user, find_user
from storage.sealing import sign_audit
from storage.vocabulary import Actor, Role
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk, Person
from web.sessions import COOKIE
from web.verifying import verifier

ROOT = Path(__file__).parents[2]
ROOMS = ("storage", "recorder", "indexer", "search", "evidence", "web")
SPAN = {"from": "2026-11-16T13:00:00.000000Z", "to": "2026-11-16T13:10:00.000000Z"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A camera, people, a chain with something of everything."""
    house = new_house(tmp_path_factory.mktemp("audited") / "data", NOW_US)
    house.camera("gate")
    made = Desk(house.directory, house.clock)
    with house.ledger.write() as tx:
        for name, role in (("au", Role.AUDITOR), ("ines", Role.INVESTIGATOR)):
            add_user(tx, name, None, role, created_us=NOW_US, must_change=False)
        add_user(tx, "wen", None, Role.AUDITOR, created_us=NOW_US, must_change=False, lang="zh")
        look = Actor("ines", "A-1", "a stolen <b>bicycle</b>")
        audit.record(tx, look, "play", "gate", at_us=NOW_US - 3600 * US, detail=SPAN)
        audit.record(tx, Actor("ines"), "search", "=a red car", at_us=NOW_US, detail={})
        audit.record(tx, Actor("ines"), "of_a_later_version", "something", at_us=NOW_US)
        for number in range(250):
            audit.record(tx, Actor("omar"), "view", "yard", at_us=NOW_US, detail={"n": number})
    yield made
    made.close()


def seat(desk: Desk, name: str = "au") -> Person:
    with desk.directory.ledger.write() as tx:
        token = open_session(tx, find_user(tx, name), "192.0.2.7", NOW_US, 12)
    client = desk.app.test_client()
    client.set_cookie(COOKIE, token)
    return Person(client)


def rows_shown(page: str) -> list[int]:
    return [int(found) for found in re.findall(r">row ([\d,]+)<", page)]


def test_every_action_that_is_noted_has_its_words() -> None:
    """A new one is added to storage.audit_words."""
    named = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if "node_modules" in path.parts or "audit" not in (source := path.read_text("utf-8")):
                continue
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record":
                    action = node.args[2] if len(node.args) > 2 else None
                    if isinstance(action, ast.Constant):
                        named.add(str(action.value))
    assert len(named) > 30
    assert sorted(named - WORDS.keys()) == []


def test_rows_are_told_in_plain_words_with_what_lies_behind(desk: Desk) -> None:
    page = seat(desk).get("/audit?actor=ines").text
    assert "watched gate" in page
    assert "footage 2026-11-16 13:00:00.000 +00:00 – 2026-11-16 13:10:00.000 +00:00" in page
    assert "searched: =a red car" in page
    assert "of_a_later_version: something" in page  # as it stands
    assert "a stolen &lt;b&gt;bicycle&lt;/b&gt;" in page
    assert "&#34;to&#34;: &#34;2026-11-16T13:10:00.000000Z&#34;" in page
    newest = desk.audited("audit.read")[-1]
    assert (newest.actor, json.loads(newest.detail)) == ("au", {"actor": "ines", "limit": 100})
    assert "播放了 gate 的录像" in seat(desk, "wen").get("/audit?actor=ines").text


def test_the_log_is_read_page_by_page_and_each_is_a_row(desk: Desk) -> None:
    auditor = seat(desk)
    before = len(desk.audited("audit.read"))
    seen: list[int] = []
    address: str | None = "/audit?actor=omar"
    while address is not None:
        page = auditor.get(address).text
        seen += rows_shown(page)
        older = re.search(r'href="(/audit\?before=[^"]+)">Older', page)
        address = older[1].replace("&amp;", "&") if older else None
    assert len(seen) == 250
    assert seen == sorted(set(seen), reverse=True)
    assert len(desk.audited("audit.read")) == before + 3


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("case=A-1", 1), ("camera=gate", 1), ("action=search", 1), ("actor=nobody", 0),
        ("actor=ines&from=2026-11-16T12:30:00Z", 2), ("actor=ines&to=2026-11-16T12:30:00Z", 1),
        ("actor=ines&to=2026-11-16+20:30&tz=Asia/Shanghai", 1), ("case=A-1&actor=omar", 0),
    ],
)  # fmt: skip
def test_each_filter_narrows(desk: Desk, query: str, count: int) -> None:
    assert len(rows_shown(seat(desk).get(f"/audit?{query}").text)) == count, query


@pytest.mark.parametrize("query", ["camera=nowhere", "from=never", "tz=Mars", "from=2026-11-17"
                                   "T00:00:00Z&to=2026-11-16T00:00:00Z"])  # fmt: skip
def test_what_makes_no_sense_is_told_and_shows_nothing(desk: Desk, query: str) -> None:
    if query == "tz=Mars":
        query += "&from=2026-11-17"
    answer = seat(desk).get(f"/audit?{query}")
    assert answer.status_code in (404, 422)
    assert rows_shown(answer.text) == []


def test_the_rows_of_a_filter_are_saved_with_their_hashes(desk: Desk) -> None:
    auditor = seat(desk)
    answer = auditor.get("/audit/export?actor=ines&format=csv")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["action"] for row in table] == ["play", "search", "of_a_later_version"]
    assert table[1]["subject"] == "'=a red car"  # no spreadsheet runs it
    assert "attachment" in answer.headers["Content-Disposition"]
    lines = auditor.get("/api/v1/audit/export?actor=ines").text.splitlines()
    assert [json.loads(line)["hash"] for line in lines] == [row["hash"] for row in table]
    made = [json.loads(row.detail) for row in desk.audited("audit.export")]
    assert made == [{"actor": "ines", "format": "csv"}, {"actor": "ines", "format": "jsonl"}]
    assert auditor.get("/audit/export?format=exe").status_code == 422


def test_a_file_is_a_snapshot_whatever_is_written_meanwhile(desk: Desk) -> None:
    with desk.directory.ledger.write() as tx:
        for number in range(PAGE):
            audit.record(tx, Actor("pia"), "view", "yard", at_us=NOW_US, detail={"n": number})
        newest = audit.head(tx)
    rows = exported_slowly(desk.directory, audit.EVERYTHING)
    taken = [next(rows).seq]
    with desk.directory.ledger.write() as tx:  # nothing keeps it from writing
        audit.record(tx, Actor("pia"), "view", "yard", at_us=NOW_US)
    taken += [row.seq for row in rows]
    assert newest is not None
    assert taken == list(range(1, newest[0] + 1))


def test_the_chain_is_walked_in_the_background_and_the_verdict_stays(desk: Desk) -> None:
    sign_audit(desk.directory, Actor("the test"))
    auditor = seat(desk)
    answer = auditor.post("/audit/verification", {"noted": ""}, at="/audit/verification")
    assert answer.status_code == 302
    verifier(desk.app).wait()
    page = auditor.get("/audit/verification")
    assert "The audit log is whole" in page.text
    assert "Refresh" not in page.headers
    assert desk.audited("audit.verify")[-1].actor == "au"
    assert "Verified and whole" in auditor.get("/audit").text
    told = auditor.get("/api/v1/audit/verification").json
    assert (told["walk"]["ok"], told["walk"]["by"]) == (True, "au")
    assert told["walk"]["done"] == told["walk"]["total"] > 1000
    assert told["signed"]["row"] < told["rows"]
    auditor.post("/audit/verification", {"noted": "f" * 64}, at="/audit/verification")
    verifier(desk.app).wait()
    assert "the noted head is not in the audit chain" in auditor.get("/audit/verification").text


def test_a_broken_chain_is_named_and_one_walk_goes_on_at_a_time(desk: Desk) -> None:
    auditor = seat(desk)
    with desk.directory.ledger.write() as tx:
        tx.execute(text("UPDATE audit SET actor = 'nobody' WHERE action = 'play'"))
        (row,) = audit.rows(tx, action="play")
    at = {"X-CSRF-Token": auditor.token()}
    begun = auditor.client.post("/api/v1/audit/verification", json={}, headers=at)
    assert begun.status_code == 202
    verifier(desk.app).wait()
    page = auditor.get("/audit/verification").text
    assert "The audit log is broken" in page
    assert f"audit row {row.seq} was changed" in page
    told = auditor.get("/api/v1/audit/verification").json["walk"]
    assert told["ok"] is False
    assert any(f"row {row.seq}" in one["what"] for one in told["findings"])
    with desk.directory.ledger.write() as tx:
        tx.execute(text("UPDATE audit SET actor = 'ines' WHERE action = 'play'"))


@pytest.mark.parametrize(
    ("column", "written"),
    [("ts_us", "'never'"), ("ts_us", "-99999999999999999"), ("detail", "'[[[' "), ("detail", "7"),
     ("actor", "x'00ff'"), ("detail", "'{\"from\": 1, \"to\": []}'"), ("subject", "12")],
)  # fmt: skip
def test_a_row_that_somebody_wrote_into_is_still_shown(
    desk: Desk, column: str, written: str
) -> None:
    auditor = seat(desk)
    with desk.directory.ledger.write() as tx:
        (row,) = audit.rows(tx, action="search")
        kept = tx.execute(text(f"SELECT {column} FROM audit WHERE seq = {row.seq}")).scalar()
        tx.execute(text(f"UPDATE audit SET {column} = {written} WHERE seq = {row.seq}"))
    for address in ("/audit", "/api/v1/audit", "/audit/export", "/audit/export?format=csv"):
        answer = auditor.get(address + ("&" if "?" in address else "?") + "action=search")
        assert answer.status_code == 200, (address, answer.text)
        assert row.hash in answer.text
    with desk.directory.ledger.write() as tx:
        tx.execute(text(f"UPDATE audit SET {column} = :kept WHERE seq = {row.seq}"), {"kept": kept})


@pytest.mark.parametrize("address", ["/audit", "/audit/export", "/audit/verification"])
def test_who_does_not_audit_reads_nothing(desk: Desk, address: str) -> None:
    before = len(desk.audited())
    assert seat(desk, "ines").get(address).status_code == 403
    assert len(desk.audited()) == before
