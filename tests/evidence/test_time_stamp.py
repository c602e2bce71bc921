"""Time stamps of an authority: a real one answers, is checked, refuses, lies or is silent."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence.verify_bundle import told, verify
from storage.errors import Invalid, Unavailable
from storage.settings import Settings
from tests.evidence.time_authority import Authority, serving


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    """Answers on loopback."""
    (tmp_path / "tsa").mkdir()
    with serving(tmp_path / "tsa") as one:
        yield one


def use(house: Any, url: str, **more: object) -> None:
    """Name the authority in the settings, as hindsight.toml would."""
    house.directory.settings = Settings.model_validate({"evidence": {"tsa_url": url, **more}})


def stated(bundle: Path) -> Any:
    """What the manifest says of the time stamp."""
    return json.loads((bundle / "data/manifest.json").read_text())["timestamp"]


def test_stamped_bundle_is_verified_by_openssl(house: Any, out: Path, authority: Authority) -> None:
    use(house, authority.url, tsa_roots=str(authority.root))
    house.segment()
    result = house.export(out, 0, 4)
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-in", "timestamp.tsr", "-digest", result.fingerprint,
         "-CAfile", authority.root],
        cwd=out, capture_output=True, text=True,
    )  # fmt: skip
    assert "Verification: OK" in done.stdout + done.stderr
    assert stated(out)["made"] is True
    assert len(authority.asked) == 1
    verdict = verify(out, result.fingerprint)
    assert verdict.findings == []
    assert verdict.stamped is not None
    assert any("openssl ts -verify" in line for line in told(verdict, "en"))


def test_without_roots_the_stamp_is_taken_and_left_to_whoever_verifies(
    house: Any, out: Path, authority: Authority
) -> None:
    use(house, authority.url)
    house.segment()
    house.export(out, 0, 4)
    assert stated(out)["made"] is True


def test_removed_time_stamp_is_missed(house: Any, out: Path, authority: Authority) -> None:
    use(house, authority.url)
    house.segment()
    house.export(out, 0, 4)
    (out / "timestamp.tsr").unlink()
    found = [(one.kind, one.path) for one in verify(out).findings]
    assert found == [("missing", "timestamp.tsr")]


def test_no_authority_no_time_stamp(house: Any, out: Path) -> None:
    house.segment()
    house.export(out, 0, 4)
    assert stated(out) is None
    assert not (out / "timestamp.tsr").exists()


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/"


def test_silent_authority_leaves_a_sound_bundle_that_says_so(house: Any, out: Path) -> None:
    use(house, closed_port())
    house.segment()
    result = house.export(out, 0, 4)
    assert result.timestamp.made is False
    assert stated(out)["made"] is False
    assert "refused" in stated(out)["detail"]
    assert not (out / "timestamp.tsr").exists()
    assert verify(out).findings == []
    assert "no time stamp of an authority" in (out / "VERIFY-en.txt").read_text()


def test_silent_authority_stops_an_export_where_it_is_demanded(house: Any, out: Path) -> None:
    use(house, closed_port(), tsa_required=True)
    house.segment()
    with pytest.raises(Unavailable, match="no time stamp"):
        house.export(out, 0, 4)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("what", ["other bytes", "another question's", "error page", "other root"])
def test_answer_that_does_not_hold_is_no_time_stamp(
    house: Any, out: Path, authority: Authority, tmp_path: Path, what: str
) -> None:
    roots = {}
    if what == "other root":
        (tmp_path / "other").mkdir()
        with serving(tmp_path / "other") as other:
            roots = {"tsa_roots": str(other.root)}
    elif what == "another question's":
        query = tmp_path / "q.tsq"
        subprocess.run(
            ["openssl", "ts", "-query", "-data", __file__, "-sha256", "-cert", "-out", query],
            check=True, capture_output=True,
        )  # fmt: skip
        authority.answer = authority.stamp(query.read_bytes())
    elif what == "other bytes":
        authority.answer = b"\x30\x03\x02\x01\x00"
    else:
        authority.answer, authority.status = b"busy", 503
    use(house, authority.url, **roots)
    house.segment()
    house.export(out, 0, 4)
    assert stated(out)["made"] is False, what
    assert verify(out).findings == []


def test_unreadable_roots_stop_the_export(house: Any, out: Path, tmp_path: Path) -> None:
    use(house, "http://127.0.0.1:1/", tsa_roots=str(tmp_path / "gone.pem"))
    house.segment()
    with pytest.raises(Invalid, match="tsa_roots"):
        house.export(out, 0, 4)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("url", ["ftp://x/", "file:///etc/passwd", "http://me:pw@x/", "nonsense"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the address must"):
        Settings.model_validate({"evidence": {"tsa_url": url}})
