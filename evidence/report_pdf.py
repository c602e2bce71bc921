"""data/report.pdf: the report for printing, Chinese and English, PDF/A with its fonts inside."""

from __future__ import annotations

import io
import logging
import pickle
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import DocumentCompliance
from fpdf.fonts import TTFFont
from PIL import Image
from pylopdf_fonts_zh_cn import sans_path

from evidence.report_blocks import Block, Cell, Facts, Line, Pictures, Table, Title, Words
from evidence.report_sheets import Sheets
from storage.clock import to_datetime

THUMBNAIL = (640, 480)  # pixels; the JPEG in stills/ has more
FONT = "report"
MARGIN_MM, LABEL_MM, PAD_MM, PICTURE_MM = 15, 38, 1.2, (87, 49)
SIZES_PT = {"": 9.0, "dim": 8.0, "code": 6.6}
TITLES_PT = {1: 18.0, 2: 13.0, 3: 10.0}
LEADING = 1.45
INK, DIM, RULE, CODE_GROUND = (27, 31, 36), (87, 96, 106), (205, 211, 217), (243, 245, 247)
# A Chinese character or a word, with the closing marks and blanks after it.
CHINESE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
PIECE = re.compile(rf"(?:[{CHINESE}]|[^\s{CHINESE}]+)[，。；：、！？）》」]*\s*|\s+")
# What the library would write itself, less the time of writing: equal bundles, equal bytes.
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
  <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
        xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"
        xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
        xmp:CreateDate="{made}" xmp:ModifyDate="{made}" xmp:MetadataDate="{made}"
        pdf:Producer="{producer}">
      <pdfaid:part>2</pdfaid:part>
      <pdfaid:conformance>U</pdfaid:conformance>
      <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
    </rdf:Description>
  </rdf:RDF>
</x:xmpmeta>"""
NAMES = {"zh": "中文", "en": "English"}

logging.getLogger("fontTools").setLevel(logging.WARNING)  # tells every table it subsets


def print_sheets(path: Path, folder: Path, printed: Sheets) -> None:
    """As PDF; 40 MB of fonts are in memory meanwhile."""
    title, made = f"Hindsight {printed.export}", to_datetime(printed.made_us)
    paper = _Paper(title)
    paper.set_title(title)
    paper.set_creation_date(made.replace(microsecond=0))
    paper.set_producer(f"fpdf2 {version('fpdf2')}")
    paper.set_xmp_metadata(
        XMP.format(title=title, producer=paper.producer, made=made.isoformat(timespec="seconds"))
    )
    for lang, name in NAMES.items():
        paper.begin(name)
        for block in printed.blocks[lang]:
            paper.put(block, folder)
    path.write_bytes(paper.output())


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of text as it fits its column."""

    text: str
    look: str

    @property
    def height_mm(self) -> float:
        return SIZES_PT[self.look] * LEADING * 25.4 / 72


class _Paper(FPDF):
    """A4 pages that blocks are put on, one under the other."""

    def __init__(self, foot: str) -> None:
        super().__init__(enforce_compliance=DocumentCompliance.PDFA_2U)
        self.foot = foot
        self.pending: Title | None = None  # drawn with what follows it
        self.set_margin(MARGIN_MM)
        self.set_auto_page_break(False)
        self.add_font(FONT, "", sans_path())
        font = self.fonts[FONT]
        assert isinstance(font, TTFFont)
        self.known = frozenset(font.cmap)
        self.bottom_mm = self.h - MARGIN_MM - 6

    def footer(self) -> None:
        """Export number and page: sheets get separated."""
        self._style(SIZES_PT["code"], DIM)
        self.set_xy(MARGIN_MM, -MARGIN_MM)
        self.cell(self.epw, 4, f"{self.foot}    {self.page_no()} / {{nb}}", align="C")

    def begin(self, name: str) -> None:
        """A new page for a language, with a bookmark."""
        self.add_page()
        self.start_section(name)

    def put(self, block: Block, folder: Path) -> None:
        """Any block. A title waits for what follows it, so as not to end a page."""
        if self.pending is not None:
            tall = PICTURE_MM[1] + 30 if isinstance(block, Pictures) else 24
            self._title(self.pending, tall)
            self.pending = None
        if isinstance(block, Title):
            self.pending = block
        elif isinstance(block, Words):
            self._words(block)
        elif isinstance(block, Facts):
            for label, cell in block.rows:
                self._row([(LABEL_MM, [Line(label, "dim")]), (self.epw - LABEL_MM, cell)])
            self._space(3)
        elif isinstance(block, Table):
            self._table(block)
        else:
            self._pictures(block, folder)

    def _title(self, block: Title, room_mm: float) -> None:
        size_pt = TITLES_PT[block.level]
        height_mm = size_pt * LEADING * 25.4 / 72
        self._space({1: 0, 2: 6, 3: 3}[block.level])
        self._style(size_pt, INK)
        beside = f"   {block.beside}" if block.beside else ""
        lines = self._fit(f"{block.text}{beside}", self.epw)
        self._room(height_mm * len(lines) + room_mm)
        if block.level == 2:
            self.start_section(self._plain(block.text), 1)
        self._style(size_pt, INK)  # a new page's foot has its own
        for text in lines:
            self.text(MARGIN_MM, self.get_y() + height_mm * 0.72, text)
            self._space(height_mm)
        self._space(1)

    def _words(self, block: Words) -> None:
        rows = [
            _Row(text, block.look)
            for line in block.text.split("\n")
            for text in self._rows_of(Line(line, block.look), self.epw - 4)
        ]
        height_mm = sum(row.height_mm for row in rows)
        self._room(height_mm + 4)
        if block.look == "code":
            self.set_fill_color(*CODE_GROUND)
            self.rect(MARGIN_MM, self.get_y(), self.epw, height_mm + 4, "F")
            self._space(2)
        self._draw(rows, MARGIN_MM + (2 if block.look == "code" else 0), self.get_y())
        self.set_y(self.get_y() + height_mm)
        self._space(3)

    def _table(self, block: Table) -> None:
        whole = sum(block.widths)
        widths = [self.epw * width / whole for width in block.widths]
        heads = [(mm, [Line(h, "dim")]) for mm, h in zip(widths, block.heads, strict=True)]
        self._row(heads)
        for row in block.rows:
            cells = list(zip(widths, row, strict=True))
            if self._row(cells, dry=True) > self.bottom_mm - self.get_y():
                self.add_page()
                self._row(heads)
            self._row(cells)
        self._further(block.further)
        self._space(2)

    def _row(self, cells: Sequence[tuple[float, Cell]], *, dry: bool = False) -> float:
        """One row with a rule under it; its height. `dry` only measures."""
        fitted = [
            [_Row(text, line.look) for line in cell for text in self._rows_of(line, width - 3)]
            for width, cell in cells
        ]
        tall = max((sum(row.height_mm for row in rows) for rows in fitted), default=0)
        height_mm = tall + 2 * PAD_MM
        if dry:
            return height_mm
        self._room(height_mm)
        x, y = float(MARGIN_MM), self.get_y()
        for (width, _), rows in zip(cells, fitted, strict=True):
            self._draw(rows, x, y + PAD_MM)
            x += width
        self.set_draw_color(*RULE)
        self.line(MARGIN_MM, y + height_mm, self.w - MARGIN_MM, y + height_mm)
        self.set_y(y + height_mm)
        return height_mm

    def _pictures(self, block: Pictures, folder: Path) -> None:
        width, height = PICTURE_MM
        for first in range(0, len(block.rows), 2):
            pair = block.rows[first : first + 2]
            texts = [
                [_Row(text, line.look) for line in cell for text in self._rows_of(line, width)]
                for _, cell in pair
            ]
            tall = max(sum(row.height_mm for row in rows) for rows in texts)
            self._room(height + tall + 5)
            y = self.get_y()
            for column, (href, _) in enumerate(pair):
                x = MARGIN_MM + column * (self.epw - width)
                self.image(
                    _thumbnail(folder / href), x, y, width, height, keep_aspect_ratio=True,
                    alt_text=href,
                )  # fmt: skip
                self._draw(texts[column], x, y + height + 1)
            self.set_y(y + height + tall + 5)
        self._further(block.further)

    def _further(self, text: str | None) -> None:
        if text is not None:
            self._space(1)
            self._words(Words(text))

    def _draw(self, rows: Sequence[_Row], x: float, y: float) -> None:
        for row in rows:
            self._style(SIZES_PT[row.look], DIM if row.look == "dim" else INK)
            self.text(x, y + row.height_mm * 0.72, row.text)
            y += row.height_mm

    def _rows_of(self, line: Line, width_mm: float) -> list[str]:
        self._style(SIZES_PT[line.look], INK)
        return self._fit(line.text, width_mm)

    def _fit(self, text: str, width_mm: float) -> list[str]:
        """The text in lines that are no wider: broken at blanks, between Chinese characters (not
        before a closing mark), and within a word only when it is wider than a line."""
        lines = [""]
        for piece in PIECE.findall(self._plain(text)):
            if self._width(lines[-1] + piece.rstrip()) > width_mm and lines[-1]:
                lines.append("")
            while self._width(piece.rstrip()) > width_mm:
                most = next(
                    n for n in range(len(piece), 0, -1) if self._width(piece[:n]) <= width_mm
                )
                lines[-1:] = [piece[:most], ""]
                piece = piece[most:]
            lines[-1] += piece
        return [line.rstrip() for line in lines]

    def _width(self, text: str) -> float:
        return float(self.get_string_width(text))

    def _plain(self, text: str) -> str:
        """What the font cannot show, by its number: nothing disappears, nothing is obeyed."""
        return "".join(c if ord(c) in self.known else f"\\u{{{ord(c):x}}}" for c in text)

    def _style(self, size_pt: float, ink: tuple[int, int, int]) -> None:
        self.set_font(FONT, size=size_pt)
        self.set_text_color(*ink)

    def _space(self, mm: float) -> None:
        self.set_y(self.get_y() + mm)

    def _room(self, mm: float) -> None:
        """A new page unless this much is free on this one."""
        if self.get_y() + mm > self.bottom_mm and self.get_y() > MARGIN_MM:
            self.add_page()


def _thumbnail(path: Path) -> io.BytesIO:
    with Image.open(path) as picture:
        picture.thumbnail(THUMBNAIL)
        small = io.BytesIO()
        picture.save(small, "JPEG", quality=80)
    small.seek(0)
    return small


def _main(path: str, folder: str) -> int:
    try:
        print_sheets(Path(path), Path(folder), pickle.load(sys.stdin.buffer))
    except OSError as error:
        print(error.errno, file=sys.stderr)  # noqa: T201  the parent reads it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
