"""Verifying the audit chain while people go on working: one walk at a time, with its progress."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import Flask, current_app

from storage.audit_reading import note
from storage.check_audit import check_audit
from storage.check_media import open_volumes
from storage.directory import DataDirectory
from storage.errors import Conflict, HindsightError
from storage.findings import Finding
from storage.vocabulary import Actor

EXTENSION = "hindsight-verifying"
BREATH_S = 0.02  # between portions of a walk: pages and playback share this process
MOST_FINDINGS = 200  # shown; a chain broken at more places is compared with a backup
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Walk:
    """One verification as it stands: `ended_us` None while it runs."""

    by: str
    begun_us: int
    done: int = 0  # rows
    total: int = 0
    ended_us: int | None = None
    findings: Sequence[Finding] = ()
    more: bool = False  # findings than are kept
    refused: HindsightError | None = None  # why it could not be done

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.ended_us is None

    @property
    def whole(self) -> bool:
        """Whether it came to the end, and nothing was lost."""
        clean = not any(finding.loss for finding in self.findings)
        return not self.running and self.refused is None and clean


class Verifier:
    """The verification of one application; the last one stays to be read."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._walk: Walk | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @property
    def walk(self) -> Walk | None:
        """The one that runs, or the last."""
        return self._walk

    def begin(self, actor: Actor, noted: str | None) -> None:
        """Walk the chain in the background; the row that says so is committed first.

        Conflict when a walk goes on already.
        """
        with self._lock:
            if self._walk is not None and self._walk.running:
                raise Conflict("the audit log is being verified already; wait for its end")
            note(self._directory, actor, "audit.verify")
            self._walk = Walk(actor.name, self._directory.clock.now_us())
            self._thread = threading.Thread(target=self._run, args=(noted,), daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop a walk that goes on."""
        self._stopped.set()
        self.wait()

    def wait(self) -> None:
        """Until the walk has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, noted: str | None) -> None:
        assert self._walk is not None
        kept: list[Finding] = []
        more, refused = False, None
        try:
            volumes, absent = open_volumes(self._directory)
            kept += absent
            for finding in check_audit(self._directory, volumes, noted, self._came_to):
                if len(kept) >= MOST_FINDINGS:
                    more = True
                    break
                kept.append(finding)
        except HindsightError as error:
            refused = error
        except Exception:
            # Whatever it was, the page must not wait for a thread that is gone.
            log.exception("the audit log could not be verified")
            refused = HindsightError(
                "the audit log could not be verified; `hindsight audit verify` says why"
            )
        self._walk = replace(
            self._walk, ended_us=self._directory.clock.now_us(), findings=tuple(kept), more=more,
            refused=refused,
        )  # fmt: skip

    def _came_to(self, done: int, total: int) -> None:
        assert self._walk is not None
        if self._stopped.wait(BREATH_S):
            raise Conflict("verifying was stopped before its end; begin again")
        self._walk = replace(self._walk, done=done, total=total)


def init_verifying(app: Flask, directory: DataDirectory) -> None:
    """One for the application."""
    app.extensions[EXTENSION] = Verifier(directory)


def verifier(app: Flask | None = None) -> Verifier:
    """That of this application, or of the request's."""
    found: Verifier = (app or current_app).extensions[EXTENSION]
    return found
