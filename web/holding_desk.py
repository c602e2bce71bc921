"""The desk of holds: what is kept against every rule, for whom, and what letting go of it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from storage import holding
from storage.access import Access
from storage.case_sight import cases_for, open_case_for
from storage.cases import find_hold, holds
from storage.clock import rfc3339
from storage.commands.hold import document
from storage.errors import Invalid, NotFound
from storage.forecast import Forecast
from storage.holding import NOTHING, Footage, Letting
from storage.i18n import N_
from storage.promises import Terms
from storage.rights import Verb
from storage.vocabulary import Camera, Hold
from web import context

MOST_CAMERAS = 200  # held at once
UNKNOWN_HOLD = N_("hold {hold} is not known; `hindsight hold list` shows them")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A span of cameras that somebody wants held."""

    cameras: Sequence[str]
    start_us: int
    end_us: int
    reason: str
    case_id: str | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A hold as somebody may see it, with what it keeps."""

    hold: Hold  # its case and reason blank where they may not know of the case
    camera: Camera
    state: str  # "held", "ended" (by itself), "released"
    kept: Footage
    hidden: bool  # its case is another department's
    may_release: bool
    costs_days: float | None = None  # of recording of all cameras on its volumes; None: not known
    letting: Letting | None = None  # what letting go of it would do; None: was not asked

    def document(self) -> dict[str, object]:
        """As `hold list --json`."""
        return document(self.hold, self.kept)


@dataclass(frozen=True, slots=True)
class Listed:
    """Holds of the cameras that somebody sees."""

    rows: list[Row]
    kept: Footage  # by those in force, each segment once
    cases: list[str]  # open ones a hold may be made for
    cameras: list[Camera]  # whose footage they may hold


def listed(every: bool, ahead: Forecast | None) -> Listed:
    """Those in force; `every`: ended ones too. `ahead`: what the volumes take in a day."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        seen = {one.id: one for one in access.register(tx, Verb.SEE)}
        at_us = None if every else access.at_us
        found = [one for one in holds(tx, at_us=at_us) if one.camera_id in seen]
        known = {one.id for one in cases_for(tx, access)}
        rows = []
        for each in found:
            row = _row(access, each, seen[each.camera_id], known)
            volumes = holding.held_by_volume(tx, [each])
            rows.append(
                replace(
                    row, kept=sum(volumes.values(), NOTHING),
                    costs_days=_costs(volumes, ahead) if row.state == "held" else None,
                )
            )  # fmt: skip
        kept = _together(tx, [row for row in rows if row.state == "held"])
        opened = [one.id for one in cases_for(tx, access, open_only=True)]
        mine = access.register(tx, Verb.HOLD)
    rows.sort(key=lambda row: (row.state != "held", -row.hold.id))
    return Listed(rows, kept, opened, mine)


def one(hold_id: int) -> Row:
    """By number. NotFound, as of an unknown one, when its camera is hidden."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        hold, camera = _seen(tx, access, hold_id)
        terms = Terms(tx, directory.settings, [camera], access.at_us)
        known = {each.id for each in cases_for(tx, access)}
        row = _row(access, hold, camera, known)
        does = holding.letting(tx, hold, terms)
    return replace(row, kept=does.kept, letting=does)


def hold(wanted: Wanted) -> list[tuple[Hold, Footage, Footage]]:
    """Hold it, of all these cameras or of none; each with what it keeps, and what was gone before.

    NotFound, Denied: a camera; NotFound, Conflict: the case.
    """
    if not wanted.cameras:
        raise Invalid("name a camera whose footage is to be held; nothing was held")
    if len(wanted.cameras) > MOST_CAMERAS:
        raise Invalid("at most {most} cameras are held at once; nothing was held",
                      most=MOST_CAMERAS)  # fmt: skip
    directory = context.directory()
    actor = context.actor(wanted.case_id, wanted.reason.strip())
    made = []
    with directory.ledger.write() as tx:
        access = context.access(tx)
        mine = {
            camera.id: camera
            for camera in (access.camera(tx, Verb.HOLD, name) for name in wanted.cameras)
        }
        if actor.case_id is not None:
            open_case_for(tx, access, actor.case_id)
        for camera in mine.values():
            new = holding.add(
                tx, actor, camera, wanted.start_us, wanted.end_us, at_us=access.at_us,
                expires_us=wanted.until_us,
            )  # fmt: skip
            made.append(new)
    with directory.ledger.read() as tx:  # recording waits for nobody's sums
        return [(one, holding.kept(tx, one), holding.deleted_before(tx, one)) for one in made]


def release(hold_id: int, reason: str) -> tuple[Hold, Letting]:
    """Let go of it, for a reason; with what that does. NotFound, Denied: as of its camera."""
    directory = context.directory()
    with directory.ledger.read() as tx:  # recording waits for nobody's sums
        access = context.access(tx)
        found, camera = _seen(tx, access, hold_id)
        terms = Terms(tx, directory.settings, [camera], access.at_us)
        does = holding.letting(tx, found, terms)
    with directory.ledger.write() as tx:
        access = context.access(tx)
        found, camera = _seen(tx, access, hold_id)
        access.require(Verb.HOLD, camera)
        actor = context.actor(found.case_id, reason.strip())
        released = holding.release(tx, actor, found, access.at_us)
        known = {each.id for each in cases_for(tx, access)}
    return _discreet(released, known)[0], does


def made_document(made: Sequence[tuple[Hold, Footage, Footage]]) -> dict[str, object]:
    """As `hold add --json`, of each camera; and what was gone before."""
    return {
        "holds": [
            {**document(new, kept), "deleted_before": gone.segments} for new, kept, gone in made
        ]
    }


def letting_document(does: Letting) -> dict[str, object]:
    """What letting go does, as JSON."""
    return {
        name: {"segments": one.segments, "bytes": one.size_bytes, "hours": round(one.hours, 3)}
        for name, one in (("free", does.free), ("due", does.due))
    }


def form_of(values: Mapping[str, str], now_us: int) -> dict[str, str]:
    """The form as it was typed, or as an address fills it in."""
    names = ("from", "to", "reason", "case", "until", "tz")
    return {name: values.get(name, "").strip() for name in names} | {"now": rfc3339(now_us)}


def _seen(tx: Connection, access: Access, hold_id: int) -> tuple[Hold, Camera]:
    found = find_hold(tx, hold_id)
    camera = next(
        (each for each in access.register(tx, Verb.SEE) if each.id == found.camera_id), None
    )
    if camera is None:
        raise NotFound(UNKNOWN_HOLD, hold=hold_id)
    return found, camera


def _discreet(found: Hold, known: set[str]) -> tuple[Hold, bool]:
    """Without its case and reasons where the case is not theirs to know of."""
    if found.case_id is None or found.case_id in known:
        return found, False
    told = None if found.release_reason is None else ""
    return replace(found, case_id=None, reason="", release_reason=told), True


def _row(access: Access, found: Hold, camera: Camera, known: set[str]) -> Row:
    state = "held"
    if found.released_us is not None:
        state = "released"
    elif found.expires_us is not None and found.expires_us <= access.at_us:
        state = "ended"
    shown, hidden = _discreet(found, known)
    mine = state == "held" and access.may(Verb.HOLD, camera)
    return Row(shown, camera, state, NOTHING, hidden, mine)


def _together(tx: Connection, rows: Sequence[Row]) -> Footage:
    """What these keep, each segment once: asked anew only of cameras that have several."""
    often = Counter(row.hold.camera_id for row in rows)
    some = [row.hold for row in rows if often[row.hold.camera_id] > 1]
    alone = (row.kept for row in rows if often[row.hold.camera_id] == 1)
    return sum(alone, sum(holding.held_by_volume(tx, some).values(), NOTHING))


def _costs(volumes: Mapping[str, Footage], ahead: Forecast | None) -> float | None:
    """Days of recording for which the volumes would have room, had they not to keep this."""
    inflow = {one.name: one.inflow_bytes_per_day for one in ahead.volumes} if ahead else {}
    days = [
        kept.size_bytes / inflow[volume] for volume, kept in volumes.items() if inflow.get(volume)
    ]
    return max(days, default=None)
