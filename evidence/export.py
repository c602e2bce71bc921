"""Exports a span of cameras as a bundle that can be checked: published whole and true, or not."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from ulid import ULID

from evidence import verify_bundle
from evidence.absences import Absence
from evidence.bagging import payload
from evidence.closing import close_bag
from evidence.content_credentials import credentials
from evidence.crediting import credited
from evidence.manifest import Heading, Part, Timestamp, gap_document, measured_spans
from evidence.originals import allowance_us, copy_originals, places
from evidence.plan import CameraPlan, Plan, make_plan
from evidence.playable import NotPlayable, Playable, cut
from evidence.proofs import seal_footage
from evidence.signing import Signer, signer
from evidence.workshop import ORIGINALS, Workshop, destination, left_for, require_space, writing
from evidence.zipping import zip_bag
from storage import audit
from storage.access import access_of
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.errors import DataLoss, Invalid
from storage.purpose import require_approval, require_purpose
from storage.reading import require_originals, unmasked
from storage.rights import Verb
from storage.timeline import total_us
from storage.vocabulary import Actor, Camera, Case, Span

Progress = Callable[[int, int], None]  # bytes worked through, bytes in all
ASK_AGAIN_S = 30.0  # a case closed or a grant revoked meanwhile stops an export of hours
SAID_BYTES = 5_000  # of an original, in the documents beside it


@dataclass(frozen=True, slots=True)
class CameraResult:
    """What of one camera is in a bundle."""

    camera: str
    segments: int
    recorded_us: int  # of the request
    absences: tuple[Absence, ...]
    playable: tuple[str, ...]  # paths in the bundle
    not_playable: tuple[NotPlayable, ...]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A published bundle."""

    path: Path
    export: str  # its id in the audit log
    fingerprint: str  # SHA-256 of its tag manifest, stands for all of it
    asked: Span
    size_bytes: int  # of the originals
    cameras: tuple[CameraResult, ...]
    signer: Signer
    timestamp: Timestamp | None  # None: no authority is named in the settings

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "path": str(self.path),
            "export": self.export,
            "fingerprint": self.fingerprint,
            "signed_by": self.signer.document(),
            "timestamp": None if self.timestamp is None else self.timestamp.document(),
            "start": rfc3339(self.asked.start_us),
            "end": rfc3339(self.asked.end_us),
            "segments": sum(one.segments for one in self.cameras),
            "size_bytes": self.size_bytes,
            "cameras": [
                {
                    "camera": one.camera,
                    "segments": one.segments,
                    "recorded_s": one.recorded_us / US,
                    "gap_s": (self.asked.duration_us - one.recorded_us) / US,
                    "gaps": [gap_document(absence) for absence in one.absences],
                    "playable": list(one.playable),
                    "not_playable": [
                        {"segments": [s.id for s in each.originals], "reason": each.reason,
                         "detail": each.detail}
                        for each in one.not_playable
                    ],
                }
                for one in self.cameras
            ],
        }  # fmt: skip


def export(
    directory: DataDirectory,
    *,
    cameras: Sequence[Camera],
    from_us: int,
    to_us: int,
    out: Path,
    actor: Actor,
    progress: Progress | None = None,
    still_allowed: Callable[[Connection], object] = lambda _: None,
    search: Mapping[str, Any] | None = None,
    resume: bool = False,
    keep: bool = False,
    ask_again_s: float = ASK_AGAIN_S,
) -> ExportResult:
    """Build, prove and publish the bundle `out`: a folder, or a zip if its name ends in .zip.

    `search`: what found the footage, for the manifest. `resume`: go on with what an interrupted
    export of the same `out` left. `keep`: leave that when an interrupt ends this one.

    Invalid (span the wrong way round), NotFound (no footage, no folder to write to), Conflict
    (`out` exists, case closed), Denied (no case where one is demanded, no right to write),
    ResourceExhausted (disk), DataLoss (an original is not what the ledger says), Unavailable (a
    volume is absent), and whatever `still_allowed` raises, which is asked before a byte is read,
    every `ask_again_s`, and in the transaction that seals the bundle. After any of them, and after
    an exception from `progress`, which several threads call one at a time, nothing is left.
    """
    if from_us >= to_us:
        raise Invalid(
            "the span from {start} to {end} is empty; nothing was exported",
            start=rfc3339(from_us), end=rfc3339(to_us),
        )  # fmt: skip
    asked, now_us = Span(from_us, to_us), directory.clock.now_us()
    out = destination(directory, out)
    zipped = out.suffix.lower() == ".zip"
    with directory.ledger.read() as tx:
        case, _ = require_export(tx, directory, actor, cameras, asked)
        plan = make_plan(tx, cameras, asked, now_us)
    for name in sorted({segment.volume for segment in plan.segments()}):
        directory.archive.volume(name).verify_readable()
    with writing(out):
        require_space(directory, out, _needed_bytes(plan))
    seal_footage(directory, plan)
    who = signer(directory, actor)
    root = None
    if directory.settings.evidence.content_credentials:
        root = credentials(directory, who, actor)
    heading = Heading(str(ULID()), now_us, actor, case, who, root, search)
    resumed = resume and left_for(out)
    announced = _announce(directory, heading, plan, out, still_allowed, resumed)

    def ask_again() -> None:
        with directory.ledger.read() as tx:
            require_export(tx, directory, actor, cameras, asked)
            still_allowed(tx)

    work = _Work(plan.size_bytes() * (6 if zipped else 4), progress, ask_again, ask_again_s)
    with writing(out), Workshop(out, resume=resume, keep=keep) as shop:
        shop.keep_only(path for one in plan.cameras for path in _places(shop.bag, one))
        parts = [_build(directory, shop.bag, one, heading, asked, work) for one in plan.cameras]
        _require_covered(parts, asked)
        plan = Plan(asked, tuple(part.plan for part in parts))
        fingerprint, timestamp = close_bag(directory, shop.bag, heading, plan, parts, announced)
        work.tick(plan.size_bytes())
        _prove(shop.bag, fingerprint, payload(shop.bag))
        built = shop.bag
        if zipped:
            built = shop.folder / "bundle.zip"
            zip_bag(shop.bag, built, _folder_name(out), work.tick)
            _prove(built, fingerprint)
        work.finish()  # the last word to `progress`: it may still stop everything
        _seal(directory, heading, plan, fingerprint, still_allowed)
        shop.publish(built)
    return _result(heading, plan, parts, out, fingerprint, timestamp)


def _needed_bytes(plan: Plan) -> int:
    """Originals, playable copies, and what is said of each original."""
    sizes = [sum(one.size_bytes for one in part.segments) for part in plan.cameras]
    # A file is in the zip before it is removed, a playable copy beside its signed one: for a while
    # the largest is there twice.
    twice = max(sizes)
    return 2 * sum(sizes) + twice + SAID_BYTES * sum(len(part.segments) for part in plan.cameras)


def _places(bag: Path, part: CameraPlan) -> list[Path]:
    return places(part.segments, bag / ORIGINALS / part.camera.slug)


def require_export(
    tx: Connection, directory: DataDirectory, actor: Actor, cameras: Sequence[Camera], asked: Span
) -> tuple[Case | None, list[int]]:
    """The open case of the export, and the approvals it rests on. Denied without a case, its
    reason or an approval where they are demanded."""
    access = access_of(tx, actor.name, directory.clock.now_us())
    case = require_purpose(tx, directory.settings.search, access, actor, Verb.EXPORT)
    require_originals(tx, actor, cameras, asked, directory.clock.now_us())  # of privacy zones
    approved = require_approval(
        tx, directory.settings.access, actor, Verb.EXPORT, cameras, asked, directory.clock.now_us()
    )
    return case, approved


def _announce(
    directory: DataDirectory, heading: Heading, plan: Plan, out: Path,
    still_allowed: Callable[[Connection], object], resumed: bool,
) -> int:  # fmt: skip
    """Commit the audit row before a byte is read; returns its number."""
    slugs = [part.camera.slug for part in plan.cameras]
    with directory.ledger.write() as tx:
        # The case may have been closed a moment ago, an approval revoked.
        resting = _rests_on(tx, directory, heading, plan)
        still_allowed(tx)
        return audit.record(
            tx, heading.actor, "export", ", ".join(slugs), at_us=heading.made_us,
            detail={
                "export": heading.export, "cameras": slugs, "from": rfc3339(plan.asked.start_us),
                "to": rfc3339(plan.asked.end_us), "out": str(out),
                "segments": sum(1 for _ in plan.segments()), "bytes": plan.size_bytes(),
                **resting, **({"resumed": True} if resumed else {}),
            },
        )  # fmt: skip


def _rests_on(
    tx: Connection, directory: DataDirectory, heading: Heading, plan: Plan
) -> dict[str, Any]:
    """Asked anew, for the audit row: the approvals it rests on, and the privacy zones that hide
    what the bundle shows."""
    cameras = [part.camera for part in plan.cameras]
    _, approved = require_export(tx, directory, heading.actor, cameras, plan.asked)
    seen = unmasked(tx, heading.actor, cameras, plan.asked, directory.clock.now_us())
    return ({"approvals": approved} if approved else {}) | seen


def _build(
    directory: DataDirectory, bag: Path, part: CameraPlan, heading: Heading, asked: Span,
    work: _Work,
) -> Part:  # fmt: skip
    """Copy, measure and cut one camera."""
    slug = part.camera.slug
    sources = copy_originals(directory, part.segments, bag / ORIGINALS / slug, work.tick)
    part = part.as_shown([source.segment for source in sources], asked)
    made: list[Playable] = []
    refused: list[NotPlayable] = []
    if sources:
        made, refused = cut(slug, sources, asked, bag / "playable", work.tick)
        made = credited(slug, made, heading)
    return Part(part, tuple(sources), tuple(made), tuple(refused))


def _require_covered(parts: Sequence[Part], asked: Span) -> None:
    """The pictures in the copied files cover what the ledger says is recorded (lesson D3)."""
    for part in parts:
        due_us = total_us(part.plan.covered(asked))
        found_us = total_us(measured_spans(part, asked))
        allowed_us = sum(allowance_us(source) for source in part.sources)
        if abs(found_us - due_us) > allowed_us:
            raise DataLoss(
                "camera {camera}: the exported files show {found} s, the ledger says {due} s;"
                " nothing was exported, `hindsight check --level hash` tells more",
                camera=part.camera.slug, found=found_us / US, due=due_us / US,
            )  # fmt: skip


def _prove(built: Path, fingerprint: str, hashes: dict[str, str] | None = None) -> None:
    """The verifier that travels in the bundle finds nothing; DataLoss with its first finding."""
    verdict = verify_bundle.verify(built, fingerprint, hashes)
    if verdict.findings:
        raise DataLoss(
            "the bundle was built and does not verify: {finding}. Nothing was exported",
            finding=verify_bundle.describe(verdict.findings[0]),
        )


def _seal(
    directory: DataDirectory, heading: Heading, plan: Plan, fingerprint: str,
    still_allowed: Callable[[Connection], object],
) -> None:  # fmt: skip
    """Commit the fingerprint before the bundle gets its name; the case must still be open, what a
    second person approved in force, and who asked still allowed to."""
    with directory.ledger.write() as tx:
        resting = _rests_on(tx, directory, heading, plan)
        still_allowed(tx)
        audit.record(
            tx, heading.actor, "export.sealed", heading.export,
            at_us=directory.clock.now_us(),
            detail={"export": heading.export, "fingerprint": fingerprint, **resting},
        )  # fmt: skip


def _folder_name(out: Path) -> str:
    """What a zip unpacks into: its own name, less what some system refuses in a name."""
    return re.sub(r"[^\w.-]+", "-", out.stem).strip(".-") or "bundle"


def _result(
    heading: Heading, plan: Plan, parts: Sequence[Part], out: Path, fingerprint: str,
    timestamp: Timestamp | None,
) -> ExportResult:  # fmt: skip
    cameras = tuple(
        CameraResult(
            part.camera.slug, len(part.sources), total_us(part.plan.covered(plan.asked)),
            part.plan.absences, tuple(f"data/playable/{one.path.name}" for one in part.playable),
            part.not_playable,
        )
        for part in parts
    )  # fmt: skip
    return ExportResult(
        out, heading.export, fingerprint, plan.asked, plan.size_bytes(), cameras, heading.signer,
        timestamp,
    )  # fmt: skip


class _Work:
    """Counts bytes for a progress bar; an exception from it stops the export."""

    def __init__(
        self, total: int, progress: Progress | None, ask_again: Callable[[], None],
        ask_again_s: float,
    ) -> None:  # fmt: skip
        self.total = max(total, 1)
        self.done = 0
        self.progress = progress
        self._ask_again, self._ask_again_s = ask_again, ask_again_s
        self._asked_s = time.monotonic()
        self._one = threading.Lock()

    def tick(self, count: int) -> None:
        """`count` more bytes were worked through, in whatever thread."""
        with self._one:
            self.done = min(self.done + count, self.total)
            if self.progress is not None:
                self.progress(self.done, self.total)
            if time.monotonic() - self._asked_s > self._ask_again_s:
                self._ask_again()
                self._asked_s = time.monotonic()

    def finish(self) -> None:
        """All of it."""
        self.tick(self.total)
