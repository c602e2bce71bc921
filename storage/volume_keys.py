"""Keys of encrypted volumes: made once, kept in the data directory, named on their volume."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.durable import make_directory, write_file
from storage.encryption import KEY_BYTES, key_id
from storage.errors import DataLoss

KEY_FIELD = "key"  # of a volume's identity file: which key its encrypted files need
log = logging.getLogger(__name__)


def key_name(volume: str) -> str:
    """The file name of a volume's key."""
    return f"volume-{volume}.key"


@dataclass(frozen=True, slots=True)
class VolumeKey:
    """The key of one volume, read anew for each file: footage must never be encrypted with a key
    that is no longer kept, and one that was restored helps at once."""

    path: Path
    volume: str  # its name

    def secret(self) -> bytes:
        """The key. DataLoss when it is not there or is none."""
        try:
            found = self.path.read_bytes()
        except FileNotFoundError:
            raise DataLoss(
                "key {key} of encrypted volume {volume} is missing; restore it from your backup."
                " Until then what is encrypted there cannot be read, and nothing more is encrypted",
                key=self.path, volume=self.volume,
            ) from None  # fmt: skip
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from None
        if len(found) != KEY_BYTES:
            raise self._unusable(f"{len(found)} bytes, {KEY_BYTES} are due")
        return found

    def require(self, named: str | None) -> None:
        """DataLoss unless the key is there and the one that the volume names."""
        if named is not None and key_id(self.secret()).hex() != named:
            raise DataLoss(
                "key {key} is not the one volume {volume} was encrypted with; restore that one from"
                " your backup. Nothing was changed",
                key=self.path, volume=self.volume,
            )  # fmt: skip

    def for_writing(self, identity: Path) -> bytes:
        """The key; made when neither it nor its name in `identity` is there yet.

        `identity`: the identity file of the volume, which was just verified. A key that was lost
        is not made anew: that would hide the loss. DataLoss then.
        """
        facts = json.loads(identity.read_bytes())
        if KEY_FIELD not in facts:
            make_directory(self.path.parent)
            # Two processes that start at once must not make two keys.
            lock = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                facts = self._named(identity)
            finally:
                os.close(lock)
        self.require(facts[KEY_FIELD])
        return self.secret()

    def _named(self, identity: Path) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(identity.read_bytes())
        if KEY_FIELD in facts:
            return facts
        if not self.path.exists():
            write_file(self.path, os.urandom(KEY_BYTES), mode=0o600)
            log.warning(
                "volume %s is encrypted from now on; its key is %s: back it up, apart from the"
                " volume, for without it the footage is lost", self.volume, self.path,
            )  # fmt: skip
        facts[KEY_FIELD] = key_id(self.secret()).hex()
        write_file(identity, json.dumps(facts, indent=1).encode())
        return facts

    def _unusable(self, error: str) -> DataLoss:
        return DataLoss(
            "key {key} of encrypted volume {volume} cannot be used ({error}); restore it from your"
            " backup",
            key=self.path, volume=self.volume, error=error,
        )  # fmt: skip
