"""Exports beside the requests: a few at once, the others wait; a restart goes on with them.

The ledger knows the state of each. What lies in memory here is only which of them this process
works on. Bundles lie in <data>/cache/exports/<job>/ until they expire.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from evidence.export import ExportResult, export
from storage import audit, export_jobs
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError, ResourceExhausted
from storage.export_jobs import ExportJob
from storage.i18n import N_, tr, use_language
from storage.register import camera_by_id
from storage.vocabulary import Actor
from web import exports

AT_ONCE = 2  # each holds a thread and reads the disk hard
MOST_OF_ONE = 20  # that somebody may have waiting
BEAT_S, SILENT_S = 3.0, 30.0  # signs of life; without any for so long, whoever ran it is dead
LOOK_S = 10.0  # for what another server left, and what expires
LEAVE_S = 10.0  # an export notices that it is to stop sooner than this, as a rule
HOUR_US = 3600 * US
UNEXPECTED = N_("an unexpected error happened; nothing half-done stays, export again")
log = logging.getLogger(__name__)


class Stopped(BaseException):
    """The server goes: what was copied stays for the next one. No Exception, as an interrupt."""


class Cancelled(Exception):
    """Nobody wants it any more: nothing stays."""


@dataclass(slots=True)
class _Running:
    """One export this process works on."""

    job: ExportJob
    done_bytes: int = 0
    total_bytes: int = 0
    unwanted: threading.Event = field(default_factory=threading.Event)


class ExportJobs:
    """The exports of one process. Threads start when there is something to do."""

    def __init__(
        self, directory: DataDirectory, *, at_once: int = AT_ONCE, beat_s: float = BEAT_S
    ) -> None:
        self.directory = directory
        self._at_once = at_once
        self._beat_s = beat_s
        self._bell = threading.Condition()
        self._running: dict[str, _Running] = {}
        self._workers: set[threading.Thread] = set()
        self._beating: threading.Thread | None = None
        self._keeper: threading.Thread | None = None
        self._closed = threading.Event()
        # Who waits for an end holds a thread of the server: some must be left for the others.
        self._listening = threading.BoundedSemaphore(at_once)

    def submit(self, job: ExportJob, camera_ids: list[int]) -> None:
        """Take it in. ResourceExhausted: they have enough waiting already."""
        with self.directory.ledger.write() as tx:
            waiting = export_jobs.count_waiting(tx, job.asked_by)
            if waiting >= MOST_OF_ONE:
                raise ResourceExhausted(
                    "{n} of your exports wait already; this one was not taken in, cancel one or"
                    " wait for its end",
                    n=waiting,
                )
            export_jobs.add(tx, job, camera_ids)
            audit.record(
                tx, job.actor, "export.asked", job.name, at_us=job.asked_us,
                detail={"job": job.id},
            )  # fmt: skip
        self._wake()

    def cancel(self, job: ExportJob, by: Actor) -> None:
        """End one that waits or runs; remove the bundle of one that is done. `by`: who asks now."""
        with self.directory.ledger.write() as tx:
            ended = export_jobs.cancel(tx, job.id, self.directory.clock.now_us())
            gone = not ended and export_jobs.expire(tx, job.id)
            if ended or gone:
                audit.record(
                    tx, by.under(job.case_id, job.reason),
                    "export.cancelled" if ended else "export.removed", job.name,
                    at_us=self.directory.clock.now_us(), detail={"job": job.id},
                )  # fmt: skip
        with self._bell:
            here = self._running.get(job.id)
            if here is not None:
                here.unwanted.set()
            self._bell.notify_all()
        if here is None and (ended or gone):
            self._remove(job.id)

    def wait(self, job_id: str, wait_s: float) -> ExportJob:
        """The job, once it has ended or that time is over; at once where many wait already."""
        if wait_s <= 0 or not self._listening.acquire(blocking=False):
            return self._listen(job_id, 0.0)
        try:
            return self._listen(job_id, time.monotonic() + wait_s)
        finally:
            self._listening.release()

    def start(self) -> None:
        """Go on with what was left, now and from time to time, and let bundles expire."""
        self._keeper = threading.Thread(target=self._keep, name="exports kept", daemon=True)
        self._keeper.start()

    def close(self) -> None:
        """Stop; what runs waits for the next server."""
        self._closed.set()
        with self._bell:
            self._bell.notify_all()
            threads = [*self._workers, *(t for t in (self._beating, self._keeper) if t)]
        until_s = time.monotonic() + LEAVE_S
        for thread in threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def bundle(self, job: ExportJob) -> Path:
        """Where the bundle of a job lies, once it is done."""
        return self._folder(job.id) / job.name

    def keep_house(self) -> None:
        """Put back what died, remove what expired and what no job knows."""
        here = self._here()  # before the ledger: who claims holds the bell and wants the ledger
        with self.directory.ledger.write() as tx:
            now_us = self.directory.clock.now_us()
            # The machine may have slept: what runs here is alive, whoever looks first.
            for one in here:
                self._sign(tx, one, now_us)
            export_jobs.put_back_silent(tx, now_us - round(SILENT_S * US))
            for job_id in export_jobs.due(tx, now_us):
                export_jobs.expire(tx, job_id)
        with self.directory.ledger.read() as tx:
            known = set(export_jobs.in_state(tx, "waiting", "running", "done"))
        root = self.directory.cache / "exports"
        for folder in root.iterdir() if root.is_dir() else ():
            if folder.name not in known and folder.name not in self._running:
                self._remove(folder.name)

    def _listen(self, job_id: str, until_s: float) -> ExportJob:
        while True:
            with self.directory.ledger.read() as tx:
                job = export_jobs.find(tx, job_id)
            left_s = until_s - time.monotonic()
            if job.ended or left_s <= 0 or self._closed.is_set():
                return job
            with self._bell:
                self._bell.wait(min(left_s, 1.0))

    def _folder(self, job_id: str) -> Path:
        return self.directory.cache / "exports" / job_id

    def _remove(self, job_id: str) -> None:
        shutil.rmtree(self._folder(job_id), ignore_errors=True)

    def _keep(self) -> None:
        while not self._closed.is_set():
            try:
                self.keep_house()
                self._wake()
            except HindsightError as error:  # a busy ledger: the next time will do
                log.warning("exports could not be looked after: %s", error)
            self._closed.wait(LOOK_S)

    def _wake(self) -> None:
        with self._bell:
            if self._closed.is_set() or len(self._workers) >= self._at_once:
                return
            worker = threading.Thread(target=self._work, name="export", daemon=True)
            self._workers.add(worker)
            worker.start()
            if self._beating is None or not self._beating.is_alive():
                self._beating = threading.Thread(target=self._beat, name="exports", daemon=True)
                self._beating.start()

    def _work(self) -> None:
        try:
            while (one := self._next()) is not None:
                try:
                    context = Context()  # what went wrong is told in the language of who asked
                    context.run(use_language, one.job.lang)
                    context.run(self._run, one)
                finally:
                    with self._bell:
                        self._running.pop(one.job.id, None)
                        self._bell.notify_all()
        finally:  # whatever ended it: a dead one among them would keep the next from starting
            with self._bell:
                self._workers.discard(threading.current_thread())
                self._bell.notify_all()

    def _next(self) -> _Running | None:
        with self._bell:  # claimed and noted as one: who submits sees a worker, or wakes one
            job = self._claim()
            if job is None:
                self._workers.discard(threading.current_thread())
                return None
            one = self._running[job.id] = _Running(job)
            return one

    def _claim(self) -> ExportJob | None:
        if self._closed.is_set():
            return None
        try:
            with self.directory.ledger.write() as tx:
                job = export_jobs.claim(tx, self.directory.clock.now_us())
                if job is not None and job.id in self._running:
                    export_jobs.put_back(tx, job)  # the machine slept, and it was given up
                    return None
                return job
        except HindsightError as error:
            log.warning("exports wait: %s", error)
            return None

    def _run(self, one: _Running) -> None:
        job = one.job
        try:
            result = self._export(one)
            self._done(job, result)
        except Stopped:
            self._note(job, lambda tx: export_jobs.put_back(tx, job))
        except Cancelled:
            log.info("export %s is not wanted any more, or made elsewhere", job.id)
        except HindsightError as error:
            self._failed(job, error.text(), error.kind)
        except Exception:  # whatever it was, the next export must run
            log.exception("export %s failed", job.id)
            self._failed(job, tr(UNEXPECTED), HindsightError.kind)
        self._clear(job)

    def _export(self, one: _Running) -> ExportResult:
        job, directory = one.job, self.directory
        with directory.ledger.read() as tx:
            cameras = [camera_by_id(tx, each) for each in export_jobs.cameras_of(tx, job.id)]

        def progress(done: int, total: int) -> None:
            one.done_bytes, one.total_bytes = done, total
            if one.unwanted.is_set():
                raise Cancelled
            if self._closed.is_set():
                raise Stopped

        def still_allowed(tx: Connection) -> None:
            if not export_jobs.runs(tx, job):  # another server makes it, and publishes its own
                raise Cancelled
            exports.require(tx, directory, cameras, job.actor, job.span)

        out = self.bundle(job)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.unlink(missing_ok=True)  # of a server that died before it could say so
        return export(
            directory, cameras=cameras, from_us=job.from_us, to_us=job.to_us, out=out,
            actor=job.actor, progress=progress, still_allowed=still_allowed,
            search=None if job.search is None else json.loads(job.search), resume=True, keep=True,
        )  # fmt: skip

    def _done(self, job: ExportJob, result: ExportResult) -> None:
        size_bytes = self.bundle(job).stat().st_size
        kept_us = round(self.directory.settings.evidence.keep_bundle_hours * HOUR_US)
        told = {**result.document(), "path": job.name}  # where it lies here is nobody's business

        def note(tx: Connection) -> None:
            now_us = self.directory.clock.now_us()
            mine = export_jobs.finish(
                tx, job, at_us=now_us, expires_us=now_us + kept_us, size_bytes=size_bytes,
                result=json.dumps(told, ensure_ascii=False),
            )  # fmt: skip
            if not mine and not export_jobs.find(tx, job.id).ended:
                self.bundle(job).unlink(missing_ok=True)  # the name is for who makes it now

        self._note(job, note)

    def _failed(self, job: ExportJob, why: str, kind: str) -> None:
        self._note(
            job, lambda tx: export_jobs.fail(tx, job, self.directory.clock.now_us(), why, kind)
        )

    def _note(self, job: ExportJob, how: Callable[[Connection], object]) -> None:
        """Write down how it ended; again and again while the ledger is busy. A server that stops
        leaves it: then it runs again."""
        while True:
            try:
                with self.directory.ledger.write() as tx:
                    how(tx)
                return
            except HindsightError as trouble:
                log.warning("export %s: its end could not be noted: %s", job.id, trouble)
            if self._closed.wait(self._beat_s):
                return

    def _clear(self, job: ExportJob) -> None:
        """Nothing stays of one that has ended without a bundle. What waits again or is made
        elsewhere is left alone, and so is what another server made."""
        try:
            with self.directory.ledger.read() as tx:
                state = export_jobs.find(tx, job.id).state
        except HindsightError as trouble:  # `keep_house` will
            log.warning("export %s could not be cleared away: %s", job.id, trouble)
            return
        if state not in (*export_jobs.ALIVE, "done"):
            self._remove(job.id)

    def _here(self) -> list[_Running]:
        with self._bell:
            return list(self._running.values())

    def _beat(self) -> None:
        """Signs of life of what runs here, also while it hashes and nothing is counted."""
        while not self._closed.is_set():
            with self._bell:
                if not self._workers:
                    self._beating = None
                    return
                self._bell.wait(self._beat_s)
            for one in self._here():
                try:
                    with self.directory.ledger.write() as tx:
                        self._sign(tx, one, self.directory.clock.now_us())
                except HindsightError as error:
                    log.warning("export %s could not give a sign of life: %s", one.job.id, error)

    def _sign(self, tx: Connection, one: _Running, at_us: int) -> None:
        if not export_jobs.beat(tx, one.job, at_us, one.done_bytes, one.total_bytes):
            one.unwanted.set()
