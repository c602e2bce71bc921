"""Encrypted files: what goes in comes out, from any place; a broken-off end costs only itself."""

from __future__ import annotations

import hashlib
import os
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.durable import AppendFile, HashingFile, publish_recovered
from storage.encryption import MAGIC, RECORD_BYTES, Sealer, Unsealer, room_for
from storage.errors import DataLoss
from storage.media import Media

KEY = bytes(range(32))


def key() -> bytes:
    return KEY


def unfinished(folder: Path, appends: list[bytes]) -> Path:
    """A file as a killed recorder leaves it."""
    file = AppendFile(folder / "x.mp4", sealer=Sealer(KEY))
    for data in appends:
        file.append([data[: len(data) // 3], data[len(data) // 3 :]])
        file.sync()
    file.abandon()
    return file.open_path


def finished(folder: Path, *appends: bytes) -> Path:
    with HashingFile(folder / "x.mp4", sealer=Sealer(KEY)) as file:
        for data in appends:
            file.write(data)
        assert file.publish() == (
            sum(map(len, appends)), hashlib.sha256(b"".join(appends)).hexdigest(),
        )  # fmt: skip
    return folder / "x.mp4"


lengths = st.one_of(
    st.integers(0, 300), st.sampled_from([RECORD_BYTES + d for d in (-1, 0, 1)]),
    st.integers(0, 3 * RECORD_BYTES),
)  # fmt: skip


@settings(max_examples=60)
@given(
    appends=st.lists(lengths.map(os.urandom), max_size=6),
    reads=st.lists(st.tuples(st.integers(0, 1 << 19), st.integers(0, 1 << 17)), max_size=8),
    is_finished=st.booleans(),
)
def test_any_appends_are_read_from_any_place(
    appends: list[bytes], reads: list[tuple[int, int]], is_finished: bool
) -> None:
    plain = b"".join(appends)
    with TemporaryDirectory() as folder:
        make = (lambda: finished(Path(folder), *appends)) if is_finished else (
            lambda: unfinished(Path(folder), appends)
        )  # fmt: skip
        path = make()
        assert path.stat().st_size <= room_for(len(plain)) + 20 * len(appends)
        if not plain and not is_finished:
            return  # nothing was written, no header either
        media = Media(path, key)
        with media.open() as source:
            assert source.read() == plain
            for at, count in reads:
                assert source.seek(at) == at
                assert source.read(count) == plain[at : at + count]
            assert source.seek(-min(5, len(plain)), os.SEEK_END) == max(0, len(plain) - 5)
        if is_finished:
            assert media.size_bytes() == len(plain)
            assert media.sha256() == hashlib.sha256(plain).hexdigest()


def test_small_reads_from_a_plain_file_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "plain.mp4"
    path.write_bytes(b"0123456789")
    media = Media(path, key)
    assert (media.is_encrypted, media.size_bytes()) == (False, 10)
    assert media.sha256() == hashlib.sha256(b"0123456789").hexdigest()
    with media.for_ffmpeg() as source:
        assert source == str(path)


def test_torn_tail_costs_only_itself_at_every_byte(tmp_path: Path) -> None:
    appends = [os.urandom(n) for n in (700, 64, 300)]
    whole = unfinished(tmp_path, appends).read_bytes()
    torn = tmp_path / "torn.mp4.open"
    last = len(appends[-1]) + 20
    for size in range(len(whole) - last, len(whole) + 1):
        torn.write_bytes(whole[:size])
        expected = b"".join(appends if size == len(whole) else appends[:-1])
        with Media(torn, key).open() as source:
            assert source.read() == expected
    path, size_bytes, digest = publish_recovered(torn, 750, key)
    assert (size_bytes, digest) == (750, hashlib.sha256(b"".join(appends)[:750]).hexdigest())
    assert Media(path, key).size_bytes() == 750


@pytest.mark.parametrize("spoil", [bytes(150), os.urandom(150)], ids=["zeros", "rubbish"])
def test_a_tail_that_never_reached_the_disk_costs_only_itself(tmp_path: Path, spoil: bytes) -> None:
    appends = [os.urandom(n) for n in (70_000, 200_000)]
    path = unfinished(tmp_path, appends)
    stored = bytearray(path.read_bytes())
    stored[-1000:-850] = spoil  # in the last record of the last append
    path.write_bytes(stored)
    with Media(path, key).open() as source:
        left = source.read()
    assert left == b"".join(appends)[: 70_000 + 3 * RECORD_BYTES]


@pytest.mark.parametrize("spoil", [bytes(150), os.urandom(150)], ids=["zeros", "rubbish"])
def test_what_was_not_synced_ends_at_its_first_hole_however_whole_what_follows(
    tmp_path: Path, spoil: bytes
) -> None:
    synced, torn, last = (os.urandom(70_000) for _ in range(3))
    file = AppendFile(tmp_path / "x.mp4", sealer=Sealer(KEY))
    file.append([synced])
    file.sync()
    begins = file.open_path.stat().st_size
    file.append([torn])
    file.append([last])
    file.abandon()
    stored = bytearray(file.open_path.read_bytes())
    stored[begins + 66_000 : begins + 66_150] = spoil  # in its second record
    file.open_path.write_bytes(stored)
    with Media(file.open_path, key).open() as source:
        assert source.read() == synced + torn[:RECORD_BYTES]


def test_a_record_that_was_synced_and_changed_is_damage_not_an_end(tmp_path: Path) -> None:
    appends = [os.urandom(n) for n in (70_000, 200_000)]
    path = unfinished(tmp_path, appends)
    stored = bytearray(path.read_bytes())
    stored[1000] ^= 1
    path.write_bytes(stored)
    with Media(path, key).open() as source:
        source.seek(RECORD_BYTES)
        assert source.read() == b"".join(appends)[RECORD_BYTES:]
        source.seek(0)
        with pytest.raises(OSError, match="record 0 at byte 48 was changed"):
            source.read()


@settings(max_examples=60)
@given(appends=st.lists(st.integers(1, 5000), min_size=1, max_size=5), data=st.data())
def test_recovery_that_breaks_off_is_begun_again(appends: list[int], data: st.DataObject) -> None:
    plain = [os.urandom(n) for n in appends]
    whole_bytes = data.draw(st.sampled_from(list(accumulate(appends))))
    with TemporaryDirectory() as folder:
        path = unfinished(Path(folder), plain)
        before = path.read_bytes()
        publish_recovered(path, whole_bytes, key)
        after = (Path(folder) / "x.mp4").read_bytes()
        # The machine stops anywhere in between: the end of the file is one or the other's.
        kept = next(n for n in range(len(after)) if before[n : n + 1] != after[n : n + 1])
        cut = data.draw(st.integers(kept, len(after)))
        path.write_bytes(after[:cut])
        (Path(folder) / "x.mp4").unlink()
        final, size_bytes, digest = publish_recovered(path, whole_bytes, key)
        due = b"".join(plain)[:whole_bytes]
        assert (size_bytes, digest) == (len(due), hashlib.sha256(due).hexdigest())
        with Media(final, key).open() as source:
            assert source.read() == due


def test_no_flipped_byte_goes_unnoticed(tmp_path: Path) -> None:
    plain = os.urandom(900)
    path = finished(tmp_path, plain[:500], plain[500:])
    stored = path.read_bytes()
    digest = hashlib.sha256(plain).hexdigest()
    for at in range(len(stored)):
        path.write_bytes(stored[:at] + bytes([stored[at] ^ 0x10]) + stored[at + 1 :])
        try:
            assert Media(path, key).sha256() != digest, at
            assert at < len(MAGIC)  # no longer one of ours: its bytes are taken as they are
        except (DataLoss, OSError):
            pass


def test_records_cannot_be_swapped_dropped_or_repeated(tmp_path: Path) -> None:
    first, second, third = (os.urandom(100) for _ in range(3))
    path = finished(tmp_path, first, second, third)
    stored = path.read_bytes()
    head, tail = stored[:48], stored[48 + 3 * 120 :]
    a, b, c = (stored[48 + i * 120 : 48 + (i + 1) * 120] for i in range(3))
    for order in ([b, a, c], [a, c, b], [a, a, c], [a, b], [a, b, c, c], [b, c]):
        path.write_bytes(head + b"".join(order) + tail)
        with pytest.raises((DataLoss, OSError)):
            Media(path, key).sha256()


def test_records_of_another_file_do_not_fit(tmp_path: Path) -> None:
    one = finished(tmp_path / "a", b"a" * 100).read_bytes()
    path = finished(tmp_path / "b", b"b" * 100)
    two = path.read_bytes()
    path.write_bytes(two[:48] + one[48:])
    with pytest.raises((DataLoss, OSError)):
        Media(path, key).sha256()


def test_equal_footage_is_encrypted_differently_each_time(tmp_path: Path) -> None:
    one, two = (finished(tmp_path / n, bytes(1000)).read_bytes() for n in "ab")
    pieces = {one[i : i + 16] for i in range(48, len(one) - 16)}
    assert not pieces & {two[i : i + 16] for i in range(48, len(two) - 16)}


def test_a_key_that_is_another_is_named(tmp_path: Path) -> None:
    path = finished(tmp_path, b"x" * 100)
    with pytest.raises(DataLoss, match=r"x\.mp4 was encrypted with another key"):
        Media(path, lambda: bytes(32)).open()
    with pytest.raises(DataLoss, match="can only be read on its volume"):
        Media(path).open()


def test_what_was_cut_off_at_a_record_is_not_whole(tmp_path: Path) -> None:
    path = finished(tmp_path, os.urandom(100), os.urandom(100))
    path.write_bytes(path.read_bytes()[: 48 + 120])
    with pytest.raises(DataLoss, match="the end of encrypted file"):
        Media(path, key).size_bytes()
    with Media(path, key).raw() as source:
        assert isinstance(source, Unsealer)
        assert source.size_bytes == 100  # what can be read still can
