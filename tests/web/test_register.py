"""The register desk: what is typed stays, what will not do is said beside its field, the password
never comes back, and every change is shown before and written down after."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator

import pytest

from storage.register_changes import another_host
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk
from tests.web.register_house import House
from web.register_desk import FACTS


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = new_house(tmp_path_factory.mktemp("house") / "data", NOW_US)
    desk = Desk(made.directory, made.clock)
    yield House(desk)
    desk.close()


def typed(page: str) -> dict[str, str]:
    """The form of a page, as a browser would send it."""
    fields = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            fields[name[1]] = html.unescape(value[1]) if value else ""
    for name, body in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected', body)
        fields[name] = chosen[1] or "" if chosen else ""
    return fields


def test_a_camera_is_registered_with_all_its_facts_and_a_sealed_password(house: House) -> None:
    root, good = house.root, house.good()
    assert root.post("/cameras/new", good, at="/cameras/new").status_code == 303
    made = house.found()
    assert (made.site, made.site_class, made.gb_code) == (good["site"], 1, good["gb_code"])
    assert (made.lat, made.lon, made.view_deg, made.sensitive) == (31.24, 121.46, 90, True)
    assert made.url == "rtsp://192.0.2.9:554/main"
    assert house.password() == ("viewer", "geheim:wort@9")
    (row,) = house.audited("camera.add")
    assert row.subject == made.slug
    assert "geheim" not in str(row.detail)
    for address in (f"/cameras/{made.slug}", f"/cameras/{made.slug}/edit", "/cameras/export-csv"):
        assert "geheim" not in root.get(address).text


def test_every_mistake_stands_beside_its_field_and_nothing_typed_is_lost(house: House) -> None:
    root, good = house.root, house.good()
    bad = good | {"gb_code": "31", "lat": "91", "lon": "east", "tz": "Mars/Base",
                  "url": "gopher://x/", "view_deg": "360", "name": "<b>gate</b>"}  # fmt: skip
    answer = root.post("/cameras/new", bad, at="/cameras/new")
    assert answer.status_code == 422
    for field in ("gb_code", "lat", "lon", "tz", "url", "view_deg"):
        assert f'id="why-{field}"' in answer.text, field
    assert "<b>gate</b>" not in answer.text
    kept = typed(answer.text)
    for field in set(FACTS) - {"sensitive", "retention_class"}:
        assert kept[field] == bad[field], field
    assert "geheim" not in answer.text
    assert not house.audited("camera.add")
    # The password that was typed goes along sealed: nobody has to type it again.
    assert root.post("/cameras/new", kept | {key: good[key] for key in good if key != "password"})
    assert house.password() == ("viewer", "geheim:wort@9")


def test_a_sealed_password_is_of_no_use_to_anybody_else(house: House) -> None:
    root, other, good = house.root, house.eve, house.good()
    sealed = typed(root.post("/cameras/new", good | {"gb_code": "1"}).text)["sealed"]
    plain = {key: good[key] for key in good if key != "password"}
    answer = other.post("/cameras/new", plain | {"sealed": sealed})
    assert answer.status_code == 422
    assert "type the password again" in answer.text
    assert other.post("/cameras/new", plain | {"sealed": "x" * 50}).status_code == 422


def test_changes_are_shown_before_they_are_saved_with_their_reason(house: House) -> None:
    root = house.root
    good, address = house.made()
    form = typed(root.get(address).text)
    assert form["url"] == good["url"]
    assert "password" not in form or form["password"] == ""
    assert root.post(address, form | {"do": "review"}).status_code == 422  # no reason
    wanted = form | {"vendor": "Other", "site_class": "2", "reason": "replaced after the storm"}
    shown = root.post(address, wanted | {"do": "review"})
    assert "<del>Acme</del>" in shown.text
    assert "<ins>Other</ins>" in shown.text
    assert house.found().vendor == "Acme"
    saved = root.post(address, typed(shown.text) | {"do": "save"})
    assert saved.status_code == 303, saved.text
    now = house.found()
    assert (now.vendor, now.site_class, now.url) == ("Other", 2, good["url"])
    assert house.password() == ("viewer", "geheim:wort@9")
    (row,) = house.audited("camera.set")
    assert row.reason == "replaced after the storm"
    assert json.loads(row.detail) == {"class": [1, 2], "vendor": ["Acme", "Other"]}


def test_what_somebody_else_changed_meanwhile_is_not_written_over(house: House) -> None:
    root = house.root
    _, address = house.made()
    form = typed(root.get(address).text) | {"reason": "tidy"}
    first = typed(root.post(address, form | {"vendor": "First", "do": "review"}).text)
    second = typed(root.post(address, form | {"vendor": "Second", "do": "review"}).text)
    assert root.post(address, second | {"do": "save"}).status_code == 303
    assert root.post(address, first | {"do": "save"}).status_code == 409
    assert house.found().vendor == "Second"


def test_a_secret_in_an_address_that_somebody_changed_meanwhile_stays(house: House) -> None:
    root = house.root
    _, address = house.made()
    form = typed(root.get(address).text) | {"reason": "x", "vendor": "V"}

    def reviewed(**fields: str) -> dict[str, str]:
        return typed(root.post(address, form | {"do": "review"} | fields).text) | {"do": "save"}

    url = "rtsp://192.0.2.9:554/main?password="
    assert root.post(address, reviewed(url=url + "one")).status_code == 303
    form = typed(root.get(address).text) | {"reason": "x", "vendor": "W"}
    mine = reviewed()
    assert root.post(address, reviewed(url=url + "two")).status_code == 303
    assert root.post(address, mine).status_code == 409
    assert house.found().url == url + "two"


def test_a_kept_password_does_not_go_along_to_another_host(house: House) -> None:
    root = house.root
    _, address = house.made()
    form = typed(root.get(address).text) | {"reason": "moved", "url": "rtsp://198.51.100.1/main"}
    shown = root.post(address, form | {"do": "review"})
    assert "forgotten" in shown.text
    root.post(address, typed(shown.text) | {"do": "save"})
    assert house.password() is None


@pytest.mark.parametrize(
    ("before", "after", "goes"),
    [("rtsp://h/a", "rtsp://h:554/b", False), ("rtsp://h/a", "http://h/a", True),
     ("rtsps://h:554/a", "rtsp://h:554/a", True), ("rtsp://h/a", "rtsp://h:8554/a", True),
     ("rtsp://h:322/a", "rtsps://h/a", False)],
)  # fmt: skip
def test_a_kept_password_goes_to_no_other_port_and_not_in_the_clear(
    before: str, after: str, goes: bool
) -> None:
    assert another_host(before, after) is goes


def test_a_manager_registers_only_where_the_grant_reaches(house: House) -> None:
    maria, good = house.maria, house.good()
    elsewhere = maria.post("/cameras/new", good | {"site": "city/south/yard"})
    assert elsewhere.status_code == 422
    assert 'id="why-site"' in elsewhere.text
    assert maria.post("/cameras/new", good).status_code == 303
    address = f"/cameras/{house.found().slug}/edit"
    form = typed(maria.get(address).text) | {"reason": "x", "site": "city/south"}
    moved = maria.post(address, form | {"do": "review"})
    assert 'id="why-site"' in moved.text
    assert house.found().site == good["site"]


def test_disabling_and_enabling_ask_why(house: House) -> None:
    root = house.root
    address = house.made()[1].replace("/edit", "/enabled")
    assert root.post(address, {"enabled": ""}).status_code == 303
    assert house.found().enabled
    root.post(address, {"enabled": "", "reason": "roadworks"})
    assert not house.found().enabled
    root.post(address, {"enabled": "yes", "reason": "done"})
    assert [row.reason for row in house.audited("camera.disable")] == ["roadworks"]
    assert house.found().enabled


def test_no_file_of_the_server_is_registered_from_a_browser(house: House) -> None:
    root, good = house.root, house.good()
    for url in ("file:/etc/passwd", "file:///var/x.mp4?loop=1", "FILE:/etc/passwd"):
        assert root.post("/cameras/new", good | {"url": url}).status_code == 422
    assert not house.audited("camera.add")


def test_a_password_typed_into_the_address_is_taken_out_of_it(house: House) -> None:
    root, good = house.root, house.good()
    url = "rtsp://viewer:other-word@192.0.2.9/main"
    plain = {key: good[key] for key in good if key not in ("user", "password")}
    again = root.post("/cameras/new", plain | {"url": url, "gb_code": "1"})
    assert "other-word" not in again.text
    assert root.post("/cameras/new", typed(again.text) | {"gb_code": ""}).status_code == 303
    assert house.password() == ("viewer", "other-word")
    assert house.found().url == "rtsp://192.0.2.9/main"
