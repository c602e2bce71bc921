"""An archive in which everything has happened once, and the secrets that never come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from evidence.redaction_recipe import Recipe
from indexer.indexing import run
from indexer.succession import ensure_generation
from search import marking
from search.engine import engine_of
from search.kept_runs import find
from search.query import Part, Query
from search.runs import ask
from search.standing_register import Wanted, add
from storage import cases, standing_firings, standing_queries
from storage.clock import US
from storage.login_sessions import open_session
from storage.people import find_user
from storage.register import add_camera
from storage.source_url import split_url
from storage.vocabulary import Actor, Span
from tests.search.receiver import with_webhooks
from tests.web.desk import NOW_US, Desk, Person
from tests.web.footage import START_US
from web import sessions
from web.exporting import runner
from web.exports import job_of
from web.redactions import redactions as copies_of

CAMERA_USER, CAMERA_PASSWORD = "leakuser7731", "leak:word@7731"
WEBHOOK_PATH = "leakhook7731"
OTHERS_WORDS = "leakquestion7731"  # what omar asked, of no case
# What no answer, log line or bundle may hold, whoever asks.
SECRETS = (
    CAMERA_USER,
    CAMERA_PASSWORD,
    "leak%3Aword%407731",
    "word%407731",
    "word@7731",
    WEBHOOK_PATH,
)
CASE, STANDING = "A-1", "flood"


@dataclass
class LivedIn:
    """The application over it, and the names by which its things are asked for."""

    desk: Desk
    token: str  # a search of ines's
    others: str  # one of omar's
    frame: str
    redaction: str  # a redacted copy of ines's
    export: str  # one of ines's, made to its end

    @property
    def known(self) -> dict[str, list[str]]:
        """Name of a parameter → values that lead somewhere."""
        segment = self.desk.segments[0]
        return {
            "camera": ["gate", "locked"], "case": [CASE], "name": [STANDING],
            "token": [self.token, self.others], "then": [self.token, self.others],
            "frame": [self.frame], "segment": [segment.id], "at_us": [str(segment.start_us)],
            "number": ["1"], "filename": ["css/tokens.css"], "redaction": [self.redaction],
            "zone": ["1"], "job_id": [self.export], "user": ["omar"], "grant": ["1"],
            "zoom": ["0"], "x": ["0"], "y": ["0"],
            "start": [str(START_US)], "until": [str(NOW_US + US)], "end": [str(START_US + US)],
        }  # fmt: skip

    def seat(self, name: str) -> Person:
        """Somebody known, at a browser of their own; without the slow check of a password."""
        with self.desk.directory.ledger.write() as tx:
            token = open_session(tx, find_user(tx, name), "192.0.2.7", NOW_US, 12)
        client = self.desk.app.test_client()
        client.set_cookie(sessions.COOKIE, token)
        return Person(client)


def live_in(archive: Desk) -> LivedIn:
    """`archive` (tests.web.conftest), with a locked camera, a case, searches, a firing."""
    directory = archive.directory
    archive.person("ines")
    archive.person("omar")
    # As somebody types it: the password must be gone before anything is kept.
    typed = f"rtsp://{CAMERA_USER}:{quote(CAMERA_PASSWORD, safe='')}@192.0.2.9/live"
    url, credentials = split_url(typed)
    with directory.ledger.write() as tx:
        archive.cameras["locked"] = add_camera(
            tx, name="locked", url=url, created_us=NOW_US, site="North/Yard",
            credentials=credentials, vault=directory.vault(),
        )  # fmt: skip
        cases.open_case(tx, CASE, "storm", "ines", NOW_US)
    with_webhooks(directory, duty=f"https://duty.example/{WEBHOOK_PATH}")
    run(directory, ensure_generation(directory, None))
    engine = engine_of(directory)
    ines, omar = Actor("ines", CASE, "storm"), Actor("omar")
    asked = ask(engine, Query(parts=(Part(text="a red car"),), case_id=CASE, reason="storm"), ines)
    others = ask(engine, Query(parts=(Part(text=OTHERS_WORDS),)), omar)
    frame = str(asked.document["moments"][0]["best"]["frame"])
    kept = find(directory, asked.token)
    marking.mark(directory, kept, [(marking.with_frame(kept, frame), True)], ines)
    flood = Query(parts=(Part(text="water on the road"),), case_id=CASE, reason="storm")
    add(directory, Wanted(STANDING, flood, NOW_US + 864_000 * US, None, None, "duty"), ines)
    segment = archive.segments[0]
    with directory.ledger.write() as tx:
        standing_firings.add(
            tx, standing_id=standing_queries.find(tx, STANDING).id, at_us=NOW_US,
            camera_id=segment.camera_id, segment_id=segment.id, frame_id=2**62 + 1,
            start_us=segment.start_us, end_us=segment.end_us, ts_us=segment.start_us, score=0.9,
            model="nano", generation=1, delivery="waiting",
        )  # fmt: skip
    copy = copies_of(archive.app).begin(
        archive.cameras["gate"], Span(segment.start_us, segment.end_us), Recipe(), False, ines
    )
    return LivedIn(archive, asked.token, others.token, frame, copy.key, _exported(archive, ines))


def _exported(archive: Desk, who: Actor) -> str:
    """The id of an export that is done."""
    gate, segment = archive.cameras["gate"], archive.segments[0]
    with archive.directory.ledger.read() as tx:
        job = job_of(tx, archive.directory, [gate], segment.start_us, segment.end_us, who)
    runner(archive.app).submit(job, [gate.id])
    assert runner(archive.app).wait(job.id, 60).state == "done"
    return job.id
