"""The RTSP conversation: passwords, addresses, refusals, silence, staying alive, hanging up."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from recorder.rtsp.sdp import Description, parse
from recorder.rtsp.session import BeyondUs, Refused, Session
from tests.servers.bad_camera import Answer, BadCamera, Clip, Reply, Request, Visit
from tests.servers.clips import make_clip
from tests.servers.recording import until

USER, PASSWORD = "admin", "p@ss:w/rd?#%41 ü"
QUOTED = "p%40ss%3Aw%2Frd%3F%23%2541%20%C3%BC"
PLAIN, PLAIN_QUOTED = "p@ss:w/rd?#%41", "p%40ss%3Aw%2Frd%3F%23%2541"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return Clip.of(make_clip(tmp_path_factory.mktemp("clip") / "plain.mp4", seconds=1))


def with_user(url: str, password: str = PLAIN_QUOTED) -> str:
    return url.replace("rtsp://", f"rtsp://{USER}:{password}@")


_OPENED: list[Session] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Sessions of a test that fails are closed, too."""
    yield
    while _OPENED:
        _OPENED.pop().wire.socket.close()


def opened(url: str, timeout_s: float = 5) -> tuple[Session, Description, list[int]]:
    """A session that was asked to play."""
    session = Session(url, timeout_s)
    _OPENED.append(session)
    told = parse(session.describe())
    session.aggregate(told.control)
    channels = [session.set_up(one, 2 * n) for n, one in enumerate(told.media)]
    session.play({})
    return session, told, channels


def idle(visit: Visit) -> None:
    """Plays nothing until the client is gone, or the session is over."""
    visit.wait(20)


class Guard:
    """Asks for a password, in one or more ways; counts who tries."""

    def __init__(
        self, *challenges: str, password: str = PLAIN, open_verbs: tuple[str, ...] = ("OPTIONS",)
    ) -> None:
        self.challenges = list(challenges)
        self.open_verbs = open_verbs
        self.password = password
        self.tried: list[Request] = []
        self.nonces: list[str] = []  # those good no more

    def __call__(self, request: Request, reply: Reply) -> None:
        said = request.headers.get("authorization")
        if said is not None:
            self.tried.append(request)
        if request.verb in self.open_verbs or (said is not None and self._is_right(request, said)):
            return
        reply.status, reply.body = "401 Unauthorized", ""
        names = ["WWW-Authenticate", "www-authenticate", "Www-Authenticate"]
        reply.headers = dict(zip(names, self.challenges, strict=False))

    def _is_right(self, request: Request, said: str) -> bool:
        if said.startswith("Basic "):
            return base64.b64decode(said[6:]).decode() == f"{USER}:{self.password}"
        words = {name: a or b for name, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^,]*))', said)}
        if words["nonce"] in self.nonces or words["uri"] != request.url:
            return False
        if not any(words["nonce"] in challenge for challenge in self.challenges):
            return False
        a1 = _md5(f"{USER}:{words['realm']}:{self.password}")
        a2 = _md5(f"{request.verb}:{request.url}")
        middle = words["nonce"]
        if "qop" in words:
            middle += f":{words['nc']}:{words['cnonce']}:{words['qop']}"
        return bool(words["response"] == _md5(f"{a1}:{middle}:{a2}"))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


DIGEST = 'Digest realm="a camera, of ours", nonce="n1"'
BASIC = 'Basic realm="a camera"'


@pytest.mark.parametrize(
    "challenges",
    [
        (DIGEST,),
        (DIGEST + ', qop="auth", algorithm=MD5, opaque="x"',),
        (DIGEST + ', qop="auth,auth-int", stale=FALSE',),
        ("DIGEST " + DIGEST[7:] + ", algorithm=MD5",),
        (BASIC,),
    ],
    ids=["digest", "digest-qop", "digest-qop-two", "digest-upper", "basic"],
)
def test_a_password_is_given_as_the_camera_asks(
    server: BadCamera, clip: Clip, challenges: tuple[str, ...]
) -> None:
    guard = Guard(*challenges)
    url = server.add("guarded", clip, idle, answer=guard)
    session, _, _ = opened(with_user(url))
    session.close()
    assert [request.verb for request in guard.tried][:3] == ["DESCRIBE", "SETUP", "PLAY"]
    assert not any(USER in request.url for request in server.asked("guarded"))


@pytest.mark.parametrize("challenges", [(BASIC, DIGEST), (DIGEST, BASIC)], ids=["last", "first"])
def test_digest_is_taken_where_both_are_offered(
    server: BadCamera, clip: Clip, challenges: tuple[str, ...]
) -> None:
    guard = Guard(*challenges)
    session, _, _ = opened(with_user(server.add("both", clip, idle, answer=guard)))
    session.close()
    assert all(request.headers["authorization"].startswith("Digest") for request in guard.tried)


def test_digest_is_taken_where_one_header_offers_both(server: BadCamera, clip: Clip) -> None:
    guard = Guard(f"{BASIC}, {DIGEST}")
    session, _, _ = opened(with_user(server.add("both", clip, idle, answer=guard)))
    session.close()
    assert all(request.headers["authorization"].startswith("Digest") for request in guard.tried)


def test_letters_of_any_language_reach_basic(server: BadCamera, clip: Clip) -> None:
    guard = Guard(BASIC, password=PASSWORD)
    url = with_user(server.add("letters", clip, idle, answer=guard), QUOTED)
    session, _, _ = opened(url)
    session.close()


@pytest.mark.parametrize("challenge", [DIGEST, DIGEST + ', qop="auth"', BASIC])
@pytest.mark.parametrize("open_verbs", [(), ("OPTIONS",)], ids=["all", "describe"])
def test_a_wrong_password_is_tried_once(
    server: BadCamera, clip: Clip, challenge: str, open_verbs: tuple[str, ...]
) -> None:
    guard = Guard(challenge, open_verbs=open_verbs)
    url = with_user(server.add("guarded", clip, idle, answer=guard), "wrong-One")
    with pytest.raises(Refused, match="wrong user or password") as failure:
        opened(url)
    assert "wrong-One" not in str(failure.value)
    assert len(guard.tried) == 1


def test_no_password_where_one_is_asked_for_is_said(server: BadCamera, clip: Clip) -> None:
    url = server.add("guarded", clip, idle, answer=Guard(DIGEST))
    with pytest.raises(Refused, match="wrong user or password"):
        opened(url)


@pytest.mark.parametrize(
    "challenge",
    ["Digest", "Digest realm", "Digest ,,,", "", "Bearer x",
     'Digest realm="x", nonce="y", algorithm=SHA-512', 'Digest realm="x", nonce="y", qop="other"'],
)  # fmt: skip
def test_a_challenge_we_do_not_understand_is_left_to_ffmpeg(
    server: BadCamera, clip: Clip, challenge: str
) -> None:
    url = with_user(server.add("guarded", clip, idle, answer=Guard(challenge)))
    with pytest.raises(BeyondUs):
        opened(url)


def test_a_nonce_that_grew_old_while_opening_is_replaced(server: BadCamera, clip: Clip) -> None:
    guard = Guard(DIGEST)

    def answer(request: Request, reply: Reply) -> None:
        if request.verb == "PLAY" and not guard.nonces:
            guard.nonces.append("n1")
            guard.challenges = ['Digest realm="a camera", nonce="n2", stale=true']
        guard(request, reply)

    session, _, _ = opened(with_user(server.add("stale", clip, idle, answer=answer)))
    session.close()


def statuses(**wrong: str) -> Answer:
    def answer(request: Request, reply: Reply) -> None:
        if request.verb in wrong:
            reply.status, reply.headers, reply.body = wrong[request.verb], {}, ""

    return answer


def test_a_camera_without_that_stream_is_told_by_its_words(server: BadCamera) -> None:
    with pytest.raises(Refused, match="404 Not Found"):
        opened(f"rtsp://{server.place}/nothing")


@pytest.mark.parametrize("verb", ["DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize("status", ["500 Internal Server Error", "461 Unsupported Transport", ""])
def test_other_refusals_are_left_to_ffmpeg(
    server: BadCamera, clip: Clip, verb: str, status: str
) -> None:
    url = server.add("refuses", clip, idle, answer=statuses(**{verb: status}))
    with pytest.raises(BeyondUs):
        opened(url)


@pytest.mark.parametrize("status", ["501 Not Implemented", "405 Method Not Allowed", "454 No"])
def test_a_camera_that_knows_no_options_is_read(server: BadCamera, clip: Clip, status: str) -> None:
    session, _, _ = opened(server.add("bare", clip, idle, answer=statuses(OPTIONS=status)))
    session.close()


@pytest.mark.parametrize("verb", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
def test_a_camera_that_does_not_answer_is_given_up_in_time(
    server: BadCamera, clip: Clip, verb: str
) -> None:
    def answer(request: Request, reply: Reply) -> None:
        reply.silent = request.verb == verb

    url = server.add("silent", clip, idle, answer=answer)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        opened(url, 0.5)
    assert 0.4 < time.monotonic() - began < 8  # not for as long as it is silent


def test_nobody_at_home_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        Session(f"rtsp://127.0.0.1:{port}/x", 1)


def test_requests_of_the_camera_between_its_answers_are_no_answers(
    server: BadCamera, clip: Clip
) -> None:
    def answer(request: Request, reply: Reply) -> None:
        cseq = request.headers["cseq"]
        reply.ahead = f"OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n".encode()

    session, _, _ = opened(server.add("asks", clip, idle, answer=answer))
    session.close()


def test_answers_to_earlier_requests_are_passed_over(server: BadCamera, clip: Clip) -> None:
    def answer(request: Request, reply: Reply) -> None:
        reply.ahead = b"RTSP/1.0 454 Session Not Found\r\nCSeq: 0\r\n\r\n"

    session, _, _ = opened(server.add("late", clip, idle, answer=answer))
    session.close()


@pytest.mark.parametrize(
    ("base", "control", "expected"),
    [
        (None, "video", "{url}/video"),
        ("{url}", "video", "{url}/video"),
        ("{url}/", "video", "{url}/video"),
        ("{url}?channel=1&subtype=0", "trackID=0", "{url}?channel=1&subtype=0/trackID=0"),
        ("{url}?channel=1&subtype=0/", "trackID=0", "{url}?channel=1&subtype=0/trackID=0"),
        ("{url}/", "{url}/other?x=1", "{url}/other?x=1"),
        ("{url}/", "RTSP{rest}/other", "RTSP{rest}/other"),
        ("{url}/", "*", "{url}/"),
        ("{url}/", None, "{url}/"),
    ],
)
def test_what_is_set_up_is_called_as_the_camera_says(
    server: BadCamera, clip: Clip, base: str | None, control: str | None, expected: str
) -> None:
    url = f"rtsp://{server.place}/where"
    words = {"url": url, "rest": url.removeprefix("rtsp")}

    def answer(request: Request, reply: Reply) -> None:
        if request.verb == "DESCRIBE":
            if base is not None:
                reply.headers["Content-Base"] = base.format(**words)
            line = "" if control is None else f"a=control:{control.format(**words)}\r\n"
            reply.body = reply.body.replace("a=control:video\r\n", line)

    server.add("where", clip, idle, answer=answer)
    session, _, _ = opened(url)
    session.close()
    asked = {request.verb: request.url for request in server.asked("where")}
    assert asked["SETUP"] == expected.format(**words)
    assert asked["PLAY"] == (url if base is None else base.format(**words))


def test_the_query_of_an_address_reaches_the_camera_as_it_is(server: BadCamera, clip: Clip) -> None:
    url = server.add("query", clip, idle) + "?user=a%20b&path=/x//y&empty="
    session, _, _ = opened(url)
    session.close()
    assert server.asked("query")[0].url == url


def test_a_camera_that_names_its_session_once_is_read(server: BadCamera, clip: Clip) -> None:
    sound = "m=audio 0 RTP/AVP 0\r\na=control:sound\r\n"

    def answer(request: Request, reply: Reply) -> None:
        if request.url.endswith("sound"):
            del reply.headers["Session"]

    server.add("once", clip, idle, more=sound, answer=answer)
    session, _, _ = opened(f"rtsp://{server.place}/once")
    session.close()
    [play] = [request for request in server.asked("once") if request.verb == "PLAY"]
    assert play.headers.get("session") == "1"


def test_channels_other_than_asked_for_are_taken(server: BadCamera, clip: Clip) -> None:
    def answer(request: Request, reply: Reply) -> None:
        if request.verb == "SETUP":
            reply.headers["Transport"] = "RTP/AVP/TCP;unicast;ssrc=1;Interleaved=6-7;mode=play"

    session, _, channels = opened(server.add("other", clip, idle, answer=answer))
    session.close()
    assert channels == [6]


def keeps_alive(session: Session, enough: Callable[[], object], seconds: float = 5) -> None:
    """What a reader does, without pictures."""
    end = time.monotonic() + seconds
    while not enough():
        assert time.monotonic() < end
        if session.wait(0.02):
            session.wire.take({})
        session.stay_alive()


@pytest.mark.parametrize(
    ("public", "verb"),
    [("OPTIONS, PLAY, GET_PARAMETER", "GET_PARAMETER"), ("OPTIONS, PLAY", "OPTIONS")],
)
def test_a_session_is_kept_alive_before_it_runs_out(
    server: BadCamera, clip: Clip, public: str, verb: str
) -> None:
    def answer(request: Request, reply: Reply) -> None:
        if request.verb == "OPTIONS":
            reply.headers["Public"] = public
        if request.verb == "SETUP":
            reply.headers["Session"] = " abc ; timeout=2"

    session, _, _ = opened(server.add("alive", clip, idle, answer=answer, listens=True))
    began = time.monotonic()
    keeps_alive(session, lambda: len(server.asked("alive")) > 4)
    kept = server.asked("alive")[-1]
    assert (kept.verb, kept.headers["session"]) == (verb, "abc")
    assert 0.8 < kept.at - began < 2
    session.close()


def test_a_nonce_that_grew_old_is_replaced_before_the_session_runs_out(
    server: BadCamera, clip: Clip
) -> None:
    guard = Guard(DIGEST, open_verbs=())
    good: list[float] = []
    timeout_s = 2

    def answer(request: Request, reply: Reply) -> None:
        if request.verb == "PLAY":
            guard(request, reply)
            guard.nonces = ["n1"]
            guard.challenges = ['Digest realm="a camera", nonce="n2", stale=true']
            return
        if request.verb == "SETUP":
            reply.headers["Session"] = f"1;timeout={timeout_s}"
        guard(request, reply)
        if guard.nonces and reply.status.startswith("200"):
            good.append(request.at)

    session, _, _ = opened(with_user(server.add("stale", clip, idle, answer=answer, listens=True)))
    began = time.monotonic()
    keeps_alive(session, lambda: good)
    assert good[0] - began < timeout_s
    session.close()


def test_a_camera_that_asks_is_answered(server: BadCamera, clip: Clip) -> None:
    def asks(visit: Visit) -> None:
        visit.raw(b"GET_PARAMETER rtsp://x/ RTSP/1.0\r\nCSeq: 77\r\nSession: 1\r\n\r\n")
        heard.append(visit.socket.recv(1000))
        idle(visit)

    heard: list[bytes] = []
    session, _, _ = opened(server.add("asks", clip, asks))
    keeps_alive(session, lambda: heard)
    assert heard == [b"RTSP/1.0 200 OK\r\nCSeq: 77\r\n\r\n"]
    session.close()


def test_hanging_up_is_said(server: BadCamera, clip: Clip) -> None:
    session, _, _ = opened(server.add("polite", clip, idle, listens=True))
    session.close()
    until(lambda: server.asked("polite")[-1].verb == "TEARDOWN", 5)
    assert server.asked("polite")[-1].headers["session"] == "1"


def test_a_camera_at_an_ipv6_address_is_read(clip: Clip) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here; this test did not run")
    server = BadCamera(socket.AF_INET6)
    guard = Guard(DIGEST)
    session, _, _ = opened(with_user(server.add("six", clip, idle, answer=guard)))
    session.close()
    server.close()
    assert server.asked("six")[0].url == f"rtsp://[::1]:{server.port}/six"


def test_a_challenge_with_an_empty_word_is_answered(server: BadCamera, clip: Clip) -> None:
    guard = Guard(DIGEST + ", opaque=, algorithm=MD5")
    opened(with_user(server.add("guarded", clip, idle, answer=guard)))


@pytest.mark.parametrize("said", ["²", "9" * 400, "0", "-5", ""])
def test_a_session_timeout_that_makes_no_sense_is_passed_over(
    server: BadCamera, clip: Clip, said: str
) -> None:
    def answer(request: Request, reply: Reply) -> None:
        if request.verb == "SETUP":
            reply.headers["Session"] = f"1;timeout={said}"

    opened(server.add("odd", clip, idle, answer=answer))
