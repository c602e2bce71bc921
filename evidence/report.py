"""data/report.html: the bundle's contents for people, in Chinese and in English, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evidence.absences import CAUSE_WORDS, SEAM
from evidence.manifest import Heading, Part
from evidence.plan import Plan
from storage.clock import US, local_text, rfc3339
from storage.i18n import N_, tr
from storage.timeline import total_us
from storage.vocabulary import ClockSource

MOST_ROWS = 200  # of a table; the JSON files list them all
CLOCK_WORDS = {
    ClockSource.RTCP.value: N_("the camera's sender reports"),
    ClockSource.ARRIVAL.value: N_("arrival of the stream"),
    ClockSource.DECLARED.value: N_("declared at import"),
}
REASON_WORDS = {
    "codec": N_("MP4 cannot hold this codec"),
    "no_keyframe": N_("no picture that can stand alone"),
    "error": N_("the file could not be cut"),
    "unfaithful": N_("the copy was not as long as its originals"),
}
PAGE = """<!doctype html>
<html lang="zh">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Hindsight 回溯 {export}</title>
<style>
body {{ font: 14px/20px system-ui, "PingFang SC", "Noto Sans SC", "Microsoft YaHei", sans-serif;
  max-width: 80em; margin: 2em auto; padding: 0 1em; color: #1b1f24; background: #fff }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }}
th, td {{ text-align: left; vertical-align: top; padding: 4px 12px 4px 0;
  border-bottom: 1px solid #d8dde3 }}
th, td:first-child {{ white-space: nowrap }}
.facts th {{ width: 10em }}
small {{ color: #57606a }}
td small, td code {{ display: block }}
code, pre {{ font: 12px/18px ui-monospace, monospace; overflow-wrap: anywhere }}
pre {{ background: #f3f5f7; padding: 8px 12px }}
section + section {{ margin-top: 4em; border-top: 4px solid #d8dde3 }}
</style>
<nav><a href="#zh">中文</a> · <a href="#en">English</a></nav>
{sections}
</html>
"""


def report(heading: Heading, plan: Plan, parts: Sequence[Part]) -> str:
    """The whole page, self-contained: it opens from a stick, years later, without a network."""
    sections = []
    for lang in ("zh", "en"):
        body = _environment(lang).get_template("report.html").render(
            heading=heading, plan=plan, parts=parts, limit=MOST_ROWS, causes=CAUSE_WORDS,
            reasons=REASON_WORDS, clock_words=CLOCK_WORDS, software=version("hindsight-archive"),
            clocks=_clocks, sums=partial(_sums, plan), local=local_text,
        )  # fmt: skip
        sections.append(f'<section id="{lang}" lang="{lang}">\n{body}</section>')
    return PAGE.format(export=heading.export, sections="\n".join(sections))


def _environment(lang: str) -> Environment:
    templates = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(
        loader=templates, autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals["_"] = partial(tr, lang=lang)
    made.filters["utc"] = rfc3339
    made.filters["seconds"] = _seconds
    return made


def _seconds(us: int) -> str:
    return f"{us / US:.3f}"


def _sums(plan: Plan, part: Part) -> dict[str, Any]:
    lost = [absence for absence in part.plan.absences if absence.cause != SEAM]
    return {
        "recorded": _seconds(total_us(part.plan.covered(plan.asked))),
        "asked": _seconds(plan.asked.duration_us),
        "gaps": len(lost),
        "lost": _seconds(sum(absence.end_us - absence.start_us for absence in lost)),
    }


def _clocks(part: Part) -> list[tuple[str, str]]:
    """(source, widest error in seconds) of each kind of clock the originals have."""
    widest: dict[str, int] = {}
    for source in part.sources:
        kind = source.segment.clock_source.value
        widest[kind] = max(widest.get(kind, 0), source.segment.clock_error_us)
    return [(kind, f"{error_us / US:g}") for kind, error_us in sorted(widest.items())]
