"""Rights: who looks does not audit, who audits does not look, and a refusal says what was asked."""

from __future__ import annotations

import pytest

from storage.errors import Denied
from storage.rights import RIGHTS, Verb, may, require
from storage.vocabulary import Role, User


def user(role: Role, *, enabled: bool = True) -> User:
    return User(1, "li.wei", role, enabled, "en", 0, must_change=False)


def test_every_role_has_its_line_and_sees_the_cameras() -> None:
    assert set(RIGHTS) == set(Role)
    assert all(Verb.SEE in rights for rights in RIGHTS.values())


def test_looking_and_auditing_are_apart() -> None:
    looking = {Verb.SEARCH, Verb.PLAY, Verb.EXPORT}
    for role, rights in RIGHTS.items():
        if role is not Role.ADMINISTRATOR:
            assert not (rights & looking and Verb.AUDIT in rights), role


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.ADMINISTRATOR])
def test_only_the_administrator_manages_people(role: Role) -> None:
    with pytest.raises(Denied, match=r"li\.wei"):
        require(user(role), "administer")
    require(user(Role.ADMINISTRATOR), Verb.ADMINISTER)


def test_only_those_who_look_at_footage_play_it() -> None:
    assert {role for role in Role if may(user(role), "play")} == {
        Role.ADMINISTRATOR, Role.INVESTIGATOR,
    }  # fmt: skip


def test_a_disabled_person_may_nothing() -> None:
    for verb in Verb:
        with pytest.raises(Denied):
            require(user(Role.ADMINISTRATOR, enabled=False), verb)


def test_an_unknown_verb_is_a_defect() -> None:
    with pytest.raises(ValueError, match="fly"):
        may(user(Role.ADMINISTRATOR), "fly")
