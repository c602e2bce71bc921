"""Redacted copies for the browser: made beside the requests, one at a time, fetched once."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import threading
import weakref
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from flask import Flask, current_app
from ulid import ULID

from evidence.plan import make_plan
from evidence.redaction import Redaction, redact, require_allowed
from evidence.redaction_recipe import Recipe
from storage import audit
from storage.clock import US, rfc3339
from storage.directory import DataDirectory
from storage.errors import Conflict, HindsightError, NotFound, Unavailable
from storage.i18n import N_
from storage.vocabulary import Actor, Camera, Span
from storage.zones import zones_of_segments
from web import context

EXTENSION = "hindsight.redactions"
FOLDER, LOCK = "redactions", ".lock"  # in the cache; of a server's own folder in it
KEEPER_S = 60.0  # between two looks for copies that nobody fetched
MOST_WAITING = 8  # of everybody, the one being made among them
KEPT_US = 3600 * US  # so long a finished copy waits to be fetched
_UNEXPECTED = N_("the copy could not be made; nothing was published. The server's log says why")
_GONE = N_("there is no copy {job} of yours on this server; make it again")
log = logging.getLogger(__name__)


class Stopped(Exception):
    """Whoever asked for the copy does not want it any more."""


@dataclass(slots=True)
class Job:
    """A copy on its way."""

    key: str
    actor: Actor
    camera: Camera
    asked: Span
    begun_us: int
    share: float = 0.0  # done, 0…1
    is_stopping: bool = False
    made: Redaction | None = None
    error: HindsightError | None = None
    ended_us: int | None = None

    @property
    def state(self) -> str:
        """making | done | failed."""
        if self.ended_us is None:
            return "making"
        return "done" if self.made is not None else "failed"


class Redactions:
    """The copies of this server. They end with it: what was not fetched is made again."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._one = threading.Lock()  # decoding and encoding at once: the rest waits
        # Two servers of one archive: each has its own, and sweeps none that is held.
        self._folder = directory.cache / FOLDER / str(ULID())
        self._held: int | None = None
        self._keeper: threading.Timer | None = None

    def begin(
        self, camera: Camera, asked: Span, recipe: Recipe, burn_time: bool, actor: Actor
    ) -> Job:
        """Answers at once. NotFound, Denied, Conflict as evidence.redaction; Unavailable when too
        many wait."""
        now_us = self._directory.clock.now_us()
        with self._directory.ledger.read() as tx:
            require_allowed(tx, self._directory, camera, asked, actor)
            make_plan(tx, [camera], asked, now_us)
        job = Job(str(ULID()), actor, camera, asked, now_us)
        with self._lock:
            self._sweep(now_us)
            if sum(one.ended_us is None for one in self._jobs.values()) >= MOST_WAITING:
                raise Unavailable(
                    "{n} redacted copies are being made already; nothing was begun, try again in a"
                    " few minutes",
                    n=MOST_WAITING,
                )
            self._jobs[job.key] = job
            self._watch()
        threading.Thread(
            target=self._make, args=(job, recipe, burn_time), daemon=True, name=f"redact {job.key}"
        ).start()
        return job

    def job(self, key: str, actor: Actor) -> Job:
        """Of one's own. NotFound."""
        with self._lock:
            self._sweep(self._directory.clock.now_us())
            found = self._jobs.get(key)
        if found is None or found.actor.name != actor.name:
            raise NotFound(_GONE, job=key[:40])
        return found

    def stop(self, key: str, actor: Actor) -> None:
        """Give it up; what was made of it is removed."""
        job = self.job(key, actor)
        with self._lock:
            job.is_stopping = True
            if job.ended_us is not None:
                self._forget(job.key)

    def take(self, key: str, actor: Actor) -> tuple[BinaryIO, int, str]:
        """(the open zip, its size, its name): fetched once. Conflict while it is being made, or
        its case is closed; Denied when the right is gone."""
        job = self.job(key, actor)
        if job.error is not None:
            raise job.error
        if job.made is None:
            raise Conflict("copy {job} is still being made; wait for its end", job=job.key)
        try:
            opened = job.made.path.open("rb")  # before it is said to have been fetched
        except FileNotFoundError:
            raise NotFound(_GONE, job=job.key) from None
        try:
            self._record(job, job.made, replace(job.actor, token=actor.token))
            with self._lock:
                if job.key not in self._jobs:
                    raise NotFound(_GONE, job=job.key)
                self._forget(job.key)
        except BaseException:
            opened.close()
            raise
        size_bytes = opened.seek(0, 2)
        opened.seek(0)
        return opened, size_bytes, job.made.path.name

    def _record(self, job: Job, made: Redaction, actor: Actor) -> None:
        """Commit that it is fetched; right, case and privacy zones are as when it was made."""
        with self._directory.ledger.write() as tx:
            require_allowed(tx, self._directory, job.camera, job.asked, actor)
            if zones_of_segments(tx, made.segments) != made.hidden:
                raise Conflict(
                    "privacy zones of {camera} were changed after the copy was made; it is not"
                    " given out, make it again",
                    camera=job.camera.slug,
                )
            audit.record(
                tx, actor, "redact.fetched", made.redaction,
                at_us=self._directory.clock.now_us(),
                detail={"redaction": made.redaction, "camera": job.camera.slug,
                        "sha256": made.sha256},
            )  # fmt: skip

    def _make(self, job: Job, recipe: Recipe, burn_time: bool) -> None:
        def progress(done: int, total: int) -> None:
            job.share = done / total
            if job.is_stopping:
                raise Stopped

        stamp = rfc3339(job.asked.start_us)[:19].replace("-", "").replace(":", "")
        folder = self._folder / job.key
        try:
            with self._one:
                if job.is_stopping:
                    raise Stopped
                self._hold()
                folder.mkdir(parents=True)
                job.made = redact(
                    self._directory, camera=job.camera, from_us=job.asked.start_us,
                    to_us=job.asked.end_us, recipe=recipe, actor=job.actor, burn_time=burn_time,
                    out=folder / f"{job.camera.slug}_{stamp}Z_redacted.zip", progress=progress,
                )  # fmt: skip
        except HindsightError as error:
            job.error = error
        except Stopped:
            log.info("redacted copy %s was given up", job.key)
        except Exception:  # told to who waits for it; the log has the rest
            log.exception("redacted copy %s failed", job.key)
            job.error = HindsightError(_UNEXPECTED)
        finally:
            with self._lock:
                job.ended_us = self._directory.clock.now_us()
                if job.is_stopping:
                    self._forget(job.key)
                elif job.made is None:
                    shutil.rmtree(folder, ignore_errors=True)

    def _hold(self) -> None:
        """Let other servers see that the folder's owner lives; until this process ends."""
        if self._held is None:
            lock = self._folder.with_suffix(LOCK)
            lock.parent.mkdir(parents=True, exist_ok=True)
            # Held as long as the application is there, which nobody closes.
            self._held = os.open(lock, os.O_WRONLY | os.O_CREAT, 0o640)
            weakref.finalize(self, os.close, self._held)
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _keep(self) -> None:
        """Look again in a while: what nobody fetches goes, also when nobody asks."""
        with self._lock:
            self._sweep(self._directory.clock.now_us())
            self._keeper = None
            self._watch()

    def _watch(self) -> None:
        if self._keeper is None and self._jobs:
            self._keeper = threading.Timer(KEEPER_S, self._keep)
            self._keeper.daemon = True
            self._keeper.start()

    def _sweep(self, now_us: int) -> None:
        old = [
            key
            for key, job in self._jobs.items()
            if job.ended_us is not None and now_us - job.ended_us > KEPT_US
        ]
        for key in old:
            self._forget(key)

    def _forget(self, key: str) -> None:
        self._jobs.pop(key, None)
        shutil.rmtree(self._folder / key, ignore_errors=True)


def init_redactions(app: Flask) -> None:
    """Those of this application."""
    app.extensions[EXTENSION] = Redactions(app.extensions[context.EXTENSION])


def redactions(app: Flask | None = None) -> Redactions:
    """Of the application that answers."""
    return cast(Redactions, (app or current_app).extensions[EXTENSION])


def sweep(directory: DataDirectory) -> None:
    """Remove copies a server left behind when it was killed; called when one starts."""
    folder = directory.cache / FOLDER
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        if one.suffix == LOCK:
            continue
        lock = one.with_suffix(LOCK)
        try:
            with lock.open("rb") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its server lives
        except FileNotFoundError:
            pass
        shutil.rmtree(one, ignore_errors=True)
        lock.unlink(missing_ok=True)
