"""An answer as the desk shows it: moments with picture, place, time and strength; its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from search.kept_runs import with_footage
from storage.clock import US, local_text, parse_time, to_datetime
from storage.directory import DataDirectory
from storage.i18n import N_, tr
from storage.register import cameras
from storage.segments import segment
from storage.vocabulary import Camera
from web.formats import cause_text, counted, day_text, span_text, strength
from web.searching import Looked, Unfolded

WEAK_SHOWN = 3  # best of what does not convince, greyed
MOST_HOURS = 12  # by time: more different hours than that are shown as days


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
    token: str | None  # of the run that found it
    frame: str
    right: bool | None  # what is marked of it
    gone: bool  # its footage was deleted since it was found
    then: Followed | None  # what followed, for "A, then B"


@dataclass(frozen=True, slots=True)
class Followed:
    """The second step of "A, then B"."""

    camera: Camera
    at_us: int
    after_s: float
    segment: str


@dataclass(frozen=True, slots=True)
class Group:
    """Moments that are shown under one heading; `title` is "" where all are in one."""

    title: str
    beside: str
    cards: list[Card]
    more: tuple[More, ...] = ()


@dataclass(frozen=True, slots=True)
class More:
    """Moments of one camera that were held back so that it does not fill the page."""

    camera: Camera
    count: int  # that are not shown
    cards: tuple[Card, ...] = ()  # of those, what was unfolded
    token: str | None = None  # of the search that found them
    unfinished: bool = False  # it is still looking


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

    token: str | None  # of the run, which a bundle of its footage will name
    cards: list[Card]
    groups: list[Group]
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
    more: tuple[More, ...]  # that no group shows
    right: int  # marks, of moments on the page and others
    wrong: int


def found(
    directory: DataDirectory,
    looked: Looked,
    group: str = "",
    unfolded: Sequence[Unfolded] = (),
) -> Found:
    """A kept answer, made ready to be looked at. `group`: a key of web.asked.GROUPS."""
    document = looked.kept.answer
    assert document is not None
    moments = document["moments"] if document["confident"] else document["moments"][:WEAK_SHOWN]
    with directory.ledger.read() as tx:
        register = {camera.slug: camera for camera in cameras(tx)}
    cards = _cards(directory, register, looked, moments)
    more = tuple(
        _more(directory, register, slug, count, unfolded)
        for slug, count in document.get("more", {}).items()
        if document["confident"]
    )
    groups = grouped(cards, group, more) if document["confident"] else grouped(cards, "", ())
    said = dict(looked.marks)
    for one in unfolded:
        said |= one.looked.marks
    coverage = document["coverage"]
    summary, loss = _summary(document, len(cards))
    whole = max(coverage["expected_s"], coverage["recorded_s"], 1e-9)
    return Found(
        token=looked.token,
        cards=cards,
        groups=groups,
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
        more=() if group == "camera" else more,
        right=sum(said.values()),
        wrong=sum(not right for right in said.values()),
    )


def so_far(directory: DataDirectory, looked: Looked) -> list[Card]:
    """What a search that is still looking has found, in the order in which it was found."""
    found_yet = looked.kept.so_far
    if found_yet is None:
        return []
    with directory.ledger.read() as tx:
        register = {camera.slug: camera for camera in cameras(tx)}
    return _cards(directory, register, looked, found_yet["moments"])


def grouped(cards: Sequence[Card], by: str, more: Sequence[More]) -> list[Group]:
    """Under headings, by a key of web.asked.GROUPS: the best group first, times in their order."""
    if by not in ("time", "camera", "place"):
        return [Group("", "", list(cards))]
    if by == "time":
        cards = sorted(cards, key=lambda card: (card.at_us, card.camera.slug))
    scale = {card.at_us // (US * 3600) for card in cards}
    daily = by == "time" and len(scale) > MOST_HOURS
    found: dict[tuple[str, str], list[Card]] = {}
    for card in cards:
        found.setdefault(_heading(card, by, daily), []).append(card)
    return [
        Group(title, beside, own, tuple(
            one for one in more if by == "camera" and one.camera == own[0].camera
        ))
        for (title, beside), own in found.items()
    ]  # fmt: skip


def _heading(card: Card, by: str, daily: bool) -> tuple[str, str]:
    if by == "time":
        return _hour(card, daily)
    if by == "camera":
        return card.camera.name, card.camera.site
    return card.camera.site or tr("No site given"), ""


def _hour(card: Card, daily: bool) -> tuple[str, str]:
    """The local day, or the hour of it, at the camera."""
    local = to_datetime(card.at_us, card.camera.tz)
    offset = local_text(card.at_us, card.camera.tz).split(" ")[2]
    if daily:
        return day_text(local.date()), offset
    start, end = f"{local:%H}:00", f"{local.hour + 1:02}:00"
    return tr("{day}, {start}–{end}", day=day_text(local.date()), start=start, end=end), offset


def _more(
    directory: DataDirectory, register: Mapping[str, Camera], slug: str, count: int,
    unfolded: Sequence[Unfolded],
) -> More:  # fmt: skip
    camera = register[slug]
    own = next((one for one in unfolded if one.camera == slug), None)
    if own is None:
        return More(camera, count)
    answer = own.looked.kept.answer
    if answer is None:
        return More(camera, count, token=own.looked.token, unfinished=True)
    moments = [one for one in answer["moments"] if one["best"]["frame"] not in own.known]
    cards = _cards(directory, register, own.looked, moments)
    return More(camera, answer.get("more", {}).get(slug, 0), tuple(cards), own.looked.token)


def _cards(
    directory: DataDirectory, register: Mapping[str, Camera], looked: Looked,
    moments: Sequence[dict[str, Any]],
) -> list[Card]:  # fmt: skip
    if looked.again:  # what became of the footage since
        moments = with_footage(directory, list(moments))
    confident_from = directory.settings.search.confident_from
    with directory.ledger.read() as tx:
        return [_card(tx, register, looked, one, confident_from) for one in moments]


def _card(
    tx: Connection, register: Mapping[str, Camera], looked: Looked, moment: dict[str, Any],
    confident_from: float,
) -> Card:  # fmt: skip
    best, then = moment["best"], moment.get("then")
    row, at_us = segment(tx, best["segment"]), parse_time(best["time"])
    followed = None
    if then is not None:
        then_us = parse_time(then["time"])
        camera = register[then["camera"]]
        followed = Followed(camera, then_us, (then_us - at_us) / US, then["segment"])
    return Card(
        camera=register[moment["camera"]],
        at_us=at_us,
        start_us=parse_time(moment["start"]),
        end_us=parse_time(moment["end"]),
        hits=moment["hits"],
        strength=strength(moment["score"], confident_from),
        segment=best["segment"],
        box=None if best["box"] is None else tuple(best["box"]),
        width=row.width or 16,
        height=row.height or 9,
        token=looked.token,
        frame=best["frame"],
        right=looked.marks.get(best["frame"]),
        gone=moment.get("footage", {}).get("state") == "gone",
        then=followed,
    )


def _summary(document: dict[str, Any], shown: int) -> tuple[list[str], str | None]:
    coverage = document["coverage"]
    if document["confident"]:
        said = [counted(shown, N_("{n} moment"), N_("{n} moments"))]
    else:
        said = [tr("No confident match")]
    said.append(counted(coverage["cameras"], N_("searched {n} camera"), N_("searched {n} cameras")))
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
    return said, counted(
        gaps, N_("{n} gap, {length} not recorded"), N_("{n} gaps, {length} not recorded"),
        length=span_text(missing_s),
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
