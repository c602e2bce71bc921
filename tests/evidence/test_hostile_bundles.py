"""Archives made to harm whoever verifies them: nothing is written, followed, or held in memory."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from evidence.verify_bundle import main, verify

MEMORY_BYTES = 400 << 20
Member = tuple[zipfile.ZipInfo | str, bytes]


def kinds(path: Path) -> set[str]:
    """What is found."""
    return {one.kind for one in verify(path).findings}


def zipped(
    bundle: Path, target: Path, more: list[Member] | None = None, root: str = "bundle/",
    compression: int = zipfile.ZIP_STORED, without: str = "",
) -> Path:  # fmt: skip
    """The bundle as a zip, with members of the attacker's beside its own."""
    with zipfile.ZipFile(target, "w", compression) as archive:
        for path in sorted(bundle.rglob("*")):
            name = path.relative_to(bundle).as_posix()
            if path.is_file() and name != without:
                archive.write(path, root + name)
        for name, content in more or ():
            archive.writestr(name, content)
    return target


def as_link(name: str) -> zipfile.ZipInfo:
    """A symbolic link, as Unix zips hold one."""
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, 0o120777 << 16
    return member


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "bundle/../../evil.txt", "/etc/evil.txt", "bundle//evil.txt", "C:/evil.txt",
     "bundle/./evil.txt", "..\\evil.txt", "bundle/data/..\\..\\evil.txt", "//host/evil.txt",
     "bundle/data/../../../evil.txt"],
)  # fmt: skip
def test_a_name_that_leads_out_is_told_and_writes_nothing(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    hostile = zipped(bundle, tmp_path / "b.zip", [(name, b"out")])
    before = sorted(tmp_path.rglob("*"))
    assert "unsafe" in kinds(hostile)
    assert sorted(tmp_path.rglob("*")) == before
    assert not (tmp_path.parent / "evil.txt").exists()


def test_a_link_is_told_and_not_followed(bundle: Path, tmp_path: Path) -> None:
    linked = zipped(bundle, tmp_path / "b.zip", [(as_link("bundle/data/x"), b"/etc/passwd")])
    assert kinds(linked) == {"special"}
    (bundle / "data" / "out").symlink_to("/etc")
    (bundle / "data" / "loop").symlink_to(bundle)
    os.mkfifo(bundle / "data" / "pipe")  # whoever opens it waits for ever
    assert kinds(bundle) == {"special"}


def test_the_same_name_twice_is_told(bundle: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        double = zipped(bundle, tmp_path / "b.zip", [("bundle/data/manifest.json", b"{}")])
    assert "twice" in kinds(double)
    other = zipped(bundle, tmp_path / "c.zip", [("bundle/data/cafe\u0301", b"1"),
                                               ("bundle/data/caf\xe9", b"2")])  # fmt: skip
    assert {"twice", "added"} <= kinds(other)


def test_a_second_bundle_in_the_archive_does_not_hide_the_first(
    bundle: Path, tmp_path: Path
) -> None:
    inner = [(f"decoy/{mark}", b"x") for mark in ("bagit.txt", "verify.py", "evil.mp4")]
    assert "added" in kinds(zipped(bundle, tmp_path / "b.zip", list(inner)))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-40], lambda data: data[: len(data) // 2], lambda data: data[:4],
        lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03", 1),
        lambda data: _header(data, 8, struct.pack("<H", 0x01)),  # encrypted
        lambda data: _header(data, 10, struct.pack("<H", 99)),  # a method nobody knows
        lambda data: _header(data, 10, struct.pack("<H", 14)),  # LZMA, and it is none
        lambda data: _header(data, 6, struct.pack("<H", 999)),  # of a version to come
        lambda data: _header(data, 24, struct.pack("<I", 0xFFFFFFFE)),  # declares 4 GB
        lambda data: _header(data, 42, struct.pack("<I", 0x7FFFFFFF)),  # lies beyond the end
        lambda data: _deflated(data),
    ],
    ids=["short tail", "half", "magic only", "broken directory", "encrypted", "unknown method",
         "wrong method", "version to come", "declares 4 GB", "beyond", "deflate"],
)  # fmt: skip
def test_a_spoiled_archive_is_told_in_a_sentence(
    bundle: Path, tmp_path: Path, spoil: Callable[[bytes], bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    packed = zipped(bundle, tmp_path / "b.zip", compression=zipfile.ZIP_DEFLATED)
    packed.write_bytes(spoil(packed.read_bytes()))
    assert main([str(packed), "--lang", "en"]) == 9
    told = capsys.readouterr().out
    assert "cannot be read" in told
    assert "Traceback" not in told


def _header(data: bytes, offset: int, value: bytes) -> bytes:
    """Change a field of the directory's entry of data/manifest.json, and of its local header."""
    changed = bytearray(data)
    at = data.rindex(b"bundle/data/manifest.json") - 46
    assert data[at : at + 4] == b"PK\x01\x02"
    changed[at + offset : at + offset + len(value)] = value
    if offset in (8, 10):
        start = struct.unpack_from("<I", data, at + 42)[0] + offset - 2
        changed[start : start + len(value)] = value
    return bytes(changed)


def _deflated(data: bytes) -> bytes:
    """Spoil the packed bytes of data/manifest.json themselves."""
    at = data.index(b"bundle/data/manifest.json") + len("bundle/data/manifest.json")
    return data[: at + 8] + b"\xff" * 200 + data[at + 208 :]


def test_a_bomb_is_not_taken_into_memory(bundle: Path, tmp_path: Path) -> None:
    """Each document in turn is a gigabyte of blanks in a megabyte of zip."""
    for number, name in enumerate(("data/manifest.json", "manifest-sha256.txt",
                                   "data/custody.json")):  # fmt: skip
        bomb = zipped(bundle, tmp_path / f"{number}.zip", without=name)
        with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, \
                archive.open(f"bundle/{name}", "w", force_zip64=True) as sink:  # fmt: skip
            for _ in range(1024):
                sink.write(b" " * (1 << 20))
        assert bomb.stat().st_size < 20 << 20
        done = subprocess.run(
            [sys.executable, "-I", "-S", bundle / "verify.py", bomb, "--lang", "en"],
            capture_output=True, text=True, encoding="utf-8", preexec_fn=_little_memory,
            env={"PYTHONUTF8": "1"},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (9, ""), done.stderr[-500:]
        assert name in done.stdout


def _little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def test_many_thousand_entries_are_found_added_and_counted(bundle: Path, tmp_path: Path) -> None:
    crowd = zipped(bundle, tmp_path / "b.zip", [(f"bundle/data/x{n}", b"") for n in range(20_000)])
    found = verify(crowd).findings
    assert len(found) == 20_000
    assert {one.kind for one in found} == {"added"}


def test_names_cannot_steer_the_terminal_or_forge_a_line(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x\n- Sound: 9 files", "\x1b[2J\x1b[1;1HSound", "\u202egnp.exe", "\x9b2J", "\r"):
        (bundle / "data" / name).write_bytes(b"")
    assert main([str(bundle), "--lang", "en"]) == 9
    told = capsys.readouterr().out
    assert "\nSound" not in told
    assert "\n- Sound" not in told
    assert all(char.isprintable() or char == "\n" for char in told)


@pytest.mark.parametrize(
    "document",
    ['{"a":' * 100_000, "[" * 100_000, "null", "[]", '{"cameras": 1}', "1" * 5000, "\xff",
     '{"format": "hindsight-bundle", "version": 1, "cameras": [{"segments": {}}]}',
     '{"format": "hindsight-bundle", "version": 1e999}', "NaN", ""],
    ids=lambda text: text[:16] or "nothing",
)  # fmt: skip
def test_a_document_of_the_attackers_own_is_told_in_a_sentence(
    bundle: Path, document: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """All hashes fit: whoever made it hashed what he wrote."""
    for name in ("manifest.json", "gaps.json", "custody.json", "proofs.json"):
        if (bundle / "data" / name).exists():
            (bundle / "data" / name).write_text(document, encoding="utf-8")
    rehash(bundle)
    assert main([str(bundle), "--lang", "en"]) == 9
    assert "cannot be understood" in capsys.readouterr().out


def rehash(bundle: Path) -> None:
    """Every list as its maker would write it over the files as they are."""
    for lists in ("manifest-sha256.txt", "tagmanifest-sha256.txt", "fingerprint-sha256.txt"):
        lines = []
        for line in (bundle / lists).read_text(encoding="utf-8").splitlines():
            digest, name = line[:64], line[66:]
            if len(digest) == 64 and (bundle / name).is_file():
                digest = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
            lines.append(f"{digest}  {name}\n")
        (bundle / lists).write_text("".join(lines), encoding="utf-8")


def test_what_the_directory_of_a_zip_does_not_list_is_found(bundle: Path, tmp_path: Path) -> None:
    """`unzip` goes by the directory; programs that read from the beginning unpack the rest too."""
    good = zipped(bundle, tmp_path / "good.zip")
    assert "hidden" not in kinds(good)
    (tmp_path / "other.txt").write_text("evil")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.write(tmp_path / "other.txt", "bundle/data/report.html")
    before = tmp_path / "before.zip"
    before.write_bytes((tmp_path / "other.zip").read_bytes() + good.read_bytes())
    assert "hidden" in kinds(before)
    inside = tmp_path / "inside.zip"
    with zipfile.ZipFile(inside, "w") as archive:
        for path in sorted(bundle.rglob("*")):
            if path.is_file():
                archive.write(path, f"bundle/{path.relative_to(bundle).as_posix()}")
        archive.writestr("bundle/data/more.mp4", b"evil")
        archive.filelist.pop()
        del archive.NameToInfo["bundle/data/more.mp4"]
    assert "hidden" in kinds(inside)


@pytest.mark.parametrize("name", ["bundle/data/evil.mp4/", "bundle/../../up/"])
def test_folders_that_hold_bytes_or_lead_out_are_told(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    content = b"evil" if "mp4" in name else b""
    hostile = zipped(bundle, tmp_path / "b.zip", [(name, content)])
    assert "unsafe" in kinds(hostile)


def test_zips_of_other_programs_hide_nothing(bundle: Path, tmp_path: Path) -> None:
    """Written to a pipe, a zip says sizes after each member."""
    piped = tmp_path / "piped.zip"
    with piped.open("wb") as target, zipfile.ZipFile(_Pipe(target), "w") as archive:
        for path in sorted(bundle.rglob("*")):
            if path.is_file():
                archive.write(path, f"bundle/{path.relative_to(bundle).as_posix()}")
    assert kinds(piped) == set()


class _Pipe(io.RawIOBase):
    """Bytes go in and none come back."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._target.write(data)
