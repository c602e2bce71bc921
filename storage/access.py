"""What somebody may do at an instant, with which cameras: the role's ceiling and the grants in
force. A camera one may not see is answered as one that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from storage import schema
from storage.departments import department_of
from storage.errors import Denied, NotFound
from storage.grants import Grant, grants_in_force
from storage.i18n import N_
from storage.register import UNKNOWN_CAMERA, find_camera, find_cameras
from storage.rights import RIGHTS, Verb, refusal
from storage.vocabulary import Camera, Role

# One whole sentence per verb, so that each language can say it its own way.
_NOT_GRANTED: dict[Verb, str] = {
    Verb.SEARCH: N_("{user} was not granted to search {camera}; ask an administrator, who grants"
                    " it with `hindsight grant add`"),
    Verb.PLAY: N_("{user} was not granted to watch {camera}; ask an administrator, who grants it"
                  " with `hindsight grant add`"),
    Verb.EXPORT: N_("{user} was not granted to export {camera}; ask an administrator, who grants"
                    " it with `hindsight grant add`"),
    Verb.UNMASK: N_("{user} was not granted to see what privacy zones of {camera} hide; ask an"
                    " administrator, who grants it with `hindsight grant add`"),
    Verb.APPROVE: N_("{user} was not granted to approve looks at {camera}; ask an administrator,"
                     " who grants it with `hindsight grant add`"),
    Verb.HOLD: N_("{user} was not granted to hold footage of {camera}; ask an administrator, who"
                  " grants it with `hindsight grant add`"),
    Verb.MANAGE: N_("{user} was not granted to change {camera}; ask an administrator, who grants"
                    " it with `hindsight grant add`"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """Of a person, or of a program of whoever owns the data directory, at an instant."""

    name: str
    verbs: frozenset[Verb]  # that the role allows; none when the person is disabled
    everywhere: bool  # administrators and programs need no grant
    department: str | None
    grants: tuple[Grant, ...]  # in force
    at_us: int  # the instant
    person: bool = True  # False: a program of whoever owns the data directory

    def may(self, verb: Verb, camera: Camera) -> bool:
        """Whether role and grants let it be done with this camera."""
        if verb not in self.verbs:
            return False
        return self.everywhere or any(
            grant.covers(verb, camera, self.department) for grant in self.grants
        )

    def sees(self, camera: Camera) -> bool:
        """Whether the camera is there at all, for them."""
        return self.may(Verb.SEE, camera)

    def owns(self, camera: Camera) -> bool:
        """Whether the camera is of their own department."""
        return self.department is not None and camera.department == self.department

    def require(self, verb: Verb, camera: Camera) -> None:
        """NotFound, as of an unknown one, when they may not see it; Denied when seeing is all."""
        if not self.sees(camera):
            raise NotFound(UNKNOWN_CAMERA, camera=camera.slug)
        self.require_seen(verb, camera)

    def require_seen(self, verb: Verb, camera: Camera) -> None:
        """Denied unless they may do it with a camera that they see."""
        if verb not in self.verbs:
            raise refusal(self.name, verb)
        if not self.may(verb, camera):
            raise Denied(_NOT_GRANTED[verb], user=self.name, camera=camera.slug)

    def camera(self, tx: Connection, verb: Verb, name: str) -> Camera:
        """By slug, name or GB code, to do this with. NotFound, Denied, as `require`."""
        found = find_camera(tx, name, self.sees)
        self.require_seen(verb, found)
        return found

    def cameras(
        self, tx: Connection, verb: Verb, names: Sequence[str] = (), sites: Sequence[str] = ()
    ) -> list[Camera]:
        """Those it may be done with, by slug: of the named ones and sites, or of all.

        NotFound: one is unknown, or hidden, or a site holds none that they see. Denied: one that
        is named is seen, and that is all; or all of what is asked is.
        """
        seen = find_cameras(tx, names, sites, self.sees)
        allowed = [camera for camera in seen if self.may(verb, camera)]
        if seen and (not allowed or (names and len(allowed) < len(seen))):
            self.require_seen(verb, next(camera for camera in seen if camera not in allowed))
        return allowed

    def register(self, tx: Connection, verb: Verb) -> list[Camera]:
        """As `cameras` of all there are, for lists: perhaps none."""
        return [one for one in find_cameras(tx, (), (), self.sees) if self.may(verb, one)]

    def keys(self, tx: Connection, verb: Verb) -> frozenset[int] | None:
        """The keys of `register`; None: of every camera there is or will be."""
        if self.everywhere and verb in self.verbs:
            return None
        return frozenset(camera.id for camera in self.register(tx, verb))


def access_of(tx: Connection, name: str, at_us: int) -> Access:
    """What whoever has this name may do at an instant.

    A name that no user has is a program's (the recorder, the command line …): it belongs to
    whoever owns the data directory. Users are never removed, so no person becomes one.
    """
    u = schema.user.c
    row = tx.execute(select(u.id, u.role, u.enabled).where(u.name == name)).first()
    if row is None:
        return Access(name, frozenset(Verb), True, None, (), at_us, person=False)
    if not row.enabled:
        return Access(name, frozenset(), False, None, (), at_us)
    role = Role(row.role)
    department = department_of(tx, row.id)
    if role is Role.ADMINISTRATOR:
        return Access(name, RIGHTS[role], True, department, (), at_us)
    mine = grants_in_force(tx, row.id, department, at_us)
    return Access(name, RIGHTS[role], False, department, mine, at_us)
