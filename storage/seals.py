"""Seals: signed Merkle roots over a camera's segment rows, each linked to the seal before it.

A leaf is a row's unchanging facts: all but where its file lies and whether it has expired, so that
moving and expiring break nothing. See docs/design/custody.md.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import tee
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from sqlalchemy import Connection, Select, func, select

from storage import schema
from storage.directory import SEAL_KEY, DataDirectory
from storage.errors import DataLoss, NotFound
from storage.merkle import inclusion_paths, leaf_hash, root_from_path

GENESIS = "0" * 64
LEAF_FORMAT = 1  # of the facts below; another list of facts is another format
FACTS = (
    "id", "camera", "origin", "start_us", "end_us", "duration_us", "size_bytes", "sha256",
    "prev_sha256", "container", "codec", "width", "height", "fps", "audio_codec", "clock_source",
    "clock_error_us", "recovered", "original_name", "note", "first_pts", "time_base", "created_us",
)  # fmt: skip
_s, _c = schema.segment.c, schema.camera.c
_seal, _leaf = schema.seal.c, schema.seal_leaf.c


class Signed(Protocol):
    """A seal of footage, or a head of the audit chain."""

    @property
    def hash(self) -> str:
        """SHA-256, hex."""

    @property
    def signature(self) -> bytes:
        """Ed25519."""


@dataclass(frozen=True, slots=True)
class Seal:
    """One seal of a camera; hashes are hex."""

    camera: str  # slug
    number: int
    sealed_us: int
    segments: int
    root: str
    prev_hash: str
    hash: str
    key_id: str
    signature: bytes
    id: int = 0  # in this ledger
    camera_id: int = 0


@dataclass(frozen=True, slots=True)
class Proof:
    """That a segment's facts are in a sealed root: all that a verifier needs, and no other row."""

    seal: Seal
    facts: Mapping[str, Any]
    index: int  # place among the leaves
    path: Sequence[str]  # hashes from the leaf's sibling up


def leaf_of(facts: Mapping[str, Any]) -> str:
    """The hash of a row's unchanging facts, by name as in FACTS."""
    values = {name: facts[name] for name in FACTS} | {"format": LEAF_FORMAT}
    return leaf_hash(canonical(values))


def canonical(values: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8."""
    # default=repr: a value forged into another type must read as changed, not stop the walk.
    return json.dumps(
        values, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=repr
    ).encode()


def facts_query() -> Select[Any]:
    """Rows of FACTS, camera by slug."""
    columns = [_c.slug.label("camera") if name == "camera" else _s[name] for name in FACTS]
    return select(*columns).join(schema.camera, _c.id == _s.camera_id)


def digest_of(seal: Seal) -> str:
    """What `hash` must be."""
    values = {
        "camera": seal.camera, "number": seal.number, "sealed_us": seal.sealed_us,
        "segments": seal.segments, "root": seal.root, "prev_hash": seal.prev_hash,
    }  # fmt: skip
    return hashlib.sha256(canonical(values)).hexdigest()


def seal_values(seal: Seal) -> dict[str, Any]:
    """Its columns, but the id that the ledger gives."""
    return {name: getattr(seal, name) for name in Seal.__slots__ if name not in ("id", "camera")}


def seals(tx: Connection, camera_id: int | None = None) -> list[Seal]:
    """Seals by camera and number."""
    query = _query().order_by(_c.slug, _seal.number)
    if camera_id is not None:
        query = query.where(_seal.camera_id == camera_id)
    return [Seal(**row) for row in tx.execute(query).mappings()]


def heads(tx: Connection, camera_id: int | None = None) -> list[Seal]:
    """The newest seal of each camera, by camera: worth noting somewhere else."""
    newest = (
        select(_seal.camera_id, func.max(_seal.number).label("number"))
        .group_by(_seal.camera_id)
        .subquery()
    )
    query = _query().join(
        newest,
        (newest.c.camera_id == _seal.camera_id) & (newest.c.number == _seal.number),
    )
    if camera_id is not None:
        query = query.where(_seal.camera_id == camera_id)
    return [Seal(**row) for row in tx.execute(query.order_by(_c.slug)).mappings()]


def heads_digest(tx: Connection) -> dict[str, object]:
    """All heads in one hash, for the audit chain: whoever noted its head has noted these."""
    lines = (f"{seal.camera} {seal.number} {seal.hash}\n" for seal in heads(tx))
    count = tx.execute(select(func.count()).select_from(schema.seal)).scalar_one()
    return {"count": count, "heads": hashlib.sha256("".join(lines).encode()).hexdigest()}


def leaves(tx: Connection, seal_id: int) -> Iterator[tuple[str, str]]:
    """(segment id, leaf) of a seal in order, streamed."""
    query = (
        select(_leaf.segment_id, _leaf.leaf)
        .where(_leaf.seal_id == seal_id)
        .order_by(_leaf.segment_id)
        .execution_options(yield_per=1000)
    )
    for row in tx.execute(query):
        yield row.segment_id, row.leaf


def inclusion_proof(tx: Connection, segment_id: str) -> Proof:
    """NotFound for a segment that is in no seal yet, or not in the ledger."""
    for proof in inclusion_proofs(tx, [segment_id]):
        return proof
    if tx.execute(select(_s.id).where(_s.id == segment_id)).first() is None:
        raise NotFound("segment {segment} is not in the ledger", segment=segment_id)
    raise NotFound(
        "segment {segment} is in no seal yet; `hindsight seal` makes one", segment=segment_id
    )


def inclusion_proofs(tx: Connection, segment_ids: Sequence[str]) -> Iterator[Proof]:
    """Of those segments that are in a seal, seal by seal; each tree is hashed once."""
    wanted: dict[int, list[str]] = defaultdict(list)
    for start in range(0, len(segment_ids), 1000):
        some = _leaf.segment_id.in_(segment_ids[start : start + 1000])
        for row in tx.execute(select(_leaf.seal_id, _leaf.segment_id).where(some)):
            wanted[row.seal_id].append(row.segment_id)
    for seal_id, ids in sorted(wanted.items()):
        seal = Seal(**tx.execute(_query().where(_seal.id == seal_id)).mappings().one())
        sealed = list(leaves(tx, seal_id))
        asked = set(ids)
        place = {one: index for index, (one, _) in enumerate(sealed) if one in asked}
        query = facts_query().join(schema.seal_leaf, _leaf.segment_id == _s.id)
        query = query.where(_leaf.seal_id == seal_id).order_by(_leaf.segment_id)
        # Closed when the reader stops early: on PostgreSQL it is a cursor of the server.
        with tx.execute(query.execution_options(yield_per=1000)) as result:
            found = result.mappings()
            # A week's facts would be tens of megabytes: row and path are made side by side.
            kept, again = tee(one for one in found if one["id"] in asked)
            places = (place[one["id"]] for one in again)
            paths = inclusion_paths([leaf for _, leaf in sealed], places)
            for facts, path in zip(kept, paths, strict=True):
                yield Proof(seal, dict(facts), place[facts["id"]], path)


def seals_over(tx: Connection, segment_ids: Sequence[str]) -> list[Seal]:
    """The seals that hold any of these segments, by camera and number."""
    keys: set[int] = set()
    for start in range(0, len(segment_ids), 1000):
        some = _leaf.segment_id.in_(segment_ids[start : start + 1000])
        keys.update(tx.execute(select(_leaf.seal_id).where(some).distinct()).scalars())
    query = _query().where(_seal.id.in_(sorted(keys))).order_by(_c.slug, _seal.number)
    return [Seal(**row) for row in tx.execute(query).mappings()]


def unsealed(tx: Connection, segment_ids: Sequence[str]) -> list[str]:
    """Those of them that are in no seal."""
    sealed: set[str] = set()
    for start in range(0, len(segment_ids), 1000):
        some = _leaf.segment_id.in_(segment_ids[start : start + 1000])
        sealed.update(tx.execute(select(_leaf.segment_id).where(some)).scalars())
    return [one for one in segment_ids if one not in sealed]


def verify_inclusion(leaf: str, proof: Proof, root: str) -> bool:
    """Whether `leaf` (see `leaf_of`) lies at its place under `root`."""
    return root_from_path(leaf, proof.index, proof.seal.segments, proof.path) == root


def signing_key(directory: DataDirectory) -> Ed25519PrivateKey:
    """This installation's. DataLoss when it is missing or is no such key."""
    try:
        key = load_pem_private_key(directory.key(SEAL_KEY), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise DataLoss(
            "key {key} in {directory}/keys cannot be read; restore it from your backup",
            key=SEAL_KEY, directory=directory.root,
        )  # fmt: skip
    return key


def key_id_of(key: Ed25519PublicKey) -> str:
    """SHA-256 of the public key's 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def public_pem(key: Ed25519PublicKey) -> str:
    """The public key as text anybody's tools read."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_key(pem: str) -> Ed25519PublicKey:
    """ValueError when `pem` is no Ed25519 key."""
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def is_signed(signed: Signed, key: Ed25519PublicKey) -> bool:
    """Whether `key` signed the 32 bytes of its hash."""
    try:
        key.verify(signed.signature, bytes.fromhex(signed.hash))
    except (InvalidSignature, ValueError, TypeError):  # of damaged rows: any type at all
        return False
    return True


def _query() -> Select[Any]:
    columns = [_seal[name] for name in Seal.__slots__ if name != "camera"]
    return select(*columns, _c.slug.label("camera")).join(
        schema.camera, _c.id == _seal.camera_id
    )  # fmt: skip
