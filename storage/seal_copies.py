"""Copies of seals on the volumes, with every leaf's facts: what a lost ledger comes back from.

`.seals/<camera>/<number>.json` on each volume; written once, durably, never replaced.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from storage import schema
from storage.clock import rfc3339
from storage.copy_files import read_json_copy
from storage.directory import DataDirectory
from storage.durable import write_file
from storage.errors import DataLoss, HindsightError
from storage.i18n import N_
from storage.ledger import Ledger
from storage.merkle import tree_root
from storage.seal_places import SUFFIX, copy_path, numbers_on
from storage.seals import (
    FACTS,
    Seal,
    digest_of,
    facts_query,
    is_signed,
    key_id_of,
    leaf_of,
    leaves,
    public_key,
    public_pem,
    seals,
)

FORMAT = 1
_LIMIT_BYTES = 256 << 20  # a copy is about 600 bytes per segment
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Copy:
    """A seal as it lies on a volume, found consistent in itself."""

    seal: Seal
    public_key: str  # PEM; whose it is, the copy cannot tell
    facts: Sequence[Mapping[str, Any]]  # by id


def write_copies(directory: DataDirectory, camera_id: int, key: Ed25519PublicKey) -> int:
    """Write those copies of a camera's seals that a volume lacks; returns how many.

    From the rows where they still give the root and `key` signed it, else from another volume. A
    volume that cannot take a copy gets it with the next pass.
    """
    with directory.ledger.read() as tx:
        every = seals(tx, camera_id)
    written = 0
    for volume in directory.archive.volumes.values():
        try:
            volume.verify()
            lying = numbers_on(volume, every[0].camera) if every else set()
            for seal in every:
                if seal.number in lying:
                    continue
                document = _from_rows(directory.ledger, seal, key) or _from_others(directory, seal)
                if document is not None:
                    write_file(volume.root / copy_path(seal.camera, seal.number), document)
                    written += 1
        except (HindsightError, OSError) as error:
            log.warning("copies of seals on volume %s wait: %s", volume.name, error)
    return written


def _from_others(directory: DataDirectory, seal: Seal) -> bytes | None:
    for volume in directory.archive.volumes.values():
        path = volume.root / copy_path(seal.camera, seal.number)
        try:
            if read_copy(path).seal.hash == seal.hash:
                return path.read_bytes()
        except (DataLoss, OSError):
            continue
    return None


def _from_rows(ledger: Ledger, seal: Seal, key: Ed25519PublicKey) -> bytes | None:
    """None when the rows are not those that were sealed; `check` says which."""
    with ledger.read() as tx:
        ids = [segment_id for segment_id, _ in leaves(tx, seal.id)]
        facts = facts_by_id(tx, ids)
    sealed = [facts[segment_id] for segment_id in ids if segment_id in facts]
    if not is_signed(seal, key) or tree_root(map(leaf_of, sealed)) != seal.root:
        return None
    return json.dumps(
        {
            "format": FORMAT, "camera": seal.camera, "number": seal.number,
            "sealed": rfc3339(seal.sealed_us), "sealed_us": seal.sealed_us,
            "segments": seal.segments, "root": seal.root, "prev_hash": seal.prev_hash,
            "hash": seal.hash, "key_id": seal.key_id, "signature": seal.signature.hex(),
            "public_key": public_pem(key), "leaves": sealed,
        },
        ensure_ascii=False,
    ).encode()  # fmt: skip


def facts_by_id(tx: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Unchanging facts of those rows that are there."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), 1000):
        query = facts_query().where(schema.segment.c.id.in_(ids[start : start + 1000]))
        for row in tx.execute(query).mappings():
            found[row["id"]] = dict(row)
    return found


def read_copy(path: Path) -> Copy:
    """DataLoss when it is not whole: root, hash, signature and leaves must fit one another."""

    def made(found: Any) -> Copy:
        seal = Seal(
            camera=str(found["camera"]), number=int(found["number"]),
            sealed_us=int(found["sealed_us"]), segments=int(found["segments"]),
            root=str(found["root"]), prev_hash=str(found["prev_hash"]), hash=str(found["hash"]),
            key_id=str(found["key_id"]), signature=bytes.fromhex(found["signature"]),
        )  # fmt: skip
        facts = [{name: leaf[name] for name in FACTS} for leaf in found["leaves"]]
        pem = str(found["public_key"])
        key = public_key(pem)
        whole = (
            seal.segments == len(facts)
            and tree_root(map(leaf_of, facts)) == seal.root
            and digest_of(seal) == seal.hash
            and key_id_of(key) == seal.key_id
            and is_signed(seal, key)
            and path.parts[-2:] == (seal.camera, f"{seal.number}{SUFFIX}")
            and all(isinstance(leaf["id"], str) for leaf in facts)
        )
        if not whole:
            raise ValueError("its parts do not fit one another")
        return Copy(seal, pem, facts)

    return read_json_copy(
        path, _LIMIT_BYTES, FORMAT, made,
        N_("the copy of a seal {file} cannot be used ({error}); it was left alone. Move it away,"
           " and `hindsight seal` writes the copy again if the ledger has the seal"),
    )  # fmt: skip
