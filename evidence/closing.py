"""Closes a bundle: writes its documents, makes it a bag, has it stamped, and signs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evidence import manifest
from evidence.bagging import CERTIFICATE, TAGS, make_bag, sign_bag, unmake_bag
from evidence.manifest import Heading, Part, Timestamp
from evidence.papers import add_papers
from evidence.plan import Plan
from evidence.proofs import proofs
from evidence.stamping import NoStamp, stamp
from storage import audit
from storage.clock import rfc3339, to_datetime
from storage.directory import DataDirectory
from storage.errors import Unavailable

MEDIA = ("originals", "playable")  # that stay when the documents are written anew
PAGES = ("VERIFY-en.txt", "VERIFY-zh.txt")


def close_bag(
    directory: DataDirectory, bag: Path, heading: Heading, plan: Plan, parts: Sequence[Part],
    rows: Sequence[audit.AuditRow],
) -> tuple[str, Timestamp | None]:  # fmt: skip
    """Turn the folder with the media into the whole, signed bag; returns its fingerprint.

    Unavailable when the settings demand a time stamp and there is none. The manifest says whether
    there is one and cannot know before the end: without an answer it is all written once more.
    """
    settings = directory.settings.evidence
    timestamp = Timestamp(settings.tsa_url, True, None) if settings.tsa_url else None
    while True:
        _write_documents(directory, bag, heading, plan, parts, rows, timestamp)
        fingerprint = make_bag(bag, _bag_info(heading, plan), _beside(heading, timestamp))
        given: bytes | None = None
        if timestamp is not None and timestamp.made:
            try:
                given = stamp(directory, (bag / TAGS).read_bytes())
            except NoStamp as error:
                timestamp = Timestamp(timestamp.authority, False, str(error))
                if settings.tsa_required:
                    raise Unavailable(
                        "the authority {url} gave no time stamp ({error}); nothing was exported, as"
                        " [evidence] tsa_required demands one. Try again",
                        url=timestamp.authority, error=error,
                    ) from None  # fmt: skip
                unmake_bag(bag, MEDIA)
                continue
        sign_bag(bag, fingerprint, given, heading.signer)
        return fingerprint, timestamp


def _write_documents(
    directory: DataDirectory, bag: Path, heading: Heading, plan: Plan, parts: Sequence[Part],
    rows: Sequence[audit.AuditRow], timestamp: Timestamp | None,
) -> None:  # fmt: skip
    documents: dict[str, Any] = {
        "manifest.json": manifest.manifest(heading, plan, parts, timestamp),
        "gaps.json": manifest.gaps(plan),
        "custody.json": manifest.custody(rows),
    }
    with directory.ledger.read() as tx:
        documents["proofs.json"] = proofs(directory, tx, plan)
    add_papers(bag, plan.asked, parts, documents)
    for name, document in documents.items():
        with (bag / name).open("w", encoding="utf-8") as target:
            json.dump(document, target, ensure_ascii=False, indent=1)  # a week's are many megabytes
            target.write("\n")


def _bag_info(heading: Heading, plan: Plan) -> dict[str, str]:
    slugs = ", ".join(part.camera.slug for part in plan.cameras)
    start, end = rfc3339(plan.asked.start_us), rfc3339(plan.asked.end_us)
    return {
        "External-Identifier": heading.export,
        "External-Description": f"Footage of {slugs} from {start} to {end}",
        "Bagging-Date": f"{to_datetime(heading.made_us):%Y-%m-%d}",
        "Bag-Software-Agent": f"hindsight {version('hindsight-archive')}, bagit {version('bagit')}",
    }


def _beside(heading: Heading, timestamp: Timestamp | None) -> dict[str, str]:
    """What lies next to the payload: the certificate, and pages on how to check it all by hand."""
    texts = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
        autoescape=False,  # plain text
    )  # fmt: skip
    fields = {
        "subject": heading.signer.subject,
        "certificate": heading.signer.sha256,
        "authority": timestamp.authority if timestamp and timestamp.made else None,
    }
    pages = {name: texts.get_template(name).render(fields) for name in PAGES}
    return {CERTIFICATE: heading.signer.pem, **pages}
