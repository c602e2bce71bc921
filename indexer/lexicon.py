"""The words a model was taught, and which words of a question it has never met.

The file is JSON, `{"en": [...], "zh": [...]}`: every word of the training captions, English ones
as they occur, inflected too; an entry of several words counts for each of them.
"""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from storage.errors import DataLoss

LANGUAGES = ("en", "zh")
HAN = re.compile(r"[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
PICTOGRAPH = re.compile(r"[\u2600-\u27bf\U0001f000-\U0001faff]")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that hold a question together and name nothing to be seen.
FUNCTION_EN = _words(
    """
    a an the this that these those some any every each all no none one two three four five six
    seven eight nine ten both several many much few more most other another same such
    i me my we us our you your he she they them him her his their it its who whom whose which what
    where when how there here
    and or but nor not without with within of in on at by for from to into onto off out up down
    over under above below between among near next beside behind before after during along across
    through past around about against away toward towards inside outside left right upon via as
    than then while if so too very also just only still again together
    am is are was were be been being do does did done has have having had can could may might
    will would shall should must let get gets getting go goes going
    show shows showing find search look looking seen see please picture pictures photo photos
    image images video videos footage scene scenes shot something anything everything nothing
    don't doesn't isn't aren't wasn't there's it's that's
    """
)
# What plain endings do not undo, of what people ask a street camera.
IRREGULAR = {
    "men": "man", "women": "woman", "people": "person", "children": "child", "feet": "foot",
    "ran": "run", "rode": "ride", "ridden": "ride", "drove": "drive", "driven": "drive",
    "stood": "stand", "sat": "sit", "fell": "fall", "fallen": "fall", "lay": "lie", "lying": "lie",
    "held": "hold", "wore": "wear", "worn": "wear", "burnt": "burn", "leaves": "leaf",
}  # fmt: skip
# Characters that join freely to others: particles, counting, place and direction, size and colour,
# short verbs. They name nothing to be seen by themselves.
FREE_ZH = frozenset(
    "的了在着和与跟或及并而但地得之是有无没不未也都就还很最更太被把给让从到往向对为以于用"
    "这那哪某每各其它他她我你们谁几多少些点个辆只位名条台张片群件顶双栋座排次种"
    "一二三四五六七八九十百千万零两半第"
    "上下里中内外旁边前后左右间处侧面方另正朝沿近远来去过起出进露成带身幅页"
    "大小高矮新旧全红橙黄绿蓝紫白黑灰银棕粉褐深浅色"
    "走跑站躺停开骑推提穿戴撑看找请吗呢吧啊"
)
FREE_WORDS_ZH = _words(
    "没有 正在 以及 附近 旁边 什么 哪里 图片 照片 画面 视频 录像 镜头 监控 摄像头 摄像机"
    " 显示 查找 寻找"
)
_MONOSYLLABLE = re.compile(r"[^aeiouy]+[aeiou][^aeiouwxy]")  # doubles its end: 'run', 'running'
_VOWEL = re.compile(r"[aeiouy]")
_SIBILANT = re.compile(r"(?:s|x|z|ch|sh|o)es$")


class Lexicon:
    """Known words of both languages. Frozen once made, hence safe across threads."""

    def __init__(self, english: Iterable[str], chinese: Iterable[str]) -> None:
        known = {token for entry in english for token in _tokens(entry)}
        self._english = frozenset(base for word in known for base in bases(word))
        self._chinese = frozenset(map(folded, chinese)) | FREE_WORDS_ZH
        self._longest = max(map(len, self._chinese))

    @classmethod
    def read(cls, file: Path) -> Self:
        """From its file. DataLoss when it is not what the model was shipped with."""
        try:
            entries = json.loads(file.read_text(encoding="utf-8"))
            english, chinese = ([str(word) for word in entries[lang]] for lang in LANGUAGES)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataLoss(
                "the lexicon {file} cannot be read ({error}); install this program again",
                file=file, error=error,
            ) from None  # fmt: skip
        return cls(english, chinese)

    def unknown(self, text: str) -> list[str]:
        """Content words of `text` that were never taught, folded, each once, in their order."""
        found: list[str] = []
        for token in _tokens(text):
            if HAN.match(token):
                found += self._unknown_chinese(token)
            elif not self._knows(token):
                found.append(token)
        return list(dict.fromkeys(found))

    def _knows(self, word: str) -> bool:
        if word in FUNCTION_EN or word[0].isnumeric() or (len(word) == 1 and word.isascii()):
            return True
        return not self._english.isdisjoint(bases(word))

    def _unknown_chinese(self, run: str) -> Iterator[str]:
        """Neighbours that are unknown, or single characters that name things, are one word.

        A train (火车) is neither a fire (火) nor a car (车): a word put together from known
        characters is not a known word.
        """
        for loose, pieces in itertools.groupby(self._pieces(run), self._is_loose):
            said = list(pieces)
            if loose and (len(said) > 1 or said[0] not in self._chinese):
                yield "".join(said)

    def _is_loose(self, piece: str) -> bool:
        return len(piece) == 1 and piece not in FREE_ZH

    def _pieces(self, run: str) -> list[str]:
        """The run cut into known words, leaving the fewest characters over, in the fewest pieces.

        A plain longest match from the left would take 路人 out of 路人行道.
        """
        # Of every prefix: (characters left over, single characters, pieces), and its last piece.
        best: list[tuple[tuple[int, int, int], str]] = [((0, 0, 0), "")]
        for end in range(1, len(run) + 1):
            ways = []
            for start in range(max(0, end - self._longest), end):
                piece = run[start:end]
                if len(piece) > 1 and piece not in self._chinese:
                    continue
                left, single, count = best[start][0]
                if self._is_loose(piece):
                    left, single = left + (piece not in self._chinese), single + 1
                ways.append(((left, single, count + 1), piece))
            best.append(min(ways))
        pieces = []
        end = len(run)
        while end:
            pieces.append(best[end][1])
            end -= len(pieces[-1])
        return pieces[::-1]


def folded(text: str) -> str:
    """Without case, width and typographic apostrophes."""
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")


def bases(word: str) -> set[str]:
    """What an English word may be an inflection of, itself among them.

    Some are no words ('standing' → 'stande'); that harms nothing, as they are only compared.
    """
    found = {word}
    if word in IRREGULAR:
        found.add(IRREGULAR[word])
    if word.endswith("ies") and len(word) > 4:
        found.add(word[:-3] + "y")
    if _SIBILANT.search(word):
        found.add(word[:-2])
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        found.add(word[:-1])
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 1 and _VOWEL.search(stem) and not stem.endswith("e"):
            found |= _uninflected(stem)
    return found


def _uninflected(stem: str) -> set[str]:
    """What a verb may be that has lost its -ing or -ed: 'rid' → 'ride', 'runn' → 'run'."""
    found = {stem + "e"}
    if not _MONOSYLLABLE.fullmatch(stem):  # 'caring' does not come from 'car'
        found.add(stem)
    if len(stem) > 3 and stem[-1] == stem[-2]:
        found.add(stem[:-1])
    if stem.endswith("i"):
        found.add(stem[:-1] + "y")
    return found


def _tokens(text: str) -> Iterator[str]:
    """Folded words, numbers, runs of Chinese characters, and pictographs one by one."""
    kept = []
    for sign in folded(text):
        if HAN.match(sign):
            kept.append((sign, "han"))
        elif sign == "'" or unicodedata.category(sign)[0] in "LMN":
            kept.append((sign, "word"))
        else:
            kept.append((sign, "sign" if PICTOGRAPH.match(sign) else ""))
    for kind, signs in itertools.groupby(kept, lambda one: one[1]):
        run = "".join(sign for sign, _ in signs)
        if kind == "word":
            word = run.strip("'").removesuffix("'s") if run not in FUNCTION_EN else run
            if any(sign.isalnum() for sign in word):
                yield word
        elif kind == "sign":
            yield from run
        elif kind:
            yield run
