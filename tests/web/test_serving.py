"""`hindsight serve`: binds, says where, stops cleanly, and says plainly when it cannot."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from storage.directory import init_directory
from tests.e2e.browser import serving

ROOT = Path(__file__).parents[2]


def serve(data: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it where it must refuse."""
    command = [sys.executable, "-m", "hindsight", "--data", str(data), "serve", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that nobody has open."""
    directory, _ = init_directory(tmp_path / "data")
    directory.close()
    return directory.root


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_server_answers_and_a_signal_ends_it_well(data: Path, how: signal.Signals) -> None:
    with serving(data) as server:
        assert server.url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{server.url}/healthz", timeout=10) as answer:
            assert answer.read() == b"ok\n"
            assert "hindsight" not in answer.headers.get("Server", "").lower()
        with urllib.request.urlopen(f"{server.url}/search", timeout=10) as answer:
            assert answer.url.endswith("/login?next=/search")
        server.process.send_signal(how)
        assert server.process.wait(timeout=15) == 0


def test_port_in_use_is_one_line_and_exit_7(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = serve(data, "--port", str(port))
    assert refused.returncode == 7
    assert refused.stdout == ""
    assert refused.stderr == (
        f"hindsight: port {port} on 127.0.0.1 is in use; stop what uses it or name another with"
        " --port\n"
    )


def test_address_that_is_not_ours_is_refused(data: Path) -> None:
    assert serve(data, "--host", "no such host").returncode == 4
    assert serve(data, "--host", "192.0.2.1", "--port", "0").returncode == 7
    assert serve(data, "--port", "70000").returncode == 2


def test_data_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    refused = serve(tmp_path / "nothing", "--port", "0")
    assert refused.returncode == 3
    assert refused.stderr.count("\n") == 1
