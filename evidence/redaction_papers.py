"""What lies beside a redacted copy: what it is, its hashes, and who signed them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evidence.absences import Absence
from evidence.clock_statement import corrected_times
from evidence.plan import CameraPlan
from evidence.redaction_film import CODEC, OPTIONS, Film
from evidence.redaction_recipe import Recipe
from evidence.redaction_trails import Trail
from evidence.signing import Signer
from storage.clock import US, rfc3339
from storage.durable import sha256_file
from storage.vocabulary import Actor, Case, Segment, Span
from storage.zones import Zone

FORMAT = "hindsight-redaction/1"
DOCUMENT, SUMS, SIGNATURE = "redaction.json", "sha256.txt", "sha256.txt.sig"
CERTIFICATE, HOW = "certificate.pem", "CHECK.txt"
CHECK = """\
This is a redacted copy, not the recording: parts of it were hidden for good, and it was encoded
anew. redaction.json names the originals by their SHA-256, and the recipe.
To check that nothing was changed since it was made, in this folder:
  sha256sum -c sha256.txt
To check who signed the list (compare the certificate's SHA-256 with the one you were told):
  openssl x509 -in certificate.pem -noout -subject -fingerprint -sha256
  openssl x509 -in certificate.pem -pubkey -noout > key.pem
  openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in sha256.txt -sigfile sha256.txt.sig
Or: hindsight verify THIS-FOLDER

这是遮挡副本，不是原始录像：其中部分内容已被永久遮挡，并经重新编码。
redaction.json 以 SHA-256 指明原始录像，并载有遮挡方案。
核对自制作以来未被改动，在本文件夹内执行：
  sha256sum -c sha256.txt
核对清单由谁签署（请将证书的 SHA-256 与另行告知您的核对）：
  openssl x509 -in certificate.pem -noout -subject -fingerprint -sha256
  openssl x509 -in certificate.pem -pubkey -noout > key.pem
  openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in sha256.txt -sigfile sha256.txt.sig
或执行：hindsight verify 本文件夹
"""


@dataclass(frozen=True, slots=True)
class Papers:
    """All that is said of a copy."""

    redaction: str
    made_us: int
    actor: Actor
    case: Case | None
    plan: CameraPlan
    asked: Span
    recipe: Recipe
    trails: tuple[Trail, ...]
    zones: Mapping[str, Sequence[Zone]]
    film: Film
    measured_us: int
    burn_time: bool
    signer: Signer


def write_papers(folder: Path, papers: Papers) -> tuple[dict[str, Any], str]:
    """Write document, instructions, certificate, sums and signature beside the film.

    Returns the document and the SHA-256 of the MP4.
    """
    document = _document(papers)
    (folder / DOCUMENT).write_text(
        json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    (folder / HOW).write_text(CHECK, encoding="utf-8")
    (folder / CERTIFICATE).write_text(papers.signer.pem, encoding="ascii")
    names = sorted(path.name for path in folder.iterdir())
    sums = "".join(f"{sha256_file(folder / name)}  {name}\n" for name in names)
    (folder / SUMS).write_text(sums, encoding="utf-8")
    (folder / SIGNATURE).write_bytes(papers.signer.key.sign(sums.encode()))
    return document, document["file"]["sha256"]


def _document(papers: Papers) -> dict[str, Any]:
    film, camera = papers.film, papers.plan.camera
    return {
        "format": FORMAT,
        "redaction": papers.redaction,
        "made": rfc3339(papers.made_us),
        "made_by": papers.actor.name,
        "case": None if papers.case is None else papers.case.id,
        "reason": papers.actor.reason,
        "signed_by": papers.signer.document(),
        "tool": {
            "version": version("hindsight-archive"),
            "python": platform.python_version(),
            "pyav": version("av"),
            "opencv": version("opencv-python-headless"),
            "encoder": {"name": CODEC, **OPTIONS},
        },
        "camera": {"name": camera.name, "slug": camera.slug, "tz": camera.tz},
        "requested": _span(papers.asked),
        "file": {
            "name": film.path.name,
            "size_bytes": film.path.stat().st_size,
            "sha256": sha256_file(film.path),
            "start": rfc3339(papers.asked.start_us),  # of its first picture, on the wall clock
            "measured_s": papers.measured_us / US,
            "pictures": film.pictures,
            "width": film.size[0],
            "height": film.size[1],
            "time_burnt_in": papers.burn_time,
            "sound": "left out",
        },
        "recipe": papers.recipe.document(),
        "recipe_sha256": papers.recipe.sha256,
        "subjects": [_subject(trail) for trail in papers.trails],
        "privacy_zones": _zones(papers.zones),
        "originals": [_original(segment, papers.plan) for segment in papers.plan.segments],
        "gaps": [_gap(absence) for absence in papers.plan.absences],
    }


def _subject(trail: Trail) -> dict[str, Any]:
    return {
        "pictures": sum(rect is not None for rect in trail.rects.values()),
        "tracked": trail.subject.track,
        "unsure": [_span(span) for span in trail.unsure],
    }


def _zones(zones: Mapping[str, Sequence[Zone]]) -> list[dict[str, Any]]:
    """Their shapes alone: names and reasons tell of people who are to be left in peace."""
    every = {zone.id: zone for each in zones.values() for zone in each}
    return [
        {"points": [list(point) for point in zone.points],
         "segments": [key for key, each in zones.items() if zone in each]}
        for zone in every.values()
    ]  # fmt: skip


def _original(segment: Segment, plan: CameraPlan) -> dict[str, Any]:
    return {
        "segment": segment.id,
        "sha256": segment.sha256,
        "size_bytes": segment.size_bytes,
        **_span(Span(segment.start_us, segment.end_us)),
        "clock": {
            "source": segment.clock_source.value,
            "error_s": segment.clock_error_us / US,
            "corrected": corrected_times(segment, plan.corrections),
        },
    }


def _gap(absence: Absence) -> dict[str, Any]:
    """Without its detail, which may name addresses of the house."""
    return {**_span(Span(absence.start_us, absence.end_us)), "cause": absence.cause}


def _span(span: Span) -> dict[str, Any]:
    return {
        "start": rfc3339(span.start_us),
        "end": rfc3339(span.end_us),
        "duration_s": span.duration_us / US,
    }
