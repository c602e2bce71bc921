"""Whether a look has the approval it needs: asked where bytes are read, within one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from sqlalchemy import Connection

from storage.access import Access
from storage.approvals import Approval, approvals_in_force, needs_approval, waiting_of
from storage.errors import Denied
from storage.i18n import N_
from storage.rights import Verb
from storage.settings import AccessSettings
from storage.vocabulary import Camera, Span

_NEEDED: dict[Verb, str] = {
    Verb.SEARCH: N_(
        "to search camera {camera}, somebody else has to approve it first, for a case and until a"
        " time; request it on the page Approvals or with `hindsight approval request`"
    ),
    Verb.PLAY: N_(
        "to watch camera {camera}, somebody else has to approve it first, for a case and until a"
        " time; request it on the page Approvals or with `hindsight approval request`"
    ),
    Verb.EXPORT: N_(
        "to export camera {camera}, somebody else has to approve it first, for a case, a span and"
        " until a time; request it on the page Approvals or with `hindsight approval request`."
        " Nothing was exported"
    ),
}
NAMED = 5  # cameras in a sentence
_WAITS = N_(
    "request {request} for camera {camera} waits: somebody else has to approve it first. Until"
    " then nothing of it is shown"
)


class ApprovalNeeded(Denied):
    """A second person has not agreed, or not to this; says what to request."""

    def __init__(
        self, message: str, verb: Verb, cameras: Sequence[Camera], case_id: str | None,
        span: Span | None, waits: int | None,
    ) -> None:  # fmt: skip
        self.cameras = [camera.slug for camera in cameras]
        named = ", ".join(self.cameras[:NAMED]) + (", …" if len(cameras) > NAMED else "")
        super().__init__(message, camera=named, request=waits)
        self.verb, self.case_id, self.span, self.waits = verb, case_id, span, waits


class Approvals:
    """What somebody was approved to do under a case, at the instant of their access."""

    def __init__(
        self, tx: Connection, settings: AccessSettings, access: Access, case_id: str | None
    ) -> None:
        self._tx, self._settings, self._access, self._case_id = tx, settings, access, case_id

    @cached_property
    def _in_force(self) -> dict[int, list[Approval]]:
        """Camera → approvals; read when the first camera needs one."""
        found: dict[int, list[Approval]] = {}
        if self._case_id is not None:
            name, at_us = self._access.name, self._access.at_us
            for one in approvals_in_force(self._tx, name, self._case_id, at_us):
                for camera in one.cameras:
                    found.setdefault(camera.id, []).append(one)
        return found

    def needed(self, verb: Verb, camera: Camera) -> bool:
        """Whether an approval is needed for it at all; programs need none."""
        return self._access.person and needs_approval(self._settings, verb, camera)

    def spans(self, verb: Verb, camera: Camera) -> list[Span] | None:
        """Of the footage that is approved; None: all of it."""
        if not self.needed(verb, camera):
            return None
        found = self._of(verb, camera)
        spans = [one.span for one in found if one.span is not None]
        return None if len(spans) < len(found) else spans

    def number(
        self, verb: Verb, camera: Camera, span: Span | None, *, whole: bool = True
    ) -> int | None:
        """Of the approval that lets it be done with footage of a span (None: of any time).

        `whole`: all of the span lies in what was approved; else a part of it does.
        """
        for one in self._of(verb, camera):
            if _covers(one, span, whole):
                return one.id
        return None

    def allow(
        self, verb: Verb, camera: Camera, span: Span | None, *, whole: bool = True
    ) -> bool:  # fmt: skip
        """Whether it may be done as far as a second person is concerned."""
        return not self.needed(verb, camera) or (
            self.number(verb, camera, span, whole=whole) is not None
        )

    def require(
        self, verb: Verb, cameras: Iterable[Camera], span: Span | None, *, whole: bool = True
    ) -> list[int]:
        """The numbers of what lets it be done, to be named in the audit row; ApprovalNeeded."""
        needing = [camera for camera in cameras if self.needed(verb, camera)]
        used = {one.id: self.number(verb, one, span, whole=whole) for one in needing}
        if missing := [camera for camera in needing if used[camera.id] is None]:
            raise self.refusal(verb, missing, span)
        return sorted({number for number in used.values() if number is not None})

    def refusal(self, verb: Verb, cameras: Sequence[Camera], span: Span | None) -> ApprovalNeeded:
        """What to say: request it, or it waits."""
        keys, whole = {camera.id for camera in cameras}, verb is not Verb.PLAY
        waiting = (
            one.id
            for one in waiting_of(self._tx, self._access, self._case_id)
            if verb in one.verbs
            and keys <= {each.id for each in one.cameras}
            and _covers(one, span, whole)
        )
        waits = next(waiting, None)
        message = _NEEDED[verb] if waits is None else _WAITS
        return ApprovalNeeded(message, verb, cameras, self._case_id, span, waits)

    def _of(self, verb: Verb, camera: Camera) -> list[Approval]:
        return [one for one in self._in_force.get(camera.id, ()) if verb in one.verbs]


def _covers(one: Approval, span: Span | None, whole: bool) -> bool:
    return one.span is None or (span is not None and _inside(span, one.span, whole))


def _inside(span: Span, approved: Span, whole: bool) -> bool:
    if whole:
        return approved.start_us <= span.start_us and span.end_us <= approved.end_us
    end_us = max(span.end_us, span.start_us + 1)  # a picture is an instant
    return span.start_us < approved.end_us and end_us > approved.start_us
