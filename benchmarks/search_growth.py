"""How an answer's time grows with the archive: p95 against 1, 7 and 30 days of 200 cameras."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.big_lake import DAYS, big_lake, wanted
from benchmarks.big_lake_copies import first_days
from benchmarks.real_vectors import available
from benchmarks.report import RESULTS, report
from benchmarks.search_ours import Rows, Whole, with_shards
from benchmarks.search_timing import compare

SPANS = (1, 7, DAYS)
WIDE, HIGH, LEFT, BELOW = 640, 320, 60, 40  # of the picture, pixels, and its margins
COLOURS = ("#1f6feb", "#d1542c")
Line = tuple[str, list[tuple[int, float]]]  # name, (days, p95 in milliseconds)


def main() -> None:
    """Print and plot."""
    if not available():
        print("real clips are absent: nothing to grow an archive from")  # noqa: T201
        return
    made = big_lake(wanted())
    with_shards(made)
    sizes = {days: first_days(made, days) for days in SPANS}
    made.directory.close()
    lines: list[Line] = [(Rows.name, []), (Whole.name, [])]
    for days, vectors in sizes.items():
        found = compare(vectors, (Rows, Whole), days=days, unfiltered=True)
        for name, points in lines:
            points.append((days, found[name].of("unfiltered").p95_ms))
    for name, points in lines:
        (_, one), *_, (_, whole) = points
        what = "rows" if name == Rows.name else "answers"
        report(f"search_growth_{what}_{wanted()}", whole, "ms p95 of 30 days", "of one day", one)
        print(name, *(f"{days} d: {p95_ms:.1f} ms" for days, p95_ms in points))  # noqa: T201
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"search_growth_{wanted()}.svg"
    path.write_text(drawn(lines, f"p95 of unfiltered searches, {wanted():,} vectors in 30 days"))
    print(path)  # noqa: T201


def drawn(lines: Sequence[Line], title: str) -> str:
    """An SVG: days across, milliseconds upwards."""
    top = 1.1 * max(p95_ms for _, points in lines for _, p95_ms in points)
    last = max(days for _, points in lines for days, _ in points)

    def place(days: float, p95_ms: float) -> tuple[float, float]:
        across = LEFT + (WIDE - LEFT - 20) * days / last
        return across, HIGH - BELOW - (HIGH - 2 * BELOW) * p95_ms / top

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{HIGH}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20">{title}</text>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = place(0, share * top)
        parts.append(f'<path d="M{x} {y:.1f}H{WIDE - 20}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x - 6}" y="{y + 4:.1f}" text-anchor="end">{share * top:.3g}</text>'
        )
    for days in sorted({days for _, points in lines for days, _ in points}):
        x, y = place(days, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{days}</text>')
    parts.append(f'<text x="{WIDE - 20}" y="{HIGH - 6}" text-anchor="end">days · ms upwards</text>')
    for number, (name, points) in enumerate(lines):
        places = [place(*point) for point in points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        parts.append(f'<text x="{LEFT + 10}" y="{44 + 16 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"])


if __name__ == "__main__":
    main()
