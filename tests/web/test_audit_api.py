"""/api/v1/audit: for who audits, page by page, and each page a row of its own."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from storage.vocabulary import Role
from tests.web.desk import PASSWORD, Desk, Person
from tests.web.footage import register


def test_who_audits_reads_page_by_page_and_is_logged(desk: Desk) -> None:
    auditor = desk.person("au", Role.AUDITOR)
    Person(desk.app.test_client()).log_in("au", PASSWORD)
    first = auditor.get("/api/v1/audit?limit=2").json
    assert first is not None
    assert [row["action"] for row in first["rows"]] == ["audit.read", "login"]
    assert first["rows"][0]["detail"] == {"limit": 2}
    assert first["rows"][0]["previous"] == first["rows"][1]["hash"]
    rest = auditor.get(f"/api/v1/audit?limit=1000&before={first['next']}").json
    assert rest is not None
    assert rest["next"] is None
    assert rest["rows"][0]["row"] == first["next"] - 1
    assert rest["rows"][-1]["row"] == 1
    assert [row.actor for row in desk.audited("audit.read")] == ["au", "au"]
    own = auditor.get("/api/v1/audit?actor=au&action=login").json
    assert own is not None
    assert [row["actor"] for row in own["rows"]] == ["au"]


@pytest.mark.parametrize("role", [Role.INVESTIGATOR, Role.OPERATOR, Role.MANAGER])
def test_who_does_not_audit_reads_nothing(desk: Desk, role: Role) -> None:
    answer = desk.person("other", role).get("/api/v1/audit")
    assert answer.status_code == 403
    assert desk.audited("audit.read") == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=9999", "before=0", "before=99999999999999999999", "from=never",
              "x=1"]
)  # fmt: skip
def test_what_makes_no_sense_is_refused(desk: Desk, query: str) -> None:
    answer = desk.person("au", Role.AUDITOR).get(f"/api/v1/audit?{query}")
    assert answer.status_code in (400, 422)


def test_a_camera_that_is_not_there_is_said(desk: Desk) -> None:
    assert desk.person("au", Role.AUDITOR).get("/api/v1/audit?camera=nowhere").status_code == 404


def test_a_row_with_a_detail_beyond_reason_is_shown_and_hides_no_other(desk: Desk) -> None:
    auditor = desk.person("au", Role.AUDITOR)
    register(desk.directory, "gate")
    for detail in ("[" * 200_000, "[" * 900 + "]" * 900, '"\\ud800"', "1e999", ""):
        with desk.directory.ledger.write() as tx:
            tx.execute(
                text("UPDATE audit SET detail = :it, subject = 'gate-2' WHERE seq = 1"),
                {"it": detail},
            )
        for address in ("/api/v1/audit", "/api/v1/audit?camera=gate", "/audit"):
            assert auditor.get(address).status_code == 200, (address, detail[:9])
