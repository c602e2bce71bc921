"""Redacted copies over the web: drawn on masked pictures, made beside the requests, fetched once
and by nobody else."""

from __future__ import annotations

import io
import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from werkzeug.test import TestResponse

from evidence.verify_redaction import verify_redaction
from storage import audit, cases
from storage.clock import US, rfc3339
from storage.grants import Place, add_grant, grants_in_force, revoke_grant
from storage.masking import FILL
from storage.people import add_user, find_user
from storage.rights import Verb
from storage.vocabulary import Actor, Role
from storage.zones import add_zone
from tests.storage.media import new_house
from tests.web.desk import NOW_US, PASSWORD, Desk, Person
from tests.web.footage import START_US, keep, register
from web.redactions import redactions as copies_of
from web.redactions import sweep

Looks = Callable[[], list[audit.AuditRow]]

SPAN = {"camera": "gate", "from": rfc3339(START_US), "to": rfc3339(START_US + 2 * US)}
BOX = {"at": rfc3339(START_US + US // 2), "box": [0.5, 0.1, 0.3, 0.8]}
RECIPE = {"recipe": 1, "subjects": [{"name": "a sign", "track": False, "boxes": [BOX]}]}


def send(someone: Person, address: str, **body: Any) -> TestResponse:
    return someone.client.post(
        address, json={**SPAN, **body}, headers={"X-CSRF-Token": someone.token()}
    )


def begun(someone: Person, **body: Any) -> str:
    answer = send(someone, "/api/v1/redactions", recipe=RECIPE, **body)
    assert answer.status_code == 202, answer.text
    return str(answer.get_json()["redaction"])


def ended(someone: Person, key: str) -> dict[str, Any]:
    """What became of it."""
    until = time.monotonic() + 20
    while True:
        told: dict[str, Any] = someone.get(f"/api/v1/redactions/{key}").get_json()
        if told["state"] != "making" or time.monotonic() > until:
            return told


def picture(answer: TestResponse) -> Any:
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.data)))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Iterator[Desk]:
    """Two cameras, for all tests of this file; the first has a gap after four seconds."""
    house = new_house(tmp_path_factory.mktemp("redactions") / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    for name in ("gate", "yard"):
        camera = desk.cameras[name] = register(desk.directory, name)
        one = keep(desk.directory, camera, clips / "one.mp4", START_US)
        keep(desk.directory, camera, clips / "two.mp4", one.end_us)
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def ines(archive: Desk) -> Person:
    return archive.person()


@pytest.fixture(autouse=True)
def looks(archive: Desk) -> Callable[[], list[audit.AuditRow]]:
    """The audit rows of redactions since the test began."""

    def rows() -> list[audit.AuditRow]:
        return [row for row in archive.audited() if row.action.startswith("redact")]

    before = len(rows())
    return lambda: rows()[before:]


def test_a_copy_is_made_checked_and_fetched_once(
    archive: Desk, ines: Person, tmp_path: Path, looks: Looks
) -> None:
    key = begun(ines, time=True)
    told = ended(ines, key)
    assert (told["state"], told["share"], told["unsure"]) == ("done", 1.0, [])
    answer = ines.get(f"/api/v1/redactions/{key}/copy")
    assert answer.status_code == 200
    path = tmp_path / "copy.zip"
    path.write_bytes(answer.data)
    verdict = verify_redaction(path)
    assert (verdict.findings, verdict.originals) == ([], 1)
    names = zipfile.ZipFile(path).namelist()
    assert any(name.endswith("_redacted.mp4") for name in names)
    assert ines.get(f"/api/v1/redactions/{key}/copy").status_code == 404
    assert list((archive.directory.cache / "redactions").rglob(key)) == []
    assert [row.action for row in looks()] == ["redact", "redact.sealed", "redact.fetched"]


def test_nobody_else_sees_or_fetches_it(archive: Desk, ines: Person) -> None:
    key = begun(ines)
    assert ended(ines, key)["state"] == "done"
    other = archive.person("otto", Role.ADMINISTRATOR)
    for address in (f"/api/v1/redactions/{key}", f"/api/v1/redactions/{key}/copy"):
        answer = other.get(address)
        unknown = other.get(address.replace(key, "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
        assert (answer.status_code, unknown.status_code) == (404, 404)
    assert ines.get(f"/api/v1/redactions/{key}/copy").status_code == 200


def test_a_copy_given_up_is_gone(archive: Desk, ines: Person) -> None:
    key = begun(ines)
    token = {"X-CSRF-Token": ines.token()}
    assert ines.client.delete(f"/api/v1/redactions/{key}", headers=token).status_code == 204
    until = time.monotonic() + 20
    while ines.get(f"/api/v1/redactions/{key}").status_code == 200 and time.monotonic() < until:
        pass
    assert ines.get(f"/api/v1/redactions/{key}").status_code == 404
    assert list((archive.directory.cache / "redactions").rglob(key)) == []


def test_a_case_closed_before_it_is_fetched_keeps_it_in(archive: Desk, ines: Person) -> None:
    with archive.directory.ledger.write() as tx:
        cases.open_case(tx, "A-1", "theft", "ines", NOW_US)
    key = begun(ines, case="A-1", reason="report")
    assert ended(ines, key)["state"] == "done"
    with archive.directory.ledger.write() as tx:
        cases.close_case(tx, "A-1", NOW_US)
    assert ines.get(f"/api/v1/redactions/{key}/copy").status_code == 409


def test_a_grant_revoked_before_it_is_fetched_keeps_it_in(archive: Desk) -> None:
    rita = archive.person("rita")
    key = begun(rita)
    assert ended(rita, key)["state"] == "done"
    with archive.directory.ledger.write() as tx:
        grants = grants_in_force(tx, find_user(tx, "rita").id, None, NOW_US)
        revoke_grant(tx, grants[0].id, "no longer", "admin", NOW_US)
    assert rita.get(f"/api/v1/redactions/{key}/copy").status_code == 404


def test_asking_for_its_size_does_not_take_it(ines: Person, looks: Looks) -> None:
    key = begun(ines)
    assert ended(ines, key)["state"] == "done"
    assert ines.client.head(f"/api/v1/redactions/{key}/copy").status_code == 405
    assert ines.get(f"/api/v1/redactions/{key}/copy").status_code == 200
    assert [row.action for row in looks()] == ["redact", "redact.sealed", "redact.fetched"]


def test_another_server_that_starts_leaves_copies_of_a_living_one(
    archive: Desk, ines: Person
) -> None:
    key = begun(ines)
    assert ended(ines, key)["state"] == "done"
    dead = archive.directory.cache / "redactions" / "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    dead.mkdir()
    sweep(archive.directory)
    assert not dead.exists()
    assert ines.get(f"/api/v1/redactions/{key}/copy").status_code == 200


def test_a_copy_whose_file_is_gone_was_not_fetched(
    archive: Desk, ines: Person, looks: Looks
) -> None:
    key = begun(ines)
    assert ended(ines, key)["state"] == "done"
    [folder] = (archive.directory.cache / "redactions").rglob(key)
    shutil.rmtree(folder)
    assert ines.get(f"/api/v1/redactions/{key}/copy").status_code == 404
    assert [row.action for row in looks()] == ["redact", "redact.sealed"]


def test_the_row_of_a_fetch_names_the_token_that_fetched(archive: Desk, ines: Person) -> None:
    key = begun(ines)
    assert ended(ines, key)["state"] == "done"
    copies = copies_of(archive.app)
    opened, _, _ = copies.take(key, Actor("ines", token="7 nightly"))
    opened.close()
    assert "7 nightly" in str(archive.audited()[-1])


def test_a_preview_shows_the_picture_hidden_and_is_audited_first(
    ines: Person, looks: Looks
) -> None:
    clear = send(ines, "/api/v1/redactions/picture", at=BOX["at"])
    flat = {**RECIPE, "fill": "solid"}
    hidden = send(ines, "/api/v1/redactions/picture", at=BOX["at"], recipe=flat)
    assert clear.headers["X-Picture-Time"] == str(START_US + 480_000)
    box = (slice(20, 160), slice(165, 250))
    assert picture(clear)[box].std() > 60
    assert picture(hidden)[box].std() < 5
    assert [json.loads(row.detail)["hidden"] for row in looks()] == [False, True]


def test_pictures_to_draw_on_hide_privacy_zones(archive: Desk, ines: Person) -> None:
    with archive.directory.ledger.write() as tx:
        add_zone(tx, camera=archive.cameras["yard"], name="window", from_us=0, until_us=None,
                 points=[(0, 0), (0.5, 0), (0.5, 1), (0, 1)], reason="asked", made_by="admin",
                 at_us=NOW_US)  # fmt: skip
        uma = add_user(tx, "uma", PASSWORD, Role.INVESTIGATOR, created_us=NOW_US, must_change=False)
        add_grant(
            tx, user=uma, verbs=(Verb.SEE, Verb.EXPORT), place=Place(site=""), from_us=0,
            until_us=NOW_US + US, purpose="a test", made_by="admin", at_us=NOW_US,
        )  # fmt: skip
    someone = Person(archive.app.test_client())
    someone.log_in("uma", PASSWORD)
    # Who may unmask sees no more here than who may not: the copy will not show it.
    for one in (ines, someone):
        shown = picture(send(one, "/api/v1/redactions/picture", at=BOX["at"], camera="yard"))
        assert np.abs(shown[:, :150].astype(int) - FILL).max() < 12
    key = begun(someone, camera="yard")
    assert ended(someone, key)["state"] == "done"
    assert someone.get(f"/api/v1/redactions/{key}/copy").status_code == 200


def test_what_cannot_be_said_of_a_picture_is_refused(ines: Person, looks: Looks) -> None:
    gap = rfc3339(START_US + 6 * US)
    cases_: list[tuple[dict[str, Any], int, str]] = [
        ({"at": gap, "to": rfc3339(START_US + 8 * US)}, 404, "no footage at"),
        ({"at": "yesterday"}, 422, "yesterday"),
        ({"at": BOX["at"], "recipe": {"recipe": 1, "blur": 1}}, 422, "blur is not known"),
        ({"at": BOX["at"], "camera": "nowhere"}, 404, "not registered"),
    ]
    for body, status, said in cases_:
        answer = send(ines, "/api/v1/redactions/picture", **body)
        assert (answer.status_code, said in answer.get_json()["detail"]) == (status, True), (
            answer.text
        )
    assert looks() == []


def test_the_page_opens_a_span_and_says_why_not(ines: Person) -> None:
    assert "Open this span" in ines.get("/redact").text
    page = ines.get("/redact", query_string=SPAN)
    assert "data-redact" in page.text
    empty = {**SPAN, "from": rfc3339(START_US - 90 * US), "to": rfc3339(START_US - 80 * US)}
    answer = ines.get("/redact", query_string=empty)
    assert (answer.status_code, "no footage of gate" in answer.text) == (404, True)
    long = {**SPAN, "to": rfc3339(START_US + 1801 * US)}
    assert ines.get("/redact", query_string=long).status_code == 422


def test_a_zone_added_after_a_copy_was_made_keeps_it_in(
    archive: Desk, ines: Person, looks: Looks
) -> None:
    key = begun(ines)
    assert ended(ines, key)["state"] == "done"
    with archive.directory.ledger.write() as tx:
        add_zone(tx, camera=archive.cameras["gate"], name="door", from_us=0, until_us=None,
                 points=[(0, 0), (0.2, 0), (0.2, 0.2)], reason="asked", made_by="admin",
                 at_us=NOW_US)  # fmt: skip
    answer = ines.get(f"/api/v1/redactions/{key}/copy")
    assert (answer.status_code, "privacy zones of gate" in answer.text) == (409, True)
    assert [row.action for row in looks()] == ["redact", "redact.sealed"]
