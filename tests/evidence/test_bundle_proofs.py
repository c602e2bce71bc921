"""That originals were sealed before: proven in the bundle, and every lie about it found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from evidence.verify_bundle import told, verify
from storage import schema
from storage.directory import SEAL_KEY, make_seal_key
from storage.errors import DataLoss
from storage.seals import heads
from tests.evidence.test_bundle_damage import relist


def proofs_of(bundle: Path) -> Any:
    return json.loads((bundle / "data/proofs.json").read_text())


def test_every_original_is_proven_under_the_archives_seals(house: Any, out: Path) -> None:
    for name in ("north gate", "yard"):
        for at_s in (0, 4, 8):
            house.segment(name, at_s)
    house.export(out, 0, 12)
    verdict = verify(out)
    assert verdict.findings == []
    assert verdict.sealed is not None
    assert (verdict.sealed.originals, verdict.sealed.unsealed) == (6, [])
    with house.ledger.read() as tx:
        due = {(seal.camera, seal.hash) for seal in heads(tx)}
    assert {(seal["camera"], seal["hash"]) for seal in proofs_of(out)["seals"]} == due
    assert any("6 of 6" in line for line in told(verdict, "en"))


def test_what_was_recorded_since_the_seal_is_sealed_by_the_export(house: Any, out: Path) -> None:
    house.segment(at_s=0)
    house.export(out.with_name("first"), 0, 4)
    house.segment(at_s=4)
    house.export(out, 0, 8)
    numbers = [item["seal"] for item in proofs_of(out)["segments"]]
    assert sorted(numbers) == [1, 2]
    house.export(out.with_name("third"), 0, 8)
    with house.ledger.read() as tx:
        assert [seal.number for seal in heads(tx)] == [2]  # nothing new, no new seal


def test_seals_of_an_earlier_key_are_proven_with_that_key(house: Any, out: Path) -> None:
    house.segment(at_s=0)
    house.export(out.with_name("first"), 0, 4)
    (house.directory.root / "keys" / SEAL_KEY).unlink()
    make_seal_key(house.directory.root)
    house.segment(at_s=4)
    house.export(out, 0, 8)
    verdict = verify(out)
    assert verdict.findings == []
    assert verdict.sealed is not None
    assert len(verdict.sealed.keys) == 2


def test_seal_whose_key_is_known_nowhere_stops_the_export(house: Any, out: Path) -> None:
    segment = house.segment()
    house.export(out.with_name("first"), 0, 4)
    (house.directory.root / "keys" / SEAL_KEY).unlink()
    make_seal_key(house.directory.root)
    volume = house.directory.archive.volume(segment.volume).root
    (volume / ".seals" / segment.camera / "1.json").unlink()
    with pytest.raises(DataLoss, match="known nowhere"):
        house.export(out, 0, 4)
    assert not out.exists()


def test_row_changed_after_it_was_sealed_is_not_exported(house: Any, out: Path) -> None:
    segment = house.segment()
    house.export(out.with_name("first"), 0, 4)
    with house.ledger.write() as tx:
        tx.execute(update(schema.segment).where(schema.segment.c.id == segment.id)
                   .values(note="nothing to see"))  # fmt: skip
    with pytest.raises(DataLoss, match="not what seal 1 says"):
        house.export(out, 0, 4)
    assert [path.name for path in out.parent.iterdir()] == ["first"]


Change = Callable[[Any, Any], object]
DAMAGE: dict[str, tuple[Change, str]] = {
    "fact changed": (lambda p, m: p["segments"][0]["facts"].update(note="new"), "proof"),
    "fact and manifest changed alike": (
        lambda p, m: (
            p["segments"][0]["facts"].update(codec="vp9"),
            m["cameras"][0]["segments"][0].update(codec="vp9"),
        ),
        "proof",
    ),
    "manifest dated anew": (
        lambda p, m: m["cameras"][0]["segments"][0]["clock"].update(source="ntp"),
        "proof",
    ),
    "path changed": (lambda p, m: p["segments"][0]["path"].reverse(), "proof"),
    "path cut": (lambda p, m: p["segments"][0]["path"].pop(), "proof"),
    "place changed": (lambda p, m: p["segments"][0].update(index=1), "proof"),
    "proof removed": (lambda p, m: p["segments"].pop(), "proof"),
    "proof of nothing": (
        lambda p, m: p["segments"].append(
            {"facts": {**p["segments"][0]["facts"], "id": "X"}, "seal": None}
        ),
        "proof",
    ),
    "root changed": (lambda p, m: p["seals"][0].update(root="0" * 64), "seal"),
    "time of the seal changed": (lambda p, m: p["seals"][0].update(sealed_us=1), "seal"),
    "signature changed": (lambda p, m: p["seals"][0].update(signature="00" * 64), "seal"),
    "key removed": (lambda p, m: p["keys"].clear(), "seal"),
    "seal removed": (lambda p, m: p["seals"].clear(), "malformed"),
    "no proofs at all": (lambda p, m: p.clear(), "malformed"),
    "seal twice": (lambda p, m: p["seals"].append(p["seals"][0]), "seal"),
    "time of the seal in words": (
        lambda p, m: p["seals"][0].update(sealed="2001-01-01T00:00:00.000000Z"),
        "seal",
    ),
}


@pytest.mark.parametrize("name", ["manifest", "gaps", "custody", "proofs"])
def test_document_removed_with_every_list_made_anew_is_missing(bundle: Path, name: str) -> None:
    (bundle / f"data/{name}.json").unlink()
    relist(bundle)
    findings = verify(bundle).findings
    assert ("missing", f"data/{name}.json") in [(one.kind, one.path) for one in findings]


def test_times_in_words_are_those_that_were_hashed(bundle: Path) -> None:
    custody = json.loads((bundle / "data/custody.json").read_text())
    custody["rows"][0]["time"] = "2001-01-01T00:00:00.000000Z"
    (bundle / "data/custody.json").write_text(json.dumps(custody))
    relist(bundle)
    assert "custody" in [one.kind for one in verify(bundle).findings]


@pytest.mark.parametrize("damage", DAMAGE)
def test_forged_proof_is_found(bundle: Path, damage: str) -> None:
    change, kind = DAMAGE[damage]
    proofs, manifest = (
        json.loads((bundle / f"data/{name}.json").read_text()) for name in ("proofs", "manifest")
    )
    change(proofs, manifest)
    (bundle / "data/proofs.json").write_text(json.dumps(proofs))
    (bundle / "data/manifest.json").write_text(json.dumps(manifest))
    relist(bundle)
    verdict = verify(bundle)
    assert [one.kind for one in verdict.findings][:2] == ["signature", kind]
    assert verdict.sealed is None


ABSURD = (float("inf"), float("nan"), -1, 1e300, 10**400, "x", None, [], {})


@pytest.mark.parametrize("field", ["index", "path", "seal", "facts"])
def test_absurd_proof_is_a_finding_and_no_crash(bundle: Path, field: str) -> None:
    whole = [(bundle / f"data/{name}.json").read_text() for name in ("proofs", "manifest")]
    for value in ABSURD:
        proofs, manifest = map(json.loads, whole)
        proofs["segments"][0][field] = value
        manifest["cameras"][0]["segments"][0]["clock"]["error_s"] = value
        (bundle / "data/proofs.json").write_text(json.dumps(proofs))
        (bundle / "data/manifest.json").write_text(json.dumps(manifest))
        relist(bundle)
        assert len(verify(bundle).findings) >= 2, value


def test_original_that_no_seal_holds_is_named(bundle: Path) -> None:
    proofs = proofs_of(bundle)
    left = proofs["segments"][0]["facts"]
    proofs["segments"][0] = {"facts": left, "seal": None}
    (bundle / "data/proofs.json").write_text(json.dumps(proofs))
    relist(bundle)
    verdict = verify(bundle)
    assert verdict.sealed is not None
    assert verdict.sealed.originals == 5
    [name] = verdict.sealed.unsealed
    assert left["id"] in name
    assert any(name in line and "Under no seal" in line for line in told(verdict, "en"))
