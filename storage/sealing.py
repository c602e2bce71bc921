"""Sealing: the pass that puts every segment row not sealed yet under a signed root.

A row never changes once it is there, so it is sealed as soon as a pass comes by. Rows that come
late, adopted after a kill, are in the next seal.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage import audit, audit_heads, schema, sealing_day
from storage.clock import utc_day
from storage.directory import SEAL_KEY, DataDirectory, make_seal_key, open_directory
from storage.errors import Conflict, DataLoss, HindsightError
from storage.logs import configure_logging
from storage.merkle import tree_root
from storage.register import cameras
from storage.seal_copies import write_copies
from storage.seal_restore import enter_seal
from storage.seals import (
    GENESIS,
    Seal,
    digest_of,
    facts_query,
    heads,
    heads_digest,
    key_id_of,
    leaf_of,
    signing_key,
)
from storage.vocabulary import Actor, Camera

MOST_LEAVES = 5000  # of one seal: bounds memory, transaction and copy; a camera's day is 1440
KEEPER = Actor("hindsight record")
log = logging.getLogger(__name__)
_s, _leaf = schema.segment.c, schema.seal_leaf.c


@dataclass(slots=True)
class Sealed:
    """What a pass did."""

    seals: list[Seal] = field(default_factory=list)
    segments: int = 0
    copies: int = 0  # written to volumes, of this pass's seals and of earlier ones
    audit_head: audit_heads.Head | None = None  # the newest, made now or not
    audit_failure: DataLoss | None = None  # why no head could be made


def seal_if_due(directory: DataDirectory, actor: Actor = KEEPER) -> Sealed | None:
    """Once per UTC day and camera; None when nothing is due. To be called every minute or so:

    without a due pass it reads one small file.
    """
    day = sealing_day.today(directory)
    if not sealing_day.is_due(directory):
        return None
    try:
        result = seal_day(directory, actor, once_a_day=True)
    except Conflict:
        return None  # somebody seals by hand just now
    sealing_day.done(directory, day)
    return result


def seal_day(
    directory: DataDirectory, actor: Actor, *, once_a_day: bool = False,
    of: Collection[int] | None = None,
) -> Sealed:  # fmt: skip
    """Seal what is in no seal yet, camera by camera, and sign the audit chain's head. Conflict
    while another pass runs.

    `once_a_day` leaves out cameras that have a seal of this UTC day; `of` are the ids of the only
    cameras to look at, and then no head is signed.
    """
    result = Sealed()
    with directory.exclusive("seal"):
        key = _key(directory, actor)
        with directory.ledger.read() as tx:
            every = cameras(tx)
            newest = {seal.camera_id: seal for seal in heads(tx)}
        now_us = directory.clock.now_us()
        for camera in every:
            if of is not None and camera.id not in of:
                continue
            head = newest.get(camera.id)
            sealed_today = head is not None and utc_day(head.sealed_us) == utc_day(now_us)
            if not (once_a_day and sealed_today):
                _seal_camera(directory, camera, head, now_us, key, result)
            result.copies += write_copies(directory, camera.id, key.public_key())
        if result.seals:
            with directory.ledger.write() as tx:
                detail = {"seals": len(result.seals), "segments": result.segments}
                audit.record(
                    tx, actor, "seal", "archive", at_us=directory.clock.now_us(),
                    detail=detail | heads_digest(tx),
                )  # fmt: skip
        if of is None:
            try:
                result.audit_head = audit_heads.sign(directory, key, actor, of_today=once_a_day)
            except DataLoss as error:  # `check` finds it too; footage is sealed all the same
                log.error("%s", error)
                result.audit_failure = error
            audit_heads.write_copies(directory, key.public_key())
    return result


def sign_audit(directory: DataDirectory, actor: Actor) -> audit_heads.Head | None:
    """Sign the audit chain's head at once. Conflict while a pass runs; see `audit_heads.sign`."""
    with directory.exclusive("seal"):
        key = _key(directory, actor)
        head = audit_heads.sign(directory, key, actor)
        audit_heads.write_copies(directory, key.public_key())
    return head


def _key(directory: DataDirectory, actor: Actor) -> Ed25519PrivateKey:
    """The signing key; one that an older version's `init` did not make is made, and audited."""
    if not (directory.root / "keys" / SEAL_KEY).exists():
        with directory.ledger.write() as tx:
            make_seal_key(directory.root)
            key = signing_key(directory)
            audit.record(
                tx, actor, "seal.key", SEAL_KEY, at_us=directory.clock.now_us(),
                detail={"key_id": key_id_of(key.public_key())},
            )  # fmt: skip
            return key
    return signing_key(directory)


def _seal_camera(
    directory: DataDirectory,
    camera: Camera,
    head: Seal | None,
    now_us: int,
    key: Ed25519PrivateKey,
    result: Sealed,
) -> None:
    """One seal per MOST_LEAVES rows, each in a transaction of its own."""
    last = ""
    while page := _unsealed(directory, camera.id, last):
        last = page[-1][0]
        seal = Seal(
            camera=camera.slug, camera_id=camera.id, number=1 if head is None else head.number + 1,
            sealed_us=now_us, segments=len(page), root=tree_root(leaf for _, leaf in page),
            prev_hash=GENESIS if head is None else head.hash, hash="",
            key_id=key_id_of(key.public_key()), signature=b"",
        )  # fmt: skip
        digest = digest_of(seal)
        seal = replace(seal, hash=digest, signature=key.sign(bytes.fromhex(digest)))
        with directory.ledger.write() as tx:
            head = replace(seal, id=enter_seal(tx, seal, page))
        result.seals.append(head)
        result.segments += len(page)


def _unsealed(directory: DataDirectory, camera_id: int, after: str) -> list[tuple[str, str]]:
    """(segment id, leaf) of the next rows that are in no seal, by id."""
    query = (
        facts_query()
        .outerjoin(schema.seal_leaf, _leaf.segment_id == _s.id)
        .where(_s.camera_id == camera_id, _s.id > after, _leaf.segment_id.is_(None))
        .order_by(_s.id)
        .limit(MOST_LEAVES)
    )
    with directory.ledger.read() as tx:
        return [(row["id"], leaf_of(dict(row))) for row in tx.execute(query).mappings()]


def main() -> int:
    """`python -m storage.sealing DIRECTORY`: today's seal, if it is due."""
    configure_logging()
    try:
        directory = open_directory(Path(sys.argv[1]))
        try:
            seal_if_due(directory)
        finally:
            directory.close()
    except (HindsightError, OSError) as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
