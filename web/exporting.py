"""What requests need of exports: those of this process, one's own, the search they come of."""

from __future__ import annotations

from typing import Any, cast

from flask import Flask, current_app

from evidence.found_by import found_by
from storage import export_jobs
from storage.export_jobs import ExportJob
from web import context
from web.blueprints.searches import _readable as readable_search
from web.export_jobs import ExportJobs

EXTENSION = "hindsight.exports"


def init_exports(app: Flask) -> None:
    """The exports of this process."""
    app.extensions[EXTENSION] = ExportJobs(app.extensions[context.EXTENSION])


def runner(app: Flask | None = None) -> ExportJobs:
    """The exports of this application."""
    return cast(ExportJobs, (app or current_app).extensions[EXTENSION])


def own(job_id: str) -> ExportJob:
    """NotFound also for somebody else's: that there is one is nobody's business."""
    with context.directory().ledger.read() as tx:
        return export_jobs.find(tx, job_id, context.user().name)


def found_by_search(token: str | None) -> dict[str, Any] | None:
    """What the manifest tells of a search that who asks may read."""
    return found_by(context.directory(), readable_search(token)) if token else None
