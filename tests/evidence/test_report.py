"""The report of a bundle: what it says, in both languages, on a page and on paper."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from PIL import Image

from evidence.deeds import Deed, note_deed
from evidence.report import write_report
from evidence.report_sheets import write_pdf
from evidence.stills import MOST_OF_A_CAMERA
from storage.cases import open_case
from storage.clock import US, parse_time
from storage.clocks import correct
from storage.durable import sha256_file
from storage.timeline import add_gap
from storage.vocabulary import Actor, GapCause, Span
from tests.evidence.conftest import START_US

DOCUMENTS = ("manifest", "gaps", "custody")


def documents(bundle: Path) -> list[Any]:
    """What the report is made from: manifest, gaps, and who did what."""
    manifest, gaps, custody = (
        json.loads((bundle / f"data/{n}.json").read_text("utf-8")) for n in DOCUMENTS
    )
    deeds: dict[tuple[str, str], Deed] = {}
    for row in custody["rows"]:
        note_deed(deeds, row["action"], row["actor"], row["ts_us"])
    return [manifest, gaps, deeds]


def page(bundle: Path) -> str:
    """The report as HTML."""
    return (bundle / "data/report.html").read_text(encoding="utf-8")


def paper(bundle: Path) -> str:
    """The text a reader finds in the PDF, without line breaks."""
    return text_of(bundle / "data/report.pdf")


def text_of(path: Path) -> str:
    """Of every page, one after the other."""
    with pypdfium2.PdfDocument(path) as document:
        pages = [document[i] for i in range(len(document))]
        texts = [one.get_textpage().get_text_range() for one in pages]
    return "".join("".join(texts).split())


def squeezed(text: str) -> str:
    """As `paper` gives it."""
    return "".join(text.split())


def test_page_and_paper_say_who_asked_for_what_and_where(house: Any, out: Path) -> None:
    with house.ledger.write() as tx:
        open_case(tx, "A-117", "失窃案 & theft", "li.wei", START_US)
    house.camera(
        "北门 north", tz="Asia/Shanghai", site="北京/海淀/网格 7", site_class=1, lat=39.98,
        lon=116.31, view_deg=92.5, address="中关村大街 1 号", gb_code="11010800001320000001",
    )  # fmt: skip
    segment = house.segment("北门 north")
    result = house.export(out, 0, 4, actor=Actor("li.wei", "A-117", "复核 report 88"))
    for text in (squeezed(page(out).replace("&amp;", "&")), paper(out)):
        for said in (
            "A-117·失窃案&theft", "复核report88", "li.wei", result.export, "北京/海淀/网格7",
            "11010800001320000001", "中关村大街1号", "latitude39.98°,longitude116.31°",
            "92.5°clockwisefromnorth", "自正北顺时针92.5°", "1类点位", "class1",
            "2026-11-1813:00:00.000UTC", "2026-11-1821:00:00.000+08:00", segment.sha256,
            "arrivalofthestream,within±0.04s", "码流到达时刻,误差不超过±0.04秒", "PyAV", "bagit",
            "Custody", "保管记录", "exported", "verify.py",
        ):  # fmt: skip
            assert said in text.replace("，", ",").replace("（", "("), said


def test_a_gap_is_told_with_its_cause_in_words(house: Any, out: Path) -> None:
    camera = house.camera()
    house.expect("north gate", 0)
    for at_s in (0, 9):
        house.segment(at_s=at_s)
    with house.ledger.write() as tx:
        add_gap(tx, camera.id, START_US + 4 * US, START_US + 9 * US, GapCause.DISK_FULL, "vol <1>")
    house.export(out, 0, 13)
    for text in (squeezed(page(out)), paper(out).replace("<", "&lt;").replace(">", "&gt;")):
        assert "磁盘已满vol&lt;1&gt;" in text.replace('</div><divclass="dim">', "")
        assert "diskfull" in text
        assert "Gaps:1,5.000sinall" in text


def test_on_the_night_clocks_go_back_both_offsets_are_printed(house: Any, out: Path) -> None:
    """Lesson D5: 02:59:58 comes twice that night; only the offset tells which is meant."""
    house.camera("Hof", tz="Europe/Berlin")
    start_s = (parse_time("2026-10-25T00:59:57Z") - START_US) / US
    house.segment("Hof", start_s)
    house.segment("Hof", start_s + 4)
    house.export(out, start_s + 1, start_s + 7)
    for text in (squeezed(page(out)), paper(out)):
        assert "2026-10-2502:59:58.000+02:00" in text
        assert "2026-10-2502:00:04.000+01:00" in text
        assert "from2026-10-2501:00:00.000UTCon,localclocksareat+01:00insteadof+02:00" in text


def test_a_correction_of_the_clock_is_in_the_report(house: Any, out: Path) -> None:
    house.segment()
    camera = house.camera()
    with house.ledger.write() as tx:
        span = Span(START_US, START_US + 4 * US)
        correct(tx, camera, span, -3600 * US, reason="一小时之差", actor="wang", at_us=START_US)
    house.export(out, 0, 4)
    for text in (squeezed(page(out)), paper(out)):
        assert "时钟更正" in text
        assert "-3600.000" in text
        assert "一小时之差" in text
        assert "clockcorrected:2026-11-1812:00:00.000UTC" in text


def test_the_search_that_found_it_is_named(pristine: Path, tmp_path: Path) -> None:
    manifest, gaps, deeds = documents(pristine)
    manifest["search"] = {"query": {"text": "穿红衣 <b>"}, "model": "nano"}
    write_report(tmp_path / "report.html", manifest, gaps, deeds)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "query: {&#34;text&#34;: &#34;穿红衣 &lt;b&gt;&#34;}" in text
    assert "model: nano" in text


def test_whose_key_signed_is_in_the_report(pristine: Path) -> None:
    signature = documents(pristine)[0]["signature"]
    for text in (page(pristine), paper(pristine)):
        assert signature["certificate_sha256"] in text
    assert "none was asked for" in page(pristine)


def test_stills_are_pictures_of_their_instant_and_name_their_original(
    house: Any, out: Path
) -> None:
    segments = [house.segment(at_s=at_s, size=(640, 360)) for at_s in (0, 4)]
    house.export(out, 2, 7)
    [camera] = documents(out)[0]["cameras"]
    first, middle = camera["stills"]
    for still, segment in ((first, segments[0]), (middle, segments[1])):
        path = out / still["file"]
        assert sha256_file(path) == still["sha256"]
        assert path.stat().st_size == still["size_bytes"]
        assert still["originals"] == [{"id": segment.id, "sha256": segment.sha256}]
        assert still["derivative"] is True
        with Image.open(path) as picture:
            assert picture.size == (640, 360)
            assert segment.sha256.encode() in picture.info["comment"]
            grey = picture.getpixel((600, 300))
        number = (parse_time(still["time"]) - segment.start_us) // 100_000  # 10 pictures a second
        seed = (segment.start_us - START_US) // 1000
        assert grey[0] == pytest.approx((number * 5 + seed) % 255, abs=4)
        for text in (page(out), paper(out)):
            assert still["sha256"] in text
    assert first["time"] == "2026-11-18T13:00:02.000000Z"


def test_a_camera_with_many_runs_gets_a_dozen_stills_over_all_of_them(
    house: Any, out: Path
) -> None:
    for number in range(15):
        house.segment(at_s=number * 20, length_s=1)
    house.export(out, 0, 300)
    [camera] = documents(out)[0]["cameras"]
    assert len(camera["stills"]) == MOST_OF_A_CAMERA
    assert camera["stills"][0]["time"] < "2026-11-18T13:00:20"
    assert camera["stills"][-1]["time"] > "2026-11-18T13:04:00"


def test_a_long_report_stays_short_and_says_what_it_leaves_out(
    pristine: Path, tmp_path: Path
) -> None:
    manifest, gaps, deeds = documents(pristine)
    camera = manifest["cameras"][0]
    camera["segments"] = [copy.copy(camera["segments"][0]) for _ in range(3000)]
    write_report(tmp_path / "report.html", manifest, gaps, deeds)
    write_pdf(tmp_path / "report.pdf", pristine / "data", manifest, gaps, deeds)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "Further originals, listed in manifest.json: 2800." in text
    assert len(text) < 500_000
    assert "Furtheroriginals,listedinmanifest.json:2940." in text_of(tmp_path / "report.pdf")


def test_paper_holds_its_fonts_and_equal_bundles_give_equal_bytes(
    pristine: Path, tmp_path: Path
) -> None:
    manifest, gaps, deeds = documents(pristine)
    for name in ("one", "two"):
        write_pdf(tmp_path / name, pristine / "data", manifest, gaps, deeds)
    raw = (tmp_path / "one").read_bytes()
    assert raw == (tmp_path / "two").read_bytes()
    assert b"/FontFile3" in raw
    assert b"<pdfaid:part>2</pdfaid:part>" in raw
    assert len(raw) < 300_000


def test_what_the_font_cannot_show_is_shown_by_number(house: Any, out: Path) -> None:
    house.segment("门 \U0001f3a5 א")
    house.export(out, 0, 4)
    assert r"\u{1f3a5}" in paper(out)
    assert r"\u{5d0}" in paper(out)


def test_a_picture_that_cannot_be_decoded_is_said_and_stops_nothing(
    house: Any, out: Path, tmp_path: Path
) -> None:
    whole = house.file(house.segment(codec="mpeg4", container="avi", origin="import"))
    raw = bytearray(whole.read_bytes())
    at = raw.index(b"movi") + 4
    while at + 8 < len(raw) and raw[at : at + 4] in (b"00dc", b"00db"):
        size = int.from_bytes(raw[at + 4 : at + 8], "little")
        raw[at + 8 : at + 8 + size] = bytes(size)  # packets are there, with nothing in them
        at += 8 + size + size % 2
    (tmp_path / "blank.avi").write_bytes(raw)
    house.cameras.pop("north gate")
    house.adopt(tmp_path / "blank.avi", "blank")
    house.export(out, 0, 4)
    [camera] = documents(out)[0]["cameras"]
    assert camera["stills"] == []
    assert len(camera["stills_failed"]) == 2
    assert "No picture could be decoded at 2026-11-18 13:00:00.000 UTC" in page(out)
