"""An encrypted volume: recorded, killed, adopted, played and exported as any; and what is lost or
changed of it is found and named."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from evidence.export import export
from indexer.pictures import picture_at
from indexer.sampling import samples
from storage.check import check
from storage.directory import init_directory, open_directory
from storage.durable import HashingFile, write_file
from storage.errors import Conflict, DataLoss, Invalid
from storage.findings import Finding, Level
from storage.fragments import read_facts, scan
from storage.rebuild import rebuild
from storage.settings import FILE_NAME
from storage.vocabulary import Actor
from storage.volume_keys import VolumeKey
from storage.volumes import IDENTITY
from tests.servers.clips import make_clip
from tests.servers.recording import Recording, alive, kill, until
from tests.storage.media import START_US, US, CommandLine, House, whats

ENCRYPTED = '[volumes.main]\npath = "volumes/main"\nencrypt = true\n'
PLAIN = ENCRYPTED.replace("true", "false")
SIGNS = (b"ftyp", b"moov", b"moof", b"mdat", b"hindsight.camera", b"avcC", b"x264", b"gate")


def reopened(house: House, settings: str) -> House:
    """The archive as its next process sees it."""
    (house.root / FILE_NAME).write_text(settings)
    house.directory.close()
    house.directory = open_directory(house.root, house.clock)
    return house


@pytest.fixture
def vault(house: House) -> House:
    """An archive whose one volume is encrypted from the beginning."""
    return reopened(house, ENCRYPTED)


def key_of(house: House) -> Path:
    return house.root / "keys" / "volume-main.key"


def found(house: House, level: Level = Level.HASH) -> list[Finding]:
    return list(check(house.directory, level))


def test_killed_recorder_leaves_encrypted_footage_that_is_adopted_played_and_exported(
    tmp_path: Path, hindsight: CommandLine
) -> None:
    made = Recording(tmp_path / "vault", ENCRYPTED)
    try:
        url = f"{make_clip(tmp_path / 'plain.mp4', audio='aac').as_uri()}?loop=1"
        camera = made.add("gate", url)
        made.start()
        until(lambda: made.segments(camera), 20, "a segment is closed")
        until(lambda: whole_fragments(made, camera) >= 2, 20, "another has whole fragments")
        captures = made.captures()
        assert made.process is not None
        for pid in [made.process.pid, *captures]:
            kill(pid)
        made.wait()
        until(lambda: not any(map(alive, captures)), 15, "all are gone")
        left = made.open_file(camera)
        assert left is not None
        seen_s = scan(made.directory.archive.volume("main").lying(left)).end_s
        made.start("--for", "1")
        assert made.wait() == 0
        rows = made.verify(camera)
        (adopted,) = [row for row in rows if row.recovered]
        assert left.name.startswith(Path(adopted.path).name)
        assert adopted.duration_us == pytest.approx(seen_s * US, abs=US // 10)
        stored = b"".join(made.file(row).read_bytes() for row in rows)
        assert all(sign not in stored for sign in SIGNS)
        said = CommandLine(made.root, hindsight.capture)
        for level in Level:
            assert said.json("check", "--level", level)["ok"] is True
        assert said.json("index")["segments"] == len(rows)
        out = tmp_path / "bundle"
        start, end = (said.json("segments", "--camera", "gate")[n][k]
                      for n, k in ((0, "start"), (-1, "end")))  # fmt: skip
        said.json("export", "--camera", "gate", "--from", start, "--to", end, "--out", out)
        originals = {path.name: path for path in (out / "data/originals/gate").iterdir()}
        for row in rows:
            with made.directory.archive.media(row).open() as source:
                assert originals[Path(row.path).name].read_bytes() == source.read()
        assert said("verify", out).code == 0
    finally:
        made.close()


def test_recorder_without_the_key_says_so_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    made = Recording(tmp_path / "vault", ENCRYPTED)
    try:
        camera = made.add("gate", f"{make_clip(tmp_path / 'plain.mp4').as_uri()}?loop=1")
        made.start()
        until(lambda: made.open_file(camera), 20, "it records")
        key = made.root / "keys" / "volume-main.key"
        key.rename(made.root / "elsewhere")
        until(lambda: "wrong_volume" in made.causes(camera), 20, "the loss is noted")
        before = len(made.segments(camera))
        (made.root / "elsewhere").rename(key)
        until(lambda: len(made.segments(camera)) > before, 20, "recording goes on")
        assert made.stop() == 0
        made.verify(camera)
        assert str(key) in (made.gaps(camera)[0].detail or "")
    finally:
        made.close()


def test_init_that_fails_leaves_no_key_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "new"
    root.mkdir()
    (root / FILE_NAME).write_text(
        ENCRYPTED + f'[volumes.other]\npath = "{tmp_path}"\nencrypt = true\n'
    )
    with pytest.raises(Conflict):  # the folder of the second volume is not empty
        init_directory(root)
    assert [path.name for path in root.iterdir()] == [FILE_NAME]


def test_processes_that_start_at_once_make_one_key(tmp_path: Path) -> None:
    identity = tmp_path / "volume" / IDENTITY
    for turn in range(20):
        write_file(identity, b'{"uuid": "x"}')
        key = VolumeKey(tmp_path / f"keys-{turn}" / "volume-main.key", "main")
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _, one=key: one.for_writing(identity), range(8)))
        assert {*made} == {key.path.read_bytes()}


def test_other_volumes_are_used_while_a_key_is_lost(house: House, tmp_path: Path) -> None:
    text = f'[volumes.second]\npath = "{tmp_path / "second"}"\n'
    reopened(house, ENCRYPTED + text)
    house.segment()
    key_of(house).unlink()
    assert house.directory.archive.recording_volume().name == "second"


def whole_fragments(made: Recording, camera: object) -> int:
    path = made.open_file(camera)  # type: ignore[arg-type]
    try:
        media = None if path is None else made.directory.archive.volume("main").lying(path)
        return 0 if media is None else len(scan(media).fragments)
    except FileNotFoundError:  # published this instant
        return 0


def test_a_sound_vault_has_no_finding_and_comes_back_from_its_media(vault: House) -> None:
    rows = [*vault.footage(), vault.imported(start_us=START_US + 60 * US)]
    for row in rows:
        media = vault.directory.archive.media(row)
        assert media.is_encrypted
        assert (media.size_bytes(), media.sha256()) == (row.size_bytes, row.sha256)
        assert read_facts(media) is not None
    for level in Level:
        assert found(vault, level) == []
    assert key_of(vault).stat().st_mode & 0o777 == 0o600
    vault.directory.close()
    (vault.root / "ledger.db").unlink()
    vault.directory = open_directory(vault.root, vault.clock, adopt=True)
    result = rebuild(vault.directory, Actor("test"))
    assert result.findings == []
    assert {(r.id, r.sha256, r.end_us) for r in result.added} == {
        (r.id, r.sha256, r.end_us) for r in rows
    }  # fmt: skip


@pytest.mark.parametrize("share", [0, 0.001, 0.02, 0.3, 0.7, 0.98, 0.9999])
def test_flipped_byte_is_found(vault: House, share: float) -> None:
    segment = vault.footage()[1]
    path = vault.file(segment)
    stored = bytearray(path.read_bytes())
    stored[int(len(stored) * share)] ^= 0x01
    path.write_bytes(stored)
    (finding,) = found(vault)
    assert (finding.invariant, finding.loss, finding.segment) == (1, True, segment.id)


def test_changed_record_costs_what_it_holds_and_is_never_exported(
    vault: House, tmp_path: Path
) -> None:
    segment = vault.segment(seconds=8)
    vault.expect("gate", segment.start_us, segment.end_us)
    media = vault.directory.archive.media(segment)
    with media.open() as source:
        plain = source.read()
    layout = scan(media)
    # Written anew, so that the pictures of each second are a record; those of one are changed.
    borders = [0, *(plain.index(b"mdat", part.offset) + 4 for part in layout.fragments)]
    media.path.unlink()
    volume = vault.directory.archive.volume("main")
    with HashingFile(media.path, sealer=volume.sealer()) as target:
        for start, end in pairwise([*borders, len(plain)]):
            target.write(plain[start : end - 200])
            target.write(plain[end - 200 : end])
        target.publish()
    stored = bytearray(media.path.read_bytes())
    stored[48 + borders[6] + 12 * 20 + 100] ^= 1
    media.path.write_bytes(stored)
    (finding,) = found(vault)
    assert "record 12" in finding.what()
    seen_us = [sample.ts_us - segment.start_us for sample in samples(media, segment, 0.5)]
    assert {0, 4 * US, 6 * US, 7 * US} <= set(seen_us)
    for at_us in (3 * US, 7 * US):
        at_us += segment.start_us
        assert picture_at(media, segment, at_us).ts_us == at_us
    with pytest.raises(DataLoss, match=f"{segment.id} .*record 12 .*nothing was exported"):
        export(
            vault.directory, cameras=[vault.camera("gate")], from_us=segment.start_us,
            to_us=segment.end_us, out=tmp_path / "bundle", actor=Actor("ines"),
        )  # fmt: skip
    assert not (tmp_path / "bundle").exists()


def test_what_is_cut_off_is_found_by_size(vault: House) -> None:
    segment = vault.footage()[1]
    path = vault.file(segment)
    stored = path.read_bytes()
    for cut in (0, 20, 48, len(stored) // 2, len(stored) - 1):
        path.write_bytes(stored[:cut])
        (finding,) = found(vault, Level.SIZE)
        assert (finding.invariant, finding.segment) == (1, segment.id)


def test_swapped_files_are_found_and_named(vault: House) -> None:
    first, second = vault.segment("a"), vault.segment("b")
    one, other = vault.file(first), vault.file(second)
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    findings = {f.segment: f.what() for f in found(vault)}
    assert f"is that of segment {second.id} (b)" in findings[first.id]


def test_plain_file_in_an_encrypted_ones_place_is_found_if_it_differs(vault: House) -> None:
    segment = vault.footage()[1]
    with vault.directory.archive.media(segment).open() as source:
        plain = source.read()
    vault.file(segment).write_bytes(plain)
    assert found(vault) == []  # the same recording, the same hash
    vault.file(segment).write_bytes(plain[:-1] + b"\0")
    assert len(found(vault)) == 1


def test_lost_key_is_said_once_and_no_other_is_made(vault: House, hindsight: CommandLine) -> None:
    segment = vault.footage()[0]
    key_of(vault).rename(vault.root / "backup.key")
    reopened(vault, ENCRYPTED)
    assert not key_of(vault).exists()
    for level in Level:
        (finding,) = found(vault, level)
        assert (finding.invariant, finding.loss, finding.volume) == (12, True, "main")
        assert str(key_of(vault)) in finding.what()
        assert "restore it from your backup" in finding.what()
    with pytest.raises(DataLoss, match=r"volume-main\.key of encrypted volume main is missing"):
        vault.directory.archive.media(segment).open()
    with pytest.raises(DataLoss, match="is missing"):  # nothing is recorded that cannot be read
        vault.segment("other")
    assert hindsight("check").code == 9
    (vault.root / "backup.key").rename(key_of(vault))
    assert found(vault) == []


@pytest.mark.parametrize("content", [bytes(32), b"short"])
def test_wrong_key_is_said_once(vault: House, content: bytes) -> None:
    segment = vault.footage()[0]
    key_of(vault).write_bytes(content)
    (finding,) = found(vault)
    assert (finding.invariant, finding.volume) == (12, "main")
    with pytest.raises(DataLoss, match=r"another key|cannot be used"):
        vault.directory.archive.media(segment).open()
    with pytest.raises(DataLoss):
        vault.segment("other")


def test_volume_that_was_switched_holds_both_kinds(house: House) -> None:
    first = house.segment()
    reopened(house, ENCRYPTED)
    second = house.segment(start_us=first.end_us)
    reopened(house, PLAIN)
    third = house.segment(start_us=second.end_us)
    house.expect("gate", first.start_us, third.end_us)
    kinds = [house.directory.archive.media(row).is_encrypted for row in (first, second, third)]
    assert kinds == [False, True, False]
    for level in Level:
        assert found(house, level) == []
    key_of(house).unlink()  # what is encrypted there is lost with it, written to it or not
    assert whats(found(house)) == [(12, True)]
    house.segment("other")  # plain footage needs no key


def test_key_on_the_volume_it_is_for_is_refused(house: House) -> None:
    house.directory.close()
    inside = house.root / "disk"
    (house.root / FILE_NAME).write_text(f'[volumes.new]\npath = "{inside}"\nencrypt = true\n')
    (house.root / "keys").rename(house.root / "real-keys")
    inside.mkdir()
    (house.root / "keys").symlink_to(inside)
    with pytest.raises(Invalid, match=r"its key .* would lie on it"):
        open_directory(house.root, house.clock)
    (house.root / "keys").unlink()
    (house.root / "real-keys").rename(house.root / "keys")
    reopened(house, PLAIN)


def test_import_is_encrypted_and_comes_out_as_it_came(
    vault: House, hindsight: CommandLine, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "shop.mkv", seconds=3)
    hindsight.json("import", clip, "--camera", "shop", "--start", "2026-01-01T00:00:00Z")
    (row,) = vault.rows()
    media = vault.directory.archive.media(row)
    assert media.is_encrypted
    with media.open() as source:
        assert source.read() == clip.read_bytes()
    assert hindsight.json("check", "--level", "hash")["ok"] is True


def test_unknown_encrypted_file_is_left_alone(vault: House) -> None:
    rows = vault.footage()
    with vault.directory.ledger.write() as tx:
        tx.exec_driver_sql(f"DELETE FROM segment WHERE id = '{rows[1].id}'")
    assert 3 in {finding.invariant for finding in found(vault)}
    result = rebuild(vault.directory, Actor("test"))
    assert [replace(row, created_us=0) for row in result.added] == [replace(rows[1], created_us=0)]
