"""Who may do what, generated: role table × every address × whose camera × case × time.

Every endpoint of the URL map must be classified here, or a test fails: a new address is closed
until somebody says what it shows. What is hidden is compared with what is unknown, byte for byte.
"""

from __future__ import annotations

import re

import pytest
from werkzeug.routing import Rule

from storage.clock import US, rfc3339
from storage.rights import RIGHTS, Verb
from storage.vocabulary import Role
from tests.web.city import OTHER, OWN, SEEN, UNTIL_US, Call, City, told, words
from tests.web.desk import NOW_US
from tests.web.footage import START_US
from web import access

EMPTY = {"from": rfc3339(START_US - 3600 * US), "to": rfc3339(START_US - 3599 * US)}


# Endpoint → what it does with the camera, whether it takes a case, and how it is asked.
OF_A_CAMERA: dict[str, tuple[Verb, bool, Call]] = {
    "player.page": (Verb.PLAY, False, lambda a: a.get("/player", camera=a.camera)),
    "player.day": (Verb.PLAY, False, lambda a: a.get(f"/player/{a.camera}/strip", at=START_US)),
    "player.near": (Verb.PLAY, True, lambda a: a.get(f"/player/{a.camera}/near", at=START_US)),
    "player.scrub": (
        Verb.PLAY, True, lambda a: a.get(
            f"/player/{a.camera}/scrub.json", **{"from": START_US, "to": START_US + US}
        ),
    ),
    "media.scrubbed": (
        Verb.PLAY, True,
        lambda a: a.signed(
            f"/media/{a.camera}/scrub/{START_US}/{START_US + US}/{2 * NOW_US}.jpg",
            "scrub", a.camera, START_US, START_US + US, 2 * NOW_US, at=START_US,
        ),
    ),
    "media.opening": (
        Verb.PLAY, True, lambda a: a.get(f"/media/{a.camera}/opening.json", at=START_US)
    ),
    "media.playlist": (
        Verb.PLAY, True,
        lambda a: a.get(f"/media/{a.camera}/playlist.m3u8", **{
            "from": rfc3339(START_US), "to": rfc3339(START_US + US)
        }),
    ),
    "media.segment": (
        Verb.PLAY, True,
        lambda a: a.signed(f"/media/segment/{a.segment}.mp4", "segment", a.segment),
    ),
    "media.init": (
        Verb.PLAY, True,
        lambda a: a.signed(f"/media/segment/{a.segment}/init.mp4", "segment", a.segment),
    ),
    "media.masked_piece": (
        Verb.PLAY, True,
        lambda a: a.signed(f"/media/segment/{a.segment}/masked/0.m4s", "segment", a.segment),
    ),
    "media.still": (
        Verb.PLAY, True,
        lambda a: a.signed(
            f"/media/segment/{a.segment}/still.jpg", "segment", a.segment, at=START_US
        ),
    ),
    "media.picture": (
        Verb.SEARCH, True,
        lambda a: a.signed(
            f"/media/picture/{a.segment}/{START_US}.jpg", "picture", a.segment, START_US
        ),
    ),
    "media.snapshot": (
        Verb.PLAY, True, lambda a: a.get(f"/media/{a.camera}/snapshot", at=START_US)
    ),
    "archive.hold": (
        Verb.HOLD, False,
        lambda a: a.client.post("/archive/holds", data={
            "camera": a.camera, "reason": "a test", **EMPTY,
        }),
    ),
    "api.add_hold": (
        Verb.HOLD, False, lambda a: a.client.post("/api/v1/holds", json={
            "camera": [a.camera], "reason": "a test", **EMPTY,
        }),
    ),
    "api.list_violations": (
        Verb.SEE, False, lambda a: a.client.get(f"/api/v1/violations?camera={a.camera}")
    ),
    "timeline.page": (Verb.SEE, False, lambda a: a.get("/timeline", camera=a.camera)),
    "timeline.rows": (Verb.SEE, False, lambda a: a.get("/timeline/rows", camera=a.camera)),
    "api.show_timeline": (
        Verb.SEE, False, lambda a: a.client.get(
            "/api/v1/timeline", query_string={"camera": a.camera, **EMPTY}
        ),
    ),
    "map.card": (Verb.SEE, False, lambda a: a.get(f"/map/cameras/{a.camera}")),
    "api.show_completeness": (
        Verb.SEE, False,
        lambda a: a.client.get(f"/api/v1/health/completeness?camera={a.camera}"),
    ),
    "cameras.page": (Verb.SEE, False, lambda a: a.get(f"/cameras/{a.camera}")),
    "register.edit": (Verb.MANAGE, False, lambda a: a.get(f"/cameras/{a.camera}/edit")),
    "register.change": (
        Verb.MANAGE, False, lambda a: a.client.post(f"/cameras/{a.camera}/edit", data={"do": "x"})
    ),
    "register.enabled": (
        Verb.MANAGE, False,
        lambda a: a.client.post(
            f"/cameras/{a.camera}/enabled", data={"enabled": "yes", "reason": "a test"}
        ),
    ),
    "register.attempt": (
        Verb.MANAGE, False,
        lambda a: a.client.post("/cameras/try", data={"camera": a.camera, "url": "file:/x.mp4"}),
    ),
    "standing_desk.add": (
        Verb.SEARCH, True,
        lambda a: a.client.post("/standing", data={
            "name": f"at the desk {a.number}", "q": "smoke", "camera": a.camera, "tz": "UTC",
            "expires": rfc3339(NOW_US + 3600 * US), **a.purpose,
        }),
    ),
    "export.page": (
        Verb.EXPORT, False, lambda a: a.get("/export", camera=a.camera, tz="UTC", **EMPTY)
    ),
    "export.begin": (
        Verb.EXPORT, True,
        lambda a: a.client.post(
            "/export", data={"camera": a.camera, "tz": "UTC", **EMPTY, **a.purpose}
        ),
    ),
    "search.desk": (Verb.SEARCH, True, lambda a: a.get("/search", q="a van", camera=a.camera)),
    "search.neighbours_in_time": (
        Verb.PLAY, True, lambda a: a.get("/search/neighbours.json", camera=a.camera, at=START_US)
    ),
    "api.camera": (Verb.SEE, False, lambda a: a.get(f"/api/v1/cameras/{a.camera}")),
    "api.segments": (
        Verb.SEE, False, lambda a: a.client.get(f"/api/v1/segments?camera={a.camera}")
    ),
    "api.gaps": (Verb.SEE, False, lambda a: a.client.get(f"/api/v1/gaps?camera={a.camera}")),
    "zones.page": (Verb.SEE, False, lambda a: a.get(f"/cameras/{a.camera}/zones")),
    "zones.add": (
        Verb.MANAGE, False,
        lambda a: a.client.post(f"/cameras/{a.camera}/zones", data={"points": "0,0"}),
    ),
    "api.list_zones": (
        Verb.SEE, False, lambda a: a.client.get(f"/api/v1/zones?camera={a.camera}")
    ),
    "api.add_zone": (
        Verb.MANAGE, False,
        lambda a: a.client.post("/api/v1/zones", json={
            "camera": a.camera, "name": f"zone {a.number}", "reason": "flats",
            "points": [[0, 0], [1, 0], [1, 0.5]],
        }),
    ),
    "api.status": (Verb.SEE, False, lambda a: a.client.get(f"/api/v1/status?camera={a.camera}")),
    "api.search": (
        Verb.SEARCH, True, lambda a: a.post("/api/v1/search", text="a van", camera=[a.camera])
    ),
    "api.begin_search": (
        Verb.SEARCH, True, lambda a: a.post("/api/v1/searches", text="a van", camera=[a.camera])
    ),
    "api.export": (
        Verb.EXPORT, True, lambda a: a.post("/api/v1/export", camera=[a.camera], **EMPTY)
    ),
    "api.begin_export": (
        Verb.EXPORT, True, lambda a: a.post("/api/v1/exports", camera=[a.camera], **EMPTY)
    ),
    "redaction.page": (
        Verb.EXPORT, True, lambda a: a.get("/redact", camera=a.camera, tz="UTC", **EMPTY)
    ),
    "api.redaction_picture": (
        Verb.EXPORT, True,
        lambda a: a.post(
            "/api/v1/redactions/picture", camera=a.camera, at=EMPTY["from"], **EMPTY
        ),
    ),
    "api.begin_redaction": (
        Verb.EXPORT, True,
        lambda a: a.post("/api/v1/redactions", camera=a.camera, recipe={"recipe": 1}, **EMPTY),
    ),
    "api.add_standing": (
        Verb.SEARCH, True,
        lambda a: a.post(
            "/api/v1/standing", name=f"standing {a.number}", text="smoke", camera=[a.camera],
            expires=rfc3339(NOW_US + 3600 * US),
        ),
    ),
    "api.add_exhibit": (
        Verb.SEARCH, True,
        lambda a: a.client.post("/api/v1/exhibits", json={
            "camera": a.camera, "case": a.case, "from": rfc3339(START_US),
            "to": rfc3339(START_US + US + a.number),
        }),
    ),
    "approvals.ask": (
        Verb.SEARCH, True,
        lambda a: a.client.post(
            "/approvals", data={"camera": a.camera, "verb": "search", **a.purpose}
        ),
    ),
    "api.request_approval": (
        Verb.SEARCH, True,
        lambda a: a.post("/api/v1/approvals", camera=[a.camera], verbs=["search"]),
    ),
}  # fmt: skip
NEED_A_CASE = {
    "standing_desk.add", "api.add_standing", "api.add_exhibit", "approvals.ask",
    "api.request_approval",
}  # fmt: skip
# A search for what looks like a picture of the archive shows that picture.
CALLS = [
    *((endpoint, *one) for endpoint, one in OF_A_CAMERA.items()),
    ("api.search", Verb.SEARCH, True,
     lambda a: a.post("/api/v1/search", like=[f"{a.camera}@{rfc3339(START_US)}"])),
]  # fmt: skip
# Endpoint → verb of the role, of those that name no camera: tests below look into their answers.
OF_ALL_CAMERAS = {
    # tests/web/test_archive_desk.py
    **dict.fromkeys(
        ("archive.page", "archive.holds", "archive.deleted", "archive.violated", "archive.export",
         "api.show_retention", "api.show_forecast", "api.list_volumes", "api.list_holds"), Verb.SEE,
    ),
    "map.page": Verb.SEE, "api.map_cameras": Verb.SEE, "api.map_states": Verb.SEE,
    "cameras.board": Verb.SEE, "cameras.live": Verb.SEE, "api.cameras": Verb.SEE,
    "health.page": Verb.SEE, "health.now": Verb.SEE, "health.export": Verb.SEE,
    "api.show_health": Verb.SEE,  # tests/web/test_health.py
    "api.list_standing": Verb.SEARCH, "api.show_standing": Verb.SEARCH,
    "approvals.page": Verb.SEE, "api.list_approvals": Verb.SEE,
    "register.export": Verb.MANAGE, "standing_desk.page": Verb.SEARCH,
    "standing_desk.show": Verb.SEARCH,
}  # fmt: skip
# What was asked: shown to who asked it as they may see it now, and to who audits.
OF_A_SEARCH = {
    "api.list_searches", "api.search_state", "api.search_moments", "api.search_differences",
    "api.search_again", "api.end_search", "api.search_marks", "api.case_marks", "api.put_mark",
    "api.take_back_mark", "api.refine_search", "search.mark", "search.refine",
    "search.cards_so_far",
}  # fmt: skip
# By a case, which may be hidden: tests/web/test_cases_desk.py and tests/storage/test_case_sight.py.
OF_A_CASE = {
    "cases.page": Verb.SEE, "cases.begin": Verb.SEARCH, "cases.case": Verb.SEE,
    "cases.close": Verb.SEARCH, "cases.hand_over": Verb.SEARCH, "cases.take_back": Verb.SEARCH,
    "cases.note": Verb.SEARCH, "cases.remove": Verb.SEARCH, "api.list_cases": Verb.SEE,
    "api.open_case": Verb.SEARCH, "api.show_case": Verb.SEE, "api.close_case": Verb.SEARCH,
    "api.hand_case_over": Verb.SEARCH, "api.take_case_back": Verb.SEARCH,
    "api.list_exhibits": Verb.SEE, "api.note_exhibit": Verb.SEARCH,
    "api.remove_exhibit": Verb.SEARCH,
}  # fmt: skip
# By the number of a zone, whose camera may be hidden: tests/web/test_masked.py.
OF_A_ZONE = {"api.end_zone", "zones.end"}
# By the number of a request, whose cameras may be hidden: tests/web/test_who_may_approve.py.
OF_AN_APPROVAL = {
    "approvals.give": Verb.APPROVE, "approvals.refuse": Verb.APPROVE, "approvals.revoke": Verb.SEE,
    "api.give_approval": Verb.APPROVE, "api.refuse_approval": Verb.APPROVE,
    "api.revoke_approval": Verb.SEE,
}  # fmt: skip
# No camera is in them: pictures somebody brought, standing queries ended or extended, names.
OF_NO_CAMERA = {
    "map.ground_file", "map.tile",  # what the cameras are drawn on, which the settings name
    "api.redaction_state", "api.stop_redaction", "api.take_redaction",  # one's own copies alone
    "search.upload", "search.query_picture", "api.extend_standing", "api.end_standing",
    "api.list_webhooks", "standing_desk.extend", "standing_desk.end",
    # Cameras that are none yet, and tables of them: tests/web/test_register*.py
    "register.new", "register.add", "register.table", "register.send_table", "register.preview",
    "register.import_table",
}  # fmt: skip

CEILING = re.compile(r"change the role|only an administrator may")
# By the number of a hold, whose camera may be hidden, and of a decision about a whole class:
# tests/web/test_archive_desk.py
OF_THE_ARCHIVE = {
    "archive.promise": Verb.MANAGE,
    "archive.decide": Verb.MANAGE,
    "archive.withdraw": Verb.MANAGE,
    "archive.held": Verb.SEE,
    "archive.release": Verb.HOLD,
    "api.set_promise": Verb.MANAGE,
    "api.withdraw_promise": Verb.MANAGE,
    "api.release_hold": Verb.HOLD,
}
# In addresses; other parts of them are text.
NUMBERS = {
    "at_us", "number", "zone", "grant", "zoom", "x", "y", "start", "end", "until"
}  # fmt: skip
# Exports that were asked for: shown to who asked only, see test_exports.py.
OF_AN_EXPORT = {
    "export.job", "export.cancel", "export.bundle", "api.list_exports", "api.export_state",
    "api.end_export", "api.export_bundle",
}  # fmt: skip

# Verbs that are no camera's: the role alone decides.
OF_A_ROLE = {
    **dict.fromkeys(
        ("api.list_audit", "api.export_audit", "api.begin_verifying", "api.show_verifying",
         "audit.page", "audit.export", "audit.verification", "audit.verify"), Verb.AUDIT,
    ),
    **dict.fromkeys(
        ("people.page", "people.add", "people.add_department", "people.person", "people.change",
         "grants.page", "grants.add", "grants.revoke", "api.list_users", "api.add_user",
         "api.show_user", "api.change_user", "api.list_departments", "api.add_department",
         "api.list_grants", "api.add_grant", "api.revoke_grant"), Verb.ADMINISTER,
    ),
}  # fmt: skip


def test_every_address_is_classified(city: City) -> None:
    known = {rule.endpoint for rule in city.desk.app.url_map.iter_rules()}
    without_camera = access.OPEN | access.OWN | OF_NO_CAMERA | OF_AN_EXPORT | OF_A_ROLE.keys()
    classes = [without_camera, set(OF_A_CAMERA), set(OF_ALL_CAMERAS), OF_A_SEARCH, OF_A_ZONE,
               set(OF_AN_APPROVAL), set(OF_A_CASE), set(OF_THE_ARCHIVE)]  # fmt: skip
    for endpoint in sorted(known):
        assert sum(endpoint in each for each in classes) == 1, endpoint
    assert set().union(*classes) <= known | access.OPEN | access.OWN


def test_the_gate_asks_for_the_verb_that_is_tested_here(city: City) -> None:
    for endpoint, (verb, _, _) in OF_A_CAMERA.items():
        assert access.VERBS[endpoint] is verb, endpoint
    for endpoint, verb in {**OF_ALL_CAMERAS, **OF_A_ROLE, **OF_AN_APPROVAL, **OF_A_CASE,
                           **OF_THE_ARCHIVE}.items():  # fmt: skip
        assert access.VERBS[endpoint] is verb, endpoint


@pytest.mark.parametrize("role", list(Role))
def test_no_address_lifts_the_ceiling_of_a_role(city: City, role: Role) -> None:
    for rule in city.desk.app.url_map.iter_rules():
        endpoint = rule.endpoint
        if endpoint in access.OPEN | access.OWN:
            continue
        verb = Verb.SEARCH if endpoint in access.KEPT_SEARCHES else access.VERBS[endpoint]
        allowed = verb in RIGHTS[role] or (
            endpoint in access.KEPT_SEARCHES and Verb.AUDIT in RIGHTS[role]
        )
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = city.people[role].open(_address(city, rule), method=method)
            refused = answer.status_code == 403 and CEILING.search(words(answer)) is not None
            assert refused is not allowed, (role, endpoint, method, words(answer)[:300])


def _address(city: City, rule: Rule) -> str:
    values = {name: 1 if name in NUMBERS else "x" for name in rule.arguments}
    made = city.desk.app.url_map.bind("localhost").build(rule.endpoint, values)
    assert isinstance(made, str)
    return made


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    ("case", "required", "expired"),
    [(None, False, False), ("open-1", False, False), ("closed-1", False, False),
     (None, True, False), ("open-1", True, False), (None, False, True), ("open-1", True, True)],
)  # fmt: skip
def test_each_role_reaches_what_role_grant_case_and_time_allow(
    as_it_was: City, role: Role, case: str | None, required: bool, expired: bool
) -> None:
    city = as_it_was
    city.require_case(required)
    if expired:
        city.desk.clock.now = UNTIL_US
    for endpoint, verb, takes_case, call in CALLS:
        if endpoint in NEED_A_CASE and case is None:
            continue  # it needs one anyway, and says so first
        for camera in (OWN, SEEN, OTHER):
            answer = city.send(role, call, camera, case)
            due = _due(role, verb, takes_case, camera, case, required, expired)
            where = (role, endpoint, camera, case, required, expired, words(answer)[:300])
            if due == "hidden" and told(answer) != "hidden":
                # Whatever else is wrong with the request may be said first, if it is said alike.
                assert told(answer) in ("closed", "denied"), where
            else:
                assert told(answer) == due, where
            if due == "hidden":
                assert city.is_as_unknown(role, call, case, answer), where
            if due != "through":
                assert "ftyp" not in words(answer)[:64], where


def _due(
    role: Role, verb: Verb, takes_case: bool, camera: str, case: str | None, required: bool,
    expired: bool,
) -> str:  # fmt: skip
    if verb not in RIGHTS[role]:
        return "denied"
    if role is not Role.ADMINISTRATOR:
        if expired or camera == OTHER:
            return "hidden"
        if camera == SEEN and verb is not Verb.SEE:
            return "denied"
    if takes_case and case == "closed-1":
        return "closed"
    return "denied" if takes_case and required and case is None else "through"


def test_nobody_who_is_not_logged_in_reaches_anything(city: City) -> None:
    stranger = city.desk.app.test_client()
    for rule in city.desk.app.url_map.iter_rules():
        if rule.endpoint in access.OPEN:
            continue
        address = _address(city, rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = stranger.open(address, method=method)
            assert answer.status_code in (302, 400, 401), (rule.endpoint, answer.status_code)
            assert answer.status_code != 302 or "/login" in answer.location, rule.endpoint


def test_own_cameras_need_no_case_where_the_setting_says_so(as_it_was: City) -> None:
    city = as_it_was
    city.require_case(True, own=True)
    for endpoint in ("media.opening", "api.search", "media.segment", "search.desk"):
        call = OF_A_CAMERA[endpoint][2]
        assert told(city.send(Role.INVESTIGATOR, call, OWN, None)) == "through", endpoint
    call = OF_A_CAMERA["api.export"][2]
    assert told(city.send(Role.INVESTIGATOR, call, OWN, None)) == "denied"
    admin = city.people[Role.ADMINISTRATOR]  # of the north: the south's need a case
    everywhere = admin.post("/api/v1/search", json={"text": "a van"})
    assert everywhere.json["query"]["cameras"] == [OWN]
    for endpoint in ("media.opening", "api.search", "media.picture"):
        call = OF_A_CAMERA[endpoint][2]
        assert told(city.send(Role.ADMINISTRATOR, call, OTHER, None)) == "denied", endpoint
        assert told(city.send(Role.ADMINISTRATOR, call, OTHER, "open-1")) == "through", endpoint
