"""The narrow door: what may be read is asked when it is read; and no room goes around it."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from storage.cases import close_case, open_case
from storage.errors import Conflict, Denied, HindsightError, NotFound
from storage.grants import Place, add_grant, revoke_grant
from storage.people import add_user, find_user, set_user
from storage.reading import footage, footage_of_all
from storage.rights import Verb
from storage.segments import expire
from storage.settings import SearchSettings
from storage.vocabulary import Actor, Role, Segment
from tests.storage.media import START_US, House

ROOT = Path(__file__).parents[2]
INES = Actor("ines")
# Who reads files without asking: programs of whoever owns the data directory, and why they may.
PROGRAMS = {
    "storage/reading.py": "the door itself",
    "storage/volumes.py": "where files lie",
    "storage/rebuild.py": "puts the ledger back",
    "storage/check_media.py": "checks files",
    "storage/scrub.py": "checks files",
    "storage/retention.py": "the one remover",
    "recorder/closing.py": "what it has just written",
    "indexer/reading.py": "the indexer",
    "indexer/deep.py": "the indexer",
    "evidence/originals.py": "the export, which asks for who wants it before and at the end",
    "evidence/redaction.py": "the redacted copy, which asks as an export does",
    "evidence/redaction_pictures.py": "the redacted copy and its frames to draw on; the same",
    "web/demo.py": "`hindsight demo`, at the command line",
}
RAW = {"media", "segment_file", "lying"}


@pytest.fixture
def kept(house: House) -> Segment:
    """Footage, an investigator who may play it for an hour, and an administrator."""
    row = house.segment("gate")
    house.clock.now = START_US + 10_000_000
    with house.ledger.write() as tx:
        user = add_user(
            tx, "ines", "correct horse battery", Role.INVESTIGATOR, created_us=1, must_change=False
        )
        add_grant(
            tx, user=user, verbs={Verb.PLAY}, place=Place(site=""), from_us=START_US,
            until_us=START_US + 3_600_000_000, purpose="thefts", made_by="admin",
            at_us=START_US,
        )  # fmt: skip
    return row


def read(house: House, row: Segment, who: Actor = INES, *verbs: Verb) -> bytes:
    with footage(house.directory, row.id, who, *(verbs or (Verb.PLAY,))).media.open() as file:
        return file.read(8)


def refused(house: House, row: Segment, who: Actor = INES) -> HindsightError:
    with pytest.raises(HindsightError) as error:
        read(house, row, who)
    return error.value


def test_what_is_granted_is_read(house: House, kept: Segment) -> None:
    assert read(house, kept)[4:8] == b"ftyp"
    assert read(house, kept, INES, Verb.SEARCH, Verb.PLAY)  # one of them is enough
    with pytest.raises(Denied, match="search"):
        read(house, kept, INES, Verb.SEARCH)
    assert read(house, kept, Actor("admin"))
    assert read(house, kept, Actor("command line (uid 0)"))


def test_reading_ends_when_the_grant_is_revoked(house: House, kept: Segment) -> None:
    read(house, kept)
    with house.ledger.write() as tx:
        revoke_grant(tx, 1, "moved away", "admin", house.clock.now)
    hidden, unknown = refused(house, kept), refused(house, replace(kept, id="01ARZ3NDEKTSV4"))
    assert type(hidden) is type(unknown) is NotFound
    assert str(hidden).replace(kept.id, "it") == str(unknown).replace("01ARZ3NDEKTSV4", "it")


def test_reading_ends_when_the_grant_runs_out(house: House, kept: Segment) -> None:
    house.clock.now = START_US + 3_600_000_000 - 1
    read(house, kept)
    house.clock.now += 1
    assert isinstance(refused(house, kept), NotFound)


def test_reading_ends_when_the_person_is_disabled(house: House, kept: Segment) -> None:
    with house.ledger.write() as tx:
        set_user(tx, find_user(tx, "ines"), enabled=False)
    assert isinstance(refused(house, kept), NotFound)


def test_reading_ends_when_the_case_is_closed(house: House, kept: Segment) -> None:
    with house.ledger.write() as tx:
        open_case(tx, "A-1", "thefts", "ines", house.clock.now)
    for_case = Actor("ines", "A-1", "thefts")
    read(house, kept, for_case)
    with house.ledger.write() as tx:
        close_case(tx, "A-1", house.clock.now)
    assert isinstance(refused(house, kept, for_case), Conflict)
    assert isinstance(refused(house, kept, Actor("admin", "A-1", "r")), Conflict)


def test_a_case_is_asked_for_where_the_settings_say_so(house: House, kept: Segment) -> None:
    strict = SearchSettings(require_case=True)
    object.__setattr__(
        house.directory, "settings", house.directory.settings.model_copy(update={"search": strict})
    )
    assert isinstance(refused(house, kept), Denied)
    assert isinstance(refused(house, kept, Actor("admin")), Denied)


def test_no_room_reads_footage_around_the_door() -> None:
    found = set()
    for room in ("storage", "recorder", "indexer", "search", "evidence", "web"):
        for path in (ROOT / room).rglob("*.py"):
            if "node_modules" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                raw = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                if raw and node.func.attr in RAW:  # type: ignore[attr-defined]
                    found.add(str(path.relative_to(ROOT)))
    assert found <= PROGRAMS.keys(), found - PROGRAMS.keys()


def test_what_refuses_one_refuses_all(house: House, kept: Segment) -> None:
    other, hidden = house.segment("gate", kept.end_us), house.segment("yard")
    with house.ledger.write() as tx:
        revoke_grant(tx, 1, "moved away", "admin", house.clock.now)
        add_grant(
            tx, user=find_user(tx, "ines"), verbs={Verb.PLAY},
            place=Place(camera_id=kept.camera_id), from_us=START_US, until_us=None,
            purpose="thefts", made_by="admin", at_us=START_US,
        )  # fmt: skip
    both = footage_of_all(house.directory, [other.id, kept.id, other.id], INES, Verb.PLAY)
    assert [one.segment.id for one in both] == [other.id, kept.id, other.id]
    assert footage_of_all(house.directory, [], INES, Verb.PLAY) == []
    with pytest.raises(NotFound, match=hidden.id):
        footage_of_all(house.directory, [kept.id, hidden.id], INES, Verb.PLAY)
    with house.ledger.write() as tx:
        expire(tx, [other.id], "class 3", house.clock.now)
    with pytest.raises(NotFound, match="was deleted"):
        footage_of_all(house.directory, [kept.id, other.id], INES, Verb.PLAY)
