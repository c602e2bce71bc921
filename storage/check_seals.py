"""The part of `check` that holds segment rows against their seals, and seals against one another.

docs/design/custody.md says what each finding means, and what none can show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, select

from storage import schema
from storage.audit import rows as audit_rows
from storage.check_chain import ledger_began_us
from storage.check_copies import cameras_of, check_copies, listed, whole_copy
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import DataLoss
from storage.findings import Finding, Level
from storage.i18n import N_
from storage.merkle import tree_root
from storage.register import cameras
from storage.seal_copies import facts_by_id
from storage.seals import (
    GENESIS,
    Seal,
    digest_of,
    facts_query,
    heads_digest,
    is_signed,
    key_id_of,
    leaf_of,
    leaves,
    seals,
    signing_key,
)
from storage.vocabulary import Camera
from storage.volumes import Volume

# A row comes when its segment closes: three hours after it began at most (settings allow an hour,
# and a GOP may not end). One that comes later than this was adopted after a kill, or put there.
SETTLE_US = 4 * 3600 * US
_NEVER_US = 1 << 62
_s, _leaf = schema.segment.c, schema.seal_leaf.c


@dataclass(frozen=True, slots=True)
class _Known:
    """What the findings are judged by."""

    began_us: int  # the ledger's first row
    rebuilt_us: Sequence[int]  # when `rebuild` ran
    key: Ed25519PublicKey | None
    key_id: str | None
    key_since_us: int  # seals before may be of the key before


def check_seals(
    directory: DataDirectory, level: Level, volumes: Mapping[str, Volume], noted: Sequence[str] = ()
) -> Iterator[Finding]:
    """Every seal and every sealed row (invariant 13); `noted` hashes must be among the seals.

    At level hash the copies on the volumes are read as well.
    """
    lying = {name: cameras_of(volume) for name, volume in volumes.items()}
    with directory.ledger.read() as tx:
        every = cameras(tx)
        known_hash = schema.seal.c.hash
        there = tx.execute(select(known_hash).where(known_hash.in_(noted))).scalars()
        left = set(noted) - set(there)
        sealed_at_all = tx.execute(select(schema.seal.c.id).limit(1)).first() is not None
        known, problem = _known(directory, tx)
        yield from _heads(tx)
    if problem is not None and sealed_at_all:
        yield problem
    for camera in every:
        lay = listed(volumes, camera.slug)
        with directory.ledger.read() as tx:
            sealed = [_readable(seal) for seal in seals(tx, camera.id)]
        yield from _links(sealed, known)
        yield from _keys(sealed, known)
        for place, seal in enumerate(sealed):
            with directory.ledger.read() as tx:
                yield from _rows(tx, volumes, seal, _pass_before(sealed, place), known)
        now_us = directory.clock.now_us()
        past = [seal for seal in sealed if seal.sealed_us <= now_us]
        if past:
            with directory.ledger.read() as tx:
                yield from _in_no_seal(tx, camera, past[-1], known)
        yield from check_copies(volumes, camera.slug, sealed, level, lay)
    slugs = {camera.slug for camera in every}
    for name, volume in volumes.items():
        one = {name: volume}
        for slug in lying[name]:
            if slug not in slugs:
                yield from check_copies(one, slug, [], level, listed(one, slug))
    for hash_ in sorted(left):
        yield Finding(
            13, N_("the noted seal {hash} is not in the ledger: it was cut off or replaced"),
            {"hash": hash_},
        )  # fmt: skip


def _readable(seal: Seal) -> Seal:
    """A number forged into something else, as one that fits nothing: the hash does not fit then,
    and the walk goes on."""
    return replace(
        seal, number=_int(seal.number, 0), sealed_us=_int(seal.sealed_us, _NEVER_US),
        segments=_int(seal.segments, 0),
    )  # fmt: skip


def _int(value: object, instead: int) -> int:
    return value if type(value) is int else instead


def _known(directory: DataDirectory, tx: Connection) -> tuple[_Known, Finding | None]:
    began_us = _int(ledger_began_us(tx), 0)
    made = audit_rows(tx, action="seal.key")
    rebuilt = [_int(row.ts_us, 0) for row in audit_rows(tx, action="rebuild")]
    since_us = _int(made[-1].ts_us, 0) if made else began_us
    try:
        key = signing_key(directory).public_key()
    except DataLoss as error:
        finding = Finding(13, error.message, error.fields)
        return _Known(began_us, rebuilt, None, None, since_us), finding
    return _Known(began_us, rebuilt, key, key_id_of(key), since_us), None


def _links(sealed: Sequence[Seal], known: _Known) -> Iterator[Finding]:
    due, prev = 1, GENESIS
    for seal in sealed:
        if seal.number != due:
            yield _of(
                seal, N_("seal {due} of {camera} is missing; the next one is {number}"),
                loss=seal.sealed_us >= known.began_us, due=due,
            )  # fmt: skip
        elif seal.prev_hash != prev:
            yield _of(seal, N_("seal {number} of {camera} does not follow the seal before it"))
        if digest_of(seal) != seal.hash:
            yield _of(seal, N_("seal {number} of {camera} was changed: its hash does not fit"))
        due, prev = seal.number + 1, seal.hash


def _keys(sealed: Sequence[Seal], known: _Known) -> Iterator[Finding]:
    if known.key is None:
        return
    others: dict[tuple[str, bool], list[Seal]] = {}
    for seal in sealed:
        if seal.key_id != known.key_id:
            loss = seal.sealed_us >= known.key_since_us
            others.setdefault((seal.key_id, loss), []).append(seal)
        elif not is_signed(seal, known.key):
            yield _of(
                seal, N_("seal {number} of {camera} does not bear this installation's signature")
            )
    for (key_id, loss), signed in others.items():
        yield _of(
            signed[0],
            N_("seals {number} to {last} of {camera} are signed by another key, {key}; compare it"
               " with the one noted then"),
            loss=loss, last=signed[-1].number, key=key_id,
        )  # fmt: skip


def _pass_before(sealed: Sequence[Seal], place: int) -> Seal | None:
    """The newest seal that an earlier pass made; one pass may make several, of one instant."""
    for earlier in range(place - 1, -1, -1):
        if sealed[earlier].sealed_us < sealed[place].sealed_us:
            return sealed[earlier]
    return None


def _rows(
    tx: Connection, volumes: Mapping[str, Volume], seal: Seal, before: Seal | None, known: _Known
) -> Iterator[Finding]:
    """The rows under one seal: all there, none other, none changed, none late."""
    stored = dict(leaves(tx, seal.id))
    sealed = stored
    if len(stored) != seal.segments or tree_root(stored.values()) != seal.root:
        copy = whole_copy(volumes, seal, known.key)
        if copy is not None:
            sealed = {facts["id"]: leaf_of(facts) for facts in copy.facts}
        yield _of(
            seal,
            N_("the leaves of seal {number} of {camera} were changed; its copy on a volume says"
               " what they were")
            if copy is not None
            else N_("the leaves of seal {number} of {camera} do not give its root, and no volume"
                    " has a whole copy of it"),
        )  # fmt: skip
    rows = facts_by_id(tx, [*(sealed | stored)])
    gone = [segment for segment in sealed if segment not in rows]
    if gone and seal.sealed_us < known.began_us:
        yield _of(
            seal,
            N_("{n} of {all} segments under seal {number} of {camera} are not in the ledger: it"
               " was made anew since, and only the lost one knew whether they had been deleted"
               " lawfully"),
            loss=False, n=len(gone), all=seal.segments,
        )  # fmt: skip
        gone = []
    for segment in gone:
        yield _of_row(
            seal, {"id": segment},
            N_("segment {segment} ({camera}) is under seal {number} and no longer in the ledger"),
        )  # fmt: skip
    for segment, row in rows.items():
        if segment not in sealed:
            yield _of_row(
                seal, row, N_("segment {segment} ({camera}) was put under seal {number} afterwards")
            )
        elif leaf_of(row) != sealed[segment]:
            yield _of_row(
                seal, row,
                N_("the row of segment {segment} ({camera}) was changed since seal {number}"),
            )  # fmt: skip
        elif before is not None and _is_late(row, before):
            yield _late(row, before, seal.sealed_us, known)


def _in_no_seal(tx: Connection, camera: Camera, last: Seal, known: _Known) -> Iterator[Finding]:
    """Rows that would be under the newest seal, had they been there when it was made."""
    query = (
        facts_query()
        .outerjoin(schema.seal_leaf, _leaf.segment_id == _s.id)
        .where(_s.camera_id == camera.id, _leaf.segment_id.is_(None))
        .where(_s.created_us <= last.sealed_us - SETTLE_US)
        .order_by(_s.id)
    )
    for row in tx.execute(query).mappings():
        if _is_late(row, last):
            yield _late(dict(row), last, None, known)


def _is_late(row: Mapping[Any, Any], before: Seal) -> bool:
    # What a kill left is adopted whenever its recorder or volume is back.
    return row["created_us"] <= before.sealed_us - SETTLE_US and not row["recovered"]


def _late(
    row: Mapping[str, Any], before: Seal, sealed_us: int | None, known: _Known
) -> Finding:  # fmt: skip
    # A row that damage had taken, and `rebuild` brought back, comes late as well.
    rebuilt = any(
        before.sealed_us <= at_us and (sealed_us is None or at_us <= sealed_us)
        for at_us in known.rebuilt_us
    )
    return _of_row(
        before, row,
        N_("segment {segment} ({camera}) says it is older than seal {number}, and was not there"
           " when that was made"),
        loss=not rebuilt,
    )  # fmt: skip


def _heads(tx: Connection) -> Iterator[Finding]:
    """The audit chain names the heads of each pass that made a seal."""
    for row in audit_rows(tx, action="seal", limit=1, newest_first=True):
        try:
            said = json.loads(row.detail)
            count, digest = int(said["count"]), said["heads"]
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return  # a row tampered with: the audit chain's own finding
        there = heads_digest(tx)
        # More: a pass that was killed before its row; its seals are good.
        if int(str(there["count"])) < count or (
            there["count"] == count and there["heads"] != digest
        ):
            yield Finding(
                13, N_("the seals are not those that audit row {row} names: the newest of a camera"
                       " was cut off or replaced"),
                {"row": row.seq},
            )  # fmt: skip


def _of(seal: Seal, message: str, *, loss: bool = True, **fields: object) -> Finding:
    return Finding(
        13, message, {"number": seal.number, "camera": seal.camera, **fields}, loss,
        camera=seal.camera,
    )  # fmt: skip


def _of_row(
    seal: Seal, row: Mapping[str, Any], message: str, *, loss: bool = True
) -> Finding:  # fmt: skip
    return Finding(
        13, message, {"segment": row["id"], "camera": seal.camera, "number": seal.number}, loss,
        segment=row["id"], camera=seal.camera,
        start_us=row.get("start_us"), end_us=row.get("end_us"),
    )  # fmt: skip
