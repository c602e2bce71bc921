"""What the report of a bundle says in one language, as blocks that HTML and PDF both show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise

from evidence.absences import CAUSE_WORDS, SEAM
from evidence.deeds import Deeds
from evidence.documents import Document
from evidence.local_time import offset_text, offsets
from evidence.report_blocks import Block, Cell, Facts, Line, Pictures, Table, Title, Words
from evidence.report_words import CLOCK_WORDS, DEED_WORDS, REASON_WORDS, TOOL_NAMES
from storage.clock import US, local_text, parse_time
from storage.i18n import N_, tr
from storage.vocabulary import Span

MOST_PIECES = 3  # of a segment, each with its own correction
BY_HAND = (
    "python3 verify.py\n\n"
    "sha256sum -c fingerprint-sha256.txt tagmanifest-sha256.txt manifest-sha256.txt"
)


def contents(
    manifest: Document, gaps: Iterable[Document], deeds: Deeds, lang: str,
    *, most_rows: int, most_stills: int,
) -> Iterator[Block]:  # fmt: skip
    """All of the report, from what the bundle's JSON files say."""
    say = partial(tr, lang=lang)
    asked = _span(manifest["requested"])
    zones = sorted({str(camera["tz"]) for camera in manifest["cameras"]})
    yield from _heading(manifest, asked, zones, lang)
    lost = gaps_by_camera(gaps)
    for camera in manifest["cameras"]:
        own = lost.get(camera["camera"], [])
        yield from _Camera(camera, own, asked, lang, most_rows, most_stills).blocks()
    yield from _custody(deeds, lang, most_rows)
    yield Title(2, say(N_("How to check this bundle")))
    yield Words(
        say(
            N_(
                "Run verify.py, which lies in the folder above, with any Python from 3.8 on; or"
                " check by hand, in the folder above:"
            )
        )
    )
    yield Words(BY_HAND, "code")
    yield Words(
        say(
            N_(
                "Either shows that the bundle is what it was when it was made. Whether it is the"
                " bundle you were promised, its fingerprint shows: the SHA-256 of"
                " tagmanifest-sha256.txt. Whoever made the bundle finds it in the audit log."
                " VERIFY-en.txt, beside verify.py, also tells how to check signature and hash"
                " chain."
            )
        )
    )


def gaps_by_camera(gaps: Iterable[Document]) -> dict[str, list[Document]]:
    """Those that people are told of, by the camera's short name."""
    found: dict[str, list[Document]] = {}
    for one in gaps:
        if one["cause"] != SEAM:
            found.setdefault(one["camera"], []).append(one)
    return found


def _heading(manifest: Document, asked: Span, zones: list[str], lang: str) -> Iterator[Block]:
    say = partial(tr, lang=lang)
    case, tool = manifest["case"], dict(manifest["tool"])
    tool.pop("name")
    yield Title(1, say(N_("Evidence bundle")))
    named = f"{case['id']} · {case['reason']}" if case else say(N_("none was named"))
    spans = [Line(f"{utc_text(asked.start_us)} – {utc_text(asked.end_us)}")]
    spans += [Line(f"{_local(asked, tz)}  {tz}", "dim") for tz in zones]
    spans += [Line(text, "dim") for tz in zones for text in _changes(asked, tz, lang)]
    made_us = parse_time(manifest["made"])
    versions = ", ".join(f"{TOOL_NAMES.get(name, name)} {text}" for name, text in tool.items())
    rows: list[tuple[str, Cell]] = [
        (say(N_("Export number")), [Line(manifest["export"])]),
        (say(N_("Case")), [Line(named)]),
        (say(N_("Reason")), [Line(manifest["reason"] or say(N_("none was given")))]),
        (say(N_("Made by")), [Line(manifest["made_by"])]),
        (
            say(N_("Made")),
            [Line(utc_text(made_us)), *(Line(local_text(made_us, tz), "dim") for tz in zones)],
        ),
        (say(N_("Requested span")), [*spans, Line(_seconds(manifest["requested"]["duration_s"]))]),
        (say(N_("Cameras")), [Line(", ".join(one["name"] for one in manifest["cameras"]))]),
    ]
    if search := manifest.get("search"):
        said = [Line(f"{key}: {_plain(value)}") for key, value in search.items()]
        rows.append((say(N_("Found by the search")), said))
    rows.append((say(N_("Made with")), [Line(versions)]))
    yield Facts([*rows, *_signed(manifest, lang)])
    yield Words(
        say(
            N_(
                "Times are in UTC; under them the local time of the camera's site, with its offset"
                " from UTC. Files in playable/ and stills/ are derivatives, made from the originals"
                " for convenience; only the files in originals/ are evidence."
            )
        )
    )


def _signed(manifest: Document, lang: str) -> Iterator[tuple[str, Cell]]:
    """By whose key, and whether an authority says when."""
    say = partial(tr, lang=lang)
    signature, stamp = manifest["signature"], manifest["timestamp"]
    certificate = Line(say(N_("certificate, SHA-256")), "dim")
    yield (
        say(N_("Signed by")),
        [Line(signature["subject"]), certificate, Line(signature["certificate_sha256"], "code")],
    )
    if stamp is None:
        text = say(N_("none was asked for"))
    elif stamp["made"]:
        text = stamp["authority"]
    else:
        text = say(N_("none: {authority} gave none"), authority=stamp["authority"])
    yield (
        say(N_("Time stamp")),
        [Line(text), *([Line(stamp["detail"], "dim")] if stamp and stamp["detail"] else [])],
    )


class _Camera:
    """One camera's part of the report."""

    def __init__(
        self, camera: Document, gaps: list[Document], asked: Span, lang: str,
        most_rows: int, most_stills: int,
    ) -> None:  # fmt: skip
        self.camera, self.gaps, self.asked = camera, gaps, asked
        self.say = partial(tr, lang=lang)
        self.most_rows, self.most_stills = most_rows, most_stills
        self.tz = str(camera["tz"])

    def blocks(self) -> Iterator[Block]:
        """Place, clock, gaps, stills, what can be played, originals."""
        yield Title(2, self.camera["name"], self.camera["camera"])
        yield Facts([*self._place(), (self.say(N_("Clock")), list(self._clock()))])
        lost_s = sum(gap["duration_s"] for gap in self.gaps)
        recorded = self.say(
            N_("Recorded: {recorded} s of {asked} s. Gaps: {gaps}, {lost} s in all."),
            recorded=f"{self.camera['recorded_s']:.3f}", gaps=len(self.gaps),
            asked=f"{self.asked.duration_us / US:.3f}", lost=f"{lost_s:.3f}",
        )  # fmt: skip
        yield Words(recorded)
        yield from self._gaps()
        yield from self._corrections()
        yield from self._stills()
        yield from self._playable()
        yield from self._originals()

    def _place(self) -> Iterator[tuple[str, Cell]]:
        one, say = self.camera, self.say
        where, view = None, None
        if one["lat"] is not None and one["lon"] is not None:
            where = say(
                N_("latitude {lat}°, longitude {lon}° (WGS 84)"), lat=one["lat"], lon=one["lon"]
            )
        if one["view_deg"] is not None:
            view = say(N_("{degrees}° clockwise from north"), degrees=f"{one['view_deg']:g}")
        for label, value in (
            (N_("Place"), one["site"]),
            (N_("Site class"), say(N_("class {n}"), n=one["site_class"])),
            (N_("GB code"), one["gb_code"]),
            (N_("Department"), one["department"]),
            (N_("Vendor"), one["vendor"]),
            (N_("Address"), one["address"]),
            (N_("Position"), where),
            (N_("View direction"), view),
            (N_("Time zone"), self.tz),
        ):
            yield say(label), [Line(value) if value else Line(say(N_("not registered")), "dim")]

    def _clock(self) -> Iterator[Line]:
        widest: dict[str, float] = {}
        for each in self.camera["clock"]:
            widest[each["source"]] = max(widest.get(each["source"], 0), each["error_s"])
        for source, error_s in widest.items():
            words = self.say(CLOCK_WORDS[source]) if source in CLOCK_WORDS else source
            yield Line(
                self.say(N_("{source}, within ±{error} s"), source=words, error=f"{error_s:g}")
            )
        if not widest:
            yield Line(self.say(N_("no footage, so nothing to date")), "dim")

    def _gaps(self) -> Iterator[Block]:
        if not self.gaps:
            return
        say, rows = self.say, []
        for gap in self.gaps[: self.most_rows]:
            why = [Line(say(CAUSE_WORDS[gap["cause"]]))]
            why += [Line(gap["detail"], "dim")] if gap["detail"] else []
            rows.append([self._when(gap), [Line(f"{gap['duration_s']:.3f}")], why])
        more = len(self.gaps) - self.most_rows
        yield Title(3, say(N_("Gaps")))
        yield Table(
            [say(N_("From – to")), say(N_("Seconds")), say(N_("Cause"))], (8, 3, 13), rows,
            say(N_("Further gaps, listed in gaps.json: {count}."), count=more)
            if more > 0 else None,
        )  # fmt: skip

    def _corrections(self) -> Iterator[Block]:
        rows, say = self.camera["clock_corrections"], self.say
        if not rows:
            return
        yield Title(3, say(N_("Clock corrections")))
        yield Words(
            say(
                N_(
                    "The clock was found wrong after recording. Times in this bundle are as they"
                    " were recorded; add the correction to get the true time."
                )
            )
        )
        shown = [
            [
                self._when(row),
                [Line(f"{row['offset_s']:+.3f}")],
                [Line(row["reason"]), Line(row["actor"], "dim")],
            ]
            for row in rows[: self.most_rows]
        ]
        more = len(rows) - self.most_rows
        yield Table(
            [say(N_("From – to")), say(N_("Seconds")), say(N_("Reason"))], (8, 3, 13), shown,
            say(N_("Further corrections, listed in manifest.json: {count}."), count=more)
            if more > 0 else None,
        )  # fmt: skip

    def _stills(self) -> Iterator[Block]:
        stills, failed, say = self.camera["stills"], self.camera["stills_failed"], self.say
        if stills:
            more = len(stills) - self.most_stills
            yield Title(3, say(N_("Stills")))
            yield Pictures(
                [
                    (
                        _href(one["file"]),
                        [
                            Line(utc_text(parse_time(one["time"]))),
                            Line(local_text(parse_time(one["time"]), self.tz), "dim"),
                            Line(say(N_("derivative; SHA-256 of this picture")), "dim"),
                            Line(one["sha256"], "code"),
                            Line(say(N_("SHA-256 of its original")), "dim"),
                            Line(one["originals"][0]["sha256"], "code"),
                        ],
                    )
                    for one in stills[: self.most_stills]
                ],
                say(N_("Further stills, listed in manifest.json: {count}."), count=more)
                if more > 0
                else None,
            )
        if failed:
            times = ", ".join(utc_text(parse_time(text)) for text in failed)
            yield Words(say(N_("No picture could be decoded at {times}."), times=times))

    def _playable(self) -> Iterator[Block]:
        made, refused, say = self.camera["playable"], self.camera["not_playable"], self.say
        if not made and not refused:
            return
        rows: list[list[Cell]] = []
        for one in made[: self.most_rows]:
            text = say(
                N_("derivative, cut without re-encoding; originals: {count}"),
                count=len(one["originals"]),
            )
            if one["held_pictures"]:
                held = N_("short gaps over which the last picture is held: {count}")
                text += f"; {say(held, count=len(one['held_pictures']))}"
            if one["audio_left_out"]:
                silent = N_("sound ({codec}) is in the originals only")
                text += f"; {say(silent, codec=one['audio_left_out'])}"
            rows.append([self._when(one), [*_file(one), Line(text, "dim")]])
        shown = refused[: self.most_rows]
        ends = {one["originals"][i]["sha256"] for one in shown for i in (0, -1)}
        found = {one["sha256"]: one for one in self.camera["segments"] if one["sha256"] in ends}
        for one in shown:
            first, last = (found[one["originals"][i]["sha256"]] for i in (0, -1))
            text = say(
                N_("No playable copy, originals: {count}; {reason}"),
                count=len(one["originals"]), reason=say(REASON_WORDS[one["reason"]]),
            )  # fmt: skip
            span = {"start": first["start"], "end": last["end"]}
            rows.append([self._when(span), [Line(text), Line(one["detail"], "dim")]])
        more = max(0, len(made) - self.most_rows) + max(0, len(refused) - self.most_rows)
        yield Title(3, say(N_("To play")))
        yield Table(
            [say(N_("From – to")), say(N_("File and SHA-256"))], (8, 16), rows,
            say(N_("Further files, listed in manifest.json: {count}."), count=more)
            if more else None,
        )  # fmt: skip

    def _originals(self) -> Iterator[Block]:
        segments, say = self.camera["segments"], self.say
        if not segments:
            return
        rows: list[list[Cell]] = []
        for one in segments[: self.most_rows]:
            remarks = [Line(say(N_("recovered after a crash")), "dim")] if one["recovered"] else []
            if one["origin"] == "import":
                name = one["original_name"] or "?"
                remarks.append(Line(say(N_("imported: {name}"), name=name), "dim"))
            remarks += [self._corrected(piece) for piece in one["corrected"][:MOST_PIECES]]
            rows.append([self._when(one), [*_file(one), *remarks]])
        more = len(segments) - self.most_rows
        yield Title(3, say(N_("Originals, bit-exact")))
        yield Table(
            [say(N_("From – to")), say(N_("File and SHA-256"))], (8, 16), rows,
            say(N_("Further originals, listed in manifest.json: {count}."), count=more)
            if more > 0 else None,
        )  # fmt: skip

    def _corrected(self, piece: Document) -> Line:
        start_us, end_us = parse_time(piece["corrected_start"]), parse_time(piece["corrected_end"])
        words = N_("with the clock corrected: {start} – {end}")
        return Line(self.say(words, start=utc_text(start_us), end=utc_text(end_us)), "dim")

    def _when(self, row: Document) -> Cell:
        span = _span(row)
        # Two lines each: a date, a time and an offset twice are too long for a page.
        return [
            Line(f"{utc_text(span.start_us)} –"),
            Line(utc_text(span.end_us)),
            Line(f"{local_text(span.start_us, self.tz)} –", "dim"),
            Line(local_text(span.end_us, self.tz), "dim"),
        ]


def _custody(deeds: Deeds, lang: str, most_rows: int) -> Iterator[Block]:
    """Who did what with this footage, how often."""
    say = partial(tr, lang=lang)
    yield Title(2, say(N_("Custody")))
    yield Words(
        say(
            N_(
                "custody.json holds the audit rows about this footage: who watched, held and"
                " exported it."
            )
        )
    )
    if not deeds:
        return
    shown: list[list[Cell]] = [
        [
            [Line(say(DEED_WORDS[action]) if action in DEED_WORDS else action)],
            [Line(actor)],
            [Line(str(deed.count))],
            [Line(utc_text(us)) for us in dict.fromkeys((deed.first_us, deed.last_us))],
        ]
        for (action, actor), deed in list(deeds.items())[:most_rows]
    ]
    more = len(deeds) - most_rows
    yield Table(
        [say(N_("What")), say(N_("Who")), say(N_("Times")), say(N_("First and last"))],
        (7, 7, 2, 8), shown,
        say(N_("Further rows, listed in custody.json: {count}."), count=more) if more > 0 else None,
    )  # fmt: skip


def utc_text(us: int) -> str:
    """'2026-11-18 13:04:07.240 UTC'."""
    return f"{local_text(us, 'UTC').rsplit(' ', 1)[0]} UTC"


def _local(span: Span, tz: str) -> str:
    return f"{local_text(span.start_us, tz)} – {local_text(span.end_us, tz)}"


def _changes(span: Span, tz: str, lang: str) -> Iterator[str]:
    """Said of each night on which a zone's clocks were put forward or back (lesson D5)."""
    known = offsets(tz, span)
    for (_, before), (at_us, after) in pairwise(known):
        yield tr(
            N_("{tz}: from {at} on, local clocks are at {after} instead of {before}"),
            lang=lang, tz=tz, at=utc_text(at_us),
            after=offset_text(after), before=offset_text(before),
        )  # fmt: skip


def _file(one: Document) -> Iterable[Line]:
    yield Line(one["file"].rsplit("/", 1)[-1], "", _href(one["file"]))
    yield Line(one["sha256"], "code")


def _href(file: str) -> str:
    """As seen from data/, where the report lies."""
    return file.removeprefix("data/")


def _span(row: Document) -> Span:
    return Span(parse_time(row["start"]), parse_time(row["end"]))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f} s"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
