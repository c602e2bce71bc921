"""Durable writes: whole under the final name or not there; never over what is there."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.durable import (
    HashingFile,
    publish_recovered,
    remove_empty_folders,
    remove_file,
    sha256_file,
    write_file,
)
from storage.errors import Conflict


def test_the_final_name_appears_only_when_the_file_is_whole(tmp_path: Path) -> None:
    final = tmp_path / "a" / "b" / "one.mp4"
    with HashingFile(final) as target:
        target.write(b"abc")
        assert not final.exists()
        target.write(memoryview(b"def"))
        size_bytes, sha256 = target.publish()
    assert final.read_bytes() == b"abcdef"
    assert (size_bytes, sha256) == (6, hashlib.sha256(b"abcdef").hexdigest())
    assert sorted(p.name for p in final.parent.iterdir()) == ["one.mp4"]


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with HashingFile(tmp_path / "one.mp4") as target:
            target.write(b"abc")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_file_is_never_overwritten(tmp_path: Path) -> None:
    final = tmp_path / "one.mp4"
    final.write_bytes(b"footage")
    target = HashingFile(final)
    target.write(b"other")
    with pytest.raises(Conflict, match=r"one\.mp4"):
        target.publish()
    assert final.read_bytes() == b"footage"
    assert (tmp_path / "one.mp4.open").read_bytes() == b"other"  # kept: it may be footage
    with pytest.raises(Conflict):
        publish_recovered(tmp_path / "one.mp4.open", 3)
    assert final.read_bytes() == b"footage"


def test_a_catalogue_file_is_replaced_at_once(tmp_path: Path) -> None:
    write_file(tmp_path / "facts.json", b"1", mode=0o600)
    write_file(tmp_path / "facts.json", b"2", mode=0o600)
    assert (tmp_path / "facts.json").read_bytes() == b"2"
    assert (tmp_path / "facts.json").stat().st_mode & 0o777 == 0o600


def test_a_killed_writer_leaves_an_open_file_that_recovers(tmp_path: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from storage.durable import HashingFile;"
        f"f = HashingFile(Path({str(tmp_path / 'one.mp4')!r})); f.write(b'whole|torn'); f.sync();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code])
    assert done.returncode == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == ["one.mp4.open"]
    final, size_bytes, sha256 = publish_recovered(tmp_path / "one.mp4.open", len(b"whole|"))
    assert final.read_bytes() == b"whole|"
    assert (size_bytes, sha256) == (6, sha256_file(final))


def test_a_writer_survives_a_folder_that_retention_took_away(tmp_path: Path) -> None:
    folder = tmp_path / "gate" / "2026-11-18" / "13"
    with HashingFile(folder / "one.mp4") as target:
        target.write(b"x")
        remove_empty_folders(folder, tmp_path)  # not empty: stays
        target.publish()
    assert remove_file(folder / "one.mp4")
    remove_empty_folders(folder, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with HashingFile(folder / "two.mp4") as target:
        target.publish()
    assert (folder / "two.mp4").exists()


def test_removing_twice_is_said(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"x")
    assert remove_file(tmp_path / "a") is True
    assert remove_file(tmp_path / "a") is False
    assert remove_file(tmp_path / "no" / "folder") is False


def test_a_hash_of_the_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(3 << 20))
    content = (tmp_path / "a").read_bytes()
    for limit in (0, 1, 1 << 20, (1 << 20) + 1, 9 << 20):
        assert sha256_file(tmp_path / "a", limit) == hashlib.sha256(content[:limit]).hexdigest()
