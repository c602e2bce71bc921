"""Attacks on the doors of the web application: each goes to every address there is or will be."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from storage import audit
from storage.vocabulary import Role
from tests.storage.media import new_house
from tests.web.desk import NOW_US, PASSWORD, Desk, Person
from tests.web.footage import START_US, keep, register
from tests.web.lived_in import CASE, STANDING, LivedIn, live_in
from tests.web.watching import Watching, listening
from web import sessions, signing

CANARY = "canary-6502"
KEPT_APART = "kept apart: 6502"
EVIL_HOST = "evil.example"
TRAVERSALS = (
    "../../../../{file}", "..%2f..%2f..%2f..%2f{file}", "%2e%2e/%2e%2e/%2e%2e/{file}",
    "%252e%252e%252f%252e%252e%252f{file}", "..%5c..%5c{file}", "....//....//{file}",
    "%2f{absolute}", "//{absolute}", "file:%2f%2f{absolute}", "．．/．．/{file}", "‥/‥/{file}",
    "..%c0%af..%c0%af{file}", "gate%00/../../{file}", "{file}%00.mp4", "..;/..;/{file}", "~root",
    "%e2%80%aegate", "%ff%fe", "-", "a" * 5000,
)  # fmt: skip
OFF_SITE = (
    "//evil.example", "/\\evil.example", "\\\\evil.example", "\\/evil.example",
    "https:evil.example", "https:///evil.example", "http://evil.example",
    "http://localhost@evil.example", "javascript:alert(1)", "data:text/html,x",
    "/\t/evil.example", "\t//evil.example", " //evil.example", "/\r\n/evil.example",
    "/\r\nSet-Cookie: stolen=1", "/x\r\n\r\n<script>", "////evil.example", "%2f%2fevil.example",
    "/%0d%0aSet-Cookie: stolen=1", "evil.example", "@evil.example", "/\u2028/evil.example",
    "http:\\\\evil.example", "//evil.example:80\\@localhost/", "/" + "a" * 5000,
)  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Iterator[LivedIn]:
    """One for the module; nothing here may change it."""
    house = new_house(tmp_path_factory.mktemp("attacked") / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    gate = desk.cameras["gate"] = register(desk.directory, "gate")
    desk.segments.append(keep(desk.directory, gate, clips / "one.mp4", START_US))
    desk.person("root", Role.ADMINISTRATOR)
    for place in (house.directory.root, house.directory.root.parent):
        (place / CANARY).write_text(KEPT_APART)
    yield live_in(desk)
    desk.close()


def rules(desk: Desk, *methods: str) -> list[tuple[Rule, str]]:
    """(rule, method) of every address."""
    return [
        (rule, method)
        for rule in sorted(desk.app.url_map.iter_rules(), key=lambda one: (one.rule, one.endpoint))
        for method in methods
        if method in (rule.methods or ())
    ]


def filled(rule: Rule, values: dict[str, str]) -> str:
    """The address of a rule."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], rule.rule)


def known(town: LivedIn) -> dict[str, str]:
    """Parameters that lead somewhere; one of an address to come is made up."""
    made_up = {name: "1" for rule in town.desk.app.url_map.iter_rules() for name in rule.arguments}
    return made_up | {name: values[0] for name, values in town.known.items()}


def signed(town: LivedIn, person: Person, *parts: object) -> str:
    """As a page shown to `person` would sign it: what lies behind the signature is attacked."""
    cookie = person.client.get_cookie(sessions.COOKIE)
    assert cookie is not None
    return signing.signature(town.desk.app.config["SECRET_KEY"], cookie.value, *parts)


# Paths


def test_no_part_of_an_address_leads_to_a_file(town: LivedIn) -> None:
    root = town.seat("root")
    above = town.desk.directory.root / CANARY
    for rule, method in rules(town.desk, "GET"):
        for name, pattern in itertools.product(sorted(rule.arguments), TRAVERSALS):
            value = pattern.format(file=CANARY, absolute=str(above).lstrip("/"))
            address = filled(rule, known(town) | {name: value})
            sig = signed(town, root, rule.endpoint.rpartition(".")[2].replace("still", "segment")
                         .replace("init", "segment"), value)  # fmt: skip
            answer = root.client.open(address, method=method, query_string={"sig": sig, "at": "1"})
            assert answer.status_code < 500, address
            assert KEPT_APART.encode() not in answer.data, address
            assert b"root:x:" not in answer.data, address


# Forgery


def test_nothing_changes_without_the_token_of_this_session(town: LivedIn) -> None:
    """Nor by another session's token, nor from a form of another kind, nor in the address."""
    root, omar = town.seat("root"), town.seat("omar")
    others = omar.token()
    own = root.token()
    before = _audited(town)
    forms: list[dict[str, Any]] = [
        {"data": {"csrf_token": others}}, {"headers": {"X-CSRF-Token": others}},
        {"data": '{"reason": "x"}', "content_type": "text/plain"},
        {"data": f'{{"csrf_token": "{own}"}}', "content_type": "application/json"},
        {"data": {"csrf_token": "", "x": "x"}, "content_type": "multipart/form-data"},
        {"query_string": {"csrf_token": own}},
        {"headers": {"Origin": f"https://{EVIL_HOST}", "Referer": f"https://{EVIL_HOST}/"}},
        {"headers": {"X-CSRF-Token": own, "Referer": f"https://{EVIL_HOST}/"},
         "base_url": "https://localhost"},
    ]  # fmt: skip
    tried = 0
    for rule, method in rules(town.desk, "POST", "PUT", "PATCH", "DELETE"):
        if rule.endpoint == "api.open_session":  # takes JSON only, see below
            continue
        for form in forms:
            answer = root.client.open(filled(rule, known(town)), method=method, **form)
            assert answer.status_code == 400, (rule.rule, method, form, answer.text)
            tried += 1
    assert tried > 100
    assert _audited(town) == before
    assert root.get("/account").status_code == 200


def test_a_foreign_page_can_neither_log_anybody_in_nor_ask_to_be_let_in(town: LivedIn) -> None:
    body = f'{{"user": "ines", "password": "{PASSWORD}"}}'
    for kind in ("text/plain", "text/plain; application/json", "multipart/form-data",
                 "application/x-www-form-urlencoded", ""):  # fmt: skip
        client = town.desk.app.test_client()
        answer = client.post("/api/v1/session", data=body, content_type=kind)
        assert answer.status_code in (400, 422), kind
        assert client.get_cookie(sessions.COOKIE) is None
    form = {"name": "ines", "password": PASSWORD}
    assert town.desk.app.test_client().post("/login", data=form).status_code == 400
    asking = {"Origin": f"https://{EVIL_HOST}", "Access-Control-Request-Method": "POST",
              "Access-Control-Request-Headers": "content-type,x-csrf-token"}  # fmt: skip
    ines = town.seat("ines")
    for rule, method in rules(town.desk, "OPTIONS", "GET"):
        answer = ines.client.open(filled(rule, known(town)), method=method, headers=asking)
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def _audited(town: LivedIn) -> int:
    with town.desk.directory.ledger.read() as tx:
        return len(audit.rows(tx))


# Redirects and hosts


def test_the_way_back_after_a_form_never_leads_to_another_site(town: LivedIn) -> None:
    ines = town.seat("ines")
    token = ines.token()
    for target in OFF_SITE:
        answers = [
            ines.get("/login", query_string={"next": target}),
            ines.client.post("/preferences", data={"csrf_token": token, "next": target}),
        ]
        for answer in answers:
            assert answer.status_code == 302
            _stays_here(answer, target)
    stranger = town.desk.app.test_client()
    for target in OFF_SITE:
        page = stranger.get("/search?q=" + quote(target))
        _stays_here(page, target)


def test_a_login_never_leads_to_another_site(desk: Desk) -> None:
    desk.person("ines")
    for target in OFF_SITE[:6]:
        person = Person(desk.app.test_client())
        answer = person.log_in("ines", PASSWORD, next=target)
        assert answer.status_code == 302
        _stays_here(answer, target)


def _stays_here(answer: TestResponse, target: str) -> None:
    # As a browser reads it: blanks fall out, a backslash is a slash.
    location = re.sub(r"[\t\r\n]", "", answer.headers["Location"]).strip().replace("\\", "/")
    there = urlsplit(urljoin("http://localhost/login", location))
    assert (there.scheme, there.netloc) == ("http", "localhost"), (target, location)
    assert "stolen" not in str(answer.headers.getlist("Set-Cookie")), target


def test_the_host_a_request_names_is_written_nowhere(town: LivedIn) -> None:
    ines = town.seat("ines")
    forged = {"Host": EVIL_HOST, "X-Forwarded-Host": EVIL_HOST, "X-Forwarded-Proto": "https",
              "Forwarded": f"host={EVIL_HOST}", "X-Original-URL": f"//{EVIL_HOST}/",
              "X-Rewrite-Url": f"//{EVIL_HOST}/"}  # fmt: skip
    for rule, method in rules(town.desk, "GET"):
        address = filled(rule, known(town))
        query = {"at": str(START_US), "from": "2026-11-16", "to": "2026-11-17"}
        for client in (ines.client, town.desk.app.test_client()):
            client.set_cookie(sessions.COOKIE, _cookie(ines), domain=EVIL_HOST)
            answer = client.open(address, method=method, headers=forged, query_string=query)
            assert EVIL_HOST.encode() not in answer.data, address
            assert EVIL_HOST not in str(answer.headers), address


def _cookie(person: Person) -> str:
    cookie = person.client.get_cookie(sessions.COOKIE)
    assert cookie is not None
    return cookie.value


# What answers carry


def test_no_private_answer_is_kept_by_a_cache_or_framed_or_guessed_at(town: LivedIn) -> None:
    root = town.seat("root")
    query = {"at": str(START_US), "from": "2026-11-16T13:00:00Z", "to": "2026-11-16T14:00:00Z",
             "q": "a red car"}  # fmt: skip
    addresses = [filled(rule, known(town)) for rule, _ in rules(town.desk, "GET")]
    addresses += ["/no/such/page", "/api/v1/no", "/cameras/nobody", "/media/nobody/snapshot"]
    segment = town.desk.segments[0]
    opening = root.opening()
    addresses += [one["still"] for one in opening["segments"]] + [opening["playlist"]]
    sig = signed(town, root, "picture", segment.id, segment.start_us)
    addresses.append(f"/media/picture/{segment.id}/{segment.start_us}.jpg?sig={sig}")
    for address in addresses:
        asked = {} if "sig=" in address and "still" not in address else query
        answer = root.get(address, query_string=asked if "?" not in address else None)
        headers = answer.headers
        if not address.startswith("/static/"):
            kept = headers["Cache-Control"]
            assert "no-store" in kept or "private" in kept, (address, kept)
            assert "public" not in kept, address
            assert "Cookie" in headers["Vary"], address
        assert headers["X-Content-Type-Options"] == "nosniff", address
        assert headers["X-Frame-Options"] == "DENY", address
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], address
        assert headers.get("Content-Type") or answer.status_code in (204, 304), address


# Too much


@pytest.mark.parametrize(
    "body",
    [
        '{"text": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"a":' * 50_000 + "1" + "}" * 50_000,
        '{"text": "a", "top": 1' + "0" * 5000 + "}", '{"text": "a", "within_s": 1e999}',
        '{"text": "a", "within_s": NaN, "then": "b"}', '{"text": "a", "top": -1}',
        '{"text": "a", "top": 9223372036854775808}', '{"text": "a", "least_box": 1e300}',
        '{"text": "a", "box": [1, 2, 3, 99999999999999999999]}', '{"text": "\\ud800"}',
        '{"text": "a", "from": "9999-12-31T23:59:59+14:00"}', '{"text": "\\u0000"}',
        '{"text": "a", "from": "0001-01-01T00:00:00-14:00"}', "[]", "null", '"x"', "", "\x00",
        '{"text": "a", "around": {"lat": 1e308, "lon": -1e308, "radius_m": 1e308}}',
        '{"text": "a", "also": [' + '"b",' * 5000 + '"b"]}', '{"text": "' + "a" * 1_000_000 + '"}',
        '{"text": "a^1e999"}', '{"text": "a^' + "9" * 5000 + '"}', '{"text": "a", "top": true}',
        '{"text": "a", "weekday": [0, 8, -1]}', '{"text": "a", "text": "b", "__class__": {}}',
        '{"text": "a", "like": ["gate@2026-11-16T13:00:01Z#0,0,99999999999,1"]}',
    ],
    ids=lambda body: body[:24].replace("\x00", "NUL") or "nothing",
)  # fmt: skip
def test_no_json_brings_the_search_down(town: LivedIn, body: str) -> None:
    ines = town.seat("ines")
    answer = ines.client.post(
        "/api/v1/search", data=body.encode("utf-8", "surrogatepass"),
        content_type="application/json", headers={"X-CSRF-Token": ines.token()},
    )  # fmt: skip
    assert answer.status_code < 500, answer.text
    assert len(answer.data) < 200_000


def test_no_number_or_time_in_an_address_overflows(town: LivedIn) -> None:
    root = town.seat("root")
    numbers = ("-1", "9" * 17, "9" * 18, str(2**64), "9" * 400, "1e999", "²", "",
               "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-02-30")  # fmt: skip
    names = ("at", "day", "w", "limit", "start", "wait_s", "from", "to", "top", "within", "near",
             "around", "after", "least_box", "tz", "codecs", "ended", "weekday")  # fmt: skip
    for rule, method in rules(town.desk, "GET"):
        if rule.endpoint == "static":
            continue
        address = filled(rule, known(town))
        for number in numbers:
            query: dict[str, Any] = dict.fromkeys(names, number) | {"q": "van", "camera": "gate"}
            if rule.endpoint.startswith("api."):
                query = _documented(town, rule, query)
            answer = root.client.open(address, method=method, query_string=query)
            assert answer.status_code < 500, (address, number, answer.text)
            for name in rule.arguments:
                other = filled(rule, known(town) | {name: quote(number or "-")})
                assert root.get(other).status_code < 500, (other, number)


def _documented(town: LivedIn, rule: Rule, query: dict[str, Any]) -> dict[str, Any]:
    """Only what the operation takes: the rest is refused before it is read."""
    document = town.desk.app.extensions.setdefault("attack.document", None)
    if document is None:
        document = town.seat("ines").get("/api/v1/openapi.json").json
        town.desk.app.extensions["attack.document"] = document
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
    parameters = document["paths"][path].get("get", {}).get("parameters", [])
    return {one["name"]: query[one["name"]] for one in parameters if one["name"] in query}


# Addresses somebody else gives


def test_no_field_makes_the_server_fetch_an_address(town: LivedIn) -> None:
    ines = town.seat("ines")
    reached: list[str] = []
    with listening() as listener:
        port = listener.getsockname()[1]
        watching = Watching()
        targets = (f"http://127.0.0.1:{port}/x.jpg", "file:///etc/passwd")
        headers = {"X-CSRF-Token": ines.token()}
        document = ines.get("/api/v1/openapi.json").json
        good = {"text": "a", "case": CASE, "reason": "x", "name": "fetch", "user": "x",
                "expires": "2026-11-17T00:00:00Z", "password": "x", "camera": ["gate"],
                "from": "2026-11-16T13:00:00Z", "to": "2026-11-16T13:00:01Z"}  # fmt: skip
        with watching:
            for schema, path in _bodies(document):
                fields = document["components"]["schemas"][schema]["properties"]
                address = path.replace("{name}", STANDING).replace("{token}", town.token)
                for field, target in itertools.product(fields, targets):
                    if schema == "Login" or "{frame}" in path:
                        continue
                    listed = fields[field].get("type") == "array"
                    body = {name: value for name, value in good.items() if name in fields}
                    body[field] = [target] if listed else target
                    answer = ines.client.post(address, json=body, headers=headers)
                    assert answer.status_code < 500, (path, field)
                    assert b"root:x:" not in answer.data
            for name, target in itertools.product(
                ("q", "image", "like", "not", "then", "camera", "site", "around", "tz", "case",
                 "reason", "next"), targets,
            ):  # fmt: skip
                answer = ines.get("/search", query_string={"q": "a", name: target})
                assert b"root:x:" not in answer.data
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
        reached = watching.seen
    assert reached == []


def test_a_webhook_is_a_name_of_the_settings_never_an_address(town: LivedIn) -> None:
    ines = town.seat("ines")
    for address in (
        "http://127.0.0.1:1/",
        "https://evil.example/",
        "file:///etc/passwd",
        "duty/..",
    ):
        answer = ines.client.post(
            "/api/v1/standing", headers={"X-CSRF-Token": ines.token()},
            json={"name": "fetch", "text": "a", "case": CASE, "reason": "x", "webhook": address,
                  "expires": "2026-11-17T00:00:00Z"},
        )  # fmt: skip
        assert answer.status_code == 404, answer.text


def _bodies(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(schema, path) of each POST that takes JSON."""
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        if "application/json" in content:
            yield content["application/json"]["schema"]["$ref"].rpartition("/")[2], path
