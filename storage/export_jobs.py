"""Exports that the server makes: waiting → running → done → expired; or failed, or cancelled.

One that runs when its server dies waits again, and goes on where it was. Whoever runs one holds
its claim: a server that was silent for so long that another began it has no word in it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from storage.errors import NotFound
from storage.export_tables import export_job, export_job_camera
from storage.i18n import N_
from storage.vocabulary import Actor, Span

ALIVE = ("waiting", "running")
ERROR_CHARACTERS = 1000
UNKNOWN = N_("export {job} is not known; the list of your exports shows those there are")
_j = export_job.c
_c = export_job_camera.c


@dataclass(frozen=True, slots=True)
class ExportJob:
    """One export that somebody asked the server for."""

    id: str  # ULID
    state: str  # waiting | running | done | failed | cancelled | expired
    asked_by: str
    api_token: str | None
    lang: str
    case_id: str | None
    reason: str | None
    from_us: int
    to_us: int
    search: str | None  # JSON
    name: str  # of the file
    asked_us: int
    alive_us: int | None
    claims: int  # how often it was begun: who runs it began it last
    finished_us: int | None
    expires_us: int | None
    done_bytes: int
    total_bytes: int
    size_bytes: int | None
    result: str | None  # JSON
    error: str | None
    error_kind: str | None  # of storage.errors

    @property
    def ended(self) -> bool:
        """Whether nobody works on it any more."""
        return self.state not in ALIVE

    @property
    def actor(self) -> Actor:
        """Who asked, and for what."""
        return Actor(self.asked_by, self.case_id, self.reason, self.api_token)

    @property
    def span(self) -> Span:
        """Of the footage."""
        return Span(self.from_us, self.to_us)


_COLUMNS = [_j[field.name] for field in fields(ExportJob)]


def add(tx: Connection, job: ExportJob, camera_ids: Sequence[int]) -> None:
    """One that waits for its turn."""
    values = {field.name: getattr(job, field.name) for field in fields(ExportJob)}
    tx.execute(insert(export_job).values(**values))
    rows = [{"job_id": job.id, "camera_id": one} for one in sorted(set(camera_ids))]
    tx.execute(insert(export_job_camera), rows)


def find(tx: Connection, job_id: str, asked_by: str | None = None) -> ExportJob:
    """By id. NotFound also when somebody else than `asked_by` asked for it."""
    query = select(*_COLUMNS).where(_j.id == job_id.upper())
    if asked_by is not None:
        query = query.where(_j.asked_by == asked_by)
    row = tx.execute(query).first()
    if row is None:
        raise NotFound(UNKNOWN, job=job_id[:64])
    return ExportJob(*row)


def cameras_of(tx: Connection, job_id: str) -> list[int]:
    """The keys of its cameras."""
    query = select(_c.camera_id).where(_c.job_id == job_id).order_by(_c.camera_id)
    return list(tx.execute(query).scalars())


def listed(tx: Connection, asked_by: str, limit: int) -> list[ExportJob]:
    """Somebody's, newest first."""
    query = select(*_COLUMNS).where(_j.asked_by == asked_by)
    rows = tx.execute(query.order_by(_j.asked_us.desc(), _j.id.desc()).limit(limit))
    return [ExportJob(*row) for row in rows]


def in_state(tx: Connection, *states: str) -> list[str]:
    """The ids of those in these states, oldest first."""
    query = select(_j.id).where(_j.state.in_(states)).order_by(_j.asked_us, _j.id)
    return list(tx.execute(query).scalars())


def count_waiting(tx: Connection, asked_by: str) -> int:
    """How many of somebody's have not ended."""
    query = select(func.count()).where(_j.asked_by == asked_by, _j.state.in_(ALIVE))
    return int(tx.execute(query).scalar_one())


def claim(tx: Connection, at_us: int) -> ExportJob | None:
    """Waiting → running, the one that waited longest; None when none waits."""
    for job_id in in_state(tx, "waiting"):
        if _change(
            tx, job_id, _j.state == "waiting", state="running", alive_us=at_us,
            claims=_j.claims + 1,
        ):  # fmt: skip
            return find(tx, job_id)
    return None


def runs(tx: Connection, job: ExportJob) -> bool:
    """Whether it runs under this very claim."""
    query = select(_j.id).where(_j.id == job.id, *_held(job))
    return tx.execute(query).first() is not None


def beat(tx: Connection, job: ExportJob, at_us: int, done_bytes: int, total_bytes: int) -> bool:
    """A sign of life of a running one, and how far it is; False when it is not wanted any more,
    or another's by now."""
    return _change(
        tx, job.id, *_held(job), alive_us=at_us, done_bytes=done_bytes, total_bytes=total_bytes
    )


def put_back(tx: Connection, job: ExportJob) -> bool:
    """Running → waiting: whoever ran it goes. False when it had ended or is another's."""
    return _change(tx, job.id, *_held(job), state="waiting")


def put_back_silent(tx: Connection, silent_since_us: int) -> int:
    """Those of which nobody has given a sign of life since wait again; returns how many."""
    silent = (_j.state == "running", _j.alive_us < silent_since_us)
    if tx.execute(select(_j.id).where(*silent).limit(1)).first() is None:
        return 0
    return tx.execute(update(export_job).where(*silent).values(state="waiting")).rowcount


def finish(
    tx: Connection, job: ExportJob, *, at_us: int, expires_us: int, size_bytes: int, result: str
) -> bool:
    """Running → done; False when it was cancelled meanwhile, or is another's."""
    return _change(
        tx, job.id, *_held(job), state="done", finished_us=at_us, expires_us=expires_us,
        size_bytes=size_bytes, result=result, done_bytes=_j.total_bytes,
    )  # fmt: skip


def fail(tx: Connection, job: ExportJob, at_us: int, error: str, kind: str) -> bool:
    """Running → failed, with the reason; False when it had ended or is another's."""
    error = error[:ERROR_CHARACTERS]
    return _change(
        tx, job.id, *_held(job), state="failed", finished_us=at_us, error=error, error_kind=kind
    )


def cancel(tx: Connection, job_id: str, at_us: int) -> bool:
    """Waiting or running → cancelled; False when it had ended."""
    return _change(tx, job_id, _j.state.in_(ALIVE), state="cancelled", finished_us=at_us)


def expire(tx: Connection, job_id: str) -> bool:
    """Done → expired: its bundle is to be removed."""
    return _change(tx, job_id, _j.state == "done", state="expired")


def due(tx: Connection, at_us: int) -> list[str]:
    """Those that are done and whose bundle's time is over."""
    return list(
        tx.execute(select(_j.id).where(_j.state == "done", _j.expires_us <= at_us)).scalars()
    )


def _held(job: ExportJob) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _j.state == "running", _j.claims == job.claims


def _change(tx: Connection, job_id: str, *where: ColumnElement[bool], **values: Any) -> bool:
    changed = tx.execute(update(export_job).where(_j.id == job_id, *where).values(**values))
    return bool(changed.rowcount)
