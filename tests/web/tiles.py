"""A PMTiles file written by hand (version 3), and the small pictures in it."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

PNG, NO_COMPRESSION = 2, 1
Tile = tuple[int, int, int]  # zoom, x, y


def png(red: int, green: int, blue: int, side: int = 256) -> bytes:
    """A tile of one colour."""
    target = io.BytesIO()
    Image.new("RGB", (side, side), (red, green, blue)).save(target, "PNG")
    return target.getvalue()


def tile_id(zoom: int, x: int, y: int) -> int:
    """Place of a tile on the Hilbert curve, after all tiles of the zooms before."""
    found, side = (4**zoom - 1) // 3, 1 << zoom
    step = side // 2
    while step:
        right, down = int(bool(x & step)), int(bool(y & step))
        found += step * step * ((3 * right) ^ down)
        if not down:
            if right:
                x, y = step - 1 - x, step - 1 - y
            x, y = y, x
        x, y = x & (step - 1), y & (step - 1)
        step //= 2
    return found


def varint(number: int) -> bytes:
    """As in protocol buffers."""
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


WORLD = (-180.0, -85.0, 180.0, 85.0)  # west, south, east, north


def write_pmtiles(
    path: Path,
    tiles: Mapping[Tile, bytes],
    *,
    kind: int = PNG,
    bounds: tuple[float, float, float, float] = WORLD,
) -> Path:
    """Write `tiles` with one directory."""
    entries = sorted((tile_id(*tile), data) for tile, data in tiles.items())
    root, before, offset = varint(len(entries)), 0, 0
    for number, _ in entries:
        root += varint(number - before)
        before = number
    root += b"".join(varint(1) for _ in entries)
    root += b"".join(varint(len(data)) for _, data in entries)
    for _, data in entries:
        root += varint(offset + 1)
        offset += len(data)
    metadata = b"{}"
    begin = 127
    at = [begin, begin + len(root), begin + len(root) + len(metadata)]
    at.append(at[2])
    lengths = [len(root), len(metadata), 0, offset]
    zooms = [zoom for zoom, _, _ in tiles]
    header = struct.pack(
        "<7sB11Q6B4iB2i", b"PMTiles", 3,
        *(each for pair in zip(at, lengths, strict=True) for each in pair),
        len(entries), len(entries), len(entries),
        1, NO_COMPRESSION, NO_COMPRESSION, kind, min(zooms), max(zooms),
        *(round(degrees * 10_000_000) for degrees in bounds), 0, 0, 0,
    )  # fmt: skip
    path.write_bytes(header + root + metadata + b"".join(data for _, data in entries))
    return path


def vector_tile(*layers: str) -> bytes:
    """A Mapbox vector tile, each layer of it one square that fills the tile."""
    made = b""
    for name in layers:
        square = [9, 0, 0, 26, 8192, 0, 0, 8192, 8191, 0, 15]  # move, three lines, close; zigzag
        geometry = b"".join(varint(number) for number in square)
        kind = name.encode()
        feature = b"\x12\x02\x00\x00" + b"\x18\x03" + b"\x22" + varint(len(geometry)) + geometry
        layer = b"\x78\x02\x0a" + varint(len(kind)) + kind
        layer += b"\x12" + varint(len(feature)) + feature
        layer += b"\x1a\x04kind" + b"\x22" + varint(len(kind) + 2) + b"\x0a" + varint(len(kind))
        layer += kind + b"\x28" + varint(4096)
        made += b"\x1a" + varint(len(layer)) + layer
    return made
