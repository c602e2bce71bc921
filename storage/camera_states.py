"""What the recorder last said of each camera: for `status` and the camera pages."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from storage import schema
from storage.vocabulary import CameraState


def set_state(tx: Connection, state: CameraState) -> None:
    """Replace the camera's state."""
    table = schema.camera_state
    tx.execute(delete(table).where(table.c.camera_id == state.camera_id))
    error = None if state.error is None else state.error[:500]
    tx.execute(
        insert(table).values(
            camera_id=state.camera_id, state=state.state, since_us=state.since_us,
            alive_us=state.alive_us, last_packet_us=state.last_packet_us,
            bitrate_bps=state.bitrate_bps, fps=state.fps, gop_s=state.gop_s,
            restarts=state.restarts, error=error, clock_offset_us=state.clock_offset_us,
            backlog_us=state.backlog_us,
        )
    )  # fmt: skip


def states(tx: Connection) -> dict[int, CameraState]:
    """By camera key; a camera never recorded is absent."""
    rows = tx.execute(select(schema.camera_state)).mappings()
    return {row["camera_id"]: CameraState(**dict(row)) for row in rows}
