"""The search desk: what is asked lives in the address; what is refused is said beside the form."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from PIL import Image
from werkzeug.datastructures import MultiDict

from indexer.indexing import run
from indexer.succession import ensure_generation
from storage import generations
from storage.clock import US, parse_time, rfc3339
from storage.vocabulary import Role
from tests.web.desk import Desk, Person
from tests.web.footage import START_US
from web.asked import Asked, local_time, quick_spans, read
from web.formats import strength

SHANGHAI = "Asia/Shanghai"


def png(width: int = 64, height: int = 64) -> bytes:
    """A small picture."""
    target = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(target, "PNG")
    return target.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises that many pixels, in a hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def upload(person: Person, data: bytes, *, script: bool = True) -> object:
    """Send a picture as the page's script, or as a form, does."""
    headers = {"Accept": "application/json"} if script else {}
    return person.post(
        "/search/picture", {"picture": (io.BytesIO(data), "query.png")},
        content_type="multipart/form-data", headers=headers,
    )  # fmt: skip


@pytest.fixture
def indexed(archive: Desk) -> Desk:
    """The archive, indexed with the model that ships inside."""
    run(archive.directory, ensure_generation(archive.directory, None))
    return archive


def test_empty_desk_teaches_with_examples(archive: Desk) -> None:
    page = archive.person().get("/search").text
    assert '/search?q=a+red+car"' in page
    assert "6.0 s kept in 3 recordings; nothing is indexed yet" in page
    assert not archive.audited("search")


def test_desk_without_a_camera_says_how_to_begin(desk: Desk) -> None:
    admin = desk.person("ada", Role.ADMINISTRATOR)
    assert "hindsight camera add" in admin.get("/search").text
    assert "hindsight grant add --to ines" in desk.person().get("/search").text


def test_answer_shows_moments_their_limits_and_is_audited(indexed: Desk) -> None:
    ines = indexed.person()
    page = ines.get("/search?q=bars+of+black").text
    assert "searched 1 camera" in page
    assert "1 gap, 5.0 s not recorded" in page
    assert "no pictures came" in page
    cards = re.findall(r'class="card" href="([^"]+)"\s+data-camera="gate"', page)
    assert cards
    assert re.search(r'data-us="(\d+)"', page)
    assert "+08:00" in page
    assert not re.search(
        r"(?<![\d:])0\.\d\d", page.split('class="moments')[1].split("</ul>")[0]
    )  # strength is bars, never a raw number
    (row,) = indexed.audited("search")
    assert (row.actor, row.subject) == ("ines", "bars of black")
    picture = re.search(r'<img src="(/media/picture/[^"]+)"', page)
    assert picture
    assert ines.get(picture[1].replace("&amp;", "&")).content_type == "image/jpeg"
    assert ines.get(cards[0].replace("&amp;", "&")).status_code == 200


def test_weak_answer_shows_three_greyed_and_what_to_try(indexed: Desk) -> None:
    page = indexed.person().get("/search?q=an+elephant&site=North").text
    if "No confident match" not in page:
        pytest.fail("nano must not be confident about what it was never taught")
    assert page.count('class="card"') <= 3
    assert "moments weak" in page
    assert "take a filter away" in page


def test_what_the_model_is_good_for_is_said_once(indexed: Desk) -> None:
    ines = indexed.person()
    page = ines.get("/search?q=a+red+car").text
    assert page.count("<code>hindsight model use NAME</code>") == 1
    assert "hindsight model use" not in ines.get("/search").text


def test_a_mere_note_does_not_look_like_a_warning(archive: Desk) -> None:
    with archive.directory.ledger.write() as tx:
        generations.add_generation(
            tx, model="nano", checkpoint=None, weights_hash="w" * 64, preprocess_hash="p" * 64,
            dimension=4, meaningful=True, state="active", at_us=START_US,
        )  # fmt: skip
    page = archive.person().get("/search?q=a+red+car").text
    assert '<p class="note dim">the small default model nano answers' in page
    assert "notice caution" not in page


def test_filters_narrow_and_are_shown_as_chips(indexed: Desk) -> None:
    ines = indexed.person()
    second = indexed.segments[1]
    page = ines.get(
        "/search",
        query_string={
            "q": "bars", "camera": "gate", "site": "North", "not": ["a bus", "a tram"],
            "from": rfc3339(second.start_us), "to": "2026-11-16T21:00:08", "tz": SHANGHAI,
            "after": "20:00", "before": "22:00",
        },
    ).text  # fmt: skip
    chips = re.findall(r'class="chip">.*?<span title="([^"]+)"', page)
    assert chips == [
        "North", "gate", "from 2026-11-16 21:00 +08:00", "to 2026-11-16 21:00 +08:00",
        "20:00–22:00", "not: a bus", "not: a tram",
    ]  # fmt: skip
    shown = [int(us) for us in re.findall(r'data-us="(\d+)"', page)]
    assert shown
    assert all(second.start_us <= us < START_US + 8 * US for us in shown)


def test_what_a_picture_must_be_is_a_filter_with_its_chip(indexed: Desk) -> None:
    ines = indexed.person()
    like = f"gate@{rfc3339(START_US)}#0,0,160,90"
    asked = {
        "q": "bars", "also": "black", "like": like, "then": "bars", "near": "50",
        "around": "31.2,121.4,20000000", "weekday": ["mon", "sun"], "light": "day",
        "kind": "frame", "least_box": "10",
    }  # fmt: skip
    page = ines.get("/search", query_string=asked).text
    chips = re.findall(r'class="chip">.*?<span title="([^"]+)"', page)
    assert chips == [
        "also: black", f"like gate@{rfc3339(START_US)}", "around 31.2,121.4,20000000", "Mon, Sun",
        "by day", "whole pictures", "parts from 10 px", "then: bars",
    ]  # fmt: skip
    assert "cameras without a place are never near anything: 1 (gate)" in page
    assert f'name="like" value="{like}"' in page
    assert 'name="weekday" value="sun" checked' in page
    assert '<option value="day" selected>' in page
    (look,), (search,) = indexed.audited("view"), indexed.audited("search")
    assert (look.actor, look.subject, search.actor) == ("ines", "gate", "ines")
    refused = ines.get("/search", query_string={"q": "bars", "light": "dusk"})
    assert refused.status_code == 422
    assert "light dusk must be day or night" in refused.text
    ines.client.set_cookie("hindsight_lang", "zh")
    page = ines.get("/search", query_string=asked).text
    assert re.findall(r'class="chip">.*?<span title="([^"]+)"', page)[3:5] == ["周一, 周日", "白天"]


def test_a_picture_of_the_archive_is_enough_to_ask(indexed: Desk) -> None:
    asked = {"like": f"gate@{rfc3339(START_US)}"}
    page = indexed.person().get("/search", query_string=asked).text
    assert "searched 1 camera" in page
    same = {indexed.segments[0].start_us, indexed.segments[2].start_us}  # of one clip
    (at_us,) = same & {int(us) for us in re.findall(r'data-us="(\d+)"', page)}
    link = re.search(r'class="alike" href="([^"]+)"', page)
    assert link
    (again,) = parse_qs(link[1].removeprefix("?"))["like"]
    assert again.startswith(f"gate@{rfc3339(at_us)}")


def test_more_like_a_moment_asks_with_its_box_and_keeps_the_filters() -> None:
    asked = Asked(text="a van", nots=("bus",), cameras=("gate",), light="day", case="A-1")
    address = asked.alike("gate", START_US, (1, 2, 30, 40))
    assert parse_qs(address.removeprefix("?")) == {
        "like": [f"gate@{rfc3339(START_US)}#1,2,30,40"], "camera": ["gate"], "light": ["day"],
        "case": ["A-1"],
    }  # fmt: skip


def test_taking_a_chip_away_keeps_the_rest() -> None:
    asked = Asked(text="a van & more", nots=("bus", "tram"), start="2026-11-16T21:00", tz=SHANGHAI)
    assert asked.address() == (
        "?q=a+van+%26+more&not=bus&not=tram&from=2026-11-16T21%3A00&tz=Asia%2FShanghai"
    )
    assert asked.address(start="") == "?q=a+van+%26+more&not=bus&not=tram"
    (chip,) = [one for one in asked.chips([]) if one.text == "not: bus"]
    assert chip.without == "?q=a+van+%26+more&not=tram&from=2026-11-16T21%3A00&tz=Asia%2FShanghai"
    again = read(MultiDict([("q", "a"), ("not", "x"), ("not", "x"), ("not", "")]), "UTC")
    assert again.nots == ("x",)


def test_a_weekday_by_number_is_the_day_the_form_knows() -> None:
    form = read(MultiDict([("q", "a"), ("weekday", "6"), ("weekday", "Sun")]), "UTC")
    assert form.weekdays == ("sat", "sun")


def test_time_without_offset_is_of_the_named_zone_and_never_guessed() -> None:
    at = parse_time("2026-11-16T13:00:00Z")
    assert local_time("2026-11-16 21:00", SHANGHAI) == at
    assert local_time("2026-11-16T13:00:00Z", SHANGHAI) == at
    assert local_time("2026-11-16T08:00:00-05:00", SHANGHAI) == at
    form = read(MultiDict({"from": "2026-11-16T13:00:00.250Z", "tz": SHANGHAI}), "UTC")
    assert form.start == "2026-11-16T21:00:00.250"
    spans = {name: (start, end) for name, start, end in quick_spans(at, SHANGHAI)}
    assert spans["yesterday"] == ("2026-11-15T00:00:00", "2026-11-16T00:00:00")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"q": "x" * 10_000}, "10000 characters is too long"),
        ({"q": "van", "from": "2026-11-17", "to": "2026-11-16"}, "is empty"),
        ({"q": "van", "from": "yesterday-ish"}, "cannot be read"),
        ({"q": "van", "from": "2026-11-16", "tz": "Mars/Olympus"}, "time zone"),
        ({"q": "van", "camera": "nowhere"}, "camera nowhere is not registered"),
        ({"q": "van", "site": "Nowhere"}, "site Nowhere holds no camera"),
        ({"q": "van", "after": "25:00"}, "time of day"),
        ({"q": "van", "top": "many"}, "many is not a number"),
        ({"q": "van", "top": "0"}, "ask for 1 to 1000"),
        ({"q": "van", "case": "A-0"}, "case A-0 is not known"),
        ({"image": "0" * 32}, "no longer kept"),
        ({"image": "../../ledger.db"}, "no longer kept"),
    ],
)
def test_refused_query_keeps_the_form_and_says_why(
    archive: Desk, asked: dict[str, str], said: str
) -> None:
    answer = archive.person().get("/search", query_string=asked)
    assert 400 <= answer.status_code < 500
    assert said in answer.text
    assert 'role="alert"' in answer.text
    assert f'value="{asked.get("q", "")}"' in answer.text
    assert not archive.audited("search")


def test_nothing_indexed_yet_is_said_not_shown_as_nothing_found(archive: Desk) -> None:
    page = archive.person().get("/search?q=van").text
    assert "0 s indexed of 6 s recorded" in page or "0 s indexed of 6.0 s recorded" in page
    assert "Not everything is indexed yet" in page


def test_picture_is_asked_with_and_its_address_stays(indexed: Desk) -> None:
    ines = indexed.person()
    token = upload(ines, png()).json["token"]  # type: ignore[attr-defined]
    assert upload(ines, png()).json["token"] == token  # type: ignore[attr-defined]
    for _ in range(2):
        page = ines.get(f"/search?image={token}")
        assert page.status_code == 200
        assert f"/search/picture/{token}.jpg" in page.text
    small = ines.get(f"/search/picture/{token}.jpg")
    assert Image.open(io.BytesIO(small.data)).format == "JPEG"
    by_form = upload(ines, png(), script=False)
    assert by_form.location == f"/search?image={token}"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"this is a text file called picture.png", "not a picture that can be read"),
        (b"", "no picture was sent"),
        (png()[:60], "not a picture that can be read"),
        (bomb(20_000, 10_000), "at most 64 megapixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "not a picture"),
    ],
    ids=["text", "empty", "truncated", "200 megapixels", "svg"],
)
def test_what_is_no_picture_is_refused_and_not_kept(desk: Desk, data: bytes, said: str) -> None:
    ines = desk.person()
    answer = upload(ines, data)
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert said in answer.json["detail"]  # type: ignore[attr-defined]
    assert not list((desk.directory.cache / "queries").glob("*"))


def test_archive_that_demands_a_case_shows_nothing_without(
    archive: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from storage.cases import open_case
    from storage.directory import open_directory

    toml = tmp_path / "strict.toml"
    toml.write_text("[search]\nrequire_case = true\n")
    monkeypatch.setenv("HINDSIGHT_CONFIG", str(toml))
    with archive.directory.ledger.write() as tx:
        open_case(tx, "A-117", "burglary", "ines", START_US)
    strict = Desk(open_directory(archive.directory.root, archive.clock), archive.clock)
    ines = strict.person()
    assert ines.get("/search?q=van").status_code == 403
    assert ines.get(f"/media/gate/opening.json?at={START_US}").status_code == 403
    assert "/media/picture/" not in ines.get("/cameras").text
    assert ines.get("/search?q=van&case=A-117&reason=plate").status_code == 200
    assert ines.opening(case="A-117", reason="plate")
    strict.close()


def test_strength_has_four_steps_and_confidence_between_two_and_three() -> None:
    assert [strength(score, 0.6) for score in (0, 0.29, 0.3, 0.59, 0.6, 0.79, 0.8, 1)] == [
        1, 1, 2, 2, 3, 3, 4, 4,
    ]  # fmt: skip
