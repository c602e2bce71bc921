"""The log: one JSON object a line, repeats counted instead of repeated."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from storage.logs import CountRepeats, RedactedJson


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO, CountRepeats]]:
    """A logger that writes as ours do, into memory."""
    sheet, repeats = io.StringIO(), CountRepeats()
    handler = logging.StreamHandler(sheet)
    handler.setFormatter(RedactedJson())
    handler.addFilter(repeats)
    logger = logging.getLogger("hindsight.test")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, sheet, repeats
    logger.removeHandler(handler)
    logger.propagate = True


Written = tuple[logging.Logger, io.StringIO, CountRepeats]


def lines(sheet: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in sheet.getvalue().splitlines()]


def test_a_line_is_json_whatever_it_says(written: Written) -> None:
    logger, sheet, _ = written
    logger.error('camera %s said "\n\x00红"', "gate")
    (line,) = lines(sheet)
    assert line["message"] == 'camera gate said "\n\x00红"'
    assert (line["level"], line["logger"]) == ("error", "hindsight.test")
    assert line["time"].endswith("Z")


def test_a_misbehaving_camera_floods_nothing(written: Written) -> None:
    logger, sheet, _ = written
    for _ in range(10_000):
        logger.warning("camera %s: bad packet", "gate")
    logger.warning("camera %s: bad packet", "yard")
    assert [line["message"] for line in lines(sheet)] == [
        "camera gate: bad packet", "camera yard: bad packet",
    ]  # fmt: skip


def test_after_a_while_the_count_is_told(written: Written) -> None:
    logger, sheet, repeats = written
    repeats.period_s = 0.0
    logger.warning("bad packet")
    repeats.period_s = 60.0
    for _ in range(7):
        logger.warning("bad packet")
    repeats.period_s = 0.0
    logger.warning("bad packet")
    assert "7 times more" in lines(sheet)[-1]["message"]


def test_what_is_not_a_complaint_always_passes(written: Written) -> None:
    logger, sheet, _ = written
    logger.setLevel(logging.INFO)
    for _ in range(3):
        logger.info("segment closed")
    assert len(lines(sheet)) == 3


def test_no_trace_and_no_password_in_a_plain_log(written: Written) -> None:
    logger, sheet, _ = written
    try:
        raise ValueError("rtsp://admin:hunter2@host/x")
    except ValueError as error:
        logger.exception("opening failed: %s", error)
    assert "hunter2" not in sheet.getvalue()
    assert "trace" not in lines(sheet)[0]
