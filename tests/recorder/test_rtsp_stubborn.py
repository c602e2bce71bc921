"""Cameras that refuse us while they send: they are not asked again and again."""

from __future__ import annotations

import itertools
import time

import pytest

from recorder.rtsp.sdp import parse
from recorder.rtsp.session import Session
from tests.servers.bad_camera import BadCamera, Clip, Reply, Request, Visit
from tests.servers.clips import make_clip
from tests.servers.recording import until


def test_a_password_changed_while_it_streams_is_tried_twice_a_keepalive_and_no_more(
    server: BadCamera, tmp_path_factory: pytest.TempPathFactory
) -> None:
    clip = Clip.of(make_clip(tmp_path_factory.mktemp("clip") / "plain.mp4", seconds=1))
    nonces = itertools.count()
    refused: list[float] = []

    def answer(request: Request, reply: Reply) -> None:
        if request.verb == "SETUP":
            reply.headers["Session"] = "1;timeout=2"
        plays = any(one.verb == "PLAY" for one in server.asked("gate"))
        if "authorization" in request.headers and not (plays and request.verb == "OPTIONS"):
            return
        refused.append(time.monotonic())
        reply.status, reply.body = "401 Unauthorized", ""
        reply.headers = {"WWW-Authenticate": f'Digest realm="gate", nonce="{next(nonces)}"'}

    def idle(visit: Visit) -> None:
        visit.wait(20)

    url = server.add("gate", clip, idle, answer=answer, listens=True)
    session = Session(url.replace("rtsp://", "rtsp://admin:secret@"), 5)
    told = parse(session.describe())
    session.set_up(told.media[0], 0)
    session.play({})
    before, began = len(refused), time.monotonic()

    def alive() -> bool:
        if session.wait(0.05):
            session.wire.take({})
        session.stay_alive()
        return time.monotonic() - began > 2.5  # a keepalive a second

    until(alive, 10, "it stays")
    session.close()
    assert 2 <= len(refused) - before <= 6
