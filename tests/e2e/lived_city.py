"""A small city to travel through: made scenes of two days, a gap, people of each role."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from indexer.indexing import run
from indexer.succession import ensure_generation
from storage.cases import open_case
from storage.clock import US, SystemClock, to_datetime
from storage.directory import DataDirectory, init_directory
from storage.grants import GRANTABLE, Place, add_grant
from storage.people import add_user
from storage.status import local_day
from storage.vocabulary import Camera, Role, Segment
from tests.e2e.browser import Server, serving
from tests.web.footage import keep, lose, register

TZ = "Asia/Shanghai"
PASSWORD = "correct horse battery"
CASE, REASON = "A-117", "a bus seen at the north gate"
LOST_US = 40 * 60 * US
CAMERAS = {
    "north-gate": ("Riverside/Old town/North gate", 1, 31.3017, 120.6204),
    "market-lane": ("Riverside/Market/Market lane", 2, 31.2958, 120.6187),
    "night-street": ("Riverside/Market/Night street", 2, 31.2941, 120.6163),
    "car-park": ("Riverside/Station/Car park", 3, 31.3052, 120.6291),
}
PEOPLE = {
    "ines": Role.INVESTIGATOR,
    "omar": Role.OPERATOR,
    "maria": Role.MANAGER,
    "aude": Role.AUDITOR,
}


@dataclass(frozen=True)
class LivedCity:
    """A served archive of two days."""

    server: Server
    data: Path
    scenes: Path
    cameras: dict[str, Camera]
    newest: dict[str, Segment]
    lost_us: int  # since when north-gate had its gap yesterday


def rendered(folder: Path) -> Path:
    """The made scenes, a clip of 16 s a camera."""
    subprocess.run(
        [sys.executable, "-m", "indexer.scenes", "--out", folder, "--seconds", "16",
         "--cameras", ",".join(CAMERAS)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return folder


@contextmanager
def lived_city(folder: Path) -> Iterator[LivedCity]:
    """Render, keep, index, and serve it."""
    scenes = rendered(folder / "scenes")
    directory, _ = init_directory(folder / "data")
    now_us = SystemClock().now_us()
    yesterday = local_day(to_datetime(now_us, TZ).date() - timedelta(days=1), TZ)
    noon_us = yesterday.start_us + 12 * 3600 * US
    lately_us = now_us - 10 * 60 * US
    cameras, newest = {}, {}
    for name, (site, site_class, lat, lon) in CAMERAS.items():
        camera = cameras[name] = register(
            directory, name, site=site, site_class=site_class, lat=lat, lon=lon
        )
        keep(directory, camera, scenes / f"{name}.mp4", noon_us)
        newest[name] = keep(directory, camera, scenes / f"{name}.mp4", lately_us)
    lose(directory, cameras["north-gate"], noon_us + 60 * US, noon_us + 60 * US + LOST_US)
    people(directory, now_us)
    run(directory, ensure_generation(directory, None))
    directory.close()
    with serving(folder / "data") as server:
        yield LivedCity(server, folder / "data", scenes, cameras, newest, noon_us + 60 * US)


def people(directory: DataDirectory, now_us: int) -> None:
    """Somebody of each role, who may do there what the role allows, and a case."""
    with directory.ledger.write() as tx:
        for name, role in PEOPLE.items():
            user = add_user(
                tx, name, PASSWORD, role, created_us=now_us, lang="en", must_change=False
            )  # fmt: skip
            add_grant(
                tx, user=user, verbs=GRANTABLE, place=Place(site=""), from_us=0,
                until_us=now_us + 366 * 86_400 * US, purpose="a test", made_by="the test",
                at_us=now_us,
            )  # fmt: skip
        open_case(tx, CASE, REASON, "ines", now_us)
