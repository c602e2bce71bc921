"""Who may look with whose approval, against a second statement of the rule."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from storage.access import access_of
from storage.approval_tables import approval, approval_camera
from storage.approvals import (
    APPROVABLE,
)
from storage.approvals_needed import Approvals
from storage.cases import close_case
from storage.people import find_user
from storage.rights import RIGHTS, Verb
from storage.settings import AccessSettings
from storage.vocabulary import Camera, Role, Span
from tests.storage.media import START_US, House
from tests.storage.test_approvals import HOUR_US, NOW_US, refused, town  # noqa: F401  (a fixture)


@dataclass(frozen=True)
class Given:
    """An approval as the ledger may hold it, of whatever state."""

    user: str
    case: str
    verbs: frozenset[Verb]
    cameras: frozenset[str]
    span: Span | None
    until_h: int
    answer: str | None
    revoked: bool


T = START_US
SPANS = (Span(T, T + 4), Span(T + 1, T + 3), Span(T + 2, T + 6), Span(T + 4, T + 5))


def made() -> st.SearchStrategy[Given]:
    return st.builds(
        Given, st.sampled_from(("ines", "ines", "otto")), st.sampled_from(("A-1", "A-1", "A-2")),
        st.frozensets(st.sampled_from(APPROVABLE), min_size=1),
        st.frozensets(st.sampled_from(("clinic", "school", "gate")), min_size=1),
        st.none() | st.sampled_from(SPANS), st.integers(-1, 2),
        st.sampled_from(("given", "given", "given", "refused", None)), st.sampled_from((0, 0, 1)),
    )  # fmt: skip


def plainly(
    one: Given, name: str, case: str | None, verb: Verb, camera: Camera, span: Span | None,
    whole: bool, at_h: int, closed: str | None,
) -> bool:  # fmt: skip
    """The rule once more, from the words of docs/design/approval.md."""
    in_force = (
        one.answer == "given" and not one.revoked and at_h < one.until_h and one.case != closed
    )
    same = (one.user, one.case) == (name, case) and verb in one.verbs and camera.slug in one.cameras
    if one.span is None:
        inside = True
    elif span is None:
        inside = False
    else:
        asked = set(range(span.start_us, span.end_us))
        approved = set(range(one.span.start_us, one.span.end_us))
        inside = asked <= approved if whole else bool(asked & approved)
    return in_force and same and inside


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    given_=st.lists(made(), max_size=4),
    name=st.sampled_from(("ines", "otto", "adam", "command line (uid 0)")),
    case=st.sampled_from(("A-1", "A-2", None)),
    span=st.none() | st.sampled_from(SPANS),
    whole=st.booleans(),
    at_h=st.integers(-1, 2),
    closed=st.sampled_from((None, None, "A-2")),
    every=st.booleans(),
)
def test_who_may_look_is_what_a_second_person_agreed_to(
    town: House,  # noqa: F811  (pytest's way)
    given_: list[Given], name: str, case: str | None, span: Span | None, whole: bool,
    at_h: int, closed: str | None, every: bool,
) -> None:  # fmt: skip
    with town.ledger.engine.connect() as tx:  # rolled back: the next example begins anew
        tx = tx.execution_options(hindsight_write=True)
        for number, one in enumerate(given_, 1):
            tx.execute(
                insert(approval).values(
                    id=number, user_id=find_user(tx, one.user).id, case_id=one.case,
                    verbs=",".join(one.verbs), reason="r", asked_by=one.user, asked_us=0,
                    start_us=None if one.span is None else one.span.start_us,
                    end_us=None if one.span is None else one.span.end_us,
                    expires_us=NOW_US + one.until_h * HOUR_US, answer=one.answer,
                    answered_by=None if one.answer is None else "maja",
                    revoked_us=0 if one.revoked else None,
                )
            )  # fmt: skip
            for slug in one.cameras:
                tx.execute(
                    insert(approval_camera).values(
                        approval_id=number, camera_id=town.cameras[slug].id
                    )
                )
        if closed is not None:
            close_case(tx, closed, NOW_US)
        access = access_of(tx, name, NOW_US + at_h * HOUR_US)
        held = Approvals(tx, AccessSettings(approve_exports=every), access, case)
        for camera in town.cameras.values():
            for verb in Verb:
                second = verb in APPROVABLE and (
                    camera.slug != "gate" or (every and verb is Verb.EXPORT)
                )
                due = name.startswith("command") or not second or any(
                    plainly(one, name, case, verb, camera, span, whole, at_h, closed)
                    for one in given_
                )  # fmt: skip
                assert held.allow(verb, camera, span, whole=whole) == due, (verb, camera.slug)


def test_those_who_may_approve_neither_look_nor_audit() -> None:
    may_approve = {role for role, verbs in RIGHTS.items() if Verb.APPROVE in verbs}
    assert may_approve == {Role.ADMINISTRATOR, Role.MANAGER}
    assert not {*APPROVABLE, Verb.AUDIT} & RIGHTS[Role.MANAGER]
