"""The part of `check` that looks at the copies of seals on the volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from storage.errors import DataLoss
from storage.findings import Finding, Level
from storage.i18n import N_
from storage.seal_copies import Copy, read_copy
from storage.seal_places import SEALS, cameras_on, copy_path, numbers_on
from storage.seals import Seal, is_signed
from storage.volumes import Volume


def whole_copy(
    volumes: Mapping[str, Volume], seal: Seal, key: Ed25519PublicKey | None
) -> Copy | None:
    """A copy of this seal that is whole, and signed by `key` or as the ledger's seal is."""
    for volume in volumes.values():
        try:
            copy = read_copy(volume.root / copy_path(seal.camera, seal.number))
        except DataLoss:
            continue
        if copy.seal.hash == seal.hash or (key is not None and is_signed(copy.seal, key)):
            return copy
    return None


def listed(volumes: Mapping[str, Volume], camera: str) -> dict[str, set[int] | OSError]:
    """What lies where, by volume: to be asked before the ledger is, for a seal is in the ledger
    before it has a copy."""
    found: dict[str, set[int] | OSError] = {}
    for volume in volumes.values():
        try:
            found[volume.name] = numbers_on(volume, camera)
        except OSError as error:
            found[volume.name] = error
    return found


def check_copies(
    volumes: Mapping[str, Volume], camera: str, sealed: Sequence[Seal], level: Level,
    lay: Mapping[str, set[int] | OSError],
) -> Iterator[Finding]:  # fmt: skip
    """Each volume has a copy of each seal, and of no other. `lay`: what was `listed` before the
    seals were read."""
    by_number = {seal.number: seal for seal in sealed}
    newest = max(by_number, default=0)
    for volume in volumes.values():
        lying = lay[volume.name]
        if isinstance(lying, OSError):
            error = lying
            yield Finding(
                13, N_("{path} cannot be read: {error}; it was left alone"),
                {"path": f"{SEALS}/{camera}", "error": error.strerror or error}, loss=False,
                camera=camera, volume=volume.name,
            )  # fmt: skip
            continue
        missing = sorted(by_number.keys() - lying)
        if missing:  # perhaps of seals made since
            with suppress(OSError):
                missing = sorted(by_number.keys() - numbers_on(volume, camera))
        if missing:
            yield _finding(
                volume, by_number[missing[0]],
                N_("volume {volume} lacks {n} copies of seals of {camera}, the first of seal"
                   " {number}; `hindsight seal` writes them"),
                loss=False, n=len(missing),
            )  # fmt: skip
        for number in sorted(lying):
            seal = by_number.get(number)
            # The newest always: what lay there before it keeps its copy from being written.
            if seal is None or level is Level.HASH or number == newest:
                yield from _copy(volume, camera, number, seal)


def cameras_of(volume: Volume) -> list[str]:
    """Cameras that have copies here; to be asked before the register is."""
    try:
        return cameras_on(volume)
    except OSError:  # said of the first camera whose folder cannot be read
        return []


def _copy(volume: Volume, camera: str, number: int, seal: Seal | None) -> Iterator[Finding]:
    path = copy_path(camera, number)
    try:
        copy = read_copy(volume.root / path)
    except DataLoss as error:
        yield Finding(
            13, error.message, error.fields, loss=False, camera=camera, volume=volume.name,
            path=path,
        )  # fmt: skip
        return
    if seal is None:
        yield _finding(
            volume, copy.seal,
            N_("seal {number} of {camera} lies on volume {volume} and is not in the ledger;"
               " `hindsight rebuild` brings it back"),
        )  # fmt: skip
    elif copy.seal.hash != seal.hash:
        yield _finding(
            volume, seal,
            N_("seal {number} of {camera} is another on volume {volume} than in the ledger: one"
               " of them was replaced"),
        )  # fmt: skip


def _finding(
    volume: Volume, seal: Seal, message: str, *, loss: bool = True, **fields: object
) -> Finding:
    named = {"number": seal.number, "camera": seal.camera, "volume": volume.name}
    return Finding(
        13, message, named | fields, loss, camera=seal.camera, volume=volume.name,
        path=copy_path(seal.camera, seal.number),
    )  # fmt: skip
