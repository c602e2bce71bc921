"""Grants: who may do what with which camera, held against a plain re-statement of the rule."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from storage import schema
from storage.access import access_of
from storage.access_tables import access_grant
from storage.cases import close_case, open_case
from storage.departments import add_department, set_department
from storage.errors import Conflict, Denied, Invalid, NotFound
from storage.grants import (
    GRANTABLE,
    Grant,
    Place,
    add_grant,
    find_grant,
    grants,
    revoke_grant,
)
from storage.people import find_user, set_user
from storage.rights import RIGHTS, Verb
from storage.vocabulary import Camera, Role, User
from tests.storage.media import START_US, House

NOW_US = START_US
HOUR_US = 3_600_000_000
NORTH, SOUTH = "north", "south"
SITES = ("", "city", "city/a", "city/ab", "city/a/1")
DEPARTMENTS = (None, NORTH, SOUTH)


def person(tx: Connection, name: str = "ines", role: Role = Role.INVESTIGATOR) -> User:
    """Without a password: hashing one takes longer than all the rest."""
    values = {"name": name, "password_hash": "none", "role": role.value, "created_us": 1}
    tx.execute(insert(schema.user).values(**values))
    return find_user(tx, name)


def grant(tx: Connection, **facts: object) -> Grant:
    values: dict[str, object] = {
        "verbs": {Verb.PLAY}, "place": Place(site=""), "from_us": NOW_US, "until_us": None,
        "purpose": "thefts", "made_by": "admin", "at_us": NOW_US,
    }  # fmt: skip
    return add_grant(tx, **{**values, **facts})  # type: ignore[arg-type]


@pytest.fixture
def town(house: House) -> House:
    """A camera in each site, by turns of no department, of the north and of the south."""
    with house.ledger.write() as tx:
        for name in (NORTH, SOUTH):
            add_department(tx, name, NOW_US)
    for i, site in enumerate(SITES):
        house.camera(f"cam-{i}", site=site, department=DEPARTMENTS[i % 3])
    return house


@dataclass(frozen=True)
class Given:
    """A grant as somebody may have made it, of whatever time and state."""

    to_user: int | None  # 0: the one who asks, 1: somebody else
    to_department: str | None
    verbs: frozenset[Verb]
    place: tuple[str, object]
    from_h: int
    until_h: int | None
    case: str | None
    revoked: bool


def places() -> st.SearchStrategy[tuple[str, object]]:
    return st.one_of(
        st.tuples(st.just("site"), st.sampled_from(SITES)),
        st.tuples(st.just("camera"), st.integers(0, len(SITES) - 1)),
        st.tuples(st.just("cameras_of"), st.sampled_from((NORTH, SOUTH))),
    )


@st.composite
def made(draw: st.DrawFn) -> Given:
    to_user = draw(st.sampled_from((0, 0, 1, None)))
    from_h = draw(st.integers(-3, 2))
    return Given(
        to_user,
        draw(st.sampled_from((NORTH, SOUTH))) if to_user is None else None,
        draw(st.frozensets(st.sampled_from(GRANTABLE), min_size=1)) | {Verb.SEE},
        draw(places()),
        from_h,
        draw(st.one_of(st.none(), st.integers(from_h + 1, 5))),
        draw(st.sampled_from((None, "open", "closed"))),
        draw(st.booleans()) and draw(st.booleans()),
    )


def plainly(one: Given, verb: Verb, camera: Camera, site: str, at_h: int, mine: str | None) -> bool:
    """The rule once more, from the words of docs/design/access.md."""
    is_mine = one.to_user == 0 or (one.to_department is not None and one.to_department == mine)
    in_time = one.from_h <= at_h and (one.until_h is None or at_h < one.until_h)
    kind, where = one.place
    if kind == "site":
        here = (site + "/").startswith(str(where) + "/") or where == ""
    elif kind == "camera":
        here = camera.name == f"cam-{where}"
    else:
        here = camera.department == where
    own = mine if one.to_department is None else one.to_department
    foreign = camera.department not in (None, own)
    return (
        is_mine and in_time and here and verb in one.verbs and one.case != "closed"
        and not one.revoked and not (foreign and one.until_h is None)
    )  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    role=st.sampled_from(Role),
    enabled=st.booleans() | st.just(True),
    mine=st.sampled_from(DEPARTMENTS),
    given_=st.lists(made(), max_size=4),
    at_h=st.integers(-3, 5),
)
def test_what_somebody_may_do_is_what_role_and_a_grant_in_force_say(
    town: House, role: Role, enabled: bool, mine: str | None, given_: list[Given], at_h: int
) -> None:
    with town.ledger.engine.connect() as tx:  # rolled back: the next example begins anew
        tx = tx.execution_options(hindsight_write=True)
        users = [person(tx, "ines", role), person(tx, "otto")]
        set_department(tx, users[0].id, mine)
        for case in ("open", "closed"):
            open_case(tx, case, "thefts", "ines", NOW_US)
        for one in given_:
            kind, where = one.place
            camera_id = town.cameras[f"cam-{where}"].id if kind == "camera" else None
            tx.execute(
                insert(access_grant).values(
                    user_id=None if one.to_user is None else users[one.to_user].id,
                    department=one.to_department, verbs=",".join(one.verbs),
                    site=where if kind == "site" else None, camera_id=camera_id,
                    cameras_of=where if kind == "cameras_of" else None,
                    from_us=NOW_US + one.from_h * HOUR_US,
                    until_us=None if one.until_h is None else NOW_US + one.until_h * HOUR_US,
                    purpose="thefts", case_id=one.case, made_by="admin", made_us=NOW_US,
                    revoked_us=NOW_US if one.revoked else None,
                )
            )  # fmt: skip
        close_case(tx, "closed", NOW_US)
        if not enabled and role is not Role.ADMINISTRATOR:
            set_user(tx, users[0], enabled=False)
        enabled = enabled or role is Role.ADMINISTRATOR  # the last one cannot be disabled
        access = access_of(tx, "ines", NOW_US + at_h * HOUR_US)
        for camera in town.cameras.values():
            for verb in GRANTABLE:
                covered = role is Role.ADMINISTRATOR or any(
                    plainly(one, verb, camera, camera.site, at_h, mine) for one in given_
                )
                due = enabled and verb in RIGHTS[role] and covered
                assert access.may(verb, camera) == due, (verb, camera.name)
        seen = [camera for camera in town.cameras.values() if access.sees(camera)]
        assert [c.id for c in access.register(tx, Verb.SEE)] == [camera.id for camera in seen]


def test_a_new_investigator_sees_no_camera(town: House) -> None:
    with town.ledger.write() as tx:
        person(tx)
        access = access_of(tx, "ines", NOW_US)
        assert access.cameras(tx, Verb.SEE) == []
        assert access.keys(tx, Verb.SEARCH) == frozenset()


def test_a_hidden_camera_is_told_in_the_words_of_an_unknown_one(town: House) -> None:
    with town.ledger.write() as tx:
        user = person(tx)
        grant(tx, user=user, place=Place(camera_id=town.cameras["cam-0"].id), verbs={Verb.PLAY})
        access = access_of(tx, "ines", NOW_US)
        said = []
        for name in ("cam-1", "cam-9"):
            with pytest.raises(NotFound) as refused:
                access.camera(tx, Verb.SEE, name)
            said.append(str(refused.value).replace(name, "it"))
            for names in ([name], ["cam-0", name]):
                with pytest.raises(NotFound) as refused:
                    access.cameras(tx, Verb.SEE, names)
                said.append(str(refused.value).replace(name, "it"))
        assert len(set(said)) == 1
        with pytest.raises(NotFound, match="holds no camera"):
            access.cameras(tx, Verb.SEE, sites=["city"])
        with pytest.raises(NotFound) as refused:
            access.require(Verb.PLAY, town.cameras["cam-1"])
        assert str(refused.value).replace("cam-1", "it") == said[0]


def test_a_name_shared_with_a_hidden_camera_is_not_ambiguous(house: House) -> None:
    """Told which cameras it may mean, somebody would learn of the hidden one."""
    house.camera("north gate"), house.camera("North-Gate 2", gb_code="1" * 20)
    with house.ledger.write() as tx:
        user = person(tx)
        grant(tx, user=user, place=Place(camera_id=house.cameras["north gate"].id))
        found = access_of(tx, "ines", NOW_US).camera(tx, Verb.PLAY, "North Gate")
        assert found.slug == "north-gate"
        with pytest.raises(NotFound):
            access_of(tx, "ines", NOW_US).camera(tx, Verb.PLAY, "1" * 20)


def test_seen_and_not_granted_says_what_to_do_next(town: House) -> None:
    with town.ledger.write() as tx:
        user = person(tx)
        grant(tx, user=user, place=Place(site="city/ab"), verbs={Verb.SEE}, until_us=NOW_US + 1)
        grant(tx, user=user, place=Place(site="city/a/1"), verbs={Verb.PLAY}, until_us=NOW_US + 1)
        access = access_of(tx, "ines", NOW_US)
        seen = town.cameras["cam-3"]
        for verb in (Verb.SEARCH, Verb.PLAY, Verb.EXPORT, Verb.HOLD):
            with pytest.raises(Denied, match="hindsight grant add") as refused:
                access.require(verb, seen)
            assert "ines was not granted" in str(refused.value)
            assert "cam-3" in str(refused.value)
        with pytest.raises(Denied, match="role"):  # no grant lifts a role's ceiling
            access.require(Verb.MANAGE, seen)
        assert [c.slug for c in access.cameras(tx, Verb.PLAY)] == ["cam-4"]
        with pytest.raises(Denied):  # named, one that may only be seen is not left out silently
            access.cameras(tx, Verb.PLAY, ["cam-3", "cam-4"])


def test_another_departments_cameras_need_an_end(town: House) -> None:
    later = NOW_US + HOUR_US
    with town.ledger.write() as tx:
        user = person(tx)
        set_department(tx, user.id, NORTH)
        for place in (Place(site=""), Place(cameras_of=SOUTH),
                      Place(camera_id=town.cameras["cam-2"].id)):  # fmt: skip
            for to in ({"user": user}, {"department": NORTH}):
                with pytest.raises(Invalid, match=r"of department south.*--until"):
                    grant(tx, **to, place=place)
                grant(tx, **to, place=place, until_us=later)
        grant(tx, department=NORTH, place=Place(cameras_of=NORTH))
        with pytest.raises(Invalid, match="purpose"):
            grant(tx, department=NORTH, purpose=" ", until_us=later)


def test_leaving_a_department_ends_what_had_no_end(town: House) -> None:
    own, other = town.cameras["cam-1"], town.cameras["cam-0"]
    assert (own.department, other.department) == (NORTH, None)
    with town.ledger.write() as tx:
        user = person(tx)
        set_department(tx, user.id, NORTH)
        grant(tx, user=user, place=Place(cameras_of=NORTH))
        grant(tx, user=user, place=Place(camera_id=other.id))
        assert access_of(tx, "ines", NOW_US).may(Verb.PLAY, own)
        set_department(tx, user.id, SOUTH)
        assert not access_of(tx, "ines", NOW_US).sees(own)
        assert access_of(tx, "ines", NOW_US).may(Verb.PLAY, other)


def test_a_camera_that_changes_department_leaves_what_had_no_end(town: House) -> None:
    camera = town.cameras["cam-0"]
    with town.ledger.write() as tx:
        user = person(tx)
        grant(tx, user=user, place=Place(camera_id=camera.id))
        access = access_of(tx, "ines", NOW_US)
        assert access.may(Verb.PLAY, camera)
        assert not access.sees(replace(camera, department=SOUTH))


def test_a_revoked_grant_stays_with_who_and_why_and_is_not_revoked_twice(town: House) -> None:
    with town.ledger.write() as tx:
        made_ = grant(tx, user=person(tx), place=Place(site="", camera_id=None),
                      until_us=NOW_US + HOUR_US)  # fmt: skip
        assert made_.state(NOW_US) == "in force"
        with pytest.raises(Invalid, match="reason"):
            revoke_grant(tx, made_.id, " ", "admin", NOW_US)
        ended = revoke_grant(tx, made_.id, "moved away", "admin", NOW_US)
        assert ended.state(NOW_US) == "revoked"
        assert (ended.revoked_by, ended.revoke_reason) == ("admin", "moved away")
        assert not access_of(tx, "ines", NOW_US).grants
        with pytest.raises(Conflict):
            revoke_grant(tx, made_.id, "again", "admin", NOW_US)
        with pytest.raises(NotFound):
            find_grant(tx, 99)
        assert grants(tx) == [ended]


def test_a_grant_for_a_case_ends_with_it(town: House) -> None:
    camera = town.cameras["cam-0"]
    with town.ledger.write() as tx:
        open_case(tx, "A-1", "thefts", "ines", NOW_US)
        user = person(tx)
        made_ = grant(tx, user=user, place=Place(camera_id=camera.id), case_id="A-1")
        assert access_of(tx, "ines", NOW_US).may(Verb.PLAY, camera)
        close_case(tx, "A-1", NOW_US)
        assert not access_of(tx, "ines", NOW_US).sees(camera)
        assert find_grant(tx, made_.id).state(NOW_US) == "case closed"
        with pytest.raises(Conflict):
            grant(tx, user=user, place=Place(camera_id=camera.id), case_id="A-1")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"verbs": {Verb.AUDIT}}, "some of"),
        ({"verbs": set()}, "some of"),
        ({"until_us": NOW_US}, "in the past"),
        ({"from_us": NOW_US + HOUR_US, "until_us": NOW_US + HOUR_US}, "before it begins"),
        ({"purpose": ""}, "purpose"),
    ],
)
def test_a_grant_that_says_nothing_is_refused(
    town: House, wrong: dict[str, object], said: str
) -> None:
    with town.ledger.write() as tx, pytest.raises(Invalid, match=said):
        grant(tx, user=person(tx), **wrong)
