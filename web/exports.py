"""Exports for the browser: what a span would give, what was asked for, and who may fetch it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection
from ulid import ULID

from evidence.absences import CAUSE_WORDS, SEAM
from evidence.export import require_export
from evidence.plan import make_plan
from storage import audit, export_jobs
from storage.access import Access, access_of
from storage.clock import US, optional_rfc3339, rfc3339
from storage.directory import DataDirectory
from storage.errors import KINDS, Conflict, Invalid, Unavailable
from storage.export_jobs import ExportJob
from storage.i18n import N_, current_language, tr
from storage.reading import unmasked
from storage.register import camera_by_id
from storage.rights import Verb
from storage.vocabulary import Actor, Camera, Span

FAILED = N_("export {job} failed: {error}")
GONE = N_("the bundle of export {job} was removed: its time was over; export again")
LISTED = 50  # of somebody's exports, the newest


@dataclass(frozen=True, slots=True)
class Missing:
    """A span of the request without footage."""

    camera: Camera
    start_us: int
    end_us: int
    cause: str  # in words


@dataclass(frozen=True, slots=True)
class Preview:
    """What a span would give, before anything is read."""

    segments: int
    size_bytes: int
    asked_s: float
    missing: list[Missing]


def preview(
    tx: Connection, cameras: Sequence[Camera], from_us: int, to_us: int, now_us: int
) -> Preview:
    """Errors as evidence.export: nothing there, span the wrong way round."""
    plan = make_plan(tx, cameras, _span(from_us, to_us), now_us)
    missing = [
        Missing(part.camera, lost.start_us, lost.end_us, tr(CAUSE_WORDS[lost.cause]))
        for part in plan.cameras
        for lost in part.absences
        if lost.cause != SEAM
    ]
    segments = sum(1 for _ in plan.segments())
    return Preview(segments, plan.size_bytes(), (to_us - from_us) / US, missing)


def _span(from_us: int, to_us: int) -> Span:
    if from_us >= to_us:
        raise Invalid(
            "the span from {start} to {end} is empty; nothing was exported",
            start=rfc3339(from_us), end=rfc3339(to_us),
        )  # fmt: skip
    return Span(from_us, to_us)


def job_of(
    tx: Connection, directory: DataDirectory, cameras: Sequence[Camera], from_us: int, to_us: int,
    actor: Actor, search: dict[str, Any] | None = None,
) -> ExportJob:  # fmt: skip
    """A job to submit. Whatever can be refused before a byte is read is refused now: errors as
    evidence.export."""
    span, now_us = _span(from_us, to_us), directory.clock.now_us()
    require(tx, directory, cameras, actor, span)
    make_plan(tx, cameras, span, now_us)  # NotFound, telling where the nearest footage is
    stamp = rfc3339(from_us)[:19].replace("-", "").replace(":", "")
    who = cameras[0].slug if len(cameras) == 1 else f"{len(cameras)}-cameras"
    return ExportJob(
        id=str(ULID()), state="waiting", asked_by=actor.name, api_token=actor.token,
        lang=current_language(), case_id=actor.case_id, reason=actor.reason, from_us=from_us,
        to_us=to_us, search=None if search is None else json.dumps(search, ensure_ascii=False),
        name=f"{who}_{stamp}Z.zip", asked_us=now_us, alive_us=None, claims=0,
        finished_us=None, expires_us=None, done_bytes=0, total_bytes=0, size_bytes=None,
        result=None, error=None, error_kind=None,
    )  # fmt: skip


def require(
    tx: Connection, directory: DataDirectory, cameras: Sequence[Camera], actor: Actor, span: Span
) -> list[int]:
    """Asked when a job is submitted, while it runs, before the bundle gets its name, and whenever
    it is fetched; of the cameras as they are now, one may have moved to another department.
    Returns the approvals it rests on."""
    cameras = [camera_by_id(tx, one.id) for one in cameras]
    access = access_of(tx, actor.name, directory.clock.now_us())
    for camera in cameras:
        access.require(Verb.EXPORT, camera)
    return require_export(tx, directory, actor, cameras, span)[1]


def require_done(job: ExportJob) -> None:
    """Conflict: there is no bundle, or not any more; what it failed with, in that kind."""
    if job.state == "failed":
        kinds = {kind.kind: kind for kind in KINDS}
        raise kinds.get(str(job.error_kind), Unavailable)(FAILED, job=job.id, error=job.error)
    if job.state == "expired":
        raise Conflict(GONE, job=job.id)
    if job.state != "done":
        raise Conflict("export {job} has no bundle: it was not made to its end", job=job.id)


def fetched(
    tx: Connection, directory: DataDirectory, job: ExportJob, by: Actor, asked_range: str | None
) -> str:
    """The audit row of a download, in a transaction to be committed before a byte leaves;
    returns the fingerprint of what leaves. `by`: who fetches; their token, where they come with
    one, may less than the person who asked. Errors as `require_done` and `require`."""
    cameras = [camera_by_id(tx, one) for one in export_jobs.cameras_of(tx, job.id)]
    asker, now_us = replace(job.actor, token=by.token or job.api_token), directory.clock.now_us()
    approved = require(tx, directory, cameras, asker, job.span)
    require_done(job)  # only now: why it failed may name a camera
    result = json.loads(job.result or "{}")
    audit.record(
        tx, by.under(job.case_id, job.reason), "export.fetched",
        str(result.get("export")), at_us=now_us,
        detail={
            "job": job.id, "fingerprint": result.get("fingerprint"), "bytes": job.size_bytes,
            "cameras": [one.slug for one in cameras], "from": rfc3339(job.from_us),
            "to": rfc3339(job.to_us),
            **({"approvals": approved} if approved else {}),
            **unmasked(tx, asker, cameras, job.span, now_us),
            **({"range": asked_range[:100]} if asked_range else {}),
        },
    )  # fmt: skip
    return str(result.get("fingerprint"))


def shown(tx: Connection, access: Access, job: ExportJob) -> ExportJob:
    """The job as who asked may read it: once they do not see one of its cameras any more, without
    whatever may name it."""
    cameras = [camera_by_id(tx, one) for one in export_jobs.cameras_of(tx, job.id)]
    if all(access.sees(one) for one in cameras):
        return job
    return replace(job, name=f"{job.id}.zip", error=None, result=None)


def document(tx: Connection, access: Access, job: ExportJob) -> dict[str, Any]:
    """A job as JSON; a camera that who asked does not see any more is left out."""
    cameras = [camera_by_id(tx, one) for one in export_jobs.cameras_of(tx, job.id)]
    job = shown(tx, access, job)
    share = job.done_bytes / job.total_bytes if job.total_bytes else 0.0
    return {
        "id": job.id, "state": job.state, "progress": 1.0 if job.state == "done" else share,
        "cameras": [one.slug for one in cameras if access.sees(one)],
        "from": rfc3339(job.from_us), "to": rfc3339(job.to_us), "case": job.case_id,
        "reason": job.reason, "asked": rfc3339(job.asked_us),
        "finished": optional_rfc3339(job.finished_us), "expires": optional_rfc3339(job.expires_us),
        "name": job.name, "size_bytes": job.size_bytes, "error": job.error,
        "fingerprint": None if job.result is None else json.loads(job.result)["fingerprint"],
    }  # fmt: skip
