"""A real server that is stopped or killed under a running search: its client is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest

from search import runs
from search.jobs import STOPPED
from search.kept_runs import Kept, find
from storage import generations, search_runs
from storage.clock import US
from storage.directory import open_directory
from storage.grants import Place, add_grant
from storage.people import add_user
from storage.rights import Verb
from storage.vocabulary import Role
from tests.search.archive import ASKER, START_US, Archive, new_archive
from tests.storage.media import HandClock, new_house
from tests.web.desk import PASSWORD

ROOT = Path(__file__).parents[2]
# A server whose model answers when somebody closes its standard input, and not before.
SERVER = """
import sys
import search.engine
from pathlib import Path
from search.engine import Engine
from storage.directory import open_directory
from tests.search.archive import Words
from web.app import create_app
from web.serving import serve

class Slow(Words):
    def embed_texts(self, texts):
        sys.stdin.read()
        return super().embed_texts(texts)

directory = open_directory(Path(sys.argv[1]))
search.engine._shared = Engine(directory, Slow())
serve(directory, create_app(directory), "127.0.0.1", 0, lambda url: print(url, flush=True))
directory.close()
"""


@dataclass
class Server:
    """The process, and one who is logged in."""

    root: Path
    process: subprocess.Popen[str]
    url: str
    client: urllib.request.OpenerDirector
    form: str = ""

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}api/v1{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "X-CSRF-Token": self.form},
        )  # fmt: skip
        with self.client.open(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def running(self) -> str:
        """The token of a search that runs."""
        token: str = self.ask("POST", "/searches", {"text": "bus"})["token"]
        until = time.monotonic() + 60
        while self.ask("GET", f"/searches/{token}?wait_s=0.05")["state"] != "running":
            assert time.monotonic() < until
        return token


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    house = new_house(tmp_path / "data")
    archive = new_archive(house.directory)
    archive.footage("gate", START_US, ["road", "bus", "road"])
    with house.directory.ledger.write() as tx:
        ines = add_user(tx, "ines", PASSWORD, Role.INVESTIGATOR, created_us=1, must_change=False)
        add_grant(
            tx, user=ines, verbs={Verb.SEARCH}, place=Place(site=""), from_us=0, until_us=None,
            purpose="a test", made_by="the test", at_us=1,
        )  # fmt: skip
    house.directory.close()
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(house.root)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith("http"), process.stderr and process.stderr.read()
    cookies = urllib.request.HTTPCookieProcessor(CookieJar())
    made = Server(house.root, process, url, urllib.request.build_opener(cookies))
    made.form = made.ask("POST", "/session", {"user": "ines", "password": PASSWORD})["csrf_token"]
    yield made
    process.kill()
    process.communicate()


def later(server: Server, seconds: int) -> Kept:
    """What the next server says of the search, so many seconds after."""
    directory = open_directory(server.root, HandClock(time.time_ns() // 1000 + seconds * US))
    try:
        with directory.ledger.read() as tx:
            (one,) = search_runs.listed(tx)
        return find(directory, one.run.id)
    finally:
        directory.close()


def test_a_server_that_is_stopped_leaves_its_searches_failed(server: Server) -> None:
    server.running()
    server.process.send_signal(signal.SIGTERM)
    # The thread of the search waits for the model, which nothing wakes: the server leaves anyway.
    assert server.process.wait(60) == 0
    kept = later(server, 0)
    assert (kept.run.state, kept.run.error, kept.answer) == ("failed", STOPPED, None)


def test_a_server_that_is_killed_leaves_searches_that_fail_within_a_minute(
    server: Server,
) -> None:
    token = server.running()
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(60)
    assert later(server, 1).run.state == "running"  # nobody can know yet
    kept = later(server, 61)
    assert (kept.run.id, kept.run.state, kept.run.error) == (token, "failed", search_runs.DIED)
    directory = open_directory(server.root)
    try:
        with directory.ledger.read() as tx:
            active = generations.active_generation(tx)
        assert active is not None
        again = runs.ask_again(Archive(directory, active).engine(), kept, ASKER)
        assert find(directory, again.token).run.state == "done"
    finally:
        directory.close()
