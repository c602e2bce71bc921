"""Cameras, player, export and account pages; both languages complete on each."""

from __future__ import annotations

import gzip
import re
from html import unescape
from pathlib import Path

from storage.camera_states import set_state
from storage.clock import US, rfc3339
from storage.vocabulary import CameraState, Role
from tests.web.desk import NOW_US, Desk
from tests.web.footage import START_US, keep, register
from web.exporting import runner

# Latin words that are right in a Chinese page: names, units, codes, examples of what to type.
LATIN = re.compile(
    r"Switch to English|no packet for 10 s|nowhere|hindsight \S.*|--[\w-]+|rtsp://\S+|[\w/-]*/[\w/-]+|[\w.-]+\.(?:mp4|png)|UTC\S*|EN|English"
    r"|gate|ines|admin|North|Gate|Esc|Enter|Shift|Space|Python|JSON|A-117|burglary|nano|GB|"
    r"\b[A-Z]\b|\d+(?:\.\d+)? ?[kMG]?B(?:it/s)?|Mbit/s|h264|van|rtsp\S*"
)


def words_of(page: str) -> str:
    """What a person reads on it: text, labels, titles, placeholders."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    attributes = re.findall(r'(?:aria-label|title|placeholder|alt)="([^"]*)"', body)
    body = re.sub(r"<(code|kbd)>.*?</\1>", " ", body, flags=re.S)
    return unescape(" ".join([re.sub(r"<[^>]+>", " ", body), *attributes]))


ADDRESSES = (
    "/search", "/search?q=van", "/cameras", "/cameras/gate", "/player", "/player?camera=gate",
    "/export", "/export?camera=gate&from=2026-11-16T21:00&to=2026-11-16T21:01&tz=Asia/Shanghai",
    "/account", "/no/such/page", "/search?q=van&camera=nowhere", "/cameras/nowhere",
)  # fmt: skip


ONE_SAID_AS_MANY = re.compile(
    r"(?<![\w.,:-])1 (?:more |connected |enabled |shorter )?(?:cameras|segments|recordings|moments"
    r"|gaps|hits|marks|rows|lines|times|corrections|hours|days)\b"
)


def test_one_of_a_kind_is_said_in_the_singular(archive: Desk) -> None:
    maria, wei = archive.person("maria", Role.ADMINISTRATOR), archive.person("wei", lang="zh")
    one = archive.segments[0]
    span = f"camera=gate&from={rfc3339(one.start_us)}&to={rfc3339(one.end_us)}"
    held = {"camera": "gate", "from": rfc3339(one.start_us), "to": rfc3339(one.end_us),
            "reason": "a theft"}  # fmt: skip
    maria.post("/archive/holds", held, at="/archive/holds")
    said = {
        "/archive/holds": "of 1 camera,", "/health": "Of the 1 camera there is.",
        "/archive/holds/1": "footage-hours: 1 segment,", f"/export?{span}": "1 recording,",
        "/archive": "1 camera", "/search?q=van": "searched 1 camera", "/map": "1 camera shown",
        "/cameras": "missing in 1 gap", "/audit": "",
    }  # fmt: skip
    for address, singular in said.items():
        page = words_of(maria.get(address).text)
        assert singular in page, address
        assert ONE_SAID_AS_MANY.findall(page) == [], address
    assert "您有权查看的 1 台摄像机" in wei.get("/health").text


def test_chinese_pages_hold_no_english(archive: Desk) -> None:
    ines = archive.person(lang="zh")
    left = {}
    for address in ADDRESSES:
        page = ines.get(address).text
        assert '<html lang="zh-Hans"' in page
        left[address] = re.findall(r"[A-Za-z]{2,}[A-Za-z ]*", LATIN.sub(" ", words_of(page)))
    assert {address: words for address, words in left.items() if words} == {}


def test_english_pages_hold_no_chinese(archive: Desk) -> None:
    ines = archive.person()
    left = {}
    for address in ADDRESSES:
        page = words_of(ines.get(address).text)
        for name in ("切换为中文", "简体中文", "中文"):  # the language's own name
            page = page.replace(name, "")
        left[address] = re.findall(r"[\u4e00-\u9fff]+", page)
    assert {address: words for address, words in left.items() if words} == {}


def test_login_page_speaks_what_the_browser_asks_for(desk: Desk) -> None:
    client = desk.app.test_client()
    chinese = client.get("/login", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"})
    assert "登录" in chinese.text
    german = client.get("/login", headers={"Accept-Language": "de-DE,en;q=0.5"})
    assert "Log in" in german.text


def test_language_switch_keeps_the_page_and_is_remembered(archive: Desk) -> None:
    ines = archive.person()
    here = "/search?q=a+white+van&camera=gate"
    switched = ines.post("/preferences", {"lang": "zh", "next": here})
    assert switched.location == here
    assert '<html lang="zh-Hans"' in ines.get(here).text
    elsewhere = archive.app.test_client()
    from tests.web.desk import PASSWORD, Person

    Person(elsewhere).log_in("ines", PASSWORD)
    assert (
        '<html lang="zh-Hans"' in elsewhere.get("/account").text
    )  # the person's, not the browser's
    assert ines.post("/preferences", {"lang": "tlh", "theme": "pink"}).location == "/"
    assert '<html lang="zh-Hans"' in ines.get("/account").text
    ines.post("/preferences", {"theme": "dark"})
    assert 'data-theme="dark"' in ines.get("/account").text


def test_board_tells_state_age_and_todays_gaps(archive: Desk) -> None:
    ines = archive.person()
    page = words_of(ines.get("/cameras").text)
    assert "stopped" in page
    assert "last picture 1 min 49 s ago" in page
    assert "6.0 s recorded, 5.0 s missing in 1 gap" in page
    assert "no pictures came" in page
    gate = archive.cameras["gate"]
    with archive.directory.ledger.write() as tx:
        state = CameraState(
            gate.id, "recording", START_US, NOW_US, NOW_US - US, 4e6, 25, 1, 0, None
        )
        set_state(tx, state)
    assert "recording" in words_of(ines.get("/cameras").text)
    archive.clock.forward(60 * US)
    silent = ines.get("/cameras").text
    assert "stopped" in words_of(silent)  # a recorder that says nothing records nothing
    assert 'class="last stale"' in silent


def test_fresh_states_show_no_picture_and_leave_no_row(archive: Desk) -> None:
    ines = archive.person()
    assert "/media/picture/" not in ines.get("/cameras/live?pictures=0").text
    assert not archive.audited("view")
    assert "/media/picture/" in ines.get("/cameras/live?pictures=1").text
    assert [row.subject for row in archive.audited("view")] == ["gate"]


def test_operator_sees_states_but_no_picture(archive: Desk) -> None:
    omar = archive.person("omar", Role.OPERATOR)
    page = omar.get("/cameras").text
    assert "/media/picture/" not in page
    assert "picture not shown to this role" in page
    assert "Your role does not play footage" in omar.get("/cameras/gate").text
    assert not archive.audited("view")


def test_camera_page_lists_the_gaps_of_a_day_with_cause(archive: Desk) -> None:
    ines = archive.person()
    page = words_of(ines.get("/cameras/gate").text)
    assert "no pictures came" in page
    assert "no packet for 10 s" in page
    other = words_of(ines.get("/cameras/gate?day=2026-11-15").text)
    assert "None: what was expected is recorded." in other
    assert ines.get("/cameras/gate?day=someday").status_code == 422


def test_credentials_in_a_source_are_not_shown(desk: Desk) -> None:
    register(desk.directory, "cam", url="http://192.0.2.1/live?user=a&password=secret")
    page = desk.person(role=Role.ADMINISTRATOR).get("/cameras/cam").text
    assert "secret" not in page


def test_day_strip_draws_what_the_ledger_says(archive: Desk) -> None:
    ines = archive.person()
    drawn = ines.get(f"/player/gate/strip?at={START_US}").text
    day, hour = drawn.split('class="track"')[1:]
    assert 'data-start="1794758400000000"' in day  # midnight in Shanghai
    assert len(re.findall(r'class="recorded"', hour)) == 2
    assert len(re.findall(r'class="gap"', hour)) == 1
    assert "21:00:04–21:00:09 (5.0 s) not recorded: no pictures came" in hour
    assert ines.get("/player/gate/strip?day=2026-11-15").status_code == 200
    assert ines.get("/player/gate/strip").status_code == 422


def test_export_page_previews_and_begins_an_export(archive: Desk) -> None:
    ines = archive.person()
    asked = "camera=gate&from=2026-11-16T21:00:00&to=2026-11-16T21:00:11&tz=Asia/Shanghai"
    page = ines.get(f"/export?{asked}")
    assert "3 recordings" in page.text
    assert "camera stopped sending" in page.text
    form = {"camera": "gate", "from": "2026-11-16 21:00:00", "to": "2026-11-16 21:00:11",
            "tz": "Asia/Shanghai"}  # fmt: skip
    job = ines.post("/export", form)
    assert job.status_code == 303
    assert "gate" in ines.get(job.headers["Location"]).text
    runner(archive.app).close()
    for wrong, said in (
        ({"camera": ""}, "not registered"), ({"to": "2026-11-16 20:00"}, "is empty"),
        ({"from": "x"}, "cannot be read"),
        ({"from": "2026-11-01", "to": "2026-11-02"}, "has no footage"),
    ):  # fmt: skip
        refused = ines.post("/export", form | wrong)
        assert 400 <= refused.status_code < 500, wrong
        assert 'role="alert"' in refused.text
        assert said in refused.text or "no footage" in refused.text, (wrong, refused.text)
    assert ines.post("/export", {k: v for k, v in form.items() if k != "camera"}).status_code == 422


def test_player_page_opens_the_newest_footage(archive: Desk) -> None:
    ines = archive.person()
    page = ines.get("/player?camera=gate").text
    assert f'data-at="{archive.segments[2].start_us}"' in page
    at = ines.get("/player?camera=gate&at=2026-11-16T21:00:01%2B08:00").text
    assert f'data-at="{START_US + US}"' in at
    assert ines.get("/player?camera=gate&at=2026-11-16T21:00").status_code == 422


def test_pages_stay_light(archive: Desk) -> None:
    static = Path(archive.app.static_folder or "")
    boss = archive.person("boss", Role.ADMINISTRATOR)
    desks = re.findall(r'<nav class="desks".*?</nav>', boss.get("/search").text, re.DOTALL)
    for address in re.findall(r'href="([^"]+)"', desks[0]):
        page = boss.get(address).text
        names = set(re.findall(r"/static/v-[0-9a-f]{12}/([\w./-]+)", page))
        while more := {one for name in names for one in imported(static, name)} - names:
            names |= more
        packed = sum(len(gzip.compress((static / name).read_bytes())) for name in names)
        assert 5_000 < packed < 350_000, (address, packed)  # of the library that plays 106,000
        own = [name for name in names if not name.startswith("vendor/")]
        ours = sum(len(gzip.compress((static / name).read_bytes())) for name in own)
        assert ours < 100_000, (address, ours)  # the issue allows 150,000


def imported(static: Path, name: str) -> list[str]:
    """The modules that a module names, as paths below the static folder."""
    if not name.endswith(".js") or name.startswith("vendor/"):
        return []
    text = (static / name).read_text(encoding="utf-8")
    found = re.findall(r'"(\.{1,2}/[\w./-]+\.js)"', text)
    return [
        str((static / name).parent.joinpath(one).resolve().relative_to(static)) for one in found
    ]


def test_footage_of_another_day_opens_from_its_strip(desk: Desk, clips: Path) -> None:
    gate = register(desk.directory, "gate")
    yesterday = START_US - 86_400 * US
    keep(desk.directory, gate, clips / "one.mp4", yesterday)
    found = desk.person().opening(at=yesterday + US)
    assert found["at_us"] == yesterday + US
    assert found["after_us"] is None
