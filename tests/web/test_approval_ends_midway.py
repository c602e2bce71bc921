"""What a second person approved ends while it is used: nothing goes on, nothing half is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert

from evidence.export import export
from storage import schema
from storage.access import access_of
from storage.approvals import give_approval, request_approval, revoke_approval
from storage.approvals_needed import ApprovalNeeded
from storage.cases import close_case, open_case
from storage.clock import US, rfc3339
from storage.errors import Conflict, HindsightError
from storage.register import camera_by_id, set_camera
from storage.rights import Verb
from storage.settings import AccessSettings
from storage.vocabulary import Actor, Role, Span
from tests.web.desk import Desk, Person
from tests.web.footage import START_US

SETTINGS = AccessSettings()
SPAN = Span(START_US, START_US + 3 * US)
INES, MAJA = Actor("ines", "A-1", "thefts"), Actor("maja")
CASES = ("A-1", "A-2", "A-3")  # one for each end


@pytest.fixture
def people(archive: Desk) -> Person:
    """Ines, who looks, Maja, who approves, and a sensitive camera."""
    ines = archive.person()
    with archive.directory.ledger.write() as tx:
        values = {"name": "maja", "password_hash": "none", "role": Role.ADMINISTRATOR.value}
        tx.execute(insert(schema.user).values(**values, created_us=1))  # nobody logs in as Maja
        for case in CASES:
            open_case(tx, case, "thefts", "ines", archive.clock.now)
        set_camera(tx, archive.cameras["gate"], sensitive=True)
    return ines


def approved(
    desk: Desk, verb: Verb, span: Span | None, minutes: int = 60, case: str = "A-1"
) -> int:  # fmt: skip
    with desk.directory.ledger.write() as tx:
        now_us = desk.clock.now
        one = request_approval(
            tx, SETTINGS, access_of(tx, "ines", now_us), INES.under(case, "thefts"), verbs={verb},
            cameras=[camera_by_id(tx, desk.cameras["gate"].id)], span=span,
        )  # fmt: skip
        give_approval(
            tx, SETTINGS, access_of(tx, "maja", now_us), MAJA, one.id, reason="agreed",
            until_us=now_us + minutes * 60 * US,
        )  # fmt: skip
        return one.id


def revoke(desk: Desk, number: int, _case: str) -> None:
    with desk.directory.ledger.write() as tx:
        access = access_of(tx, "maja", desk.clock.now)
        revoke_approval(tx, access, MAJA, number, reason="enough")


def close(desk: Desk, _number: int, case: str) -> None:
    with desk.directory.ledger.write() as tx:
        close_case(tx, case, desk.clock.now)


def wait(desk: Desk, _number: int, _case: str) -> None:
    desk.clock.now += 30 * 60 * US


ENDS: list[tuple[str, Callable[[Desk, int, str], None], type[HindsightError]]] = [
    ("A-1", revoke, ApprovalNeeded), ("A-2", close, Conflict), ("A-3", wait, ApprovalNeeded),
]  # fmt: skip


def exported(
    desk: Desk, out: Path, midway: Callable[[], None], span: Span = SPAN, case: str = "A-1"
) -> None:  # fmt: skip
    seen: list[int] = []

    def progress(done: int, _total: int) -> None:
        if done and not seen:
            seen.append(done)
            midway()

    export(
        desk.directory, cameras=[desk.cameras["gate"]], from_us=span.start_us,
        to_us=span.end_us, out=out, actor=INES.under(case, "thefts"), progress=progress,
    )  # fmt: skip


def test_an_export_names_the_approval_it_rests_on(
    archive: Desk, people: Person, tmp_path: Path
) -> None:
    number = approved(archive, Verb.EXPORT, SPAN)
    exported(archive, tmp_path / "bundle.zip", lambda: None)
    for action in ("export", "export.sealed"):
        (row,) = archive.audited(action)
        assert json.loads(row.detail)["approvals"] == [number], action
    with pytest.raises(ApprovalNeeded):
        exported(
            archive, tmp_path / "more.zip", lambda: None, Span(SPAN.start_us, SPAN.end_us + 1)
        )  # fmt: skip
    assert len(archive.audited("export")) == 1


def test_an_export_whose_approval_ends_midway_publishes_nothing(
    archive: Desk, people: Person, tmp_path: Path
) -> None:
    for case, end, kind in ENDS:
        number = approved(archive, Verb.EXPORT, SPAN, minutes=30, case=case)
        with pytest.raises(kind):
            exported(
                archive, tmp_path / "bundle.zip", partial(end, archive, number, case), case=case
            )  # fmt: skip
        assert list(tmp_path.glob("*bundle*")) == []
    assert len(archive.audited("export")) == len(ENDS)
    assert not archive.audited("export.sealed")


def test_an_export_of_a_camera_that_becomes_sensitive_midway_publishes_nothing(
    archive: Desk, people: Person, tmp_path: Path
) -> None:
    gate = archive.cameras["gate"]
    with archive.directory.ledger.write() as tx:
        archive.cameras["gate"] = set_camera(tx, gate, sensitive=False)

    def midway() -> None:
        with archive.directory.ledger.write() as tx:
            set_camera(tx, gate, sensitive=True)

    with pytest.raises(ApprovalNeeded):
        exported(archive, tmp_path / "bundle.zip", midway)
    assert list(tmp_path.glob("*bundle*")) == []


def test_addresses_signed_before_end_with_the_approval(archive: Desk, people: Person) -> None:
    for case, end, kind in ENDS:
        number = approved(archive, Verb.PLAY, None, minutes=30, case=case)
        opened = people.opening(case=case, reason="thefts")
        lines = people.get(opened["playlist"]).text.splitlines()
        media = next(line for line in lines if line.startswith("/media/"))
        still = opened["segments"][0]["still"] + f"&at={START_US}"
        for address in (opened["playlist"], media, still):
            assert people.get(address).status_code == 200  # also into every cache
        look = archive.audited("play")[-1]
        assert json.loads(look.detail)["approvals"] == [number]
        end(archive, number, case)
        for address in (opened["playlist"], media, still):
            assert people.get(address).status_code == kind.http_status, address


def test_the_player_stops_where_what_is_approved_ends(archive: Desk, people: Person) -> None:
    first, second, third = archive.segments
    approved(archive, Verb.PLAY, Span(first.start_us, second.start_us))
    opened = people.opening(case="A-1", reason="thefts")
    assert [one["id"] for one in opened["segments"]] == [first.id]
    assert opened["holes"] == []
    assert opened["after_us"] == second.start_us
    for row in (second, third):
        address = f"/media/gate/opening.json?at={row.start_us}&case=A-1&reason=thefts"
        assert people.get(address).status_code == 403, address
    whole = {"from": rfc3339(first.start_us), "to": rfc3339(third.end_us)}
    asked = {**whole, "case": "A-1", "reason": "thefts"}
    assert people.get("/media/gate/playlist.m3u8", query_string=asked).status_code == 403
