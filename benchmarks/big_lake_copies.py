"""Copies of a large archive that take no room: parts and shards are written once, so they are
linked; only the ledger is copied. What is done to a copy does not reach the archive.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from sqlalchemy import update

from benchmarks import big_lake
from benchmarks.big_lake import DONE, HOUR_US, START_US, BigLake
from storage import schema
from storage.clock import utc_day
from storage.directory import open_directory
from storage.search_tables import index_day

LEDGER = "ledger.db"


def linked(made: BigLake, root: Path) -> None:
    """The whole archive under another root; an old copy there goes."""
    shutil.rmtree(root, ignore_errors=True)
    origin = made.directory.root
    for folder, _, names in os.walk(origin):
        target = root / Path(folder).relative_to(origin)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            source = Path(folder) / name
            if name == "ballast" or name.startswith(("ledger.db", "truth-")):
                continue
            if "lake" in source.parts or "index" in source.parts:
                (target / name).hardlink_to(source)
            else:
                shutil.copy2(source, target / name)
    with sqlite3.connect(origin / LEDGER) as read, sqlite3.connect(root / LEDGER) as written:
        read.backup(written)


def first_days(made: BigLake, days: int) -> int:
    """The archive's first days as an archive of its own, kept beside it; returns its vectors.

    They are the very rows that `big_lake` would make for so many vectors and days.
    """
    vectors = made.vectors * days // made.days
    root = made.directory.root.parent / f"lake-{vectors}-{days}"
    if (root / DONE).is_file() or days == made.days:
        return vectors
    linked(made, root)
    (root / DONE).unlink()
    end_us = START_US + days * 24 * HOUR_US
    directory = open_directory(root)
    try:
        later = schema.segment.c.start_us >= end_us
        with directory.ledger.write() as tx:
            gone = schema.segment.select().with_only_columns(schema.segment.c.id).where(later)
            work = schema.index_work
            tx.execute(work.delete().where(work.c.segment_id.in_(gone)))
            tx.execute(schema.segment.delete().where(later))
            tx.execute(index_day.delete().where(index_day.c.day >= utc_day(end_us).isoformat()))
            tx.execute(update(schema.expectation).values(end_us=end_us))
        for folder in [*root.glob("lake/frames/*/*/day=*"), *root.glob("index/*/*/????-??-??")]:
            if folder.name.removeprefix("day=") >= utc_day(end_us).isoformat():
                shutil.rmtree(folder)
    finally:
        directory.close()
    with sqlite3.connect(root / LEDGER) as ledger:
        ledger.execute("VACUUM")
    (root / DONE).write_text("{}")
    return vectors


def copy_of(made: BigLake) -> BigLake:
    """A copy to write into, opened; `drop` takes it away."""
    root = big_lake.cache() / f"copy-{made.vectors}"
    linked(made, root)
    directory = open_directory(root)
    return BigLake(directory, made.generation, made.vectors, made.days, made.pictures, made.texts)


def drop(copy: BigLake) -> None:
    """Close it and take it away."""
    copy.directory.close()
    shutil.rmtree(copy.directory.root)
