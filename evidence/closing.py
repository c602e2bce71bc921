"""Closes a bundle: writes its documents, makes it a bag, has it stamped, and signs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evidence import manifest
from evidence.bagging import CERTIFICATE, TAGS, make_bag, sign_bag, unmake_bag
from evidence.content_credentials import ROOT
from evidence.custody import custody
from evidence.deeds import Deed, note_deed
from evidence.documents import write_json
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
    announced: int,
) -> tuple[str, Timestamp | None]:  # fmt: skip
    """Turn the folder with the media into the whole, signed bag; returns its fingerprint.

    `announced`: number of the audit row of this export, the last that custody tells of.

    Unavailable when the settings demand a time stamp and there is none. The manifest says whether
    there is one and cannot know before the end: without an answer it is all written once more.
    """
    settings = directory.settings.evidence
    timestamp = Timestamp(settings.tsa_url, True, None) if settings.tsa_url else None
    while True:
        _write_documents(directory, bag, heading, plan, parts, announced, timestamp)
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
    announced: int, timestamp: Timestamp | None,
) -> None:  # fmt: skip
    """A week's are many megabytes: none of them stands in memory as a whole."""
    contents, lost = manifest.manifest(heading, plan, parts, timestamp), manifest.gaps(plan)
    deeds: dict[tuple[str, str], Deed] = {}
    with directory.ledger.read() as tx:
        rows = custody(audit.find(tx, audit.Asked(before=announced + 1)), plan)
        write_json(bag / "custody.json", manifest.custody(_noting(rows, deeds)))
    if heading.credentials is not None:
        (bag / ROOT).write_text(heading.credentials.root_pem, encoding="ascii")
    add_papers(bag, plan.asked, parts, contents, lost, deeds)
    with directory.ledger.read() as tx:
        write_json(bag / "proofs.json", proofs(directory, tx, plan))
    write_json(bag / "manifest.json", contents)
    write_json(bag / "gaps.json", lost)


def _noting(
    rows: Iterable[audit.AuditRow], deeds: dict[tuple[str, str], Deed]
) -> Iterator[audit.AuditRow]:
    """The rows as they pass, counted for the report."""
    for row in rows:
        note_deed(deeds, row.action, row.actor, row.ts_us)
        yield row


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
        "root": heading.credentials is not None,
    }
    pages = {name: texts.get_template(name).render(fields) for name in PAGES}
    return {CERTIFICATE: heading.signer.pem, **pages}
