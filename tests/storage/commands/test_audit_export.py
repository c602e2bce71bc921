"""`hindsight audit list`, `export` and `sign`: filtered, checkable apart, and logged."""

from __future__ import annotations

import csv
import hashlib
import json

from storage.audit_digest import COLUMNS
from tests.storage.media import CommandLine, House


def checked(row: dict[str, object]) -> bool:
    """As anybody checks an exported row, without Hindsight."""
    values = {name: value for name, value in row.items() if name != "hash"}
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest() == row["hash"]


def test_listing_is_filtered_and_logged(house: House, hindsight: CommandLine) -> None:
    house.camera("gate")
    hindsight("case", "open", "1", "--reason", "x")
    hindsight("camera", "set", "gate", "--vendor", "someone")
    rows = hindsight.json("audit", "list", "--camera", "gate", "--from", "2000-01-01T00:00:00Z")
    assert [row["action"] for row in rows] == ["camera.set"]
    (read,) = hindsight.json("audit", "list", "--action", "audit.read", "--limit", "1")[:1]
    assert hindsight("audit", "list", "--camera", "nowhere").code == 3
    assert hindsight("audit", "list", "--from", "2001-01-01T00:00:00Z", "--to",
                     "2000-01-01T00:00:00Z").code == 4  # fmt: skip
    earlier = hindsight.json("audit", "list", "--action", "audit.read")
    assert earlier[-1]["detail"] == {
        "of_camera": "gate", "since": "2000-01-01T00:00:00.000000Z", "limit": 100,
    }  # fmt: skip
    assert read["actor"].startswith("command line")
    assert [row["action"] for row in hindsight.json("audit", "list", "--case", "1")] == [
        "case.open"
    ]


def test_export_can_be_checked_apart_and_is_logged(house: House, hindsight: CommandLine) -> None:
    hindsight("case", "open", "1", "--reason", '红衣, "x"')
    out = house.root / "log.jsonl"
    assert "3" in hindsight("audit", "export", "--out", str(out)).out
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["action"] for row in rows] == ["init", "case.open", "audit.export"]
    assert all(map(checked, rows))
    assert [row["prev_hash"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    again = hindsight("audit", "export", "--out", str(out))
    assert again.code == 5
    only = hindsight("audit", "export", "--case", "1").out.splitlines()
    assert [json.loads(line)["seq"] for line in only] == [2]


def test_table_runs_nothing_and_can_be_checked_apart(house: House, hindsight: CommandLine) -> None:
    hindsight("case", "open", "1", "--reason", "=cmd|'/c calc'!A0")
    hindsight("case", "open", "2", "--reason", "'quoted")
    out = house.root / "log.csv"
    hindsight("audit", "export", "--format", "csv", "--out", str(out))
    with out.open(encoding="utf-8", newline="") as source:
        names, *lines = csv.reader(source)
    assert tuple(names) == COLUMNS
    assert not any(cell.startswith("=") for line in lines for cell in line)
    for line in lines:
        cells = [cell[1:] if cell.startswith("'") else cell for cell in line]
        row: dict[str, object] = dict(zip(names, cells, strict=True))
        row |= {"seq": int(cells[0]), "ts_us": int(cells[1])}
        row |= {name: row[name] or None for name in ("case_id", "reason")}
        assert checked(row), row


def test_signing_at_once_and_what_verify_says_of_it(hindsight: CommandLine) -> None:
    head = hindsight.json("audit", "sign")
    assert (head["number"], head["row"]) == (1, 1)
    assert "BEGIN PUBLIC KEY" in head["public_key"]
    assert head["hash"] in hindsight("audit", "sign").out  # nothing new: the same
    verdict = hindsight.json("audit", "verify", "--noted", head["hash"])
    assert (verdict["ok"], verdict["signed"]["hash"]) == (True, head["hash"])
    assert hindsight.json("seal")["audit_head"]["number"] == 2
