"""Content credentials: a C2PA reader finds what was changed, and signing lost nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest
from cryptography import x509

from evidence.content_credentials import CHAIN, Credentials, credentials, put_in, verified
from evidence.crediting import LONGEST_US, credited
from evidence.manifest import Heading
from evidence.playable import Playable
from evidence.signing import SIGNING_KEY, signer
from storage import audit
from storage.errors import DataLoss
from storage.settings import Settings
from storage.vocabulary import Span
from tests.evidence.conftest import INVESTIGATOR, House, encode

MADE = datetime(2026, 11, 18, 14, tzinfo=UTC)
ORIGINAL = "ab" * 32
RECIPE = {"recipe": "stream copy", "originals": [{"sha256": ORIGINAL}]}


@dataclass(frozen=True)
class Signed:
    """A file before and after, and who signed it."""

    before: Path
    after: Path
    by: Credentials
    manifest: str


@pytest.fixture
def signed(house: House, tmp_path: Path) -> Signed:
    before, after = tmp_path / "before.mp4", tmp_path / "after.mp4"
    encode(before, 4, audio="aac")
    shutil.copy(before, after)
    by = credentials(house.directory, signer(house.directory, INVESTIGATOR), INVESTIGATOR)
    name = put_in(after, by, title="north gate", made=MADE, recipe=RECIPE, version="1")
    return Signed(before, after, by, name)


def packets(path: Path) -> list[tuple[int, int | None, int | None, bytes]]:
    with av.open(str(path)) as opened:
        return [
            (packet.stream.index, packet.pts, packet.dts, bytes(packet))
            for packet in opened.demux()
            if packet.size
        ]


def boxes(data: bytes) -> dict[str, tuple[int, int]]:
    """Where the first top-level box of each kind begins, and its length."""
    found: dict[str, tuple[int, int]] = {}
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.setdefault(data[at + 4 : at + 8].decode("latin-1"), (at, size))
        at += size
    return found


def test_signing_adds_a_box_and_changes_no_packet(signed: Signed) -> None:
    assert verified(signed.after, signed.by.root_pem) == signed.manifest
    assert packets(signed.after) == packets(signed.before)
    assert not [*signed.after.parent.glob("*.open")]
    said = signed.after.read_bytes()
    assert ORIGINAL.encode() in said


@pytest.mark.parametrize("where", ["moov", "moof", "mdat"])
def test_a_changed_byte_is_found(signed: Signed, where: str) -> None:
    data = bytearray(signed.after.read_bytes())
    at, size = boxes(bytes(data))[where]
    data[at + 64 + (size - 64) // 3] ^= 1
    signed.after.write_bytes(data)
    with pytest.raises(DataLoss, match="do not verify"):
        verified(signed.after, signed.by.root_pem)


def test_other_originals_named_are_found(signed: Signed) -> None:
    data = signed.after.read_bytes()
    signed.after.write_bytes(data.replace(ORIGINAL.encode(), ("ac" * 32).encode()))
    with pytest.raises(DataLoss, match="do not verify"):
        verified(signed.after, signed.by.root_pem)


def test_a_file_cut_short_and_one_never_signed_are_found(signed: Signed) -> None:
    data = signed.after.read_bytes()
    signed.after.write_bytes(data[: len(data) // 2])
    for path in (signed.after, signed.before):
        with pytest.raises(DataLoss, match="do not verify"):
            verified(path, signed.by.root_pem)


def test_another_installations_root_vouches_for_nothing(signed: Signed, house: House) -> None:
    (house.directory.root / "keys" / SIGNING_KEY).unlink()
    other = credentials(house.directory, signer(house.directory, INVESTIGATOR), INVESTIGATOR)
    assert other.root_sha256 != signed.by.root_sha256
    with pytest.raises(DataLoss, match=r"signingCredential\.untrusted"):
        verified(signed.after, other.root_pem)


def test_the_root_stays_and_its_key_is_nowhere(signed: Signed, house: House) -> None:
    again = credentials(house.directory, signed.by.signer, INVESTIGATOR)
    assert again.root_sha256 == signed.by.root_sha256
    kept = (house.directory.root / "keys" / CHAIN).read_bytes()
    assert b"PRIVATE" not in kept
    leaf, root = x509.load_pem_x509_certificates(kept)
    assert leaf.public_key() == signed.by.signer.key.public_key() != root.public_key()
    with house.ledger.read() as tx:
        (row,) = [one for one in audit.iterate(tx) if one.action == "evidence.credentials"]
    assert json.loads(row.detail or "") == {"root_sha256": signed.by.root_sha256}


def test_a_damaged_chain_stops_and_is_not_replaced(signed: Signed, house: House) -> None:
    path = house.directory.root / "keys" / CHAIN
    damaged = path.read_bytes()[:-200]
    path.write_bytes(damaged)
    with pytest.raises(DataLoss, match=CHAIN):
        credentials(house.directory, signed.by.signer, INVESTIGATOR)
    assert path.read_bytes() == damaged


def test_a_full_disk_is_told_as_one_and_the_file_stays(signed: Signed) -> None:
    was = hashlib.sha256(signed.before.read_bytes()).hexdigest()
    signed.before.with_name(signed.before.name + ".open").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        put_in(signed.before, signed.by, title="x", made=MADE, recipe=RECIPE, version="1")
    assert hashlib.sha256(signed.before.read_bytes()).hexdigest() == was


def test_a_bundle_s_playable_copies_carry_them(house: House, tmp_path: Path) -> None:
    house.segment(at_s=0)
    house.segment(at_s=4)
    house.export(tmp_path / "bundle", 0, 8)
    data = tmp_path / "bundle" / "data"
    told = json.loads((data / "manifest.json").read_text())
    (one,) = told["cameras"][0]["playable"]
    root = (tmp_path / "bundle" / told["content_credentials"]["root"]).read_text()
    path = tmp_path / "bundle" / one["file"]
    assert verified(path, root) == one["content_credentials"]
    for each in one["originals"]:
        assert each["sha256"].encode() in path.read_bytes()
    assert [packet for packet in packets(path) if not packet[3]] == []


def test_the_settings_can_leave_them_out(house: House, tmp_path: Path) -> None:
    document = house.directory.settings.model_dump()
    document["evidence"]["content_credentials"] = False
    house.directory.settings = Settings.model_validate(document)
    house.segment()
    house.export(tmp_path / "bundle", 0, 4)
    told = json.loads((tmp_path / "bundle" / "data" / "manifest.json").read_text())
    assert told["content_credentials"] is None
    assert told["cameras"][0]["playable"][0]["content_credentials"] is None
    assert not [*(tmp_path / "bundle").rglob("content-credentials-root.pem")]


def test_a_copy_too_long_for_them_goes_without(house: House, tmp_path: Path) -> None:
    made = Playable(
        tmp_path / "x.mp4", Span(0, LONGEST_US + 1), 1, "0", (), (), None, None
    )  # fmt: skip
    who = signer(house.directory, INVESTIGATOR)
    by = credentials(house.directory, who, INVESTIGATOR)
    heading = Heading("x", 0, INVESTIGATOR, None, who, by)
    assert credited("north-gate", [made], heading) == [made]  # not even read
