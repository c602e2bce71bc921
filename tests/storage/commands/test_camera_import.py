"""`hindsight camera import`: a whole table or nothing; a mistake is named by line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.register import credentials_of, find_camera
from tests.storage.media import CommandLine, House

GOOD = """name,url,site,class,lat,lon,tz,gb_code
North Gate,rtsp://admin:pw@10.0.0.7/main,city/east,1,31.2,121.5,Asia/Shanghai,11111111111111111111
"South, Gate",rtsp://10.0.0.8/main,city/east,2,,,,
"""


def table(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "cameras.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_good_table_is_registered_and_again_skipped(
    house: House, hindsight: CommandLine, tmp_path: Path
) -> None:
    path = table(tmp_path, GOOD)
    slugs = ["north-gate", "south-gate"]
    assert hindsight.json("camera", "import", path) == {"added": slugs, "skipped": []}
    assert hindsight.json("camera", "import", path) == {"added": [], "skipped": slugs}
    shown = hindsight.json("camera", "show", "north-gate")
    assert (shown["class"], shown["lat"], shown["url"]) == (1, 31.2, "rtsp://10.0.0.7/main")
    with house.ledger.read() as tx:
        key = find_camera(tx, "north-gate").id
        assert credentials_of(tx, key, house.directory.vault) == ("admin", "pw")
    said = hindsight("camera", "import", path)
    assert "skipped: north-gate, south-gate" in said.out


@pytest.mark.parametrize(
    ("row", "line", "column"),
    [
        ("Yard,rtsp://h/x,,5,,,,", 4, "class"),
        ("Yard,gopher://u:hunter2@h/x,,,,,,", 4, "url"),
        ("Yard,,,,north,,,", 4, "lat"),
        ("Yard,,,,,200,,", 4, "lon"),
        ("Yard,,,,,,Mars/Olympus,", 4, "tz"),
        ("Yard,,,,,,,123", 4, "gb_code"),
        ("Yard,,,,,,,11111111111111111111", 4, "gb_code"),
        ("---,,,,,,,", 4, "name"),
        (",rtsp://h/x,,,,,,", 4, "name"),
        ("North Gate,rtsp://other/x,,,,,,", 4, "url"),
        ('"Ya\nrd",,,,,,,', 4, "name"),
        ("Yard,,,,,,,,,,", 4, "-"),
    ],
)
def test_one_bad_row_registers_nothing_and_is_named(
    hindsight: CommandLine, tmp_path: Path, row: str, line: int, column: str
) -> None:
    said = hindsight("camera", "import", table(tmp_path, GOOD + row + "\n"))
    assert said.code == 4
    assert f"line {line}, column {column}:" in said.err
    assert len(said.err.splitlines()) == 1
    assert "hunter2" not in said.err
    assert hindsight.json("camera", "list") == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("name,colour\na,red\n", "colour"),
        ("name,name\na,b\n", "twice"),
        ("url\nrtsp://h/x\n", "name"),
        ("", "name"),
        ('name\n"open', "line"),
        ("name\0\n", "cameras.csv"),
    ],
)
def test_a_table_that_is_none(hindsight: CommandLine, tmp_path: Path, text: str, word: str) -> None:
    said = hindsight("camera", "import", table(tmp_path, text))
    assert said.code == 4
    assert word in said.err


def test_a_table_of_a_chinese_office_is_understood(hindsight: CommandLine, tmp_path: Path) -> None:
    path = table(
        tmp_path, "名称,码流地址,点位,点位类别,启用\n北门,rtsp://h/x,市/东区,一\n", "gb18030"
    )
    said = hindsight("camera", "import", path)
    assert (said.code, "column 点位类别" in said.err) == (4, True)
    path = table(
        tmp_path, "名称,码流地址,点位,点位类别,启用\n北门,rtsp://h/x,市/东区,1,否\n", "gb18030"
    )
    assert hindsight.json("camera", "import", path)["added"] == ["北门"]
    assert hindsight.json("camera", "show", "北门")["enabled"] is False


def test_a_missing_table(hindsight: CommandLine, tmp_path: Path) -> None:
    assert hindsight("camera", "import", tmp_path / "none.csv").code == 3
    assert hindsight("camera", "import", tmp_path).code == 7


def test_a_table_saved_by_excel_begins_with_a_mark(hindsight: CommandLine, tmp_path: Path) -> None:
    path = table(tmp_path, "\ufeffname;url\r\n".replace(";", ",") + "gate,rtsp://h/x\r\n\r\n")
    assert hindsight.json("camera", "import", path)["added"] == ["gate"]
