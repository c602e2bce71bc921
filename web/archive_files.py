"""The tables of the archive desk as files: heads and rows, read as they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from storage.clock import US, local_text, rfc3339
from storage.i18n import N_, tr
from storage.violations import Violation
from storage.vocabulary import Camera
from storage.volume_states import in_words
from web.archive_desk import Overview, class_text
from web.deletions import DaySum, Tombstone
from web.holding_desk import Listed

Table = tuple[Sequence[str], Iterable[Sequence[object]]]
# What a file is of → its name in words.
FILES: dict[str, str] = {
    "promises": N_("promises and what becomes of them"),
    "decisions": N_("decisions about promises"),
    "volumes": N_("volumes"),
    "holds": N_("holds"),
    "deletions": N_("deleted footage, one by one"),
    "deleted_days": N_("deleted footage by day, camera and rule"),
    "violations": N_("deleted before its promise"),
}
STATES = {"held": N_("holds"), "ended": N_("ended by itself"), "released": N_("released")}


def promises(found: Overview) -> Table:
    """One row per class."""
    head = (N_("class"), N_("promised days"), N_("decision"), N_("cameras"), N_("footage, bytes"),
            N_("oldest footage, days"), N_("breaks on (UTC)"), N_("will get, days"),
            N_("will be promised, days"), N_("from (UTC)"))  # fmt: skip
    rows = [
        (class_text(one.rule), one.days, one.decision, one.cameras, one.footage_bytes,
         _short(one.kept_days), _time(one.breaks_us), _short(one.gets_days),
         None if one.pending is None else one.pending.decision.days,
         None if one.pending is None else rfc3339(one.pending.decision.effective_us))
        for one in found.classes
    ]  # fmt: skip
    return head, rows


def decisions(found: Overview) -> Table:
    """The newest first."""
    head = (N_("decision"), N_("class"), N_("promised days"), N_("before, days"),
            N_("decided (UTC)"), N_("by"), N_("reason"), N_("in force from (UTC)"),
            N_("taken back (UTC)"), N_("by"), N_("reason"))  # fmt: skip
    rows = [
        (one.id, class_text(one.rule), one.days, one.before_days, rfc3339(one.decided_us),
         one.decided_by, one.reason, rfc3339(one.effective_us), _time(one.withdrawn_us),
         one.withdrawn_by, one.withdraw_reason)
        for one in found.decisions
    ]  # fmt: skip
    return head, rows


def volumes(found: Overview) -> Table:
    """Whole volumes; what is held is of the cameras this person sees."""
    head = (N_("volume"), N_("identity"), N_("total, bytes"), N_("free, bytes"),
            N_("footage, bytes"), N_("floor, bytes"), N_("quota, bytes"), N_("reserve, bytes"),
            N_("held, bytes"), N_("full on (UTC)"), N_("error"), N_("refuses"))  # fmt: skip
    rows = [
        (one.now.name, one.uuid, one.now.total_bytes, one.now.free_bytes, one.now.footage_bytes,
         one.now.floor_bytes, one.now.quota_bytes, one.reserve_bytes, one.held.size_bytes,
         _time(one.full_us), one.now.error, one.now.refuses)
        for one in found.volumes
    ]  # fmt: skip
    return head, rows


def holds(found: Listed) -> Table:
    """As listed, all pages."""
    head = (N_("hold"), N_("camera"), N_("name"), N_("site"), N_("start"), N_("end"), N_("state"),
            N_("case"), N_("reason"), N_("owner"), N_("held since (UTC)"), N_("ends (UTC)"),
            N_("released (UTC)"), N_("why released"), N_("footage-hours"),
            N_("held, bytes"))  # fmt: skip
    rows = [
        (one.hold.id, one.camera.slug, one.camera.name, one.camera.site,
         local_text(one.hold.start_us, one.camera.tz), local_text(one.hold.end_us, one.camera.tz),
         tr(STATES[one.state]), one.hold.case_id, one.hold.reason, one.hold.owner,
         rfc3339(one.hold.created_us), _time(one.hold.expires_us), _time(one.hold.released_us),
         one.hold.release_reason, round(one.kept.hours, 3), one.kept.size_bytes)
        for one in found.rows
    ]  # fmt: skip
    return head, rows


def deletions(found: Iterable[Tombstone]) -> Table:
    """Streamed, however many there are."""
    head = (N_("deleted (UTC)"), N_("camera"), N_("name"), N_("site"), N_("start"), N_("end"),
            N_("start UTC"), N_("end UTC"), N_("size, bytes"), N_("SHA-256"), N_("volume"),
            N_("rule"), N_("file gone since (UTC)"), N_("segment"))  # fmt: skip
    rows = (
        (rfc3339(one.at_us), one.camera.slug, one.camera.name, one.camera.site,
         local_text(one.start_us, one.camera.tz), local_text(one.end_us, one.camera.tz),
         rfc3339(one.start_us), rfc3339(one.end_us), one.size_bytes, one.sha256, one.volume,
         one.rule, _time(one.file_gone_us), one.id)
        for one in found
    )  # fmt: skip
    return head, rows


def days(found: Sequence[DaySum]) -> Table:
    """Sums."""
    head = (N_("day (UTC)"), N_("camera"), N_("name"), N_("site"), N_("rule"), N_("segments"),
            N_("footage-hours"), N_("size, bytes"))  # fmt: skip
    rows = [
        (one.day, one.camera.slug, one.camera.name, one.camera.site, one.rule, one.segments,
         round(one.us / US / 3600, 3), one.size_bytes)
        for one in found
    ]  # fmt: skip
    return head, rows


def violations(found: Sequence[Violation], cameras: Mapping[int, Camera]) -> Table:
    """One line per camera, volume, promise and UTC day of deletion."""
    head = (N_("deleted (UTC)"), N_("camera"), N_("name"), N_("site"), N_("volume"), N_("start"),
            N_("end"), N_("segments"), N_("size, bytes"), N_("promised until"), N_("promise"),
            N_("reason"))  # fmt: skip
    rows = [
        (rfc3339(one.at_us), one.camera, camera.name, camera.site, one.volume,
         local_text(one.start_us, camera.tz), local_text(one.end_us, camera.tz), one.segments,
         one.size_bytes, local_text(one.promised_until_us, camera.tz), one.promise,
         in_words(one.reason))
        for one in found
        for camera in (cameras[one.camera_id],)
    ]  # fmt: skip
    return head, rows


TABLES: dict[str, Callable[[Overview], Table]] = {
    "promises": promises, "decisions": decisions, "volumes": volumes,
}  # fmt: skip


def _time(us: int | None) -> str | None:
    return None if us is None else rfc3339(us)


def _short(days: float | None) -> float | None:
    return None if days is None else round(days, 2)
