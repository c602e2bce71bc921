"""Names, reasons and words that are markup, SQL, log lines, or secrets: each stays what it is."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import pytest
from sqlalchemy import func, select

from evidence.export import export
from hindsight import cli
from storage import cases, events, schema, timeline
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import Invalid
from storage.logs import RedactedJson
from storage.people import add_user, find_user
from storage.register import cameras as registered
from storage.vocabulary import Actor, Camera, GapCause, Role
from tests.storage.media import CommandLine, new_house
from tests.web.desk import NOW_US, PASSWORD, Desk, Person, grant_everything
from tests.web.footage import START_US, keep, lose, register
from tests.web.lived_in import SECRETS, LivedIn, live_in
from tests.web.test_attacks import filled, known, rules

# An element and an attribute that no page of ours has; out of text, attributes, scripts, comments.
MARKUP = (
    "xss\"'`><xss7731 onxss7731=1></script></style></textarea></title>--><xss7731>{{7*7}}${7*7}"
)
LINK = "javascript:xss7731()"
SQL = (
    "' OR '1'='1", "' OR 1=1 --", "\" OR \"\"=\"", "gate' UNION SELECT password_hash FROM user --",
    "gate'; DROP TABLE segment; --", "%", "_", "*", "gat%", "gat_", "\\", "' || (SELECT 1) || '",
    "NEAR(", "\"gate\" AND", "gate OR yard", "$1", ":camera", "?", "gat\x00", "0) OR (1=1",
    "{gat}", "%(camera)s", "/**/", "gat\n--", "ﬀ' OR 1=1",
)  # fmt: skip


class Page(HTMLParser):
    """Finds what came out of a field: an element, an attribute, an address that is a script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.grown: list[str] = []
        self.elements = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements += 1
        if "7731" in tag:
            self.grown.append(tag)
        for name, value in attrs:
            if "7731" in name or name.startswith("on"):
                self.grown.append(f"{tag} {name}")
            if name in ("href", "src", "action", "formaction", "srcdoc", "style") and (
                (value or "").strip().lower().startswith(("javascript:", "data:text", "//"))
            ):  # fmt: skip
                self.grown.append(f"{tag} {name}={value}")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Iterator[LivedIn]:
    """One for the module, its administrator `root`."""
    house = new_house(tmp_path_factory.mktemp("named") / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    gate = desk.cameras["gate"] = register(desk.directory, "gate")
    desk.segments.append(keep(desk.directory, gate, clips / "one.mp4", START_US))
    desk.person("root", Role.ADMINISTRATOR)
    yield live_in(desk)
    desk.close()


@pytest.fixture(scope="module")
def hostile(town: LivedIn, clips: Path) -> Camera:
    """A camera all of whose facts are markup, with footage, a gap, a hold, events, a case."""
    directory = town.desk.directory
    camera = register(
        directory, "evil " + MARKUP, site=f"{MARKUP.replace('/', '')}/x", department=MARKUP,
        address=MARKUP, vendor=MARKUP,
    )  # fmt: skip
    row = keep(directory, camera, clips / "one.mp4", START_US)
    lose(directory, camera, row.end_us, row.end_us + 5 * US)
    with directory.ledger.write() as tx:
        timeline.add_gap(
            tx, camera.id, row.end_us + 5 * US, row.end_us + 9 * US, GapCause.UNKNOWN, MARKUP
        )
        for kind in events.EventKind:
            events.note(tx, kind, row.end_us, camera_id=camera.id, volume="main", detail=MARKUP)
        cases.open_case(tx, MARKUP[:60], MARKUP, MARKUP, NOW_US)
        cases.add_hold(
            tx, camera.id, row.start_us, row.end_us, reason=MARKUP, owner=MARKUP, at_us=NOW_US
        )
    return camera


def test_no_page_grows_an_element_out_of_a_name(town: LivedIn, hostile: Camera) -> None:
    ines = town.seat("ines")
    token = ines.token()
    send: dict[str, Any] = {"headers": {"X-CSRF-Token": token}}
    body = {
        "text": MARKUP,
        "not": ["a " + MARKUP],
        "then": MARKUP,
        "case": MARKUP[:60],
        "reason": MARKUP,
    }
    assert ines.client.post("/api/v1/search", json=body, **send).status_code == 200
    standing = {"name": MARKUP.replace("/", "")[:60], "text": MARKUP, "case": MARKUP[:60],
                "reason": MARKUP, "expires": "2026-11-20T00:00:00Z"}  # fmt: skip
    assert ines.client.post("/api/v1/standing", json=standing, **send).status_code == 201
    pages = 0
    for name in ("root", "ines"):
        person = town.seat(name)
        for lang in ("en", "zh"):
            person.client.set_cookie("hindsight_lang", lang)
            for rule, _ in rules(town.desk, "GET"):
                plain = [known(town)] if lang == "en" else []
                for values in (*plain, known(town) | {"camera": hostile.slug}):
                    pages += _grows_nothing(person, filled(rule, values), {
                        "at": str(START_US), "camera": hostile.slug, "case": MARKUP[:60],
                        "reason": MARKUP,
                    })  # fmt: skip
    fields = ("q", "also", "not", "then", "like", "camera", "site", "around", "from", "to", "tz",
              "after", "before", "top", "case", "reason", "image", "weekday", "light", "kind",
              "next", "day", "at", "within", "near", "least_box", "lang", "codecs")  # fmt: skip
    for value in (MARKUP, LINK):
        for field in fields:
            for address in ("/search", "/export", "/player", "/cameras", "/login", "/account"):
                pages += _grows_nothing(ines, address, {"q": "van", field: value})
        everything = {**dict.fromkeys(fields, value), "csrf_token": token}
        for rule, method in rules(town.desk, "POST"):
            if not rule.rule.startswith("/api/") and "logout" not in rule.rule:
                answer = ines.client.open(filled(rule, known(town)), method=method, data=everything)
                assert Page(answer.text).grown == [], rule.rule
    assert pages > 300


def test_a_name_nobody_has_stays_text_at_the_door(desk: Desk) -> None:
    for name in (MARKUP, LINK):
        page = Person(desk.app.test_client()).log_in(name, "wrong horse battery", next=name)
        assert page.status_code == 401
        assert Page(page.text).elements > 10
        assert Page(page.text).grown == []


def _grows_nothing(person: Person, address: str, query: dict[str, str]) -> int:
    """1 for a page."""
    answer = person.get(address, query_string=query)
    assert answer.status_code < 500, (address, query)
    if answer.mimetype != "text/html":
        return 0
    page = Page(answer.text)
    assert page.grown == [], (address, query)
    return int(page.elements > 10)


def test_the_papers_of_a_bundle_grow_nothing_either(
    town: LivedIn, hostile: Camera, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    export(
        town.desk.directory, cameras=[hostile], from_us=START_US, to_us=START_US + 20 * US,
        out=out, actor=Actor("ines", MARKUP[:60], MARKUP),
    )  # fmt: skip
    papers = sorted(out.rglob("*.html"))
    assert papers
    for paper in papers:
        page = Page(paper.read_text(encoding="utf-8"))
        assert page.elements > 5
        assert [one for one in page.grown if "7731" in one] == [], paper.name


def test_sql_in_a_filter_is_a_name_that_nobody_has(town: LivedIn) -> None:
    ines = town.seat("ines")
    token = {"X-CSRF-Token": ines.token()}
    before = _counts(town.desk.directory)
    for text in SQL:
        for address in ("/api/v1/segments", "/api/v1/gaps", "/api/v1/status"):
            answer = ines.get(address, query_string={"camera": text})
            assert answer.status_code == 404, (address, text, answer.text)
        assert ines.get("/api/v1/searches", query_string={"case": text}).json == []
        for rule, _ in rules(town.desk, "GET"):
            if rule.arguments and rule.endpoint.startswith("api."):
                for name in rule.arguments:
                    made = filled(rule, known(town) | {name: as_part(text)})
                    answer = ines.get(made, query_string={"then": text})
                    assert answer.status_code in (403, 404, 422), (made, text, answer.text)
        for field in ("camera", "site"):
            body = {"text": "a red car", field: [text]}
            answer = ines.client.post("/api/v1/search", json=body, headers=token)
            assert answer.status_code == 404, (field, text, answer.text)
        body = {"text": text, "not": ["a " + text], "case": text, "reason": text}
        answer = ines.client.post("/api/v1/search", json=body, headers=token)
        assert answer.status_code == 404, (text, answer.text)
        door = {"user": text, "password": text}
        client = town.desk.app.test_client()
        answer = client.post("/api/v1/session", json=door)
        assert answer.status_code in (401, 403, 422), (text, answer.text)
    after = _counts(town.desk.directory)
    assert {name: after[name] for name in ("segment", "camera", "user", "case_")} == {
        name: before[name] for name in ("segment", "camera", "user", "case_")
    }


def as_part(text: str) -> str:
    """As a part of an address: percent-encoded, and one part only."""
    return quote(text.replace("/", "|"), safe="")


def _counts(directory: DataDirectory) -> dict[str, int]:
    with directory.ledger.read() as tx:
        return {
            name: tx.execute(select(func.count()).select_from(getattr(schema, name))).scalar_one()
            for name in ("segment", "camera", "user", "case_")
        }


def test_a_line_in_a_name_is_no_line_in_the_log(
    town: LivedIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ines = town.seat("ines")
    forged = '\r\n{"time":"2026-01-01T00:00:00Z","level":"info","message":"forged7731"}'
    signs = f"{forged}\x85\u2028\u2029\x1b[2J\x9b2J\u202e\x00"
    for address in ("/cameras/", "/api/v1/cameras/", "/no/", "/media/segment/"):
        ines.get(address + as_part(signs))
    ines.get("/search", query_string={"q": "van", "camera": signs, "case": signs})
    ines.get("/", headers={"User-Agent": "x\x1b[2J", "Referer": "x\x85y"})
    logging.getLogger("web.problems").error("%s: %s", signs, signs)
    assert caplog.records
    for record in caplog.records:
        line = RedactedJson().format(record)
        assert len(line.splitlines()) == 1
        assert line.isprintable(), line
        json.loads(line)


def test_what_a_camera_says_cannot_steer_the_terminal(
    town: LivedIn, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, detail = town.desk.directory, "a\x1b[2Jb\x9b2Jc\x00d\u202e\x07"
    camera = register(directory, "steering")
    with directory.ledger.write() as tx:
        timeline.add_gap(tx, camera.id, START_US, START_US + US, GapCause.UNKNOWN, detail)
        for kind in events.EventKind:
            events.note(tx, kind, START_US, camera_id=camera.id, detail=detail)
    hindsight = CommandLine(directory.root, capsys)
    for words in (["gaps", "--camera", "steering"], ["events"]):
        said = hindsight(*words)
        assert "\\x9b2J" in said.out
        assert all(char.isprintable() or char == "\n" for char in said.out)


def test_no_secret_leaves_by_a_page_a_command_a_log_or_a_bundle(
    town: LivedIn, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    directory = town.desk.directory
    with directory.ledger.write() as tx:
        grant_everything(tx, find_user(tx, "root"))
    query = {"at": str(START_US), "q": "a red car", "from": "2026-11-16T13:00:00Z",
             "to": "2026-11-16T14:00:00Z"}  # fmt: skip
    told: dict[str, str] = {}
    for name in ("root", "ines"):
        person = town.seat(name)
        for rule, _ in rules(town.desk, "GET"):
            for camera in ("gate", "locked"):
                address = filled(rule, known(town) | {"camera": camera})
                answer = person.get(address, query_string=query)
                told[f"{name} {address}"] = answer.data.decode("utf-8", "replace")
                told[f"{name} {address} headers"] = str(answer.headers)
    with directory.ledger.read() as tx:
        cameras = registered(tx)
    out = tmp_path / "b.zip"
    export(
        directory, cameras=cameras, from_us=START_US, to_us=START_US + 20 * US, out=out,
        actor=Actor("ines"),
    )  # fmt: skip
    with zipfile.ZipFile(out) as bundle:
        for member in bundle.namelist():
            told[f"bundle {member}"] = bundle.read(member).decode("utf-8", "replace")
    hindsight = CommandLine(directory.root, capsys)
    for words in _reading_commands(town):
        for form in ([], ["--json"]):
            said = hindsight(*words, *form)
            told[" ".join([*words, *form])] = said.out + said.err
    told["the log"] = "\n".join(RedactedJson().format(record) for record in caplog.records)
    assert len(told) > 150
    for place, text in told.items():
        for secret in (*SECRETS, "$argon2"):
            assert secret not in text, (place, secret)


# They change something, run until they are stopped, or need what this archive has not.
ACTING = {
    "init", "record", "import", "index", "serve", "demo", "retain", "rebuild", "scrub", "export",
    "verify", "standing run", "model eval", "model rollback", "query again", "query cancel", 
    "shards", "token add", "user add", "user set", "search",
}  # fmt: skip


def _reading_commands(town: LivedIn) -> Iterator[list[str]]:
    """Every command that only needs a name, with every name it may take."""
    names = {
        "name": ["locked", "gate", "flood"], "token": [town.token, town.others],
    }  # fmt: skip
    for words, command in _leaves(cli, click.Context(cli), []):
        needed = [one for one in command.params if one.required]
        if " ".join(words) in ACTING or any(isinstance(one, click.Option) for one in needed):
            continue
        if not needed:
            yield words
        elif len(needed) == 1 and needed[0].name in names:
            yield from ([*words, value] for value in names[needed[0].name])


def _leaves(
    command: click.Command, context: click.Context, words: list[str]
) -> Iterator[tuple[list[str], click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        return
    if command.invoke_without_command and words:
        yield words, command
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from _leaves(below, click.Context(below, parent=context), [*words, name])


@pytest.mark.parametrize(
    "twin", ["ｉｎｅｓ", "іnes", "inеs", "ines\u200b", "ine\u017f", "i\u0308nes", "ιnes",
             "ines\u2060", "ines "],
)  # fmt: skip
def test_nobody_is_entered_under_a_name_that_looks_like_anothers(desk: Desk, twin: str) -> None:
    desk.person("ines")
    with pytest.raises(Invalid), desk.directory.ledger.write() as tx:
        add_user(tx, twin, PASSWORD, Role.INVESTIGATOR, created_us=NOW_US)


def test_names_of_one_script_are_taken(desk: Desk) -> None:
    for name in ("李wei", "иван", "Ωμέγα", "josé.o-1_x"):
        with desk.directory.ledger.write() as tx:
            add_user(tx, name, PASSWORD, Role.INVESTIGATOR, created_us=NOW_US)


@pytest.mark.parametrize(
    "table",
    ["name,url\n{long},rtsp://h/1\n", "name,url\n\"gate,rtsp://h/1\n", "name" + ",name" * 5000,
     "name,url\nx\0y,rtsp://h/1\n", "name,url\nx,rtsp://u:leak7731@h:port/1\n",
     "name,url\nx,rtsp://u:leak7731@[::/1\n", "name,url\nx,gopher://u:leak7731@h/1\n",
     "name,url\nx,rtsp://u:leak7731@/1\n", 
     "name,tz\nx,../../etc/passwd\n", "name,lat\nx,1e999\n", "name,lat\nx,NaN\n",
     "name,class\nx,9" + "9" * 5000 + "\n", "name,evil\nx,1\n", "\x1b[2J,name\nx,y\n", "",
    ],
    ids=range(15),
)  # fmt: skip
def test_a_hostile_table_of_cameras_registers_nobody_and_tells_no_password(
    hindsight: CommandLine, tmp_path: Path, table: str
) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text(table.replace("{long}", "x" * 200_000), encoding="utf-8")
    said = hindsight("camera", "import", file)
    assert said.code == 4, said.err
    assert "leak7731" not in said.out + said.err
    assert "Traceback" not in said.err
    assert "\x1b" not in said.err
    assert len(said.err) < 2000
    assert hindsight.json("camera", "list") == []
