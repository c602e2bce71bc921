"""JSON written and read piece by piece, held against Python's own."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import av
import pytest

from evidence import verify_bundle
from evidence.documents import Rows, write_json
from evidence.measure import measure
from evidence.pieces import Piece, pieces
from evidence.verify_bundle import read_document
from tests.evidence.conftest import encode


def plain(value: Any) -> Any:
    """With what was kept packed as lists again."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | verify_bundle.Rows):
        return [plain(each) for each in value]
    return value


DOCUMENTS = [
    [], {}, 0, -1.5e300, "北门 \"<\\\n", None, True, [1, 2, [3]], {"": {"": []}},
    {"rows": [], "segments": [{"a": [1, {"b": "]}"}]}] * 700, "x": {"originals": [1, "é", None]}},
    {"cameras": [{"segments": [{"n": n} for n in range(600)], "playable": [{"originals": [{}]}]}]},
    [{"gap": n, "text": "x" * n} for n in range(300)],
]  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
@pytest.mark.parametrize("indent", [None, 1])
def test_the_verifier_reads_json_as_python_does(chunk: int, indent: int | None) -> None:
    for document in DOCUMENTS:
        raw = json.dumps(document, ensure_ascii=False, indent=indent).encode()
        read = read_document(io.BytesIO(raw), chunk)
        assert plain(read) == document
        assert plain(read) == document  # a packed list can be gone through again


@pytest.mark.parametrize(
    "raw",
    [b"", b" ", b"{", b"[1,]", b'{"a":1,}', b'{"a" 1}', b"{1:2}", b"[1 2]", b"{}{}", b'{"rows":[1',
     b'{"rows":[{"a":}]}', b'{"a":tru}', b'"x', b"[1]]", b"\xef\xbb\xbf{}", b'{"a":1', b"nul",
     b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        json.loads(raw.decode())
    with pytest.raises((ValueError, RecursionError)):
        read_document(io.BytesIO(raw))


def test_long_lists_are_written_as_they_are_made(tmp_path: Path) -> None:
    made: list[int] = []

    def make(i: int) -> dict[str, Any]:
        made.append(i)
        return {"n": i, "deep": Rows(2, lambda j: {"j": j})}

    rows = Rows(5, make)
    assert (len(rows), made) == (5, [])
    assert rows[-1]["n"] == 4
    assert [row["n"] for row in rows[1:3]] == [1, 2]
    write_json(tmp_path / "x.json", {"a": rows, "b": ({"c": c} for c in "北"), "d": {}, "e": []})
    deep = [{"j": 0}, {"j": 1}]
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {
        "a": [{"n": n, "deep": deep} for n in range(5)], "b": [{"c": "北"}], "d": {}, "e": [],
    }  # fmt: skip


def test_a_piece_reads_as_the_file_without_what_it_skips(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(range(200)))
    with Piece(path, 10, 50, 80) as piece:
        due = bytes(range(10)) + bytes(range(50, 80))
        assert piece.read() == due
        for offset in (0, 5, 9, 10, 11, 39, 40):
            assert piece.seek(offset) == piece.tell() == offset
            assert piece.read(7) == due[offset : offset + 7] or offset < 10
        assert piece.seek(-3, io.SEEK_END) == 37


@pytest.mark.parametrize("how", [{}, {"bframes": 2}, {"audio": "aac"}, {"gop": 40}])
def test_a_long_file_is_measured_in_pieces_as_at_once(tmp_path: Path, how: dict[str, Any]) -> None:
    encode(tmp_path / "x.mp4", 12, **how)
    assert len(list(pieces(tmp_path / "x.mp4", 2))) > 1
    assert measure(tmp_path / "x.mp4", fragments=2) == measure(tmp_path / "x.mp4")


def test_a_file_that_counts_from_its_own_beginning_is_read_whole(tmp_path: Path) -> None:
    """Not ours, but what FFmpeg writes by default: it can be imported, and must leave again."""
    encode(tmp_path / "ours.mp4", 12)
    with (
        av.open(str(tmp_path / "ours.mp4")) as source,
        av.open(
            str(tmp_path / "x.mp4"), "w", options={"movflags": "frag_keyframe+empty_moov"}
        ) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert list(pieces(tmp_path / "x.mp4", 2)) == [None]
    assert measure(tmp_path / "x.mp4", fragments=2).pictures == 120


def test_a_number_cut_by_the_end_of_a_piece_is_read_whole() -> None:
    for pad in range(verify_bundle.CHUNK - 45, verify_bundle.CHUNK):
        text = '{"a":"' + "x" * pad + '","duration_s":3600.25,"e":1e-5,"z":[]}'
        assert read_document(io.BytesIO(text.encode())) == json.loads(text)
