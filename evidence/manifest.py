"""The documents of a bundle as plain data: manifest.json, gaps.json, custody.json."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import av

from evidence.absences import Absence
from evidence.bagging import CERTIFICATE, FINGERPRINT, SIGNATURE, STAMP, TAGS
from evidence.clock_statement import corrected_times, correction_document
from evidence.content_credentials import ROOT, Credentials
from evidence.documents import Rows
from evidence.plan import CameraPlan, OutsideLink, Plan
from evidence.playable import NotPlayable, Playable, Source
from evidence.signing import Signer
from storage.audit import AuditRow
from storage.clock import US, optional_rfc3339, rfc3339
from storage.clocks import Correction
from storage.timeline import total_us
from storage.vocabulary import Actor, Camera, Case, Segment, Span

FORMAT, VERSION = "hindsight-bundle", 1
RECIPE = (
    "stream copy, nothing re-encoded, from the last keyframe at or before the start to the first"
    " packet at or after the end; fragmented MP4; its clock is the wall clock"
)


@dataclass(frozen=True, slots=True)
class Heading:
    """Who made the bundle, when, for what."""

    export: str  # ULID, also in the audit rows
    made_us: int
    actor: Actor
    case: Case | None
    signer: Signer
    credentials: Credentials | None  # put into playable copies
    search: Mapping[str, Any] | None = None  # what found the footage, if a search did


@dataclass(frozen=True, slots=True)
class Timestamp:
    """What an authority was asked for, and whether it gave it."""

    authority: str
    made: bool
    detail: str | None  # why there is none

    def document(self) -> dict[str, Any]:
        """As JSON."""
        over = {"over": TAGS, "file": STAMP} if self.made else {}
        return {"authority": self.authority, "made": self.made, "detail": self.detail, **over}


@dataclass(frozen=True, slots=True)
class Part:
    """One camera as it lies in the bundle."""

    plan: CameraPlan
    sources: tuple[Source, ...]  # the originals, copied and measured, by start
    playable: tuple[Playable, ...]
    not_playable: tuple[NotPlayable, ...]

    @property
    def camera(self) -> Camera:
        """The register's entry."""
        return self.plan.camera


def manifest(
    heading: Heading, plan: Plan, parts: Sequence[Part], timestamp: Timestamp | None
) -> dict[str, Any]:
    """What is in the bundle, and what it is."""
    case = heading.case
    return {
        "format": FORMAT,
        "version": VERSION,
        "export": heading.export,
        "made": rfc3339(heading.made_us),
        "made_by": heading.actor.name,
        "case": None if case is None else {"id": case.id, "reason": case.reason},
        "reason": heading.actor.reason,
        "requested": _span(plan.asked),
        "search": None if heading.search is None else dict(heading.search),
        "tool": {
            "name": "hindsight",
            "version": version("hindsight-archive"),
            "python": platform.python_version(),
            "pyav": version("av"),
            "ffmpeg": av.ffmpeg_version_info,
            "bagit": version("bagit"),
            "cryptography": version("cryptography"),
        },
        "signature": {
            "algorithm": "Ed25519",
            "over": FINGERPRINT,
            "file": SIGNATURE,
            "certificate": CERTIFICATE,
            **heading.signer.document(),
        },
        "timestamp": None if timestamp is None else timestamp.document(),
        "content_credentials": (
            None
            if heading.credentials is None
            else {"root": f"data/{ROOT}", "root_sha256": heading.credentials.root_sha256}
        ),
        "cameras": [_camera(part, plan.asked) for part in parts],
    }


def gaps(plan: Plan) -> Rows:
    """Every span of the request without footage, by camera and time."""
    lost = [absence for part in plan.cameras for absence in part.absences]
    return Rows(len(lost), lambda i: gap_document(lost[i]))


def gap_document(absence: Absence) -> dict[str, Any]:
    """An absence as the interface's JSON for gaps, and more."""
    return {
        "camera": absence.camera,
        **_span(Span(absence.start_us, absence.end_us)),
        "cause": absence.cause,
        "detail": absence.detail,
    }


def custody(rows: Iterable[AuditRow]) -> dict[str, Any]:
    """Audit rows as the ledger hashes them, each with its time in words; read once, as written."""
    return {
        "hash": "SHA-256 of the row without 'hash' and 'time', as JSON with sorted keys and"
        " no blanks, in UTF-8; prev_hash is the hash of the row numbered one less",
        "rows": ({"time": rfc3339(row.ts_us), **asdict(row)} for row in rows),
    }


def _camera(part: Part, asked: Span) -> dict[str, Any]:
    camera, covered = part.camera, part.plan.covered(asked)
    clocks = Counter((s.segment.clock_source.value, s.segment.clock_error_us) for s in part.sources)
    return {
        "camera": camera.slug,
        "name": camera.name,
        "site": camera.site,
        "site_class": camera.site_class,
        "gb_code": camera.gb_code,
        "department": camera.department,
        "vendor": camera.vendor,
        "address": camera.address,
        "lon": camera.lon,
        "lat": camera.lat,
        "view_deg": camera.view_deg,
        "tz": camera.tz,
        "recorded_s": total_us(covered) / US,
        "gap_s": (asked.duration_us - total_us(covered)) / US,
        "measured_s": total_us(measured_spans(part, asked)) / US,
        "clock": [
            {"source": source, "error_s": error_us / US, "segments": count}
            for (source, error_us), count in sorted(clocks.items())
        ],
        "clock_corrections": [correction_document(one) for one in part.plan.corrections],
        "segments": Rows(
            len(part.sources), lambda i: _segment(part.sources[i], part.plan.corrections)
        ),
        "chain": {"outside": [_outside(link) for link in part.plan.outside]},
        "playable": [_playable(one) for one in part.playable],
        "not_playable": [_not_playable(one) for one in part.not_playable],
    }


def measured_spans(part: Part, asked: Span) -> list[Span]:
    """What the pictures in the copied files cover of the request."""
    spans = []
    for source in part.sources:
        start_us = source.segment.start_us
        end_us = min(start_us + source.measured.duration_us, asked.end_us)
        spans.append(Span(max(start_us, asked.start_us), end_us))
    return spans


def _segment(source: Source, corrections: Sequence[Correction]) -> dict[str, Any]:
    segment = source.segment
    return {
        "id": segment.id,
        "file": f"data/originals/{segment.camera}/{source.path.name}",
        "sha256": segment.sha256,
        "size_bytes": segment.size_bytes,
        **_span(Span(segment.start_us, segment.end_us)),
        "measured_s": source.measured.duration_us / US,
        "pictures": source.measured.pictures,
        "container": segment.container,
        "codec": segment.codec,
        "width": segment.width,
        "height": segment.height,
        "fps": segment.fps,
        "audio_codec": segment.audio_codec,
        "clock": {"source": segment.clock_source.value, "error_s": segment.clock_error_us / US},
        "corrected": corrected_times(segment, corrections),
        "recovered": segment.recovered,
        "origin": segment.origin,
        "original_name": segment.original_name,
        "note": segment.note,
        "prev_sha256": segment.prev_sha256,
        "first_pts": segment.first_pts,
        "time_base": segment.time_base,
        "closed": rfc3339(segment.created_us),
        "archive": {"volume": segment.volume, "path": segment.path},
    }


def _outside(link: OutsideLink) -> dict[str, Any]:
    return {
        "sha256": link.sha256,
        "segment": link.segment,
        "start": optional_rfc3339(link.start_us),
        "end": optional_rfc3339(link.end_us),
        "state": link.state,
    }


def _playable(one: Playable) -> dict[str, Any]:
    return {
        "file": f"data/playable/{one.path.name}",
        "sha256": one.sha256,
        "size_bytes": one.size_bytes,
        **_span(one.span),
        "derivative": True,
        "recipe": RECIPE,
        "originals": _originals(one.originals),
        "held_pictures": [_span(span) for span in one.held],
        "audio": one.audio,
        "audio_left_out": one.audio_left_out,
        "content_credentials": one.credentials,
    }


def _not_playable(one: NotPlayable) -> dict[str, Any]:
    return {
        "reason": one.reason, "detail": one.detail, "originals": _originals(one.originals)
    }  # fmt: skip


def _originals(of: Sequence[Segment]) -> Rows:
    return Rows(len(of), lambda i: {"id": of[i].id, "sha256": of[i].sha256})


def _span(span: Span) -> dict[str, Any]:
    return {
        "start": rfc3339(span.start_us),
        "end": rfc3339(span.end_us),
        "duration_s": span.duration_us / US,
    }
