"""Rights: what each role may do at most. One table; the web and every later door ask it, and
what is done with a camera needs a grant besides (storage.access)."""

from __future__ import annotations

from enum import StrEnum

from storage.errors import Denied
from storage.i18n import N_
from storage.vocabulary import Role, User


class Verb(StrEnum):
    """What a person does with the archive."""

    SEE = "see"  # cameras, their state, what is kept and missing; no picture
    SEARCH = "search"  # look for moments, see result pictures
    PLAY = "play"  # watch footage, take snapshots
    EXPORT = "export"  # take footage out of the house
    UNMASK = "unmask"  # what privacy zones hide, wherever it may be watched or exported
    APPROVE = "approve"  # let somebody else look where a second person has to agree
    HOLD = "hold"  # keep footage from expiring, and let go of it
    MANAGE = "manage"  # the register of cameras, retention
    AUDIT = "audit"  # read and verify the audit chain
    ADMINISTER = "administer"  # people and their roles


# The role that looks does not audit, and the role that audits does not look; only the
# administrator of a small installation does everything, and is audited like everybody.
RIGHTS: dict[Role, frozenset[Verb]] = {
    Role.ADMINISTRATOR: frozenset(Verb),
    Role.INVESTIGATOR: frozenset(
        {Verb.SEE, Verb.SEARCH, Verb.PLAY, Verb.EXPORT, Verb.HOLD, Verb.UNMASK}
    ),
    Role.OPERATOR: frozenset({Verb.SEE, Verb.MANAGE}),
    # Approving is for who does not look: two who look would approve each other's. Nor for who
    # audits: an approval is among what is audited.
    Role.MANAGER: frozenset({Verb.SEE, Verb.HOLD, Verb.MANAGE, Verb.APPROVE}),
    Role.AUDITOR: frozenset({Verb.SEE, Verb.AUDIT}),
}


# One whole sentence per verb, so that each language can say it its own way.
_REFUSALS: dict[Verb, str] = {
    Verb.SEE: N_("{user} may not see the cameras; an administrator can change the role"),
    Verb.SEARCH: N_("{user} may not search; an administrator can change the role"),
    Verb.PLAY: N_("{user} may not watch footage; an administrator can change the role"),
    Verb.EXPORT: N_("{user} may not export footage; an administrator can change the role"),
    Verb.UNMASK: N_(
        "{user} may not see what privacy zones hide; an administrator can change the role"
    ),
    Verb.APPROVE: N_(
        "{user} may not approve what others want to look at; an administrator can change the role"
    ),
    Verb.HOLD: N_("{user} may not hold or release footage; an administrator can change the role"),
    Verb.MANAGE: N_("{user} may not change cameras; an administrator can change the role"),
    Verb.AUDIT: N_("{user} may not read the audit log; an administrator can change the role"),
    Verb.ADMINISTER: N_("{user} may not manage users; only an administrator may"),
}


def may(user: User, verb: Verb | str) -> bool:
    """Whether `user` may do `verb`. A disabled person may nothing; a token narrows, never adds."""
    within = user.scope is None or Verb(verb) in user.scope
    return user.enabled and within and Verb(verb) in RIGHTS[user.role]


def require(user: User, verb: Verb | str) -> None:
    """Denied unless `user` may do `verb`."""
    if not may(user, verb):
        raise refusal(user.name, Verb(verb))


def refusal(name: str, verb: Verb) -> Denied:
    """What somebody is told whose role does not allow it."""
    return Denied(_REFUSALS[verb], user=name)
