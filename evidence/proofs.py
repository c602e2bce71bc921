"""data/proofs.json: that every original lies under a seal that the archive signed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from evidence.plan import Plan
from storage.clock import rfc3339
from storage.directory import DataDirectory
from storage.errors import Conflict, DataLoss
from storage.seal_copies import read_copy
from storage.seal_places import copy_path
from storage.sealing import seal_day
from storage.seals import (
    FACTS,
    Proof,
    Seal,
    inclusion_proofs,
    key_id_of,
    leaf_of,
    public_pem,
    seals_over,
    signing_key,
    unsealed,
    verify_inclusion,
)
from storage.vocabulary import Actor, Segment

SEALER = Actor("hindsight export")
WAIT_S, AGAIN_S = 10.0, 0.1  # for another pass, which takes milliseconds once a day is sealed
LEAF = (
    "SHA-256 of 0x00 and the facts, with format = 1 added, as JSON with sorted keys and no blanks,"
    " in UTF-8"
)
NODE = "SHA-256 of 0x01, left and right (RFC 6962); index and path as in RFC 9162 section 2.1.3.2"
SEAL = (
    "hash: SHA-256 of camera, number, prev_hash, root, sealed_us and segments, as JSON likewise;"
    " signature: Ed25519 over the 32 bytes of hash; key_id: SHA-256 of the public key's 32 bytes"
)


def seal_footage(directory: DataDirectory, plan: Plan) -> None:
    """Seal what the bundle will hold and no seal does yet: today's footage, as a rule."""
    cameras = {part.camera.id for part in plan.cameras}
    until = time.monotonic() + WAIT_S
    while _open(directory, plan) and time.monotonic() < until:
        try:
            seal_day(directory, SEALER, of=cameras)
            return
        except Conflict:
            time.sleep(AGAIN_S)


def _open(directory: DataDirectory, plan: Plan) -> list[str]:
    with directory.ledger.read() as tx:
        return unsealed(tx, [segment.id for segment in plan.segments()])


def proofs(directory: DataDirectory, tx: Connection, plan: Plan) -> dict[str, Any]:
    """Facts, path and seal of each original: `segments` is read once, within `tx`.

    DataLoss when a row is not what was sealed, also while it is read.
    """
    seals = seals_over(tx, [segment.id for segment in plan.segments()])
    return {
        "leaf": LEAF,
        "node": NODE,
        "seal": SEAL,
        "keys": _keys(directory, seals),
        "seals": [_seal(seal) for seal in seals],
        "segments": _items(tx, plan),
    }


def _items(tx: Connection, plan: Plan) -> Iterator[dict[str, Any]]:
    """Seal by seal; last, what no seal holds."""
    wanted = {segment.id: segment for segment in plan.segments()}
    for proof in inclusion_proofs(tx, list(wanted)):
        _require_unchanged(wanted.pop(proof.facts["id"]), proof)
        yield {
            "facts": _facts(proof), "seal": proof.seal.number, "index": proof.index,
            "path": list(proof.path),
        }  # fmt: skip
    for segment in wanted.values():
        yield {"facts": _facts_of(segment), "seal": None}


def _require_unchanged(segment: Segment, proof: Proof) -> None:
    if not verify_inclusion(leaf_of(proof.facts), proof, proof.seal.root):
        raise DataLoss(
            "the ledger's row of segment {segment} ({camera}) is not what seal {number} says;"
            " nothing was exported, `hindsight seal verify` names what was tampered with",
            segment=segment.id, camera=segment.camera, number=proof.seal.number,
        )  # fmt: skip


def _facts(proof: Proof) -> dict[str, Any]:
    return {name: proof.facts[name] for name in FACTS}


def _facts_of(segment: Segment) -> dict[str, Any]:
    """Of a row that no seal holds."""
    values = {name: getattr(segment, name) for name in FACTS}
    return values | {"clock_source": segment.clock_source.value}


def _keys(directory: DataDirectory, seals: Sequence[Seal]) -> list[dict[str, str]]:
    """The public keys of these seals: ours, or an earlier one as a volume's copy has it."""
    known: dict[str, str] = {}
    for seal in seals:
        if seal.key_id not in known:
            known[seal.key_id] = _public_key(directory, seal)
    return [{"key_id": name, "public_key": pem} for name, pem in sorted(known.items())]


def _public_key(directory: DataDirectory, seal: Seal) -> str:
    own = signing_key(directory).public_key()
    if seal.key_id == key_id_of(own):
        return public_pem(own)
    for volume in directory.archive.volumes.values():
        try:
            copy = read_copy(volume.root / copy_path(seal.camera, seal.number))
        except DataLoss:
            continue
        if copy.seal.key_id == seal.key_id:
            return copy.public_key
    raise DataLoss(
        "seal {number} of {camera} is signed with key {key}, which is known nowhere any more;"
        " nothing was exported, restore keys/seal.key or the volume's .seals folder",
        number=seal.number, camera=seal.camera, key=seal.key_id,
    )  # fmt: skip


def _seal(seal: Seal) -> dict[str, Any]:
    return {
        "camera": seal.camera,
        "number": seal.number,
        "sealed": rfc3339(seal.sealed_us),
        "sealed_us": seal.sealed_us,
        "segments": seal.segments,
        "root": seal.root,
        "prev_hash": seal.prev_hash,
        "hash": seal.hash,
        "key_id": seal.key_id,
        "signature": seal.signature.hex(),
    }
