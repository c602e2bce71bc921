"""`python -m indexer.scenes`: writes the standard cameras' clips, their truth and cameras.csv."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from dataclasses import replace
from pathlib import Path

from storage.clock import parse_time
from storage.errors import HindsightError, Invalid
from storage.i18n import tr

from .batch import render_scenes
from .spec import SceneSpec
from .standard import SCENES, SCRIPT_S, standard_scenes

COLUMNS = ("name", "url", "site", "class", "lat", "lon", "tz", "name_zh")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m indexer.scenes",
        description=tr("Writes the made cameras' clips, their truth and cameras.csv."),
        epilog="python -m indexer.scenes --out clips --seconds 36 --cameras north-gate",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seconds", type=float, default=SCRIPT_S, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--cameras", default=",".join(SCENES), metavar="A,B")
    parser.add_argument("--gop", type=float, default=2.0, metavar="SECONDS")
    parser.add_argument("--width", type=int, default=640, metavar="PIXELS")
    parser.add_argument("--height", type=int, default=360, metavar="PIXELS")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1), metavar="N")
    parser.add_argument(
        "--overlay-start",
        metavar="TIME",
        help=tr("burn in a clock that starts then: 2026-03-17T18:00:00+08:00"),
    )
    return parser


def chosen(specs: list[SceneSpec], names: str) -> list[SceneSpec]:
    """The specs whose names the comma-separated `names` give; `Invalid` for an unknown one."""
    by_name = {spec.name: spec for spec in specs}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in by_name:
            raise Invalid(
                "there is no made camera {camera}; choose from {known}",
                camera=name,
                known=", ".join(by_name),
            )
    return [by_name[name] for name in wanted]


def write_register(specs: list[SceneSpec], folder: Path) -> Path:
    """Write cameras.csv, as `hindsight camera import` reads it, for clips in `folder`."""
    path = folder / "cameras.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for spec in specs:
            url = clip_path(spec, folder).resolve().as_uri() + "?loop=1"
            rows.writerow(
                [
                    spec.name,
                    url,
                    spec.site,
                    spec.site_class,
                    spec.lat,
                    spec.lon,
                    spec.tz,
                    spec.name_zh,
                ]
            )
    return path


def clip_path(spec: SceneSpec, folder: Path) -> Path:
    """Where a camera's clip lies."""
    return folder / f"{spec.name}.mp4"


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    asked = _arguments().parse_args(argv)
    try:
        start_us = parse_time(asked.overlay_start) if asked.overlay_start else None
        specs = [
            replace(spec, overlay_start_us=start_us)
            for spec in chosen(
                standard_scenes(
                    asked.seed,
                    seconds=asked.seconds,
                    width=asked.width,
                    height=asked.height,
                    gop_s=asked.gop,
                ),
                asked.cameras,
            )
        ]
        paths = [clip_path(spec, asked.out) for spec in specs]
        truths = render_scenes(specs, paths, asked.jobs)
        for spec, path, truth in zip(specs, paths, truths, strict=True):
            events = tr("{count} events", count=len(truth.events))
            sys.stdout.write(
                f"{path}  {spec.seconds:g} s  {spec.width}×{spec.height}  "
                f"{path.stat().st_size // 1024} KiB  {events}\n"
            )
            sys.stdout.flush()
        sys.stdout.write(f"{write_register(specs, asked.out)}\n")
    except HindsightError as error:
        sys.stderr.write(f"{error.text()}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
