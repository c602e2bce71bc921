"""What was opened ends midway: grants revoked or run out, cases closed, people disabled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from evidence.export import export
from evidence.redaction import require_allowed
from storage.access import access_of
from storage.access_tables import access_grant
from storage.cases import close_case, open_case
from storage.departments import add_department, set_department
from storage.errors import NotFound
from storage.grants import GRANTABLE, Place, add_grant, grants, revoke_grant
from storage.people import find_user, set_user
from storage.register import find_camera, set_camera
from storage.rights import Verb
from storage.vocabulary import Actor, Span
from tests.web.desk import NOW_US, Desk, Person
from tests.web.footage import START_US
from web import exports
from web.playback import record_look

MINUTE_US = 60_000_000


def revoke(desk: Desk) -> None:
    with desk.directory.ledger.write() as tx:
        (one,) = grants(tx)
        revoke_grant(tx, one.id, "moved away", "admin", NOW_US)


def close(desk: Desk) -> None:
    with desk.directory.ledger.write() as tx:
        close_case(tx, "A-1", NOW_US)


def disable(desk: Desk) -> None:
    with desk.directory.ledger.write() as tx:
        set_user(tx, find_user(tx, "ines"), enabled=False)


def playing(desk: Desk) -> tuple[Person, list[str]]:
    """Somebody who plays under a case, and all the addresses they were given."""
    with desk.directory.ledger.write() as tx:
        open_case(tx, "A-1", "thefts", "ines", NOW_US)
    ines = desk.person()
    opened = ines.opening(case="A-1", reason="thefts")
    still = opened["segments"][0]["still"] + f"&at={START_US}"
    lines = ines.get(opened["playlist"]).text.splitlines()
    media = [line for line in lines if line.startswith("/media/")]
    page = ines.get("/cameras").text
    picture = page.partition('src="/media/picture/')[2].partition('"')[0].replace("&amp;", "&")
    return ines, [opened["playlist"], still, media[0], f"/media/picture/{picture}"]


@pytest.mark.parametrize(
    ("end", "status", "of_board"),
    [(revoke, 404, 404), (close, 409, 200), (disable, 401, 401)],
)
def test_addresses_signed_before_end_with_what_allowed_them(
    archive: Desk, end: Callable[[Desk], None], status: int, of_board: int
) -> None:
    ines, addresses = playing(archive)
    for address in addresses:
        assert ines.get(address).status_code == 200, address  # also into every cache
    end(archive)
    # The picture of the board was not looked at under the case, and does not end with it.
    for address, due in zip(addresses, (status, status, status, of_board), strict=True):
        assert ines.get(address).status_code == due, address


def test_addresses_signed_before_end_with_the_hour(archive: Desk) -> None:
    ines, addresses = playing(archive)
    with archive.directory.ledger.write() as tx:
        tx.execute(update(access_grant).values(until_us=NOW_US + MINUTE_US))
    archive.clock.forward(MINUTE_US - 1)
    assert {ines.get(address).status_code for address in addresses} == {200}
    archive.clock.forward(1)
    assert {ines.get(address).status_code for address in addresses} == {404}
    answer = ines.get(f"/media/gate/opening.json?at={START_US}")
    assert "not registered" in answer.json["detail"]


def test_an_address_of_one_case_does_not_serve_another(archive: Desk) -> None:
    ines, addresses = playing(archive)
    close(archive)
    with archive.directory.ledger.write() as tx:
        open_case(tx, "A-2", "thefts", "ines", NOW_US)
    for address in addresses[1:3]:
        assert ines.get(address.replace("A-1", "A-2")).status_code == 403
        assert ines.get(address.replace("case=A-1", "case=")).status_code == 403


def test_an_export_whose_grant_is_revoked_midway_publishes_nothing(
    archive: Desk, tmp_path: Path
) -> None:
    archive.person()
    camera, directory = archive.cameras["gate"], archive.directory
    out, ines = tmp_path / "bundle.zip", Actor("ines")

    def midway(done: int, _total: int) -> None:
        with directory.ledger.read() as tx:
            going = access_of(tx, "ines", NOW_US).may(Verb.EXPORT, camera)
        if done and going:
            revoke(archive)

    with pytest.raises(NotFound, match="not registered"):
        export(
            directory, cameras=[camera], from_us=START_US, to_us=START_US + 3_000_000, out=out,
            actor=ines, progress=midway,
            still_allowed=lambda tx: exports.require(
                tx, directory, [camera], ines, Span(START_US, START_US + 3_000_000)
            ),
        )  # fmt: skip
    assert list(tmp_path.glob("bundle*")) == []
    assert not archive.audited("export.sealed")


def test_a_camera_moved_to_another_department_midway_is_not_exported(
    archive: Desk, tmp_path: Path
) -> None:
    """The rights are asked of the camera as it is, not as it was when it was chosen."""
    directory, ines = archive.directory, Actor("ines")
    archive.person("ines", granted=False)
    with directory.ledger.write() as tx:
        user = find_user(tx, "ines")
        for name in ("north", "south"):
            add_department(tx, name, START_US)
        set_department(tx, user.id, "north")
        camera = set_camera(tx, archive.cameras["gate"], department="north")
        add_grant(
            tx, user=user, verbs=GRANTABLE, place=Place(cameras_of="north"), from_us=0,
            until_us=None, purpose="a test", made_by="the test", at_us=NOW_US,
        )  # fmt: skip
    span = Span(START_US, START_US + 3_000_000)

    def midway(done: int, _total: int) -> None:
        with directory.ledger.write() as tx:
            set_camera(tx, find_camera(tx, "gate"), department="south")

    with pytest.raises(NotFound, match="not registered"):
        export(
            directory, cameras=[camera], from_us=span.start_us, to_us=span.end_us,
            out=tmp_path / "bundle.zip", actor=ines, progress=midway,
            still_allowed=lambda tx: exports.require(tx, directory, [camera], ines, span),
        )  # fmt: skip
    assert list(tmp_path.glob("bundle*")) == []
    assert not archive.audited("export.sealed")
    with pytest.raises(NotFound), directory.ledger.read() as tx:
        require_allowed(tx, directory, camera, span, ines)
    with pytest.raises(NotFound):
        record_look(directory, ines, "play", camera, span.start_us, span.end_us)
