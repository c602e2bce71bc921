"""Rights: what each role may do. One table; the web and every later door ask it."""

from __future__ import annotations

from enum import StrEnum

from storage.errors import Denied
from storage.i18n import tr
from storage.vocabulary import Role, User


class Verb(StrEnum):
    """What a person does with the archive."""

    SEE = "see"  # cameras, their state, what is kept and missing; no picture
    SEARCH = "search"  # look for moments, see result pictures
    PLAY = "play"  # watch footage, take snapshots
    EXPORT = "export"  # take footage out of the house
    HOLD = "hold"  # keep footage from expiring, and let go of it
    MANAGE = "manage"  # the register of cameras, retention
    AUDIT = "audit"  # read and verify the audit chain
    ADMINISTER = "administer"  # people and their roles


# The role that looks does not audit, and the role that audits does not look; only the
# administrator of a small installation does everything, and is audited like everybody.
RIGHTS: dict[Role, frozenset[Verb]] = {
    Role.ADMINISTRATOR: frozenset(Verb),
    Role.INVESTIGATOR: frozenset({Verb.SEE, Verb.SEARCH, Verb.PLAY, Verb.EXPORT, Verb.HOLD}),
    Role.OPERATOR: frozenset({Verb.SEE, Verb.MANAGE}),
    Role.MANAGER: frozenset({Verb.SEE, Verb.HOLD, Verb.MANAGE}),
    Role.AUDITOR: frozenset({Verb.SEE, Verb.AUDIT}),
}


def may(user: User, verb: Verb | str) -> bool:
    """Whether `user` may do `verb`. A disabled person may nothing."""
    return user.enabled and Verb(verb) in RIGHTS[user.role]


def require(user: User, verb: Verb | str) -> None:
    """Denied unless `user` may do `verb`."""
    if not may(user, verb):
        raise Denied(
            "{user} ({role}) has no right to {verb}; an administrator can grant a role that has it",
            user=user.name, role=user.role.value, verb=Verb(verb).value,
        )  # fmt: skip
