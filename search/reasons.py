"""Why an answer is not what it was: what is known to have changed between two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from search.kept_runs import Kept, segments_of
from storage import clocks, register
from storage.clock import LATEST_US, US, optional_rfc3339, parse_time, rfc3339
from storage.footage_since import Footage, footage, footage_of, generation_key
from storage.i18n import tr

Cause = dict[str, Any]  # `cause`: a word for programs; `text`: the sentence; and its facts
Moment = Mapping[str, Any]
NAMED = 10  # days, cameras: so many are named, the rest are counted


class Since:
    """What happened between two runs of one query.

    `tx` is read while it lives. A run's beginning is before it looked at the ledger, so what
    happened during a search counts as having happened since.
    """

    def __init__(self, tx: Connection, then: Kept, now: Kept) -> None:
        assert then.answer is not None
        assert now.answer is not None
        self._tx = tx
        self._then, self._now = then, now
        self._old: dict[str, Any] = then.answer
        self._new: dict[str, Any] = now.answer
        self._since_us = parse_time(then.began)
        self._until_us = now.run.finished_us or LATEST_US
        self._known = {camera.slug: camera for camera in register.cameras(tx)}
        old, new = _generation(then), _generation(now)
        self._generation = None if new is None else generation_key(tx, *new)
        self._model = [] if old == new else [self._other_model(old, new)]
        self._code = self._other_code()
        self._settings = self._other_settings()
        self._left, self._joined = self._other_cameras()
        self._days = self._other_days() if old == new else []

    def circumstances(self) -> list[Cause]:
        """All that is known to have changed, whether or not the answer did."""
        found = [*self._model, *self._code, *self._settings.values()]
        if self._joined:
            found.append(_cause("cameras_joined", tr(
                "cameras that were not asked then: {cameras}", cameras=_some(self._joined)
            ), cameras=sorted(self._joined)))  # fmt: skip
        if self._left:
            found.append(_cause("cameras_left", tr(
                "cameras that are not asked any more: {cameras}", cameras=_some(self._left)
            ), cameras=sorted(self._left)))  # fmt: skip
        shown = {one["camera"] for one in (*self._old["moments"], *self._new["moments"])}
        for slug in sorted(shown):
            found += self._zone(slug)
        return found + self._index() + self._covered()

    def confident(self, changed: bool) -> list[Cause]:
        """Why one answer convinces and the other does not."""
        if self._old["confident"] == self._new["confident"]:
            return []
        found = [*self._model, *self._code]
        if "confident_from" in self._settings:
            found.append(self._settings["confident_from"])
        if changed:
            found.append(_cause("moments_changed", tr("the moments are others, see there")))
        return found or self._unexplained()

    def gone(self, moment: Moment) -> list[Cause]:
        """Why a moment is not found any more."""
        there = self._footage(moment)
        lost = [one for one in there if one.expired_us is not None]
        own = [
            one for one in lost
            if one.segment_id in segments_of(moment) and self._later(one.expired_us)
        ]  # fmt: skip
        if own:
            return [_expired(own[0])]
        if moment["camera"] in self._left:
            return [_cause("camera_left", tr("its camera is not asked any more"))]
        found = self._common(moment, there)
        found += [_expired(one) for one in lost if self._later(one.expired_us)][:1]
        found += self._displaced(moment) + self._held_back(moment, self._new)
        return found + self._index() or self._unexplained()

    def new(self, moment: Moment) -> list[Cause]:
        """Why a moment was not found then."""
        there = self._footage(moment)
        for one in there:
            if one.segment_id in segments_of(moment):
                if self._later(one.created_us):
                    return [_recorded(one)]
                if not self._model and self._later(one.indexed_us):
                    return [_indexed(one)]
        if moment["camera"] in self._joined:
            return [_cause("camera_joined", tr("its camera was not asked then"))]
        found = self._common(moment, there)
        found += self._made_room(moment) + self._held_back(moment, self._old)
        return found + self._index() or self._unexplained()

    def moved(self, before: Moment, after: Moment, fields: Sequence[str]) -> list[Cause]:
        """Why a moment is not quite what it was."""
        there = {one.segment_id: one for m in (before, after) for one in self._footage(m)}
        spans = list(there.values())
        found = self._common(after, spans)
        found += [_expired(one) for one in spans if self._later(one.expired_us)][:1]
        found += [_recorded(one) for one in spans if self._later(one.created_us)][:1]
        if {"start", "end", "best", "then"} & set(fields):
            found += self._corrected(before)
        return found + self._index() or self._unexplained()

    def _common(self, moment: Moment, there: Sequence[Footage]) -> list[Cause]:
        """What may move any moment: model, code, settings, its own pictures indexed anew."""
        settings = [one for name, one in self._settings.items() if name != "confident_from"]
        found = [*self._model, *self._code, *settings, *self._zone(moment["camera"])]
        if not self._model:
            anew = [
                one for one in there
                if self._later(one.indexed_us) and not self._later(one.created_us)
            ]  # fmt: skip
            found += [_indexed(one) for one in anew[:1]]
        return found

    def _later(self, us: int | None) -> bool:
        return us is not None and self._since_us < us <= self._until_us

    def _footage(self, moment: Moment) -> list[Footage]:
        """What a moment was found by, and what else its camera has of its span."""
        found = footage_of(self._tx, segments_of(moment), self._generation)
        camera = self._known.get(moment["camera"])
        if camera is not None:
            start_us, end_us = parse_time(moment["start"]), parse_time(moment["end"])
            found += footage(self._tx, camera.id, start_us, end_us, self._generation)
        return list({one.segment_id: one for one in found}.values())

    def _displaced(self, moment: Moment) -> list[Cause]:
        """The page is full of stronger ones."""
        shown, top = self._new["moments"], self._new["query"].get("top")
        if top is None or len(shown) < top or moment["score"] > shown[-1]["score"]:
            return []
        return [_cause("displaced", tr("{n} moments that score no less come first", n=len(shown)))]

    def _made_room(self, moment: Moment) -> list[Cause]:
        """The page was full of stronger ones."""
        shown, top = self._old["moments"], self._old["query"].get("top")
        if top is None or len(shown) < top or moment["score"] > shown[-1]["score"]:
            return []
        return [_cause("made_room", tr("{n} moments that score no less came first then",
                                       n=len(shown)))]  # fmt: skip

    def _held_back(self, moment: Moment, answer: Mapping[str, Any]) -> list[Cause]:
        if not answer.get("more", {}).get(moment["camera"]):
            return []
        if answer is self._new:
            text = tr("moments of its camera are held back, so that none fills the page")
        else:
            text = tr("moments of its camera were held back then, so that none fills the page")
        return [_cause("held_back", text)]

    def _corrected(self, moment: Moment) -> list[Cause]:
        camera = self._known.get(moment["camera"])
        if camera is None:
            return []
        start_us, end_us = parse_time(moment["start"]), parse_time(moment["end"])
        return [
            _cause(
                "clock_corrected",
                tr(
                    "its camera's clock was corrected for this span by {seconds} s, {time}:"
                    " {reason}",
                    seconds=f"{one.offset_us / US:+.3f}", time=rfc3339(one.created_us),
                    reason=one.reason,
                ),
                offset_s=one.offset_us / US, at=rfc3339(one.created_us), reason=one.reason,
            )
            for one in clocks.corrections(self._tx, camera.id, start_us, end_us)
            if self._later(one.created_us)
        ]  # fmt: skip

    def _zone(self, slug: str) -> list[Cause]:
        """Another clock at the camera: another time of day, another weekday."""
        old = self._then.circumstances.get("zones", {}).get(slug)
        new = self._now.circumstances.get("zones", {}).get(slug)
        if old is None or new is None or old == new:
            return []
        return [_cause("zone_changed", tr(
            "camera {camera} has another time zone: {zone}, then {before}", camera=slug, zone=new,
            before=old,
        ), camera=slug, then=old, now=new)]  # fmt: skip

    def _index(self) -> list[Cause]:
        """Something else in the index of the asked days changed, and scores are relative to it."""
        if not self._days:
            return []
        return [_cause("index_changed", tr(
            "what counts in the index changed on asked days, and a score is held against what a"
            " camera usually shows: {days}", days=_some(self._days),
        ), days=self._days)]  # fmt: skip

    def _unexplained(self) -> list[Cause]:
        """Nothing of the archive changed; perhaps it was searched in another way, as where shards
        were built meanwhile: among very many rows codes choose, and they are not exact.
        """
        old = self._then.circumstances.get("way", {})
        new = self._now.circumstances.get("way", {})
        if old.get("lang") == new.get("lang") and old.get("lines") != new.get("lines"):
            return [_cause("searched_otherwise", tr(
                "it was searched in another way: {now}; then: {then}",
                now="; ".join(new["lines"]), then="; ".join(old["lines"]),
            ))]  # fmt: skip
        return [_cause("unexplained", tr("nothing that is kept explains it"))]

    def _covered(self) -> list[Cause]:
        names = ("recorded_s", "indexed_s")
        old, new = self._old["coverage"], self._new["coverage"]
        if all(old[name] == new[name] for name in names):
            return []
        return [_cause(
            "coverage_changed",
            tr("indexed of recorded: {indexed} of {recorded} s, then {was} of {of} s",
               indexed=f"{new['indexed_s']:.1f}", recorded=f"{new['recorded_s']:.1f}",
               was=f"{old['indexed_s']:.1f}", of=f"{old['recorded_s']:.1f}"),
            then={name: old[name] for name in names}, now={name: new[name] for name in names},
        )]  # fmt: skip

    def _other_model(self, old: tuple[str, int] | None, new: tuple[str, int] | None) -> Cause:
        return _cause(
            "model_changed",
            tr("another model or generation answers: {now}, then {then}", now=_model(new),
               then=_model(old)),
            then=_facts(old), now=_facts(new),
        )  # fmt: skip

    def _other_code(self) -> list[Cause]:
        old, new = self._then.run.code_version, self._now.run.code_version
        if old == new:
            return []
        text = tr("another version of the search code: {now}, then {then}", now=new, then=old)
        return [_cause("code_changed", text, then=old, now=new)]

    def _other_settings(self) -> dict[str, Cause]:
        before = self._then.circumstances.get("settings", {})
        after = self._now.circumstances.get("settings", {})
        found = {}
        for name in sorted(before.keys() & after.keys()):
            old, new = before[name], after[name]
            if name == "top":  # a query may say it itself
                old, new = self._old["query"].get("top"), self._new["query"].get("top")
            if old != new:
                found[name] = _cause(
                    "setting_changed",
                    tr("setting {setting} is {now}, then {then}", setting=f"[search] {name}",
                       now=new, then=old),
                    setting=name, then=old, now=new,
                )  # fmt: skip
        return found

    def _other_cameras(self) -> tuple[set[str], set[str]]:
        """(not asked any more, not asked then), by slug."""
        old, new = self._old["query"].get("cameras"), self._new["query"].get("cameras")
        if old is None or new is None:  # all of them
            known = self._known.values()
            return set(), {one.slug for one in known if self._later(one.created_us)}
        return set(old) - set(new), set(new) - set(old)

    def _other_days(self) -> list[str]:
        old = self._then.circumstances.get("index", {})
        new = self._now.circumstances.get("index", {})
        return sorted(day for day in old.keys() | new.keys() if old.get(day) != new.get(day))


def _cause(kind: str, text: str, **facts: Any) -> Cause:
    return {"cause": kind, "text": text, **facts}


def _expired(one: Footage) -> Cause:
    return _cause(
        "footage_expired",
        tr("its footage was deleted at {time}, by rule: {rule}",
           time=rfc3339(one.expired_us or 0), rule=one.expired_rule or "?"),
        segment=one.segment_id, at=optional_rfc3339(one.expired_us), rule=one.expired_rule,
    )  # fmt: skip


def _recorded(one: Footage) -> Cause:
    text = tr("its footage was taken in since, at {time}", time=rfc3339(one.created_us))
    at = rfc3339(one.created_us)
    return _cause("footage_recorded", text, segment=one.segment_id, at=at)


def _indexed(one: Footage) -> Cause:
    at = rfc3339(one.indexed_us or 0)
    text = tr("its footage was indexed since, or indexed anew, at {time}", time=at)
    return _cause("footage_indexed", text, segment=one.segment_id, at=at)


def _generation(kept: Kept) -> tuple[str, int] | None:
    if kept.run.model is None or kept.run.generation is None:
        return None
    return kept.run.model, kept.run.generation


def _model(one: tuple[str, int] | None) -> str:
    if one is None:
        return tr("none")
    return tr("{model} generation {number}", model=one[0], number=one[1])


def _facts(one: tuple[str, int] | None) -> dict[str, Any] | None:
    return None if one is None else {"model": one[0], "generation": one[1]}


def _some(names: Sequence[str] | set[str]) -> str:
    """The first names, and how many more."""
    every = sorted(names)
    text = ", ".join(every[:NAMED])
    return text if len(every) <= NAMED else tr("{names} and {n} more", names=text,
                                               n=len(every) - NAMED)  # fmt: skip
