"""Bringing seals back into a ledger that lacks them, and sealed rows as they were sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, insert, select

from storage import schema
from storage.directory import DataDirectory
from storage.errors import DataLoss, HindsightError, Invalid
from storage.findings import Finding
from storage.i18n import N_
from storage.register import add_camera, cameras, slug_of
from storage.seal_copies import read_copy
from storage.seal_places import SEALS, cameras_on, copy_path, numbers_on
from storage.seals import Seal, leaf_of, seal_values
from storage.vocabulary import Segment
from storage.volumes import Volume

_SEGMENT = TypeAdapter(Segment)
_leaf = schema.seal_leaf.c


@dataclass(slots=True)
class Restored:
    """What came back, and what could not."""

    seals: list[Seal] = field(default_factory=list)
    cameras: list[str] = field(default_factory=list)  # registered anew, by slug
    findings: list[Finding] = field(default_factory=list)


def restore_seals(directory: DataDirectory, volumes: Mapping[str, Volume]) -> Restored:
    """Enter every seal whose whole copy lies on a volume and which the ledger lacks."""
    result = Restored()
    with directory.exclusive("seal"):
        for volume in volumes.values():
            try:
                places = [(c, n) for c in cameras_on(volume) for n in sorted(numbers_on(volume, c))]
            except OSError as error:
                result.findings.append(
                    Finding(13, N_("{path} cannot be read: {error}; it was left alone"),
                            {"path": SEALS, "error": error.strerror or error}, volume=volume.name)
                )  # fmt: skip
                continue
            for slug, number in places:
                try:
                    _restore(directory, volume, slug, number, result)
                except HindsightError as error:
                    result.findings.append(
                        Finding(13, error.message, error.fields, loss=False, volume=volume.name,
                                path=copy_path(slug, number))
                    )  # fmt: skip
    return result


def _restore(
    directory: DataDirectory, volume: Volume, slug: str, number: int, result: Restored
) -> None:
    with directory.ledger.read() as tx:
        camera = next((c for c in cameras(tx) if c.slug == slug), None)
        if camera is not None and _is_there(tx, camera.id, number):
            return
    copy = read_copy(volume.root / copy_path(slug, number))
    if slug_of(slug) != slug:
        raise DataLoss("{path} names no camera; it was left alone", path=copy_path(slug, number))
    with directory.ledger.write() as tx:
        if camera is None:
            # Disabled: nobody said that it should record, or where from.
            camera = add_camera(
                tx, name=slug, url=None, enabled=False, created_us=directory.clock.now_us()
            )
            result.cameras.append(slug)
        ids = [facts["id"] for facts in copy.facts]
        for start in range(0, len(ids), 1000):
            query = select(_leaf.segment_id).where(_leaf.segment_id.in_(ids[start : start + 1000]))
            if (taken := tx.execute(query.limit(1)).scalar()) is not None:
                raise Invalid(
                    "segment {segment} of {path} is under another seal already; the copy was left"
                    " alone",
                    segment=taken, path=copy_path(slug, number),
                )  # fmt: skip
        seal = replace(copy.seal, camera_id=camera.id)
        seal = replace(seal, id=enter_seal(tx, seal, [(f["id"], leaf_of(f)) for f in copy.facts]))
    result.seals.append(seal)


def enter_seal(tx: Connection, seal: Seal, leaves: list[tuple[str, str]]) -> int:
    """Insert a seal and its (segment id, leaf); returns its id."""
    seal_id: int = tx.execute(
        insert(schema.seal).values(**seal_values(seal)).returning(schema.seal.c.id)
    ).scalar_one()
    tx.execute(
        insert(schema.seal_leaf),
        [{"segment_id": key, "seal_id": seal_id, "leaf": leaf} for key, leaf in leaves],
    )
    return seal_id


def _is_there(tx: Connection, camera_id: int, number: int) -> bool:
    s = schema.seal.c
    return (
        tx.execute(select(s.id).where(s.camera_id == camera_id, s.number == number)).first()
        is not None
    )


class SealedRows:
    """Rows as they were sealed: what no media file can know to the microsecond, its seal does."""

    def __init__(self, volumes: Mapping[str, Volume]) -> None:
        self._volumes = volumes
        self._read: tuple[int, dict[str, Mapping[str, Any]]] = (0, {})  # of the last seal asked

    def as_sealed(self, tx: Connection, measured: Segment) -> Segment:
        """`measured` with the facts under its seal, when they are of these very bytes."""
        query = select(_leaf.seal_id, _leaf.leaf).where(_leaf.segment_id == measured.id)
        found = tx.execute(query).first()
        if found is None or found.leaf == leaf_of(asdict(measured)):
            return measured
        facts = self._facts(tx, found.seal_id).get(measured.id)
        same = ("sha256", "size_bytes", "camera", "origin", "prev_sha256", "start_us")
        if facts is None or leaf_of(facts) != found.leaf:
            return measured
        if any(facts[name] != getattr(measured, name) for name in same):
            return measured  # `check` says that it was changed
        try:
            return _SEGMENT.validate_python(asdict(measured) | dict(facts))
        except ValueError:
            return measured

    def _facts(self, tx: Connection, seal_id: int) -> dict[str, Mapping[str, Any]]:
        if self._read[0] != seal_id:
            s, c = schema.seal.c, schema.camera.c
            seal = tx.execute(
                select(c.slug, s.number, s.hash)
                .join(schema.camera, c.id == s.camera_id)
                .where(s.id == seal_id)
            ).one()
            self._read = (seal_id, {})
            for volume in self._volumes.values():
                try:
                    copy = read_copy(volume.root / copy_path(seal.slug, seal.number))
                except DataLoss:
                    continue
                if copy.seal.hash == seal.hash:
                    self._read = (seal_id, {facts["id"]: facts for facts in copy.facts})
                    break
        return self._read[1]
