"""The RTSP server as a thing a test starts, kills and starts again.

from tests.servers.fixtures import rtsp_server  # a fixture: import it into a conftest

server = rtsp_server({"/gate": Mount(packets)}, auth="digest")
server.url("/gate")  # rtsp://viewer:…@127.0.0.1:…/gate
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("rtsp_server.py")
USER, PASSWORD = "viewer", "s3cret-pa55/word"


@dataclass(frozen=True)
class Mount:
    """A camera of the server: prepared packets (see clips.make_packets), codec, sound."""

    packets: Path
    codec: str = "h264"
    audio: str | None = None


class RtspServer:
    """A server process. It keeps its port over a restart, as a camera does."""

    def __init__(self, mounts: dict[str, Mount], auth: str | None = None) -> None:
        self.mounts = mounts
        self.auth = auth
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Until it listens."""
        spec = {
            "port": self.port,
            "auth": self.auth,
            "user": USER,
            "password": PASSWORD,
            "mounts": {
                name: {"packets": str(m.packets), "codec": m.codec, "audio": m.audio}
                for name, m in self.mounts.items()
            },
        }
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, str(SCRIPT), json.dumps(spec)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        assert said[:1] == [b"ready"], said
        self.port = int(said[1])

    def url(self, mount: str, password: str = PASSWORD) -> str:
        """With user and password when the server asks for them."""
        from urllib.parse import quote

        who = f"{USER}:{quote(password, safe='')}@" if self.auth else ""
        return f"rtsp://{who}127.0.0.1:{self.port}{mount}"

    def freeze(self) -> None:
        """It stops answering; its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """At once, without a farewell to its clients."""
        if self.process is not None:
            self._signal(signal.SIGKILL)
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)


@cache
def why_no_gstreamer() -> str | None:
    """What is missing, or None."""
    probe = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "missing = [n for n in ('appsrc', 'h264parse', 'h265parse', 'rtph264pay', 'alawenc',"
        " 'avenc_aac') if Gst.ElementFactory.find(n) is None];"
        "assert not missing, missing"
    )
    if not Path(SYSTEM_PYTHON).exists():
        return f"{SYSTEM_PYTHON} is absent"
    done = subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1] if done.returncode else None


@pytest.fixture(scope="session")
def rtsp_server() -> Iterator[Callable[..., RtspServer]]:
    """Starts servers; whatever still runs at the end of the session is killed."""
    if why := why_no_gstreamer():
        pytest.skip(f"GStreamer's RTSP server is absent ({why}); this test did not run")
    started: list[RtspServer] = []

    def start(mounts: dict[str, Mount], auth: str | None = None) -> RtspServer:
        started.append(RtspServer(mounts, auth))
        return started[-1]

    yield start
    for server in started:
        server.kill()
