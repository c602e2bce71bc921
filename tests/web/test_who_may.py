"""Who may do what, generated: role table × every address × whose camera × case × time.

Every endpoint of the URL map must be classified here, or a test fails: a new address is closed
until somebody says what it shows. What is hidden is compared with what is unknown, byte for byte.
"""

from __future__ import annotations

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
    "cameras.page": (Verb.SEE, False, lambda a: a.get(f"/cameras/{a.camera}")),
    "export.page": (
        Verb.EXPORT, False, lambda a: a.get("/export", camera=a.camera, tz="UTC", **EMPTY)
    ),
    "export.download": (
        Verb.EXPORT, True,
        lambda a: a.client.post(
            "/export", data={"camera": a.camera, "tz": "UTC", **EMPTY, **a.purpose}
        ),
    ),
    "search.desk": (Verb.SEARCH, True, lambda a: a.get("/search", q="a van", camera=a.camera)),
    "api.camera": (Verb.SEE, False, lambda a: a.get(f"/api/v1/cameras/{a.camera}")),
    "api.segments": (
        Verb.SEE, False, lambda a: a.client.get(f"/api/v1/segments?camera={a.camera}")
    ),
    "api.gaps": (Verb.SEE, False, lambda a: a.client.get(f"/api/v1/gaps?camera={a.camera}")),
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
    "api.add_standing": (
        Verb.SEARCH, True,
        lambda a: a.post(
            "/api/v1/standing", name=f"standing {a.number}", text="smoke", camera=[a.camera],
            expires=rfc3339(NOW_US + 3600 * US),
        ),
    ),
}  # fmt: skip
# A search for what looks like a picture of the archive shows that picture.
CALLS = [
    *((endpoint, *one) for endpoint, one in OF_A_CAMERA.items()),
    ("api.search", Verb.SEARCH, True,
     lambda a: a.post("/api/v1/search", like=[f"{a.camera}@{rfc3339(START_US)}"])),
]  # fmt: skip
# Endpoint → verb of the role, of those that name no camera: tests below look into their answers.
OF_ALL_CAMERAS = {
    "cameras.board": Verb.SEE, "cameras.live": Verb.SEE, "api.cameras": Verb.SEE,
    "api.list_standing": Verb.SEARCH, "api.show_standing": Verb.SEARCH,
}  # fmt: skip
# What was asked: shown to who asked it as they may see it now, and to who audits.
OF_A_SEARCH = {
    "api.list_searches", "api.search_state", "api.search_moments", "api.search_differences",
    "api.search_again", "api.end_search", "api.search_marks", "api.case_marks", "api.put_mark",
    "api.take_back_mark", "api.refine_search",
}  # fmt: skip
# No camera is in them: pictures somebody brought, standing queries ended or extended, names.
OF_NO_CAMERA = {
    "search.upload", "search.query_picture", "api.extend_standing", "api.end_standing",
    "api.list_webhooks",
}  # fmt: skip

# Verbs that are no camera's: the role alone decides.
OF_A_ROLE = {"api.list_audit": Verb.AUDIT}


def test_every_address_is_classified(city: City) -> None:
    known = {rule.endpoint for rule in city.desk.app.url_map.iter_rules()}
    without_camera = access.OPEN | access.OWN | OF_NO_CAMERA | OF_A_ROLE.keys()
    classes = [without_camera, set(OF_A_CAMERA), set(OF_ALL_CAMERAS), OF_A_SEARCH]
    for endpoint in sorted(known):
        assert sum(endpoint in each for each in classes) == 1, endpoint
    assert set().union(*classes) <= known | access.OPEN | access.OWN


def test_the_gate_asks_for_the_verb_that_is_tested_here(city: City) -> None:
    for endpoint, (verb, _, _) in OF_A_CAMERA.items():
        assert access.VERBS[endpoint] is verb, endpoint
    for endpoint, verb in {**OF_ALL_CAMERAS, **OF_A_ROLE}.items():
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
            refused = answer.status_code == 403 and "role" in words(answer)
            assert refused is not allowed, (role, endpoint, method, words(answer)[:300])


def _address(city: City, rule: Rule) -> str:
    values = {name: 1 if name == "at_us" else "x" for name in rule.arguments}
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
        if endpoint == "api.add_standing" and case is None:
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
