"""Redacted copies: a span of one camera, decoded, hidden where a recipe says, and published only
if the file reads back as it must."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection
from ulid import ULID

from evidence.absences import Absence
from evidence.plan import CameraPlan, make_plan
from evidence.redaction_film import require_true
from evidence.redaction_papers import Papers, write_papers
from evidence.redaction_pictures import Source
from evidence.redaction_recipe import Recipe
from evidence.redaction_reel import film_span
from evidence.redaction_trails import Trail, trails
from evidence.signing import Signer, signer
from evidence.workshop import Workshop, destination, require_space, writing
from evidence.zipping import zip_bag
from storage import audit
from storage.access import access_of
from storage.clock import US, rfc3339, to_datetime
from storage.directory import DataDirectory
from storage.errors import Conflict, DataLoss, Invalid
from storage.purpose import require_approval, require_purpose
from storage.register import camera_by_id
from storage.rights import Verb
from storage.vocabulary import Actor, Camera, Case, Segment, Span
from storage.zones import Zone, zones_of_segments

LONGEST_US = 1800 * US  # what a subject's way and the proof of every picture are kept of
Progress = Callable[[int, int], None]  # work done, work in all
PASSES = 4  # over the span: forwards, backwards, written, read back


@dataclass(frozen=True, slots=True)
class Redaction:
    """A published copy."""

    path: Path
    redaction: str  # its id in the audit log
    file: str  # name of the MP4 in it
    sha256: str  # of the MP4
    span: Span
    pictures: int
    trails: tuple[Trail, ...]
    absences: tuple[Absence, ...]
    zones: int  # privacy zones that hide something in it
    segments: tuple[Segment, ...]  # it is made of
    hidden: Mapping[str, Sequence[Zone]]  # by segment: the zones that were hidden
    signer: Signer
    document: Mapping[str, object]  # redaction.json


def redact(
    directory: DataDirectory,
    *,
    camera: Camera,
    from_us: int,
    to_us: int,
    recipe: Recipe,
    out: Path,
    actor: Actor,
    burn_time: bool = False,
    progress: Progress | None = None,
    still_allowed: Callable[[Connection], object] = lambda _: None,
) -> Redaction:
    """Make, prove, sign and publish the copy `out`: a folder, or a zip if its name ends in .zip.

    Errors as evidence.export: Invalid (span), NotFound (no footage, no camera for who asks, no
    folder), Conflict (`out` exists, case closed), Denied (right, case), ResourceExhausted,
    DataLoss (an original is damaged; the copy does not read back as it must), Unavailable. After
    any of them, and after an exception from `progress`, nothing is left.
    """
    asked = require_span(from_us, to_us)
    out = destination(directory, out)
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        case, _ = require_allowed(tx, directory, camera, asked, actor)
        plan = make_plan(tx, [camera], asked, now_us).cameras[0]
        zones = zones_of_segments(tx, plan.segments)
    for name in sorted({segment.volume for segment in plan.segments}):
        directory.archive.volume(name).verify_readable()
    with writing(out):
        require_space(directory, out, 2 * sum(one.size_bytes for one in plan.segments))
    key = str(ULID())
    who = signer(directory, actor)
    _announce(directory, key, plan, asked, recipe, out, actor, still_allowed)
    work = _Work(asked, progress)
    with writing(out), Workshop(out) as shop:
        for segment in plan.segments:
            _require_original(directory, segment)
        source = Source(directory.archive, plan.segments, zones)
        found = trails(source, recipe, asked, work.at)
        name = f"{camera.slug}_{_stamp(asked.start_us)}_redacted.mp4"
        work.next_pass()
        film, silent = film_span(
            shop.bag / name, source, plan, found, recipe, asked, burn_time, work.at
        )
        absences = sorted([*plan.absences, *silent], key=lambda one: one.start_us)
        plan = replace(plan, absences=tuple(absences))
        work.next_pass()
        measured_us = require_true(film, work.passed)
        papers = Papers(
            key, now_us, actor, case, plan, asked, recipe, tuple(found), zones, film, measured_us,
            burn_time, who,
        )  # fmt: skip
        document, sha256 = write_papers(shop.bag, papers)
        built = shop.bag
        if out.suffix.lower() == ".zip":
            built = shop.folder / "copy.zip"
            zip_bag(shop.bag, built, out.stem)
        work.finish()
        _seal(directory, papers, sha256, still_allowed)
        shop.publish(built)
    return Redaction(
        out, key, name, sha256, asked, film.pictures, tuple(found), plan.absences,
        len({zone.id for each in zones.values() for zone in each}), tuple(plan.segments), zones,
        who, document,
    )  # fmt: skip


def require_span(from_us: int, to_us: int) -> Span:
    """Invalid: empty, or longer than a copy may be."""
    if from_us >= to_us:
        raise Invalid(
            "the span from {start} to {end} is empty; nothing was made",
            start=rfc3339(from_us), end=rfc3339(to_us),
        )  # fmt: skip
    if to_us - from_us > LONGEST_US:
        raise Invalid(
            "a redacted copy covers at most {most} minutes; make several. Nothing was made",
            most=LONGEST_US // (60 * US),
        )
    return Span(from_us, to_us)


def require_allowed(
    tx: Connection, directory: DataDirectory, camera: Camera, asked: Span, actor: Actor
) -> tuple[Case | None, list[int]]:
    """The case, and the approvals it rests on. NotFound, Denied, Conflict unless this footage may
    leave the house for them, with what privacy zones hide hidden."""
    now_us = directory.clock.now_us()
    camera = camera_by_id(tx, camera.id)  # it may have moved to another department meanwhile
    access = access_of(tx, actor.name, now_us)
    access.require(Verb.EXPORT, camera)
    case = require_purpose(tx, directory.settings.search, access, actor, Verb.EXPORT)
    return case, require_approval(
        tx, directory.settings.access, actor, Verb.EXPORT, [camera], asked, now_us
    )


def _announce(
    directory: DataDirectory, key: str, plan: CameraPlan, asked: Span, recipe: Recipe, out: Path,
    actor: Actor, still_allowed: Callable[[Connection], object],
) -> None:  # fmt: skip
    """Commit the audit row before a byte is read."""
    with directory.ledger.write() as tx:
        _, approved = require_allowed(tx, directory, plan.camera, asked, actor)
        still_allowed(tx)
        audit.record(
            tx, actor, "redact", plan.camera.slug, at_us=directory.clock.now_us(),
            detail={
                "redaction": key, "camera": plan.camera.slug, "from": rfc3339(asked.start_us),
                "to": rfc3339(asked.end_us), "recipe_sha256": recipe.sha256,
                "hide": recipe.hide, "subjects": len(recipe.subjects), "out": str(out),
                "segments": [segment.id for segment in plan.segments],
                **({"approvals": approved} if approved else {}),
            },
        )  # fmt: skip


def _seal(
    directory: DataDirectory, papers: Papers, sha256: str,
    still_allowed: Callable[[Connection], object],
) -> None:  # fmt: skip
    """Commit what was made before it gets its name; who asked must still be allowed to, and every
    privacy zone be in it."""
    key, camera = papers.redaction, papers.plan.camera
    with directory.ledger.write() as tx:
        require_allowed(tx, directory, camera, papers.asked, papers.actor)
        still_allowed(tx)
        if zones_of_segments(tx, papers.plan.segments) != papers.zones:
            raise Conflict(
                "privacy zones of {camera} were changed while the copy was made; nothing was"
                " published, make it again",
                camera=camera.slug,
            )
        audit.record(
            tx, papers.actor, "redact.sealed", key, at_us=directory.clock.now_us(),
            detail={"redaction": key, "camera": camera.slug, "sha256": sha256},
        )  # fmt: skip


def _require_original(directory: DataDirectory, segment: Segment) -> None:
    """DataLoss unless the bytes are those of the ledger: the copy names their hash."""
    try:
        found = directory.archive.media(segment).sha256()
    except OSError as error:
        raise DataLoss(
            "segment {segment} ({camera}) cannot be read from volume {volume}: {error}; nothing"
            " was made",
            segment=segment.id, camera=segment.camera, volume=segment.volume,
            error=error.strerror,
        ) from None  # fmt: skip
    if found != segment.sha256:
        raise DataLoss(
            "segment {segment} ({camera}, {path}) is damaged: its SHA-256 is {found}, not {due};"
            " nothing was made, `hindsight check --level hash` lists the damage",
            segment=segment.id, camera=segment.camera, path=segment.path, found=found,
            due=segment.sha256,
        )  # fmt: skip


def _stamp(us: int) -> str:
    return f"{to_datetime(us):%Y%m%dT%H%M%SZ}"


class _Work:
    """Counts passes over the span for a progress bar; an exception from it stops everything."""

    def __init__(self, asked: Span, progress: Progress | None) -> None:
        self.asked = asked
        self.total = PASSES * asked.duration_us
        self.base = self.done = 0
        self.progress = progress

    def at(self, at_us: int) -> None:
        """A picture of this time was gone through."""
        self.passed(at_us - self.asked.start_us)

    def passed(self, offset_us: int) -> None:
        """So far into the span."""
        done = self.base + min(max(offset_us, 0), self.asked.duration_us)
        if done > self.done:
            self.done = done
            if self.progress is not None:
                self.progress(self.done, self.total)

    def next_pass(self) -> None:
        """Writing and reading back are the third and fourth; tracking may have needed none."""
        self.base = max(self.base + self.asked.duration_us, 2 * self.asked.duration_us)

    def finish(self) -> None:
        """All of it."""
        if self.progress is not None:
            self.progress(self.total, self.total)
