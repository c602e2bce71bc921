"""Volumes: a disk with an identity, where media files lie, and the ballast (invariant 12)."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, select

from storage import schema
from storage.clock import rfc3339, to_datetime
from storage.durable import make_directory, write_file
from storage.errors import Conflict, DataLoss, Invalid, NotFound, Unavailable
from storage.vocabulary import Segment

IDENTITY = ".volume.json"


@dataclass(frozen=True, slots=True)
class Volume:
    """A place for footage: name, root folder, and the uuid the ledger knows it by."""

    name: str
    root: Path
    uuid: str

    def verify(self) -> None:
        """Unavailable when the folder is not this volume: unmounted, swapped, unreadable."""
        path = self.root / IDENTITY
        try:
            found = json.loads(path.read_bytes())["uuid"]
        except FileNotFoundError:
            raise Unavailable(
                "volume {volume} is not at {root}: its {file} is missing; is the disk mounted?"
                " Nothing is recorded there until it is back",
                volume=self.name, root=self.root, file=IDENTITY,
            ) from None  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(
                "volume {volume} at {root} cannot be read: {error}; nothing is recorded there",
                volume=self.name, root=self.root, error=error,
            ) from None  # fmt: skip
        if found != self.uuid:
            raise Unavailable(
                "volume {volume} at {root} is another volume ({found}); nothing is recorded there",
                volume=self.name, root=self.root, found=found,
            )  # fmt: skip

    def free_bytes(self) -> int:
        """Bytes an unprivileged writer may still use here."""
        stat = os.statvfs(self.root)
        return stat.f_bavail * stat.f_frsize

    def total_bytes(self) -> int:
        """Size of the file system that holds the volume."""
        return shutil.disk_usage(self.root).total

    def file(self, relative: str) -> Path:
        """A path inside the volume; one that leads outside is refused."""
        path = (self.root / relative).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise Invalid(
                "path {path} leads out of volume {volume}", path=relative, volume=self.name
            )
        return path


class Archive:
    """All volumes of a data directory."""

    def __init__(self, volumes: dict[str, Volume]) -> None:
        self.volumes = volumes

    def volume(self, name: str) -> Volume:
        """By name."""
        try:
            return self.volumes[name]
        except KeyError:
            raise NotFound(
                "volume {volume} is not in hindsight.toml; add it back to reach its footage",
                volume=name,
            ) from None

    def recording_volume(self) -> Volume:
        """Where new footage goes: the verified volume with most free space."""
        complaints = []
        best: tuple[int, Volume] | None = None
        for volume in self.volumes.values():
            try:
                volume.verify()
            except Unavailable as error:
                complaints.append(error)
                continue
            free = volume.free_bytes()
            if best is None or free > best[0]:
                best = (free, volume)
        if best is None:
            raise complaints[0]
        return best[1]

    def segment_file(self, segment: Segment) -> Path:
        """Where a closed segment's file lies. DataLoss when it is not there."""
        path = self.volume(segment.volume).file(segment.path)
        if not path.is_file():
            raise DataLoss(
                "the file of segment {segment} ({camera}) is missing from volume {volume};"
                " `hindsight check` lists the damage",
                segment=segment.id, camera=segment.camera, volume=segment.volume,
            )  # fmt: skip
        return path


def segment_path(camera: str, start_us: int, segment_id: str, suffix: str) -> str:
    """'<camera>/<YYYY-MM-DD>/<HH>/<start-utc>_<segment-id>.<suffix>', UTC."""
    when = to_datetime(start_us)
    stamp = f"{when:%Y%m%dT%H%M%S}.{when.microsecond // 1000:03d}Z"
    return f"{camera}/{when:%Y-%m-%d}/{when:%H}/{stamp}_{segment_id}.{suffix}"


def known_volumes(tx: Connection) -> dict[str, str]:
    """Volume name → uuid, as the ledger knows them."""
    v = schema.volume.c
    return {row.name: row.uuid for row in tx.execute(select(v.name, v.uuid).order_by(v.name))}


def make_volume(
    tx: Connection, name: str, root: Path, *, now_us: int, adopt: bool = False
) -> Volume:
    """The folder `root` becomes the volume `name`, new to this ledger.

    An empty folder gets an identity. Footage of another ledger is refused, or with `adopt` taken
    as it is, under the identity it has. Anything else that lies there is never taken for ours.
    """
    identity = root / IDENTITY
    if identity.exists():
        if not adopt:
            raise Conflict(
                "volume {volume} at {root} holds the footage of another ledger; use that ledger, or"
                " take the footage in with `hindsight rebuild --adopt`. Nothing was changed",
                volume=name, root=root,
            )  # fmt: skip
        made = Volume(name, root, _uuid_in(identity))
    else:
        if root.exists() and {entry.name for entry in root.iterdir()} - {"lost+found"}:
            raise Conflict(
                "folder {root} is not empty and not a volume; name an empty folder for volume"
                " {volume}",
                root=root, volume=name,
            )  # fmt: skip
        made = Volume(name, root, str(uuid.uuid4()))
        make_directory(root)
        facts = {"uuid": made.uuid, "name": name, "created": rfc3339(now_us), "format": 1}
        write_file(identity, json.dumps(facts, indent=1).encode())
    tx.execute(insert(schema.volume).values(name=name, uuid=made.uuid, created_us=now_us))
    return made


def _uuid_in(identity: Path) -> str:
    try:
        return str(uuid.UUID(json.loads(identity.read_bytes())["uuid"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataLoss(
            "the identity file {file} cannot be read ({error}); restore it from your backup,"
            " nothing was changed",
            file=identity, error=error,
        ) from None  # fmt: skip
