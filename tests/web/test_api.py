"""The JSON API: the command line's documents, described by its own OpenAPI, errors as RFC 9457."""

from __future__ import annotations

import io
import json
import re
import zipfile
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy.pool import QueuePool

from storage.clock import rfc3339
from storage.errors import KINDS
from storage.vocabulary import Role
from tests.storage.media import CommandLine
from tests.web.desk import Desk, Person
from tests.web.footage import START_US
from tests.web.test_search import png
from web import shapes
from web.blueprints.api import _api
from web.problems import PROBLEM_TYPE, TITLES


def send(person: Person, address: str, body: object) -> Any:
    """POST JSON with the form token in its header."""
    return person.client.post(address, json=body, headers={"X-CSRF-Token": person.token()})


def test_answers_have_the_shapes_they_are_described_with(archive: Desk) -> None:
    ines = archive.person()
    for address, shape in (
        ("/cameras", list[shapes.Camera]), ("/cameras/gate", shapes.Camera),
        ("/segments", list[shapes.Segment]), ("/gaps", list[shapes.Gap]),
        ("/status", shapes.Status), ("/session", shapes.Session),
    ):  # fmt: skip
        answer = ines.get(f"/api/v1{address}")
        assert answer.status_code == 200, answer.text
        TypeAdapter(shape).validate_json(answer.data)
        described = json.loads(TypeAdapter(shape).dump_json(
            TypeAdapter(shape).validate_json(answer.data), by_alias=True
        ))  # fmt: skip
        assert described == answer.json, address  # nothing told that is not described
    found = send(ines, "/api/v1/search", {"text": "van"})
    shapes.Answer.model_validate(found.json)


def test_api_says_what_the_command_line_says(
    archive: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    ines = archive.person()
    hindsight = CommandLine(archive.directory.root, capsys)
    for command in (["segments"], ["gaps"], ["camera", "list"]):
        address = {"camera": "cameras"}.get(command[0], command[0])
        assert hindsight.json(*command) == ines.get(f"/api/v1/{address}").json, command


def test_span_and_camera_filter_segments(archive: Desk) -> None:
    ines = archive.person()
    second = archive.segments[1]
    asked = {"camera": "gate", "from": rfc3339(second.start_us), "to": rfc3339(second.end_us)}
    rows = ines.get("/api/v1/segments", query_string=asked).json
    assert [row["id"] for row in rows] == [second.id]
    assert rows[0]["sha256"] == second.sha256


@pytest.mark.parametrize(
    ("address", "status", "kind"),
    [
        ("/cameras/nowhere", 404, "not-found"),
        ("/segments?camera=nowhere", 404, "not-found"),
        ("/segments?from=2026-11-16T21:00:00", 422, "invalid"),  # naive: never guessed
        ("/segments?from=2026-11-17T00:00:00Z&to=2026-11-16T00:00:00Z", 422, "invalid"),
        ("/gaps?colour=red", 422, "invalid"),
        ("/status?to=2026-11-16T00:00:00Z", 422, "invalid"),
        ("/no/such/thing", 404, "not-found"),
    ],
)
def test_refusals_are_problem_documents(
    archive: Desk, address: str, status: int, kind: str
) -> None:
    answer = archive.person().get(f"/api/v1{address}")
    assert answer.status_code == status
    assert answer.content_type == PROBLEM_TYPE
    problem = shapes.Problem.model_validate(answer.json)
    assert problem.type == f"urn:hindsight:problem:{kind}"
    assert problem.status == status
    assert problem.detail


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "an empty query finds nothing"),
        ({"text": ""}, "an empty query finds nothing"),
        ({"text": "x" * 10_000}, "too long"),
        ({"text": "van", "colour": "red"}, "field colour cannot be used"),
        ({"text": "van", "top": "many"}, "field top cannot be used"),
        ({"text": "van", "from": "2026-11-16T21:00:00"}, "has no zone"),
        ({"text": "van", "between": "25:00-26:00"}, "time of day"),
        ({"text": "van", "camera": "gate"}, "field camera cannot be used"),
        (["van"], "not a JSON object"),
    ],
)
def test_bad_search_is_refused_in_a_sentence(archive: Desk, body: object, said: str) -> None:
    answer = send(archive.person(), "/api/v1/search", body)
    assert answer.status_code == 422
    assert said in answer.json["detail"]
    assert not archive.audited("search")


def test_search_takes_a_picture_in_a_form(archive: Desk) -> None:
    ines = archive.person()
    answer = ines.post(
        "/api/v1/search",
        {"query": json.dumps({"camera": ["gate"]}), "image": (io.BytesIO(png()), "q.png")},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 200, answer.text
    assert answer.json["query"]["image"]["width"] == 64
    refused = ines.post(
        "/api/v1/search", {"query": "{}", "image": (io.BytesIO(b"text"), "q.png")},
        content_type="multipart/form-data",
    )  # fmt: skip
    assert refused.status_code == 422
    typed = ines.client.post(
        "/api/v1/search", data="text=van", content_type="text/plain",
        headers={"X-CSRF-Token": ines.token()},
    )  # fmt: skip
    assert typed.status_code == 422


def test_search_takes_everything_the_command_line_takes(archive: Desk) -> None:
    body = {
        "text": "红色汽车^2", "also": ["at night"], "not": ["a bus"], "then": "a dog",
        "within_s": 9, "near_m": 250, "box": [[1, 2, 30, 31], None], "weight": [0.5],
        "like": [f"gate@{rfc3339(START_US)}#0,0,40,50^3"], "weekday": ["sun", 1],
        "around": {"lat": 31.2, "lon": 121.4, "radius_m": 500}, "kind": "region",
        "least_box": 24, "light": "night",
    }  # fmt: skip
    answer = archive.person().post(
        "/api/v1/search",
        {"query": json.dumps(body), "image": [(io.BytesIO(png()), f"{i}.png") for i in range(2)],
         "not_image": (io.BytesIO(png(16)), "n.png")},
        content_type="multipart/form-data",
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    said = answer.json["query"]
    sizes = [(p["picture"]["width"], p["weight"]) for p in said["parts"] if "picture" in p]
    assert sizes == [(30, 0.5), (64, 1.0), (40, 3.0)]
    assert [part.get("text") for part in said["exclusions"]] == ["a bus", None]
    assert (said["weekdays"], said["kind"], said["light"]) == ([1, 7], "region", "night")
    assert (said["near_m"], said["around"]["radius_m"], said["least_box"]) == (250, 500, 24)
    assert [row.actor for row in archive.audited("view")] == ["ines"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": "van", "box": [0, 0, 5, 5]}, "needs the picture"),
        ({"text": "van", "weight": [2]}, "more weights than pictures"),
        ({"text": "van", "near_m": 5}, "needs --then"),
        ({"text": "van", "weekday": ["holiday"]}, "field weekday"),
        ({"text": "van", "weekday": [8]}, "weekday 8 is not known"),
        ({"text": "van", "around": {"lat": 99, "lon": 0, "radius_m": 5}}, "on the Earth"),
        ({"text": "van", "around": {"lat": 9, "lon": 0}}, "field around.radius_m"),
        ({"text": "van", "light": "dusk"}, "field light"),
        ({"text": "van", "not": ["VAN"]}, "asked for and excluded"),
        ({"like": ["gate@1999"]}, "cannot be read"),
    ],
)
def test_a_part_that_cannot_be_searched_is_refused(
    archive: Desk, body: object, said: str
) -> None:  # fmt: skip
    answer = send(archive.person(), "/api/v1/search", body)
    assert answer.status_code == 422
    assert said in answer.json["detail"]


def test_export_is_a_bundle_that_verifies(archive: Desk, tmp_path: Any) -> None:
    from evidence.verify_bundle import verify

    ines = archive.person()
    span = {"from": rfc3339(START_US), "to": rfc3339(START_US + 3_000_000)}
    answer = send(ines, "/api/v1/export", {"camera": ["gate"], **span, "reason": "request 7"})
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/zip"
    path = tmp_path / "bundle.zip"
    path.write_bytes(answer.data)
    assert not verify(path).findings
    with zipfile.ZipFile(path) as held:
        assert sum("/originals/gate/" in name for name in held.namelist()) == 2
    [kept] = ines.get("/api/v1/exports").json  # for a while it can be fetched again
    assert ines.get(kept["bundle"]).data == answer.data
    assert [row.actor for row in archive.audited("export")] == ["ines"]
    late = {"from": rfc3339(START_US - 9_000_000), "to": rfc3339(START_US - 5_000_000)}
    assert send(ines, "/api/v1/export", {"camera": ["gate"], **late}).status_code == 404
    assert send(ines, "/api/v1/export", {"camera": [], **span}).status_code == 422


def test_openapi_describes_every_route_and_resolves(archive: Desk) -> None:
    document = archive.person().get("/api/v1/openapi.json").json
    assert document["openapi"].startswith("3.1")
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in archive.app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, item in document["paths"].items() for method in item}
    assert described == routes
    assert len(_api.operations) == len(described)
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    for reference in set(text.split('"#/components/schemas/')[1:]):
        assert reference.split('"')[0] in schemas
    search = document["paths"]["/api/v1/search"]["post"]
    assert set(search["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert "403" in search["responses"]
    assert schemas["SearchBody"]["properties"].keys() >= {"text", "not", "from", "between"}


def test_every_kind_of_error_has_its_title() -> None:
    assert {kind.kind for kind in KINDS} | {"error", "not-logged-in"} == set(TITLES)


def test_api_speaks_the_language_that_is_asked_for(archive: Desk) -> None:
    ines = archive.person()
    ines.client.set_cookie("hindsight_lang", "zh")
    answer = ines.get("/api/v1/cameras/nowhere")
    assert answer.json["title"] == "未找到"
    assert answer.headers["Content-Language"] == "zh"


def test_no_answer_takes_a_second_connection_while_it_holds_one(archive: Desk) -> None:
    """Or as many requests as there are connections would wait for one another for ever."""
    ines, ledger = archive.person(role=Role.ADMINISTRATOR), archive.directory.ledger
    pool = ledger.engine.pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.01
    with ExitStack() as others:
        for _ in range(pool.size() + pool._max_overflow - 1):
            others.enter_context(ledger.read())
        answers = {
            address: ines.get(address).status_code
            for rule in archive.app.url_map.iter_rules()
            if "GET" in (rule.methods or ()) and not rule.arguments - {"camera"}
            for address in [rule.rule.replace("<camera>", "gate")]
        }
    assert {address for address, status in answers.items() if status >= 500} == set()
    assert answers["/api/v1/cameras"] == 200
