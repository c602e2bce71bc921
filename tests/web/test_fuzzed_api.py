"""Whatever the OpenAPI document allows, and much that it does not, sent to every operation.

`HYPOTHESIS_PROFILE=explore` looks for new examples, and for many more of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as of_openapi
from werkzeug.test import TestResponse

from tests.storage.media import new_house
from tests.web.desk import NOW_US, PASSWORD, Desk
from tests.web.footage import START_US, keep, lose, register
from tests.web.lived_in import CASE, OTHERS_WORDS, SECRETS, LivedIn, live_in

EXPLORING = os.environ.get("HYPOTHESIS_PROFILE") == "explore"
EXAMPLES = 200 if EXPLORING else 3  # of each operation, in each mode
# To shrink costs minutes, and the failure names its request anyway.
PHASES = list(Phase) if EXPLORING else [Phase.generate]
CHECKS = [
    schemathesis.checks.not_a_server_error,
    of_openapi.status_code_conformance,
    of_openapi.content_type_conformance,
    of_openapi.response_schema_conformance,
]
# What a field may hold that leads somewhere: a machine hits on no name of a camera by itself.
TIMES = ["2026-11-16T13:00:00Z", "2026-11-16T21:00:02+08:00", "2026-11-17T00:00:00Z"]
TELLING: dict[str, list[Any]] = {
    "camera": [["gate"], ["gate", "locked"]], "from": TIMES[:1], "to": TIMES[1:],
    "case": [CASE], "reason": ["storm"], "text": ["a red car", "a red car^2"], "top": [1, 5],
    "user": ["ines"], "password": [PASSWORD], "right": [True], "expires": [TIMES[2]],
    "between": ["18:00-23:00"], "like": [["gate@2026-11-16T13:00:01Z"]], "site": [["North"]],
    "threshold": [0.9], "webhook": ["duty"], "quiet": ["22:00-06:00"], "name": ["flood", "fire"],
    "image": [None], "box": [None], "weight": [[]], "not": [["a bus"]], "also": [[]],
    "recipe": [{"recipe": 1}], "at": TIMES[:1],
    "then": [None, "a bus"], "within_s": [60], "near_m": [100], "around": [None],
}  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, clips: Path) -> Iterator[LivedIn]:
    """One for the module: it takes what it is sent."""
    house = new_house(tmp_path_factory.mktemp("fuzzed") / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    gate = desk.cameras["gate"] = register(desk.directory, "gate")
    one = keep(desk.directory, gate, clips / "one.mp4", START_US)
    lose(desk.directory, gate, one.end_us, one.end_us + 5_000_000)
    desk.segments.append(one)
    yield live_in(desk)
    desk.close()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_answers_as_it_is_documented_and_tells_no_secret(
    town: LivedIn, mode: GenerationMode
) -> None:
    document = town.seat("ines").get("/api/v1/openapi.json").json
    schema = schemathesis.openapi.from_dict(document)
    schema.app = town.desk.app
    failures = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck),
            phases=PHASES,
        )  # fmt: skip
        @given(case=operation.as_strategy(mode), data=st.data())
        def holds(case: Case, data: st.DataObject) -> None:
            _season(case, data, town)
            response = _send(town, case, data.draw(st.integers(0, 7)) > 0)
            case.validate_response(response, checks=CHECKS)
            _tells_nothing(town, response)

        try:
            holds()
        except (
            Exception,
            FailureGroup,
        ) as failure:  # each operation is heard, not only the first that fails
            failures.append(f"{operation.label}: {_shown(failure)}")
    assert not failures, "\n\n".join(failures)


def _shown(failure: BaseException) -> str:
    """What failed, and with which request."""
    within = getattr(failure, "exceptions", ())
    return "\n".join([str(failure), *(f"  {one}" for one in within)])


def _season(case: Case, data: st.DataObject, town: LivedIn) -> None:
    """Put names that lead somewhere in the place of some of what was drawn."""
    for name in case.path_parameters or {}:
        if case.path.endswith("/close"):
            continue  # everything else is asked under the case
        if data.draw(st.booleans()):
            case.path_parameters[name] = data.draw(st.sampled_from(town.known[name]))
    for values in (case.query, case.body):
        for name in TELLING if isinstance(values, dict) else ():
            if name in values and data.draw(st.booleans()):
                telling = town.known if values is case.query and name == "then" else TELLING
                values[name] = data.draw(st.sampled_from(telling[name]))


def _send(town: LivedIn, case: Case, honest: bool) -> TestResponse:
    person = town.seat("ines")
    sent = case.as_transport_kwargs()
    sent["headers"].pop("Cookie", None)
    sent["headers"]["Accept-Encoding"] = "identity"  # packed, no secret would be seen
    if honest:
        sent["headers"]["X-CSRF-Token"] = person.get("/api/v1/session").json["csrf_token"]
    return person.client.open(**sent)


def _tells_nothing(town: LivedIn, response: TestResponse) -> None:
    text = response.data.decode("utf-8", "replace")
    inside = (
        *SECRETS, OTHERS_WORDS, "Traceback", "sqlalchemy", "sqlite3.", ".py\", line", "$argon2",
        str(Path(__file__).parents[2]),
    )  # fmt: skip
    for secret in inside:
        assert secret not in text, secret


def test_a_refinement_asked_for_twice_is_answered_twice(town: LivedIn) -> None:
    """Found by fuzzing: the second one failed over the marks that the first had taken along."""
    ines = town.seat("ines")
    headers = {"X-CSRF-Token": ines.token()}
    for _ in range(2):
        answer = ines.client.post(f"/api/v1/searches/{town.token}/refine", headers=headers)
        assert answer.status_code == 200, answer.text
        marks = ines.get(f"/api/v1/searches/{answer.json['token']}/marks").json
        assert [one["frame"] for one in marks] == [town.frame]


def test_a_form_field_without_a_name_is_refused(town: LivedIn) -> None:
    """Found by fuzzing: the check of the form's token failed over it."""
    body = b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n"
    for address in ("/login", "/api/v1/search", "/export", "/preferences"):
        answer = town.seat("ines").client.post(
            address, data=body, content_type="multipart/form-data; boundary=x"
        )
        assert answer.status_code == 422, address
        assert "no name" in answer.text
