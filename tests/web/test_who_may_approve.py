"""What a second person has to approve, generated: who looks × every address that shows footage ×
what became of the request; and who may answer one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import delete
from werkzeug.test import TestResponse

from search.asking import Like
from search.likeness import parts_like
from storage.access import access_of
from storage.api_tokens import add_token
from storage.approval_tables import approval, approval_camera
from storage.approvals import APPROVABLE, give_approval, refuse_approval, request_approval
from storage.cases import open_case
from storage.clock import US, rfc3339
from storage.errors import Invalid
from storage.grants import revoke_grant
from storage.people import find_user
from storage.register import camera_by_id, set_camera
from storage.rights import RIGHTS, Verb
from storage.settings import AccessSettings
from storage.vocabulary import Actor, Role, Span
from tests.web.city import MINUTE_US, OTHER, OWN, SEEN, City, told, words
from tests.web.footage import START_US
from tests.web.test_who_may import CALLS, OF_AN_APPROVAL

SETTINGS = AccessSettings()
SPAN = Span(START_US - 3600 * US, START_US + 3600 * US)  # also of the export in the table
LOOKS = [
    one
    for one in CALLS
    if one[1] in APPROVABLE and one[2] and one[0] not in ("approvals.ask", "api.request_approval")
]
# The other states come down to the same function: these show that it is asked.
FULL, FEW = ("not requested", "given", "by oneself"), {
    "media.opening", "media.segment", "media.picture", "api.search", "api.export"
}  # fmt: skip
LOOKERS = [role for role in Role if Verb.PLAY in RIGHTS[role]]
APPROVERS = {role for role in Role if Verb.APPROVE in RIGHTS[role]}
STATES = [
    "not requested", "waiting", "given", "refused", "revoked", "expired", "by oneself",
    "of another person", "of another case", "of other verbs", "of another camera",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def another_case(city: City) -> None:
    with city.desk.directory.ledger.write() as tx:
        open_case(tx, "open-2", "thefts", "admin", city.desk.clock.now)


@pytest.fixture
def guarded(city: City) -> Iterator[City]:
    """The city, its cameras sensitive; nothing is requested, before and after."""
    mark(city, True)
    now = city.desk.clock.now
    yield city
    city.desk.clock.now = now
    mark(city, False)
    with city.desk.directory.ledger.write() as tx:
        tx.execute(delete(approval_camera))
        tx.execute(delete(approval))


def mark(city: City, sensitive: bool) -> None:
    with city.desk.directory.ledger.write() as tx:
        for camera in city.desk.cameras.values():
            set_camera(tx, camera, sensitive=sensitive)


def name_of(role: Role) -> str:
    return f"one-{role.value}"


def ask(
    city: City, role: Role, *, case: str = "open-1", verbs: set[Verb] | None = None,
    camera: str = OWN,
) -> list[int]:  # fmt: skip
    """Searching and playing at any time, exporting of a span: two requests."""
    made = []
    for some, span in ({Verb.SEARCH, Verb.PLAY}, None), ({Verb.EXPORT}, SPAN):
        if wanted := some & (verbs or {*APPROVABLE}):
            with city.desk.directory.ledger.write() as tx:
                name = name_of(role)
                access = access_of(tx, name, city.desk.clock.now)
                made.append(
                    request_approval(
                        tx, SETTINGS, access, Actor(name, case, "needed"), verbs=wanted,
                        cameras=[camera_by_id(tx, city.desk.cameras[camera].id)], span=span,
                    ).id
                )  # fmt: skip
    return made


def answer(
    city: City, numbers: list[int], yes: bool = True, by: str = "one-manager",
    until_us: int | None = None,
) -> None:  # fmt: skip
    with city.desk.directory.ledger.write() as tx:
        access = access_of(tx, by, city.desk.clock.now)
        for number in numbers:
            if yes:
                give_approval(
                    tx, SETTINGS, access, Actor(by), number, reason="agreed", until_us=until_us
                )
            else:
                refuse_approval(tx, access, Actor(by), number, reason="no")


def brought_to(city: City, role: Role, state: str) -> None:
    """What was asked and answered before the look."""
    other = next(one for one in LOOKERS if one is not role)
    if state == "waiting":
        ask(city, role)
    elif state in ("given", "revoked", "expired"):
        numbers, until_us = ask(city, role), city.desk.clock.now + MINUTE_US
        answer(city, numbers, until_us=until_us)
        if state == "revoked":
            for number in numbers:
                sent = post(city, Role.MANAGER, f"/approvals/{number}/revoke")
                assert sent.status_code == 200, sent.text
        elif state == "expired":
            city.desk.clock.now = until_us
    elif state == "refused":
        answer(city, ask(city, role), yes=False)
    elif state == "by oneself":
        for number in ask(city, role):
            said = post(city, role, f"/approvals/{number}/give")
            assert said.status_code == 403, said.text
    elif state == "of another person":
        answer(city, ask(city, other))
    elif state == "of another case":
        answer(city, ask(city, role, case="open-2"))
    elif state == "of another camera" and role is Role.ADMINISTRATOR:
        numbers = ask(city, role, camera=OTHER)
        answer(city, numbers, by=give_everything(city))


def give_everything(city: City) -> str:
    """The name of another administrator."""
    name = "two-administrator"
    with city.desk.directory.ledger.read() as tx:
        known = access_of(tx, name, city.desk.clock.now).person
    if not known:
        city.desk.person(name, Role.ADMINISTRATOR, granted=False)
    return name


def post(city: City, role: Role, address: str) -> TestResponse:
    return city.people[role].post(f"/api/v1{address}", json={"reason": "agreed"})


@pytest.mark.parametrize("role", LOOKERS)
@pytest.mark.parametrize("state", STATES)
def test_a_look_at_a_sensitive_camera_takes_a_second_person(
    guarded: City, role: Role, state: str
) -> None:
    city = guarded
    brought_to(city, role, state)
    for endpoint, verb, _, call in LOOKS:
        if state not in FULL and endpoint not in FEW:
            continue
        if state == "of other verbs":
            with city.desk.directory.ledger.write() as tx:
                tx.execute(delete(approval_camera))
                tx.execute(delete(approval))
            answer(city, ask(city, role, verbs={*APPROVABLE} - {verb}))
        sent = city.send(role, call, OWN, "open-1")
        where = (role, state, endpoint, words(sent)[:300])
        if endpoint == "media.picture" and state == "of other verbs":
            assert told(sent) == "through", where  # of a board as well: playing is enough
        elif state == "given":
            assert told(sent) == "through", where
        else:
            assert told(sent) == "denied", where
            assert "somebody else has to approve" in words(sent), where
            assert "ftyp" not in words(sent)[:64], where
            assert city.send(role, call, OWN, None).status_code in (403, 422), where


@pytest.mark.parametrize("role", LOOKERS)
def test_what_is_hidden_stays_hidden_when_it_is_sensitive(guarded: City, role: Role) -> None:
    city = guarded
    if role is Role.ADMINISTRATOR:
        return
    for _, verb, _, call in LOOKS:
        sent = city.send(role, call, OTHER, "open-1")
        assert told(sent) == "hidden", words(sent)[:300]
        assert city.is_as_unknown(role, call, "open-1", sent)
        seen = city.send(role, call, SEEN, "open-1")
        assert told(seen) == "denied", (verb, words(seen)[:300])
        assert "not granted" in words(seen)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("of", ["own", "a colleague's", "of a hidden camera", "unknown"])
def test_who_may_answer_a_request(guarded: City, role: Role, of: str) -> None:
    city = guarded
    number = 99
    if of == "own" and role in LOOKERS:
        number = ask(city, role)[0]
    elif of == "of a hidden camera":
        number = ask(city, Role.ADMINISTRATOR, camera=OTHER)[0]
    elif of == "a colleague's":
        number = ask(city, next(one for one in LOOKERS if one is not role))[0]
    hidden = number == 99 or (of == "of a hidden camera" and role is not Role.ADMINISTRATOR)
    mine = of == "own" or (of == "of a hidden camera" and role is Role.ADMINISTRATOR)
    for verb in ("refuse", "give", "revoke"):
        sent = post(city, role, f"/approvals/{number}/{verb}")
        where = (role, of, verb, sent.status_code, sent.text)
        if verb != "revoke" and role not in APPROVERS:
            assert sent.status_code == 403, where
        elif hidden or (role not in APPROVERS and not mine):
            assert sent.status_code == 404, where
            assert f"request {number} is not known" in sent.text
        elif mine:
            assert sent.status_code == (200 if verb == "revoke" else 403), where
        else:
            assert sent.status_code == (200 if verb == "refuse" else 409), where
    listed = {one["id"] for one in city.people[role].get("/api/v1/approvals?ended=true").json}
    assert (number in listed) is (not hidden and (mine or role in APPROVERS))


def test_every_address_of_a_request_is_tested_here(city: City) -> None:
    assert {name.split(".")[1].split("_")[0] for name in OF_AN_APPROVAL} == {
        "give", "refuse", "revoke"
    }  # fmt: skip


def form_of(city: City, role: Role) -> Callable[..., TestResponse]:
    page = city.people[role].get("/approvals").text
    token = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert token

    def send(address: str, **fields: object) -> TestResponse:
        data = {"csrf_token": token[1], **fields}
        return city.people[role].post(address, data=data, follow_redirects=True)

    return send


def test_the_pages_ask_and_answer(guarded: City) -> None:
    city = guarded
    asked = form_of(city, Role.INVESTIGATOR)(
        "/approvals", camera=OWN, verb=["search", "play"], case="open-1", reason="needed here"
    )
    number = int(re.findall(r"request (\d+) waits", asked.text)[0])
    assert "Approvals (1)" in city.people[Role.MANAGER].get("/approvals").text
    assert "Approvals (1)" not in asked.text  # it does not wait for who asked
    send = form_of(city, Role.MANAGER)
    assert "needs a reason" in send(f"/approvals/{number}/give", reason=" ", hours="1").text
    assert "not a number" in send(f"/approvals/{number}/give", reason="yes", hours="x").text
    assert "is approved" in send(f"/approvals/{number}/give", reason="yes", hours="2").text
    shown = city.people[Role.INVESTIGATOR].get("/approvals").text
    assert "one-manager: yes" in shown
    answer_ = city.people[Role.INVESTIGATOR].post(
        "/api/v1/search", json={"text": "a van", "case": "open-1", "reason": "thefts"}
    )
    assert answer_.json["coverage"]["unapproved"] == []
    assert "is revoked" in send(f"/approvals/{number}/revoke", reason="enough").text
    assert "Approvals (1)" not in city.people[Role.MANAGER].get("/approvals").text


def test_what_somebody_writes_stays_text(guarded: City) -> None:
    city, markup = guarded, "\"'><script>xss7731()</script>"
    sent = form_of(city, Role.INVESTIGATOR)(
        "/approvals", camera=OWN, verb="play", case="open-1", reason=markup
    )
    number = int(re.findall(r"request (\d+) waits", sent.text)[0])
    form_of(city, Role.MANAGER)(f"/approvals/{number}/give", reason=markup)
    for role in (Role.INVESTIGATOR, Role.MANAGER):
        page = city.people[role].get(f"/approvals?reason={markup}&case={markup}&from={markup}")
        assert "xss7731" in page.text
        assert "<script>xss7731" not in page.text


def test_a_refusal_leads_to_the_form_with_everything_filled_in(guarded: City) -> None:
    city = guarded
    ines = city.people[Role.INVESTIGATOR]
    page = ines.get(f"/search?q=a+van&camera={OWN}&case=open-1&reason=thefts").text
    found = re.search(r'href="(/approvals\?[^"]+)#request"', page)
    assert found, page
    form = ines.get(found[1].replace("&amp;", "&")).text
    assert re.search(rf'name="camera" value="{OWN}" checked', form)
    assert re.search(r'name="verb" value="search" checked', form)
    assert re.search(r'<option value="open-1" selected', form)
    refused = ines.get(f"/media/{OWN}/opening.json?at={START_US}&case=open-1&reason=thefts").json
    assert refused["request_at"].startswith("/approvals?verb=play&camera=own&case=open-1")


def test_an_export_of_several_leads_to_one_request_of_them_all(guarded: City) -> None:
    root, body = guarded.people[Role.ADMINISTRATOR], {"case": "open-1", "reason": "thefts"}
    sent = root.post(
        "/api/v1/export",
        json={"camera": [OWN, OTHER, SEEN], "from": rfc3339(START_US), "to": rfc3339(START_US + US),
              **body},
    )  # fmt: skip
    assert sent.status_code == 403, sent.text
    link = sent.json["request_at"]
    assert all(f"camera={name}" in link for name in (OWN, OTHER, SEEN))
    assert "from=2026-11-16T13" in link


def test_a_token_uses_what_its_owner_was_approved_and_approves_nothing(guarded: City) -> None:
    city = guarded
    tokens = {}
    with city.desk.directory.ledger.write() as tx:
        for name, verb in (("one-investigator", Verb.SEARCH), ("one-administrator", Verb.SEE)):
            _, tokens[name] = add_token(
                tx, find_user(tx, name), "report", [verb], days=1, created_by=name,
                now_us=city.desk.clock.now,
            )  # fmt: skip
        with pytest.raises(Invalid, match="may not approve"):
            add_token(
                tx, find_user(tx, "one-manager"), "report", [Verb.APPROVE], days=1,
                created_by="one-manager", now_us=city.desk.clock.now,
            )  # fmt: skip
    client = city.desk.app.test_client()

    def send(name: str, address: str, **body: object) -> TestResponse:
        headers = {"Authorization": f"Bearer {tokens[name]}"}
        return client.post(f"/api/v1{address}", json=body, headers=headers)

    wanted = {"case": "open-1", "reason": "thefts", "camera": [OWN]}
    made = send("one-investigator", "/approvals", verbs=["search"], **wanted)
    assert made.status_code == 201, made.text
    number = made.json["id"]
    for name in tokens:
        given = send(name, f"/approvals/{number}/give", reason="yes")
        assert given.status_code == 403, given.text
    assert send("one-investigator", "/search", text="a van", **wanted).status_code == 403
    answer(city, [number])
    assert send("one-investigator", "/search", text="a van", **wanted).status_code == 200


def test_an_answer_says_which_cameras_nobody_approved(guarded: City) -> None:
    city = guarded
    root = city.people[Role.ADMINISTRATOR]
    body = {"text": "a van", "case": "open-1", "reason": "thefts"}
    with city.desk.directory.ledger.write() as tx:
        set_camera(tx, city.desk.cameras[SEEN], sensitive=False)
    coverage = root.post("/api/v1/search", json=body).json["coverage"]
    assert (coverage["cameras"], coverage["unapproved"]) == (1, [OTHER, OWN])
    page = root.get("/search?q=a+van&case=open-1&reason=thefts").text
    assert "has to approve it: other, own" in page
    answer(city, ask(city, Role.ADMINISTRATOR, verbs={Verb.SEARCH}))
    coverage = root.post("/api/v1/search", json=body).json["coverage"]
    assert (coverage["cameras"], coverage["unapproved"]) == (2, [OTHER])
    looked = [row for row in city.desk.audited("search") if '"approvals":' in row.detail]
    assert looked[-1].case_id == "open-1"


def test_a_board_shows_no_picture_of_a_sensitive_camera(guarded: City) -> None:
    pictures = [m.count("/media/picture/") for m in _boards(guarded)]
    mark(guarded, False)
    assert (pictures, [m.count("/media/picture/") for m in _boards(guarded)]) == (
        [0, 0, 0],
        [3, 3, 0],
    )


def _boards(city: City) -> list[str]:
    return [
        city.people[Role.ADMINISTRATOR].get(address).text
        for address in ("/cameras", "/cameras/live", f"/cameras/{OWN}")
    ]


def test_the_rows_of_a_picture_and_of_a_case_name_their_approvals(guarded: City) -> None:
    city, role = guarded, Role.INVESTIGATOR
    numbers = ask(city, role, case="open-2")
    answer(city, numbers)
    actor = Actor(name_of(role), "open-2", "thefts")
    parts_like(city.desk.directory, [Like(OWN, START_US, None, 1.0)], actor)
    made = city.people[role].post(
        "/api/v1/exhibits",
        json={"case": "open-2", "camera": OWN, "from": rfc3339(START_US),
              "to": rfc3339(START_US + US)},
    )  # fmt: skip
    assert made.status_code == 201, made.text
    assert city.people[role].get("/cases/open-2").status_code == 200
    for action in ("view", "exhibit.add", "case.view"):
        last = city.desk.audited(action)[-1]
        assert json.loads(last.detail).get("approvals") == numbers[:1], action
    assert city.people[Role.ADMINISTRATOR].get("/cases/open-2").status_code == 200
    assert "approvals" not in json.loads(city.desk.audited("case.view")[-1].detail)


def test_revoking_ones_request_names_no_camera_that_is_hidden_by_now(guarded: City) -> None:
    city, name = guarded, "late-investigator"
    late = city.desk.person(name, Role.INVESTIGATOR)
    with city.desk.directory.ledger.write() as tx:
        access = access_of(tx, name, city.desk.clock.now)
        number = request_approval(
            tx, SETTINGS, access, Actor(name, "open-1", "needed"), verbs={Verb.PLAY},
            cameras=[camera_by_id(tx, city.desk.cameras[OWN].id)], span=None,
        ).id  # fmt: skip
        for grant in access.grants:
            revoke_grant(tx, grant.id, "moved", "admin", city.desk.clock.now)
    head = {"X-CSRF-Token": late.token()}
    sent = late.client.post(
        f"/api/v1/approvals/{number}/revoke", json={"reason": "moved"}, headers=head
    )  # fmt: skip
    assert (sent.status_code, sent.json["cameras"]) == (200, []), sent.text
