"""The register: names become folders, facts are checked, credentials are sealed and apart."""

from __future__ import annotations

import math

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from storage import register
from storage.errors import Conflict, DataLoss, Invalid, NotFound
from tests.storage.media import House


@given(st.text(min_size=1, max_size=80))
def test_a_slug_is_a_safe_folder_name_and_its_own_slug(name: str) -> None:
    try:
        slug = register.slug_of(name)
    except Invalid:
        assert not any(ch.isalnum() for ch in name.strip("_"))
        return
    assert slug == register.slug_of(slug)
    assert len(slug.encode()) <= 60
    assert not set(slug) & set("/\\. \0\n")
    assert not slug.startswith("-")


@pytest.mark.parametrize(
    ("name", "slug"),
    [("North Gate 1", "north-gate-1"), ("北门 2号", "北门-2号"), ("ＡＢＣ", "abc"),
     ("../../etc", "etc"), ("_a_b_", "a-b")],
)  # fmt: skip
def test_names_become_folders(name: str, slug: str) -> None:
    assert register.slug_of(name) == slug


@pytest.mark.parametrize(
    "facts",
    [{"lat": 91}, {"lat": math.nan}, {"lon": -181}, {"view_deg": 360}, {"site_class": 4},
     {"gb_code": "123"}, {"gb_code": "٣" * 20}, {"tz": "Mars/Olympus"}, {"site": "x" * 401},
     {"vendor": "a\nb"}, {"name": "x" * 201}, {"name": "---"}],
)  # fmt: skip
def test_a_fact_out_of_range_is_refused_and_nothing_registered(
    house: House, facts: dict[str, object]
) -> None:
    with house.ledger.write() as tx:
        with pytest.raises(Invalid):
            register.add_camera(
                tx,
                **({"name": "gate", "url": None, "created_us": 1} | facts),  # type: ignore[arg-type]
            )
        assert register.cameras(tx) == []


def test_a_taken_name_or_code_is_a_conflict(house: House) -> None:
    house.camera("gate", gb_code="1" * 20)
    other = house.camera("yard")
    with house.ledger.write() as tx:
        with pytest.raises(Conflict, match="name"):
            register.add_camera(tx, name="GATE", url=None, created_us=1)
        with pytest.raises(Conflict, match="gb_code"):
            register.add_camera(tx, name="fence", url=None, created_us=1, gb_code="1" * 20)
        with pytest.raises(Conflict, match="1" * 20):
            register.set_camera(tx, other, gb_code="1" * 20)
        with pytest.raises(Invalid, match="colour"):
            register.set_camera(tx, other, colour="red")
        assert [camera.slug for camera in register.cameras(tx)] == ["gate", "yard"]


def test_a_camera_is_found_by_what_people_know(house: House) -> None:
    camera = house.camera("North Gate", gb_code="2" * 20, site="/city//east /gate/")
    assert camera.site == "city/east/gate"
    assert house.camera("yard", address="北京市\u3000海淀区").address == "北京市\u3000海淀区"
    with house.ledger.write() as tx:
        for name in ("north-gate", "North Gate", "2" * 20, "NORTH  GATE"):
            assert register.find_camera(tx, name) == camera
        with pytest.raises(NotFound, match="camera list"):
            register.find_camera(tx, "south gate")
        register.set_camera(tx, camera, name="Same")
    second = house.camera("second")
    with house.ledger.write() as tx:
        register.set_camera(tx, second, name="Same")
        with pytest.raises(Conflict, match="north-gate, second"):
            register.find_camera(tx, "Same")


def test_a_site_is_a_subtree(house: House) -> None:
    house.camera("a", site="city/east")
    house.camera("b", site="city/east/gate")
    house.camera("c", site="city/eastern")
    with house.ledger.read() as tx:
        found = register.find_cameras(tx, [], ["city/east"])
        assert [camera.slug for camera in found] == ["a", "b"]
        assert [c.slug for c in register.find_cameras(tx, ["b", "c"], ["city/east"])] == ["b"]
        with pytest.raises(NotFound, match="atlantis"):
            register.find_cameras(tx, [], ["atlantis"])


def test_credentials_are_sealed_and_opened_with_the_key_only(house: House) -> None:
    vault = house.directory.vault()
    camera = house.camera("gate", credentials=("admin", "hunter2:@/"), vault=vault)
    assert "hunter2" not in repr(camera)
    stored = b"".join(path.read_bytes() for path in house.root.glob("ledger.db*"))
    assert b"hunter2" not in stored
    with house.ledger.write() as tx:
        assert register.credentials_of(tx, camera.id, lambda: vault) == ("admin", "hunter2:@/")
        with pytest.raises(DataLoss, match=r"secrets\.key"):
            register.credentials_of(tx, camera.id, lambda: Fernet(Fernet.generate_key()))
        register.set_credentials(tx, camera.id, None, vault)
        assert register.credentials_of(tx, camera.id, lambda: vault) is None


def test_credentials_without_a_vault_are_never_dropped_silently(house: House) -> None:
    with pytest.raises(ValueError, match="vault"):
        house.camera("gate", credentials=("admin", "hunter2"))
