"""An answer as the desk shows it: moments with picture, place, time and strength; its limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from storage.clock import parse_time
from storage.directory import DataDirectory
from storage.i18n import tr
from storage.register import cameras
from storage.segments import segment
from storage.vocabulary import Camera
from web.formats import cause_text, span_text, strength

WEAK_SHOWN = 3  # best of what does not convince, greyed


@dataclass(frozen=True, slots=True)
class Card:
    """One moment."""

    camera: Camera
    at_us: int  # of its best picture
    start_us: int
    end_us: int
    hits: int
    strength: int  # 1…4
    segment: str
    box: tuple[int, int, int, int] | None  # in pixels of a picture of width × height
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class MissingSpan:
    """A gap inside what was asked."""

    camera: Camera | None
    name: str
    start_us: int
    end_us: int | None
    cause: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the desk shows of an answer."""

    cards: list[Card]
    confident: bool
    summary: list[str]  # the coverage line, part by part
    loss: str | None  # the part of it that names missing footage
    coverage: dict[str, Any]
    gaps: list[MissingSpan]
    gaps_total: int
    unreadable: list[MissingSpan]  # of which not every picture could be read for the index
    recorded_share: float  # of the expected time
    indexed_share: float  # of the expected time
    warnings: list[str]
    notes: list[str]
    more: list[tuple[Camera, int]]  # moments held back so that no camera fills the page


def found(directory: DataDirectory, document: dict[str, Any]) -> Found:
    """The interface's answer document, made ready to be looked at."""
    confident_from = directory.settings.search.confident_from
    moments = document["moments"]
    with directory.ledger.read() as tx:
        register = {camera.slug: camera for camera in cameras(tx)}
        chosen = moments if document["confident"] else moments[:WEAK_SHOWN]
        cards = [_card(tx, register[one["camera"]], one, confident_from) for one in chosen]
    coverage = document["coverage"]
    summary, loss = _summary(document, len(cards))
    whole = max(coverage["expected_s"], coverage["recorded_s"], 1e-9)
    return Found(
        cards=cards,
        confident=document["confident"],
        summary=summary,
        loss=loss,
        coverage=coverage,
        gaps=[_gap(register, one) for one in coverage["gaps"][:50]],
        gaps_total=len(coverage["gaps"]),
        unreadable=[
            replace(_span(register, one), cause=one["reason"])
            for one in coverage["unreadable"][:50]
        ],
        recorded_share=min(1.0, coverage["recorded_s"] / whole),
        indexed_share=min(1.0, coverage["indexed_s"] / whole),
        warnings=document.get("warnings", []),
        notes=document.get("notes", []),
        more=[(register[slug], count) for slug, count in document.get("more", {}).items()],
    )


def _card(
    tx: Connection, camera: Camera, moment: dict[str, Any], confident_from: float
) -> Card:  # fmt: skip
    best = moment["best"]
    row = segment(tx, best["segment"])
    return Card(
        camera=camera,
        at_us=parse_time(best["time"]),
        start_us=parse_time(moment["start"]),
        end_us=parse_time(moment["end"]),
        hits=moment["hits"],
        strength=strength(moment["score"], confident_from),
        segment=best["segment"],
        box=None if best["box"] is None else tuple(best["box"]),
        width=row.width or 16,
        height=row.height or 9,
    )


def _summary(document: dict[str, Any], shown: int) -> tuple[list[str], str | None]:
    coverage = document["coverage"]
    if document["confident"]:
        said = [tr("1 moment") if shown == 1 else tr("{n} moments", n=shown)]
    else:
        said = [tr("No confident match")]
    cameras_asked = coverage["cameras"]
    where = (
        tr("searched 1 camera") if cameras_asked == 1
        else tr("searched {n} cameras", n=cameras_asked)
    )  # fmt: skip
    said.append(where)
    said.append(
        tr(
            "{indexed} indexed of {recorded} recorded",
            indexed=span_text(coverage["indexed_s"]), recorded=span_text(coverage["recorded_s"]),
        )
    )  # fmt: skip
    if coverage["index_lag_s"] is not None and coverage["index_lag_s"] >= 1:
        said.append(tr("index {length} behind", length=span_text(coverage["index_lag_s"])))
    if coverage["model"]:
        generation = tr("generation {n}", n=coverage["generation"])
        said.append(f"{coverage['model']} · {generation}")
    gaps = len(coverage["gaps"])
    if not gaps:
        return said, None
    missing_s = max(0.0, coverage["expected_s"] - coverage["recorded_s"])
    return said, (
        tr("1 gap, {length} not recorded", length=span_text(missing_s)) if gaps == 1
        else tr("{n} gaps, {length} not recorded", n=gaps, length=span_text(missing_s))
    )  # fmt: skip


def _gap(register: dict[str, Camera], gap: dict[str, Any]) -> MissingSpan:
    return replace(_span(register, gap), cause=cause_text(gap["cause"]))


def _span(register: dict[str, Camera], span: dict[str, Any]) -> MissingSpan:
    camera = register.get(span["camera"])
    return MissingSpan(
        camera=camera,
        name=camera.name if camera else span["camera"],
        start_us=parse_time(span["start"]),
        end_us=None if span["end"] is None else parse_time(span["end"]),
        cause="",
    )
