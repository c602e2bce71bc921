"""The cameras of a person as a plan of the city: where each stands, how it stands, what is found
there. Nothing of a camera that the person may not see is in it, nor in any sum or edge of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from search.kept_runs import Kept
from search.places import placed
from storage.access import Access
from storage.camera_states import states
from storage.directory import DataDirectory
from storage.i18n import N_
from storage.register import in_site
from storage.rights import Verb
from storage.status import effective_state
from storage.vocabulary import Camera, CameraState
from web.places import Place, tree
from web.results import Card, Found, found
from web.searching import Looked

# How a camera stands, as one mark of the map. The words of `status` say it more finely.
MARKS: dict[str, str] = {
    "on": N_("recording"),
    "wait": N_("connecting"),
    "lost": N_("not recording"),
    "stale": N_("recorder silent"),
    "unknown": N_("never recorded"),
    "off": N_("not to record"),
}
_OF_STATES = {"recording": "on", "connecting": "wait", "stalled": "lost", "disabled": "off"}


def mark_of(camera: Camera, state: CameraState | None, now_us: int) -> str:
    """A key of MARKS. A recorder whose last word is old is silent: nobody knows what it does."""
    if camera.url is None:
        return "off"
    word = effective_state(camera, state, now_us)
    if word != "stopped":
        return _OF_STATES.get(word, "unknown")
    if state is None:
        return "unknown"
    return "lost" if state.state == "stopped" else "stale"


@dataclass(frozen=True, slots=True)
class City:
    """The cameras a person sees, each with its mark."""

    cameras: list[Camera]
    marks: dict[int, str]  # by key of the camera

    @property
    def unplaced(self) -> list[Camera]:
        """Those whose place nobody entered, by name."""
        known = {one.id for one in placed(self.cameras)}
        return sorted(
            (one for one in self.cameras if one.id not in known), key=lambda one: one.name
        )

    @property
    def counts(self) -> dict[str, int]:
        """Mark → how many."""
        every = list(self.marks.values())
        return {mark: every.count(mark) for mark in MARKS}


def city(tx: Connection, access: Access, now_us: int) -> City:
    """The city of whoever asks."""
    return city_of(tx, access.register(tx, Verb.SEE), now_us)


def city_of(tx: Connection, cameras: list[Camera], now_us: int) -> City:
    """These cameras as they stand."""
    known = states(tx)
    return City(cameras, {one.id: mark_of(one, known.get(one.id), now_us) for one in cameras})


@dataclass(slots=True)
class Branch:
    """A place of the tree, with the sums of all that lies in it."""

    name: str
    path: str
    cameras: list[Camera]
    branches: list[Branch] = field(default_factory=list)
    count: int = 0
    due: int = 0  # of them that should record
    recording: int = 0
    shown: bool = True  # whether anything in it is asked for


def branches(plan: City, shown: Collection[int]) -> Branch:
    """All cameras under their places; `shown`: keys of those that are asked for."""
    return _branch(tree(plan.cameras), plan.marks, shown)


def _branch(place: Place, marks: dict[int, str], shown: Collection[int]) -> Branch:
    made = Branch(place.name, place.path, place.cameras)
    made.branches = [_branch(inside, marks, shown) for inside in place.places]
    own = [marks[one.id] for one in place.cameras]
    inner = made.branches
    made.count = len(own) + sum(one.count for one in inner)
    made.due = len(own) - own.count("off") + sum(one.due for one in inner)
    made.recording = own.count("on") + sum(one.recording for one in inner)
    made.shown = any(one.id in shown for one in place.cameras) or any(one.shown for one in inner)
    return made


def asked_for(plan: City, site: str, marks: Collection[str]) -> frozenset[int]:
    """Keys of the cameras in a place ("": anywhere) that stand so (none: however)."""
    return frozenset(
        one.id
        for one in plan.cameras
        if (not site or in_site(one.site, site)) and (not marks or plan.marks[one.id] in marks)
    )


def document(plan: City) -> dict[str, Any]:
    """The plan as JSON: facts that seldom change, and the states."""
    return {"cameras": _facts(plan), **states_document(plan)}


def states_document(plan: City) -> dict[str, Any]:
    """What is asked again and again: who stands how, and a sign that the facts are the same.

    Without any time in it, so that nothing is sent again while nothing changes.
    """
    groups: dict[str, list[str]] = {mark: [] for mark in MARKS}
    for one in plan.cameras:
        groups[plan.marks[one.id]].append(one.slug)
    text = json.dumps(_facts(plan), ensure_ascii=False)
    return {"states": groups, "register": hashlib.sha256(text.encode()).hexdigest()[:16]}


def _facts(plan: City) -> list[dict[str, Any]]:
    return [
        {
            "slug": one.slug, "name": one.name, "site": one.site, "class": one.site_class,
            "lat": one.lat, "lon": one.lon, "view": one.view_deg,
        }
        for one in plan.cameras
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class HitsAt:
    """What a search found at one camera."""

    camera: Camera
    cards: list[Card]  # its moments, the best first
    held_back: int  # moments there that the answer does not list

    @property
    def count(self) -> int:
        """All moments there."""
        return len(self.cards) + self.held_back


@dataclass(frozen=True, slots=True)
class Hits:
    """A kept search on the map."""

    looked: Looked
    answer: Found | None  # None: not done, or it failed
    at: list[HitsAt]  # most moments first

    @property
    def document(self) -> dict[str, int]:
        """Slug → moments, for the badges."""
        return {one.camera.slug: one.count for one in self.at}

    @property
    def running(self) -> bool:
        """Whether it still looks."""
        return not self.looked.kept.run.ended


def hits(directory: DataDirectory, looked: Looked) -> Hits:
    """By camera, the most moments first. `looked`: as who asks may see it (search.kept_sight)."""
    if looked.kept.answer is None:
        return Hits(looked, None, [])
    answer = found(directory, looked)
    more = {one.camera.slug: one for one in answer.more}
    grouped: dict[str, list[Card]] = {}
    for card in answer.cards:
        grouped.setdefault(card.camera.slug, []).append(card)
    of = {card.camera.slug: card.camera for card in answer.cards}
    of |= {slug: one.camera for slug, one in more.items()}
    at = [
        HitsAt(of[slug], grouped.get(slug, []), more[slug].count if slug in more else 0)
        for slug in of
    ]
    return Hits(looked, answer, sorted(at, key=lambda one: (-one.count, one.camera.name)))


def address_fields(kept: Kept, plan: City) -> dict[str, Any]:
    """The fields of the search desk's address that ask the same, of a query of words alone; none
    where pictures are in it, which an address does not hold. Only cameras of the plan are named."""
    seen = {one.slug for one in plan.cameras}
    asked = json.loads(kept.query.document)
    words = [part.get("text") for part in asked["parts"]]
    nots = [part.get("text") for part in asked["exclusions"]]
    if None in words or None in nots or not words or asked["then_parts"] or asked["marks"]:
        return {}
    cameras = [slug for slug in asked["cameras"] if slug in seen]
    if asked["cameras"] and not cameras:
        return {}  # without them it would ask everywhere
    around = asked["around"]
    after, _, before = (asked["between"] or "").partition("-")
    return {
        "q": words[0], "also": words[1:], "not": nots, "camera": cameras,
        "site": asked["sites"], "from": asked["from"], "to": asked["to"],
        "weekday": asked["weekdays"], "light": asked["light"], "kind": asked["kind"],
        "least_box": asked["least_box"], "after": after or None, "before": before or None,
        "top": asked["top"], "case": asked["case"], "reason": asked["reason"],
        "around": around and "{lat},{lon},{radius_m}".format(**around),
    }  # fmt: skip
