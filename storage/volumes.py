"""Volumes: a disk with an identity, where media files lie, and the ballast (invariant 12)."""

from __future__ import annotations

import json
import logging
import os
import shutil
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from storage import schema
from storage.clock import rfc3339, to_datetime
from storage.durable import make_directory, write_file
from storage.encryption import Sealer
from storage.errors import Conflict, DataLoss, HindsightError, Invalid, NotFound, Unavailable
from storage.media import Media
from storage.vocabulary import Segment
from storage.volume_keys import KEY_FIELD, VolumeKey, key_name

IDENTITY = ".volume.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Volume:
    """A place for footage: name, root folder, and the uuid the ledger knows it by."""

    name: str
    root: Path
    uuid: str
    key: VolumeKey | None = field(default=None, compare=False)  # of what is encrypted here
    encrypts: bool = False  # what is written from now on

    def verify(self) -> None:
        """Unavailable when the folder is not this volume: unmounted, swapped, unreadable."""
        self._identity()

    def verify_readable(self) -> None:
        """As `verify`; DataLoss when footage here is encrypted and its key is lost or another."""
        identity = self._identity()
        if self.key is not None:
            self.key.require(identity.get(KEY_FIELD))

    def verify_writable(self) -> None:
        """As `verify`; DataLoss when footage is to be encrypted here and its key is lost."""
        if self.encrypts:
            self.verify_readable()
        else:
            self.verify()

    def sealer(self) -> Sealer | None:
        """Encrypts one new file; None when files here are written plain. Errors as
        `verify_writable`."""
        if not self.encrypts or self.key is None:
            return None
        self.verify()
        return Sealer(self.key.for_writing(self.root / IDENTITY))

    def _identity(self) -> dict[str, Any]:
        path = self.root / IDENTITY
        try:
            identity = json.loads(path.read_bytes())
            found = identity["uuid"]
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
        return dict(identity)

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

    def media(self, relative: str) -> Media:
        """A media file inside the volume, to be read as it was recorded."""
        return self.lying(self.file(relative))

    def lying(self, path: Path) -> Media:
        """As `media`, of a file that is known to be inside."""
        return Media(path, None if self.key is None else self.key.secret)


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
        complaints: list[HindsightError] = []
        best: tuple[int, Volume] | None = None
        for volume in self.volumes.values():
            try:
                volume.verify_writable()
            except (Unavailable, DataLoss) as error:
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

    def media(self, segment: Segment) -> Media:
        """A closed segment's file, to be read as it was recorded. DataLoss as `segment_file`."""
        return self.volume(segment.volume).lying(self.segment_file(segment))


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


def with_key(volume: Volume, keys: Path, *, encrypts: bool) -> Volume:
    """`volume` with its key in the folder `keys`, which is made if it is the first time that the
    volume `encrypts`. Invalid when the key would lie on the volume itself."""
    key = VolumeKey(keys / key_name(volume.name), volume.name)
    keyed = replace(volume, key=key, encrypts=encrypts)
    if not encrypts:
        return keyed
    if key.path.resolve().is_relative_to(volume.root.resolve()) or key.path.parent != keys:
        raise Invalid(
            "volume {volume} cannot be encrypted: its key {key} would lie on it; keep the data"
            " directory elsewhere. Nothing was started",
            volume=volume.name, key=key.path,
        )  # fmt: skip
    if not key.path.exists():
        try:
            keyed.sealer()
        except (HindsightError, OSError) as error:  # an absent volume, a lost key: others work
            log.warning("%s", error)
    return keyed


def _uuid_in(identity: Path) -> str:
    try:
        return str(uuid.UUID(json.loads(identity.read_bytes())["uuid"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataLoss(
            "the identity file {file} cannot be read ({error}); restore it from your backup,"
            " nothing was changed",
            file=identity, error=error,
        ) from None  # fmt: skip
