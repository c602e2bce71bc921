"""Exports of the web: taken in, made in the background, fetched by who asked, and forgotten."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, event
from werkzeug.test import TestResponse

from evidence.verify_bundle import verify
from evidence.workshop import PREFIX
from storage import export_jobs
from storage.api_tokens import add_token
from storage.cases import close_case, open_case
from storage.clock import US, rfc3339
from storage.grants import grants, revoke_grant
from storage.people import find_user
from storage.rights import Verb
from storage.zones import add_zone
from tests.evidence.weeks import MINUTE_US, minute, record_minutes
from tests.web.desk import NOW_US, Desk, Person
from tests.web.footage import START_US
from web.export_jobs import MOST_OF_ONE, SILENT_S, ExportJobs
from web.exporting import EXTENSION, runner

SPAN = {"from": rfc3339(START_US), "to": rfc3339(START_US + 3_000_000)}
LONG_WAIT_S = 30


@pytest.fixture
def exporting(archive: Desk) -> Iterator[Desk]:
    """The archive, whose exports are ended before it is closed."""
    yield archive
    runner(archive.app).close()


def send(who: Person, address: str, body: dict[str, Any], method: str = "POST") -> TestResponse:
    return who.client.open(
        address, method=method, json=body, headers={"X-CSRF-Token": who.token()}
    )  # fmt: skip


def program(desk: Desk, owner: str) -> FlaskClient:
    """What somebody's API token opens that may export."""
    with desk.directory.ledger.write() as tx:
        user = find_user(tx, owner)
        _, token = add_token(
            tx, user, "robot", [Verb.EXPORT], days=30, created_by=owner, now_us=NOW_US
        )
    made = desk.app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return made


def begin(who: Person, camera: str = "gate", **more: Any) -> dict[str, Any]:
    answer = send(who, "/api/v1/exports", {"camera": [camera], **SPAN, **more})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"].endswith(answer.json["address"])
    told: dict[str, Any] = answer.json
    return told


def ended(who: Person, told: dict[str, Any]) -> dict[str, Any]:
    answer = who.get(f"{told['address']}?wait_s={LONG_WAIT_S}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    assert found["state"] not in ("waiting", "running")
    return found


def folders(desk: Desk) -> list[str]:
    root = desk.directory.cache / "exports"
    return sorted(path.name for path in root.iterdir()) if root.is_dir() else []


def asleep(desk: Desk) -> ExportJobs:
    """The exports of a server that begins none: what is asked for waits."""
    sleeping = ExportJobs(desk.directory, at_once=0)
    desk.app.extensions[EXTENSION] = sleeping
    return sleeping


def test_an_export_is_taken_in_made_and_fetched(exporting: Desk, tmp_path: Path) -> None:
    ines = exporting.person()
    told = ended(ines, begin(ines, reason="request 7"))
    assert (told["state"], told["progress"], told["cameras"]) == ("done", 1.0, ["gate"])
    assert told["result"]["segments"] == 2
    assert told["result"]["fingerprint"] == told["fingerprint"]
    assert str(exporting.directory.root) not in json.dumps(told)
    answer = ines.get(told["bundle"])
    assert (answer.status_code, answer.content_type) == (200, "application/zip")
    assert answer.headers["Cache-Control"] == "no-store"
    path = tmp_path / "bundle.zip"
    path.write_bytes(answer.data)
    assert verify(path, told["fingerprint"]).findings == []
    part = ines.get(told["bundle"], headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.data) == (206, answer.data[100:200])
    assert ines.get(told["bundle"], headers={"Range": "bytes=x-"}).status_code in (200, 416)
    rows = exporting.audited("export.fetched")
    assert [json.loads(row.detail).get("range") for row in rows][:2] == [None, "bytes=100-199"]
    assert {row.actor for row in rows} == {"ines"}
    assert [row.reason for row in exporting.audited("export.asked")] == ["request 7"]
    assert [one["id"] for one in ines.get("/api/v1/exports").json] == [told["id"]]


def test_nobody_else_learns_of_an_export(exporting: Desk) -> None:
    ines, otto = exporting.person(), exporting.person("otto")
    told = ended(ines, begin(ines))
    assert otto.get("/api/v1/exports").json == []
    for address in (told["address"], told["bundle"], f"/export/{told['id']}",
                    f"/export/{told['id']}/bundle"):  # fmt: skip
        found, unknown = otto.get(address), otto.get(address.replace(told["id"], "0" * 26))
        assert found.status_code == unknown.status_code == 404
        assert told["id"] not in found.text.replace(address, "") or "not known" in found.text
    assert send(otto, told["address"], {}, "DELETE").status_code == 404
    assert otto.post(f"/export/{told['id']}/cancel").status_code == 404
    assert told["name"] not in otto.get("/export").text
    assert ines.get(told["bundle"]).status_code == 200


def test_rights_are_asked_anew_when_it_is_fetched(exporting: Desk) -> None:
    with exporting.directory.ledger.write() as tx:
        open_case(tx, "A-1", "thefts", "admin", NOW_US)
    ines = exporting.person()
    of_case, told = (ended(ines, begin(ines, **how)) for how in ({"case": "A-1"}, {}))
    with exporting.directory.ledger.write() as tx:
        close_case(tx, "A-1", NOW_US)
    assert ines.get(of_case["bundle"]).status_code == 409
    assert ines.get(told["bundle"]).status_code == 200
    with exporting.directory.ledger.write() as tx:
        for one in grants(tx):
            revoke_grant(tx, one.id, by="admin", reason="over", at_us=NOW_US)
    assert ines.get(told["bundle"]).status_code == 404
    shown = ines.get(told["address"])
    assert (shown.json["cameras"], shown.json["result"]) == ([], None)
    for address in (told["address"], "/api/v1/exports", f"/export/{told['id']}", "/export"):
        assert "gate" not in ines.get(address).text, address


def test_a_token_does_not_fetch_what_its_owner_alone_may_see_unmasked(exporting: Desk) -> None:
    ines = exporting.person()
    with exporting.directory.ledger.write() as tx:
        add_zone(tx, camera=exporting.cameras["gate"], name="window", from_us=0, until_us=None,
                 points=[(0, 0), (0.5, 0), (0.5, 1)], reason="asked", made_by="admin",
                 at_us=NOW_US)  # fmt: skip
    told = ended(ines, begin(ines))
    robot = program(exporting, "ines")
    assert robot.get(told["bundle"]).status_code == 403
    assert not exporting.audited("export.fetched")
    assert ines.get(told["bundle"]).status_code == 200
    [row] = exporting.audited("export.fetched")
    assert json.loads(row.detail)["unmasked"] == ["window"]


def test_rows_name_the_token_that_came_and_not_the_one_that_asked(exporting: Desk) -> None:
    ines = exporting.person()
    robot = program(exporting, "ines")
    answers = [robot.post("/api/v1/exports", json={"camera": ["gate"], **SPAN}) for _ in range(2)]
    first, second = (ended(ines, answer.json) for answer in answers)
    assert (ines.get(first["bundle"]).status_code, robot.get(first["bundle"]).status_code) == (
        200, 200,
    )  # fmt: skip
    assert send(ines, first["address"], {}, "DELETE").status_code == 200
    assert robot.delete(second["address"]).status_code == 200
    for action in ("export.fetched", "export.removed"):
        rows = [json.loads(row.detail).get("api_token") for row in exporting.audited(action)]
        assert rows[0] is None, action
        assert rows[1], action


def test_what_cannot_be_exported_is_refused_at_once(exporting: Desk) -> None:
    ines = exporting.person()
    nothing = {"from": rfc3339(START_US - 9 * US), "to": rfc3339(START_US - 5 * US)}
    for body, status in (
        ({"camera": ["gate"], **nothing}, 404),
        ({"camera": ["nowhere"], **SPAN}, 404),
        ({"camera": [], **SPAN}, 422),
        ({"camera": ["gate"], "from": SPAN["to"], "to": SPAN["from"]}, 422),
        ({"camera": ["gate"], **SPAN, "case": "A-9"}, 404),
        ({"camera": ["gate"], **SPAN, "search": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, 404),
    ):
        assert send(ines, "/api/v1/exports", body).status_code == status, body
    assert ines.get("/api/v1/exports").json == []
    assert ines.get("/api/v1/exports/../../x").status_code in (404, 405)


def test_a_failed_export_says_why_and_leaves_nothing(exporting: Desk) -> None:
    path = exporting.directory.archive.segment_file(exporting.segments[0])
    path.chmod(0o600)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    ines = exporting.person()
    told = ended(ines, begin(ines))
    assert told["state"] == "failed"
    assert "is damaged" in told["error"]
    assert ines.get(f"{told['address']}/bundle").status_code == 500
    assert "is damaged" in ines.get(f"/export/{told['id']}").text
    answer = send(ines, "/api/v1/export", {"camera": ["gate"], **SPAN})
    assert (answer.status_code, answer.json["type"].rpartition(":")[2]) == (500, "data-loss")
    assert folders(exporting) == []


def test_more_than_are_made_at_once_wait_and_can_be_cancelled(exporting: Desk) -> None:
    sleeping = asleep(exporting)
    ines = exporting.person()
    waiting = [begin(ines) for _ in range(MOST_OF_ONE)]
    answer = send(ines, "/api/v1/exports", {"camera": ["gate"], **SPAN})
    assert answer.status_code == 507
    for one in waiting[2:]:
        assert send(ines, one["address"], {}, "DELETE").json["state"] == "cancelled"
    assert ines.get(f"{waiting[2]['address']}/bundle").status_code == 409
    sleeping.close()
    with_one = ExportJobs(exporting.directory, at_once=1)  # the server starts again
    exporting.app.extensions[EXTENSION] = with_one
    with_one.start()
    assert [ended(ines, one)["state"] for one in waiting] == ["done"] * 2 + ["cancelled"] * (
        MOST_OF_ONE - 2
    )
    assert folders(exporting) == sorted(one["id"] for one in waiting[:2])


@pytest.fixture
def long(exporting: Desk) -> Desk:
    """The same with a camera that has five hours: an export that takes a while."""
    made = record_minutes(exporting.directory, "yard", START_US, 300, minute())
    exporting.cameras["yard"] = made.camera
    return exporting


def begun(desk: Desk, who: Person) -> dict[str, Any]:
    """A long export, some files of which are copied."""
    to = rfc3339(START_US + 300 * MINUTE_US)
    told = begin(who, "yard", to=to)
    root = desk.directory.cache / "exports" / told["id"]
    while not list(root.glob(f"{PREFIX}*/bag/originals/yard/*.mp4")):
        assert who.get(told["address"]).json["state"] in ("waiting", "running")
    return told


def test_an_export_that_runs_is_cancelled_and_leaves_nothing(long: Desk) -> None:
    ines = long.person()
    told = begun(long, ines)
    assert ines.get(told["address"]).json["state"] == "running"
    assert ines.post(f"/export/{told['id']}/cancel").status_code == 303
    assert ines.get(told["address"]).json["state"] == "cancelled"
    runner(long.app).close()
    assert folders(long) == []
    assert long.audited("export.cancelled")
    assert not long.audited("export.sealed")


def test_a_restart_of_the_server_goes_on_with_what_was_copied(long: Desk, tmp_path: Path) -> None:
    ines = long.person()
    told = begun(long, ines)
    runner(long.app).close()
    assert ines.get(told["address"]).json["state"] == "waiting"
    root = long.directory.cache / "exports" / told["id"]
    [left] = root.glob(f"{PREFIX}*")
    # As if it had been killed: nobody said that it waits, and nobody gives a sign of life.
    with long.directory.ledger.write() as tx:
        assert export_jobs.claim(tx, NOW_US) is not None
    again = ExportJobs(long.directory)
    again.keep_house()
    assert ines.get(told["address"]).json["state"] == "running"
    assert left.exists()
    long.clock.now = NOW_US + round((SILENT_S + 1) * US)
    long.app.extensions[EXTENSION] = again
    again.start()
    done = ended(ines, told)
    assert done["state"] == "done", done
    assert not left.exists()
    asked = [json.loads(row.detail) for row in long.audited("export")]
    assert [one.get("resumed", False) for one in asked] == [False, True]
    path = tmp_path / "bundle.zip"
    path.write_bytes(ines.get(done["bundle"]).data)
    assert verify(path, done["fingerprint"]).findings == []
    with zipfile.ZipFile(path) as held:
        assert sum("/originals/yard/" in name for name in held.namelist()) == 300


def test_what_another_server_took_over_is_left_to_it(long: Desk) -> None:
    ines = long.person()
    told = begun(long, ines)
    root = long.directory.cache / "exports" / told["id"]
    with long.directory.ledger.write() as tx:  # this server was silent, another one claims it
        assert export_jobs.put_back_silent(tx, NOW_US + 1) == 1
        assert export_jobs.claim(tx, NOW_US) is not None
    (root / "theirs").mkdir()
    runner(long.app).close()
    assert ines.get(told["address"]).json["state"] == "running"
    assert [path.name for path in root.iterdir() if not path.name.startswith(".")] == ["theirs"]
    assert not long.audited("export.sealed")


def test_who_runs_an_export_no_more_has_no_word_in_it(exporting: Desk) -> None:
    asleep(exporting)
    told = begin(exporting.person())
    with exporting.directory.ledger.write() as tx:
        silent = export_jobs.claim(tx, NOW_US)
        assert export_jobs.put_back_silent(tx, NOW_US + 1) == 1
        running = export_jobs.claim(tx, NOW_US)
        assert silent is not None
        assert running is not None
        end = {"at_us": NOW_US, "expires_us": NOW_US, "size_bytes": 1}
        for one, word in ((silent, False), (running, True)):
            assert export_jobs.runs(tx, one) is word
            assert export_jobs.beat(tx, one, NOW_US, 1, 2) is word
            if not word:
                assert not export_jobs.put_back(tx, one)
                assert not export_jobs.fail(tx, one, NOW_US, "no", "no")
            assert export_jobs.finish(tx, one, result="{}", **end) is word
        assert export_jobs.find(tx, told["id"]).state == "done"


def test_an_export_goes_on_after_the_machine_slept(long: Desk) -> None:
    only = ExportJobs(long.directory, beat_s=LONG_WAIT_S)  # the keeper looks first
    long.app.extensions[EXTENSION] = only
    ines = long.person()
    told = begun(long, ines)
    long.clock.now = NOW_US + round((SILENT_S + 1) * US)
    only.keep_house()
    assert ines.get(told["address"]).json["state"] == "running"
    with long.directory.ledger.read() as tx:
        found = export_jobs.find(tx, told["id"])
    assert (found.claims, found.alive_us) == (1, long.clock.now)


def test_an_end_is_noted_once_a_busy_ledger_is_free_again(exporting: Desk) -> None:
    jobs = ExportJobs(exporting.directory, at_once=1, beat_s=0.01)
    exporting.app.extensions[EXTENSION] = jobs
    ines, engine = exporting.person(), exporting.directory.ledger.engine
    other = sqlite3.connect(
        str(engine.url.database), isolation_level=None, check_same_thread=False, timeout=LONG_WAIT_S
    )
    refused, first = Refused(other), threading.Lock()

    def occupy(connection: Connection, options: dict[str, Any]) -> None:
        published = list(exporting.directory.cache.glob("exports/*/*.zip"))
        # In the worker's own thread: were the beat to wait here, the worker could note its end.
        working = threading.current_thread().name == "export" and options.get("hindsight_write")
        if working and published and first.acquire(blocking=False):
            other.execute("BEGIN IMMEDIATE")
        if first.locked():  # until then, nobody is refused
            connection.exec_driver_sql("PRAGMA busy_timeout=1")
            connection.rollback()

    event.listen(engine, "set_connection_execution_options", occupy)
    logging.getLogger("web.export_jobs").addHandler(refused)
    try:
        told = begin(ines)
        assert refused.twice.wait(LONG_WAIT_S)
        assert ended(ines, told)["state"] == "done"
    finally:
        logging.getLogger("web.export_jobs").removeHandler(refused)
        other.close()
        event.remove(engine, "set_connection_execution_options", occupy)
        engine.dispose()  # the next connections wait as ever
    assert ines.get(f"{told['address']}/bundle").status_code == 200
    assert ended(ines, begin(ines))["state"] == "done"


class Refused(logging.Handler):
    """Frees the ledger when the end of an export could not be noted for the second time."""

    def __init__(self, other: sqlite3.Connection) -> None:
        super().__init__()
        self.other, self.times, self.twice = other, 0, threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "its end could not be noted" in record.getMessage():
            self.times += 1
            if self.times == 2:
                self.other.execute("ROLLBACK")
                self.twice.set()


def test_bundles_expire_and_what_no_export_knows_is_removed(exporting: Desk) -> None:
    ines = exporting.person()
    told, other = (ended(ines, begin(ines)) for _ in range(2))
    (exporting.directory.cache / "exports" / "stray").mkdir()
    assert send(ines, other["address"], {}, "DELETE").json["state"] == "expired"
    assert folders(exporting) == sorted([told["id"], "stray"])
    exporting.clock.now = NOW_US + 73 * 3600 * US
    runner(exporting.app).keep_house()
    assert folders(exporting) == []
    ines.log_in("ines", "correct horse battery")
    assert ines.get(told["address"]).json["state"] == "expired"
    answer = ines.get(f"{told['address']}/bundle")
    assert (answer.status_code, "its time was over" in answer.text) == (409, True)


def test_a_bundle_that_is_gone_from_the_cache_is_told(exporting: Desk) -> None:
    ines = exporting.person()
    told = ended(ines, begin(ines))
    shutil.rmtree(exporting.directory.cache)
    assert ines.get(told["bundle"]).status_code == 409


def test_the_page_takes_an_export_in_and_shows_it(exporting: Desk) -> None:
    ines = exporting.person(lang="zh")
    form = {"camera": "gate", "from": SPAN["from"], "to": SPAN["to"], "tz": "UTC"}
    answer = ines.post("/export", form)
    assert answer.status_code == 303
    address = answer.location.partition("#")[0]
    told = ended(ines, {"address": address.replace("/export/", "/api/v1/exports/")})
    page = ines.get(address).text
    assert told["fingerprint"] in page
    assert "下载" in page
    assert "data-unfinished" not in page
    assert told["name"] in ines.get("/export").text
    assert ines.get(f"{address}/bundle").status_code == 200
    assert ines.post(f"{address}/cancel").location.startswith("/export")
    assert "证据包已到期删除" in ines.get("/export").text
    refused = ines.post("/export", form | {"camera": "nowhere"})
    assert refused.status_code == 404
