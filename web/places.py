"""The register as a tree of sites, for choosing where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.clock import local_text
from storage.vocabulary import Camera


@dataclass(slots=True)
class Place:
    """A site with what lies in it; '' is the root."""

    name: str
    path: str
    places: list[Place] = field(default_factory=list)
    cameras: list[Camera] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Cameras in the whole subtree."""
        return len(self.cameras) + sum(place.count for place in self.places)


def tree(cameras: Sequence[Camera]) -> Place:
    """All cameras under their sites, both by name."""
    root = Place("", "")
    for camera in sorted(cameras, key=lambda one: (one.site, one.name)):
        here = root
        for part in filter(None, camera.site.split("/")):
            path = f"{here.path}/{part}" if here.path else part
            inside = next((place for place in here.places if place.path == path), None)
            if inside is None:
                inside = Place(part, path)
                here.places.append(inside)
            here = inside
        here.cameras.append(camera)
    return root


def zones(cameras: Sequence[Camera], now_us: int) -> list[tuple[str, str]]:
    """(time zone, its offset now) of the cameras, the most common first, and UTC."""
    names = [camera.tz for camera in cameras]
    ordered = sorted({*names, "UTC"}, key=lambda name: (-names.count(name), name))
    return [(name, local_text(now_us, name).split(" ")[2]) for name in ordered]
