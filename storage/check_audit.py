"""The part of `check` that walks the audit chain and holds it against its signed heads.

docs/design/audit.md says what each finding means, and what none can show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from storage import audit
from storage.audit import AuditRow
from storage.audit_digest import GENESIS
from storage.audit_heads import SIGNED, Head, chain_of, digest_of, heads, marks_of, read_copy
from storage.audit_walk import Break, verify
from storage.directory import DataDirectory
from storage.errors import DataLoss, HindsightError
from storage.findings import Finding, Progress, no_progress
from storage.i18n import N_
from storage.seal_places import AUDIT, head_path, heads_on
from storage.seals import is_signed, key_id_of, signing_key
from storage.volumes import Volume

_BREAKS = {
    "changed": (
        N_("audit row {row} was changed: its hash does not fit"),
        N_("audit rows {row} to {last} were changed: their hashes do not fit"),
    ),
    "missing": (N_("audit row {row} is missing"), N_("audit rows {row} to {last} are missing")),
    "moved": (
        N_("audit row {row} is out of order: it was written as another row"),
        N_("audit rows {row} to {last} are out of order: they were written as other rows"),
    ),
    "inserted": (
        N_("audit row {row} was put in: the rows around it follow one another"),
        N_("audit rows {row} to {last} were put in: the rows around them follow one another"),
    ),
    "unlinked": (
        N_("audit row {row} does not follow the row before it"),
        N_("audit rows {row} to {last} do not follow the row before each"),
    ),
    "rewritten": (
        N_("audit row {row} was written anew: it is not the row that was signed"),
        N_("audit rows {row} to {last} were written anew: they are not the rows that were signed"),
    ),
    "cut": (
        N_("audit row {row} was signed and is gone: the end was cut off"),
        N_("audit rows {row} to {last} were signed and are gone: the end was cut off"),
    ),
}
_NOT_NOTED = N_(
    "the noted head is not in the audit chain: rows up to {row} were cut off or replaced"
)


@dataclass(slots=True)
class _Heads:
    """The heads that rows are held against, and what is wrong with any."""

    known: dict[int, Head] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def check_audit(
    directory: DataDirectory,
    volumes: Mapping[str, Volume],
    noted: str | None = None,
    progress: Progress = no_progress,
) -> Iterator[Finding]:
    """Every break of the chain and of its heads (invariant 10); `noted` is the hash of a row or
    a head that must be there."""
    # Before the ledger: a head is there before it has a copy.
    lying = {name: _listed(volume) for name, volume in volumes.items()}
    with directory.ledger.read() as tx:
        in_ledger, chain = heads(tx), chain_of(tx) or ""
        keys_made = audit.rows(tx, action="seal.key")
        said_made = audit.rows(tx, action=SIGNED)
        rebuilt = bool(audit.rows(tx, action="rebuild", limit=1))
        first = next(audit.iterate(tx), None)
    found = _Heads({head.number: head for head in in_ledger})
    try:
        key: Ed25519PublicKey | None = signing_key(directory).public_key()
    except DataLoss as error:
        key = None
        if in_ledger:
            found.findings.append(Finding(10, error.message, error.fields))
    _links(in_ledger, found)
    _keys(in_ledger, key, _since_us(keys_made, key), found)
    begun_us = _when_us(first) if rebuilt and first is not None else None
    by_number = {head.number: head for head in in_ledger}
    for name, volume in volumes.items():
        _copies(volume, lying[name], chain, by_number, key, begun_us, found)
    _said_made(said_made, in_ledger, found)
    yield from found.findings
    known = [found.known[number] for number in sorted(found.known)]
    if noted is not None and any(head.hash == noted for head in known):
        noted = None
    with directory.ledger.read() as tx:
        total = (audit.head(tx) or (0, ""))[0]
        for broken in verify(tx, noted, marks_of(known), lambda seq: progress(seq, total)):
            yield _finding(broken)


def _finding(broken: Break) -> Finding:
    if broken.what == "not noted":
        return Finding(10, _NOT_NOTED, {"row": broken.last})
    one, several = _BREAKS[broken.what]
    if broken.last == broken.seq:
        return Finding(10, one, {"row": broken.seq})
    return Finding(10, several, {"row": broken.seq, "last": broken.last})


def _links(in_ledger: Sequence[Head], found: _Heads) -> None:
    due, prev = 1, GENESIS
    for head in in_ledger:
        if head.number != due:
            _say(found, head, N_("audit head {due} is missing; the next one is {number}"), due=due)
        elif head.prev_hash != prev:
            _say(found, head, N_("audit head {number} does not follow the head before it"))
        if digest_of(head) != head.hash:
            _say(found, head, N_("audit head {number} was changed: its hash does not fit"))
            found.known.pop(head.number, None)
        due, prev = head.number + 1, head.hash


def _keys(
    in_ledger: Sequence[Head], key: Ed25519PublicKey | None, since_us: int, found: _Heads
) -> None:
    """Signatures. Heads from before this key was made may be another's: a notice."""
    if key is None:
        return
    for head in in_ledger:
        if head.key_id != key_id_of(key):
            _say(
                found, head,
                N_("audit head {number} is signed by another key, {key}; compare it with the one"
                   " noted then"),
                loss=head.made_us >= since_us, key=head.key_id,
            )  # fmt: skip
        elif not is_signed(head, key):
            _say(
                found, head,
                N_("audit head {number} does not bear this installation's signature"),
            )  # fmt: skip
        else:
            continue
        if head.made_us >= since_us:
            found.known.pop(head.number, None)


def _since_us(keys_made: Sequence[AuditRow], key: Ed25519PublicKey | None) -> int:
    """When the present key was made, if a row says so of this very key; else it always was."""
    if not keys_made or key is None:
        return 0
    newest = keys_made[-1]
    return _when_us(newest) if _detail(newest).get("key_id") == key_id_of(key) else 0


def _when_us(row: AuditRow) -> int:
    """Of a time forged into something else: the beginning, which excuses nothing."""
    return row.ts_us if type(row.ts_us) is int else 0


def _said_made(rows: Sequence[AuditRow], in_ledger: Sequence[Head], found: _Heads) -> None:
    """A row says of each head that it was made: whoever takes away the head leaves the row."""
    hashes = {number: head.hash for number, head in found.known.items()}
    hashes |= {head.number: head.hash for head in in_ledger}
    for row in rows:
        said = _detail(row)
        number = said.get("number")
        if not isinstance(number, int) or hashes.get(number, "") != said.get("head"):
            found.findings.append(
                Finding(
                    10,
                    N_("audit row {row} says that head {number} was made, and it is not there: it"
                       " was removed or replaced"),
                    {"row": row.seq, "number": str(number)[:40]},
                )
            )  # fmt: skip


def _detail(row: AuditRow) -> dict[str, object]:
    """What damage left is perhaps no JSON."""
    found = audit.said(row)
    return found if isinstance(found, dict) else {}


def _listed(volume: Volume) -> dict[str, list[int]] | OSError:
    try:
        return heads_on(volume)
    except OSError as error:
        return error


def _copies(
    volume: Volume, lay: dict[str, list[int]] | OSError, chain: str, in_ledger: Mapping[int, Head],
    key: Ed25519PublicKey | None, begun_us: int | None, found: _Heads,
) -> None:  # fmt: skip
    """Each volume has a copy of each head, and of no other; a whole one stands in for a head that
    the ledger lacks or that was forged there. `lay`: what was listed before the ledger was read;
    `begun_us`: of a rebuilt ledger, its first row."""
    if isinstance(lay, OSError):
        found.findings.append(
            Finding(10, N_("{path} cannot be read: {error}; it was left alone"),
                    {"path": AUDIT, "error": lay.strerror or lay}, loss=False,
                    volume=volume.name)
        )  # fmt: skip
        return
    lying = dict(lay)
    missing = sorted(in_ledger.keys() - set(lying.get(chain, [])))
    if missing:  # perhaps of heads signed since
        now = _listed(volume)
        if not isinstance(now, OSError):
            missing = sorted(in_ledger.keys() - set(now.get(chain, [])))
    if missing:
        _say(
            found, in_ledger[missing[0]],
            N_("volume {volume} lacks copies of audit heads: {n}, the first of head {number};"
               " `hindsight seal` writes them"),
            loss=False, volume=volume, n=len(missing),
        )  # fmt: skip
    for number in lying.pop(chain, []):
        path = head_path(chain, number)
        try:
            copy = read_copy(volume.root / path)
        except HindsightError as error:
            found.findings.append(
                Finding(10, error.message, error.fields, loss=False, volume=volume.name, path=path)
            )
            continue
        ours = key is not None and is_signed(copy, key)
        there = in_ledger.get(number)
        if there is None and (ours or key is None):
            _say(
                found, copy,
                N_("audit head {number} lies on volume {volume} and is not in the ledger: it was"
                   " removed there"),
                volume=volume,
            )  # fmt: skip
        elif there is None:
            _say(
                found, copy,
                N_("audit head {number} on volume {volume} bears another key's signature: somebody"
                   " put it there"),
                volume=volume,
            )  # fmt: skip
        elif there.hash != copy.hash:
            _say(
                found, copy,
                N_("audit head {number} is another on volume {volume} than in the ledger: one of"
                   " them was replaced"),
                volume=volume,
            )  # fmt: skip
        if ours:
            found.known.setdefault(number, copy)
    for other, numbers in lying.items():
        if numbers:
            found.findings.append(
                Finding(
                    10,
                    N_("volume {volume} has heads of another audit chain, {chain}: it was lost with"
                       " its ledger, or this one was written anew"),
                    {"volume": volume.name, "chain": other},
                    loss=not _ended_before(volume, other, numbers, key, begun_us),
                    volume=volume.name,
                    path=f"{AUDIT}/{other}",
                )
            )  # fmt: skip


def _ended_before(
    volume: Volume, chain: str, numbers: Sequence[int], key: Ed25519PublicKey | None,
    begun_us: int | None,
) -> bool:  # fmt: skip
    """Whether another chain was lost with its ledger: all its heads that we signed are older than
    the rebuilt ledger's first row."""
    if begun_us is None:
        return False
    for number in numbers:
        try:
            copy = read_copy(volume.root / head_path(chain, number))
        except HindsightError:
            continue
        if (key is None or is_signed(copy, key)) and copy.made_us >= begun_us:
            return False
    return True


def _say(
    found: _Heads, head: Head, message: str, *, loss: bool = True, volume: Volume | None = None,
    **fields: object,
) -> None:  # fmt: skip
    named: dict[str, object] = {"number": head.number}
    if volume is not None:
        named["volume"] = volume.name
    found.findings.append(
        Finding(10, message, named | fields, loss, volume=None if volume is None else volume.name)
    )
