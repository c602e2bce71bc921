"""`hindsight user`, `case`, `audit`: passwords once, purposes, and a log that logs its readers."""

from __future__ import annotations

import json

from sqlalchemy import text

from storage.people import check_password
from tests.storage.media import CommandLine, House


def login(house: House, name: str, password: str) -> bool:
    return check_password(house.ledger, name, password, house.clock.now) is not None


def test_a_person_is_added_changed_and_disabled(house: House, hindsight: CommandLine) -> None:
    made = hindsight.json("user", "add", "li.wei", "--role", "investigator", "--language", "zh")
    assert (made["role"], made["language"], made["must_change_password"]) == (
        "investigator", "zh", True,
    )  # fmt: skip
    assert login(house, "li.wei", made["one_time_password"])
    reset = hindsight.json("user", "set", "li.wei", "--reset-password")
    assert not login(house, "li.wei", made["one_time_password"])
    assert login(house, "li.wei", reset["one_time_password"])
    hindsight("user", "set", "li.wei", "--role", "auditor", "--disable")
    assert not login(house, "li.wei", reset["one_time_password"])
    listed = {user["name"]: user for user in hindsight.json("user", "list")}
    assert (listed["li.wei"]["role"], listed["li.wei"]["enabled"]) == ("auditor", False)
    assert hindsight.json("user", "set", "li.wei", "--enable")["enabled"] is True
    log = hindsight("audit", "--json").out
    assert made["one_time_password"] not in log
    assert reset["one_time_password"] not in log


def test_people_that_make_no_sense(hindsight: CommandLine) -> None:
    assert hindsight("user", "add", "li.wei").code == 2
    assert hindsight("user", "add", "li.wei", "--role", "emperor").code == 2
    assert hindsight("user", "add", "li wei", "--role", "auditor").code == 4
    assert hindsight("user", "add", "admin", "--role", "auditor").code == 5
    assert hindsight("user", "set", "nobody", "--enable").code == 3
    assert hindsight("user", "set", "admin").code == 4
    assert hindsight("user", "set", "admin", "--disable").code == 5


def test_a_case_is_opened_listed_and_closed(hindsight: CommandLine) -> None:
    opened = hindsight.json("case", "open", "2026-311", "--reason", "theft of a bicycle")
    assert (opened["id"], opened["closed"]) == ("2026-311", None)
    assert hindsight.json("case", "list", "--open") == [opened]
    assert hindsight("case", "open", "2026-311", "--reason", "again").code == 5
    assert hindsight.json("case", "close", "2026-311")["closed"] is not None
    assert hindsight.json("case", "list", "--open") == []
    assert hindsight("case", "close", "2026-311").code == 5
    assert hindsight("case", "close", "none").code == 3
    rows = hindsight.json("audit", "--case", "2026-311")
    assert [row["action"] for row in rows] == ["case.close", "case.open"]
    assert rows[1]["reason"] == "theft of a bicycle"


def test_who_reads_the_log_stands_in_it(hindsight: CommandLine) -> None:
    hindsight("case", "open", "1", "--reason", "x")
    first = hindsight.json("audit", "--limit", "1")
    assert [row["action"] for row in first] == ["audit.read"]
    assert first[0]["detail"] == {"limit": 1}
    hindsight("audit", "verify")
    actions = [row["action"] for row in hindsight.json("audit")]
    assert actions == ["audit.read", "audit.verify", "audit.read", "case.open", "init"]
    assert [row["action"] for row in hindsight.json("audit", "--action", "init")] == ["init"]
    assert hindsight.json("audit", "--actor", "nobody") == []


def test_a_noted_head_must_still_be_in_the_chain(house: House, hindsight: CommandLine) -> None:
    noted = hindsight.json("audit", "verify")
    assert (noted["ok"], noted["findings"]) == (True, [])
    assert hindsight.json("audit", "verify", "--noted", noted["head"])["ok"] is True
    with house.ledger.write() as tx:  # cut the end off, and let the chain grow on
        tx.execute(text("DELETE FROM audit WHERE seq > 1"))
    assert hindsight.json("audit", "verify")["ok"] is True  # alone it cannot tell
    said = hindsight("audit", "verify", "--noted", noted["head"])
    assert said.code == 9


def test_a_broken_chain_names_the_row(house: House, hindsight: CommandLine) -> None:
    hindsight("case", "open", "1", "--reason", "x")
    with house.ledger.write() as tx:
        tx.execute(text("UPDATE audit SET actor = 'somebody else' WHERE seq = 2"))
    said = hindsight("audit", "verify")
    assert said.code == 9
    assert "row 2" in said.out
    assert "row 2" in said.err
    document = json.loads(hindsight("audit", "verify", "--json").out)
    assert document["ok"] is False
    assert document["findings"][0]["invariant"] == 10
    assert hindsight("audit").code == 0  # the log can still be read


def test_a_forged_detail_is_shown_as_it_is(house: House, hindsight: CommandLine) -> None:
    with house.ledger.write() as tx:
        tx.execute(text("UPDATE audit SET detail = x'00ff' WHERE seq = 1"))
    assert hindsight("audit", "--json").code == 0
    assert hindsight("audit", "verify").code == 9
