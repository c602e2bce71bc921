"""Who may do what with an API token made at the command line: the same table as for a login.

Role × every address of the API and of media × whose camera × case × time, as in test_who_may;
and no verb that the token was not made for.
"""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from storage.api_tokens import NEVER, add_token
from storage.people import find_user
from storage.rights import RIGHTS, Verb
from storage.vocabulary import Role
from tests.web.city import OTHER, OWN, SEEN, UNTIL_US, Asking, Call, City, told, words
from tests.web.desk import NOW_US
from tests.web.test_who_may import CALLS, NEED_A_CASE, _due
from web import signing

BY_TOKEN = [one for one in CALLS if one[0].startswith(("api.", "media."))]


class Program:
    """Somebody's program: it brings a token and no cookie."""

    def __init__(self, city: City, role: Role, *verbs: Verb) -> None:
        self.city, self.client = city, city.desk.app.test_client()
        with city.desk.directory.ledger.write() as tx:
            made, token = add_token(
                tx, find_user(tx, f"one-{role.value}"), "report", verbs, days=30,
                created_by="command line (uid 1)", now_us=NOW_US,
            )  # fmt: skip
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        self.signs_for = f"api token {made.id}"

    def send(self, call: Call, camera: str, case: str | None) -> TestResponse:
        key = self.city.desk.app.secret_key
        assert isinstance(key, bytes)
        self.city.number += 1
        return call(
            Asking(
                self.client, camera, self.city.segments[camera].id, case,
                lambda *parts: signing.signature(key, self.signs_for, *parts), self.city.number,
            )
        )  # fmt: skip


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    ("case", "required", "expired"),
    [(None, False, False), ("closed-1", True, False), (None, True, True)],
)
def test_a_token_reaches_what_its_owners_login_reaches(
    as_it_was: City, role: Role, case: str | None, required: bool, expired: bool
) -> None:
    city = as_it_was
    program = Program(city, role, *(RIGHTS[role] - NEVER))
    city.require_case(required)
    if expired:
        city.desk.clock.now = UNTIL_US
    for endpoint, verb, takes_case, call in BY_TOKEN:
        if endpoint in NEED_A_CASE and case is None:
            continue  # they need one anyway, and say so first
        for camera in (OWN, SEEN, OTHER):
            answer = program.send(call, camera, case)
            due = _due(role, verb, takes_case, camera, case, required, expired)
            if verb in NEVER:
                due = "denied"
            where = (role, endpoint, camera, case, required, expired, words(answer)[:300])
            said = told(answer)
            assert said == due or (due == "hidden" and said in ("closed", "denied")), where
            if due != "through":
                assert "ftyp" not in words(answer)[:64], where


def test_a_token_does_only_what_it_was_made_for(as_it_was: City) -> None:
    for only in (Verb.SEE, Verb.SEARCH, Verb.PLAY, Verb.EXPORT):
        program = Program(as_it_was, Role.ADMINISTRATOR, only)
        for endpoint, verb, _, call in BY_TOKEN:
            if endpoint in NEED_A_CASE:
                continue
            answer = program.send(call, OWN, None)
            through = verb in (only, Verb.SEE)
            assert (told(answer) == "through") is through, (only, endpoint, words(answer)[:300])


def test_a_token_takes_power_away_and_gives_none(as_it_was: City) -> None:
    """Nor with the password beside it: who gives somebody power sits there."""
    client: FlaskClient = Program(as_it_was, Role.ADMINISTRATOR, Verb.ADMINISTER).client
    for address, body in (
        ("/api/v1/users", {"name": "mole", "role": "administrator", "password": "x" * 12}),
        ("/api/v1/grants", {"user": "one-auditor", "verbs": ["see"], "site": "/", "purpose": "x",
                            "password": "x" * 12}),
    ):  # fmt: skip
        answer = client.post(address, json=body)
        assert answer.status_code == 403, answer.text
        assert "gives nobody more" in answer.text
    for change in ({"role": "administrator"}, {"enabled": True}, {"reset_password": True},
                   {"department": "south"}, {"reset_second_factor": True}):  # fmt: skip
        answer = client.patch("/api/v1/users/one-auditor", json=change)
        assert answer.status_code == 403, (change, answer.text)
    ended = client.patch("/api/v1/users/one-auditor", json={"end_sessions": True})
    assert ended.status_code == 200, ended.text
