#!/usr/bin/env python3
"""Checks a Hindsight evidence bundle (folder or zip) with Python 3.8's own library alone.

Travels in every bundle as verify.py: `python3 verify.py [BUNDLE]`. Unpacks nothing, follows no
link, writes nothing. Exit status: 0 sound, 9 findings, 3 no such bundle, 4 not a bundle.
"""

# This file stands alone wherever it lies: it prints, and speaks both languages by itself.
# ruff: noqa: E501, T201

from __future__ import annotations

import argparse
import hashlib
import json
import locale
import re
import stat
import sys
import unicodedata
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Callable, Iterator, Mapping, NamedTuple  # noqa: UP035

FINGERPRINT, TAGS = "fingerprint-sha256.txt", "tagmanifest-sha256.txt"
PAYLOAD = "manifest-sha256.txt"
MANIFEST, GAPS, CUSTODY = "data/manifest.json", "data/gaps.json", "data/custody.json"
MARKS = ("bagit.txt", PAYLOAD, TAGS, FINGERPRINT, MANIFEST)  # any of them: this was a bundle
LINE = re.compile(r"([0-9a-f]{64}) [ *]?(.+)")
AUDIT = ["seq", "ts_us", "actor", "case_id", "reason", "action", "subject", "detail", "prev_hash"]
UNREADABLE = "unreadable"  # stands for the hash of a file that cannot be read

# kind → what is said of {path} and {other}, in English and in Chinese
WORDS = {
    "changed": ("{path} was changed: its SHA-256 is not the one in {other}", "{path} 已被改动：其 SHA-256 与 {other} 所载不符"),
    "missing": ("{path} is missing", "缺少 {path}"),
    "added": ("{path} was added: no manifest lists it", "{path} 是后加的：任何清单都未列出它"),
    "renamed": ("{path} was renamed to {other}", "{path} 被改名为 {other}"),
    "swapped": ("{path} and {other} were swapped: each holds the bytes of the other", "{path} 与 {other} 被对调：各自装着对方的内容"),
    "doubtful": ("{path} does not fit {other}, which was itself changed: either may be at fault", "{path} 与 {other} 不符，而 {other} 本身已被改动，无法断定问题出在哪一个"),
    "unsafe": ("{path} is a name that leads out of the bundle; it was not opened", "{path} 这个名称指向证据包之外；未打开"),
    "special": ("{path} is a link or a special file, not a plain one; it was not opened", "{path} 是链接或特殊文件，不是普通文件；未打开"),
    "twice": ("{path} is there twice", "{path} 出现了两次"),
    "unreadable": ("{path} cannot be read: {other}", "{path} 无法读取：{other}"),
    "malformed": ("{path} cannot be understood: {other}", "{path} 无法解析：{other}"),
    "unlisted": ("{path} is in the bundle, but data/manifest.json does not describe it", "{path} 在证据包内，但 data/manifest.json 没有说明它"),
    "contradiction": ("{path}: data/manifest.json and the bag disagree on its {other}", "{path}：data/manifest.json 与清单所载的 {other} 不一致"),
    "chain": ("{path} continues a segment that is not here and not accounted for ({other})", "{path} 的上一个录像片段不在包内，也没有交代去向（{other}）"),
    "span": ("recorded and missing time do not make up the requested span: {other}", "已录时段与缺口合起来不等于所请求的时段：{other}"),
    "custody": ("data/custody.json: audit row {other} was changed or does not follow the row before", "data/custody.json：审计记录 {other} 已被改动，或与上一条不相衔接"),
    "fingerprint": ("the bundle's fingerprint is {path}, not {other}: this is not the bundle meant", "证据包指纹为 {path}，而不是 {other}：这不是所指的那个证据包"),
    "sound": ("Sound: {files} files, nothing changed, added, removed, renamed or swapped.", "完好：共 {files} 个文件，无改动、增加、删除、改名或对调。"),
    "unsound": ("NOT sound; findings: {count}.", "不完好，共发现 {count} 处问题。"),
    "mark": ("Fingerprint, to compare with the one you were given apart from the bundle: {fingerprint}", "指纹，请与另行告知您的核对：{fingerprint}"),
    "no_bundle": ("There is no {path}.", "{path} 不存在。"),
    "not_bundle": ("{path} is not an evidence bundle.", "{path} 不是证据包。"),
}  # fmt: skip


class Finding(NamedTuple):
    """One thing that is not as it should be. `path` is inside the bundle, '/' between."""

    kind: str  # a key of WORDS
    path: str
    other: str = ""


class Verdict(NamedTuple):
    """What verification found; the bundle is sound when there is no finding."""

    fingerprint: str | None  # SHA-256 of the tag manifest
    files: int
    findings: list[Finding]


class NotABundle(ValueError):
    """The path exists and is something else."""


def sentence(kind: str, lang: str, **fields: object) -> str:
    """One of the pairs of WORDS, in 'en' or 'zh'; a hostile name cannot steer a terminal."""
    text = WORDS[kind][1 if lang == "zh" else 0].format(**fields)
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def describe(finding: Finding, lang: str = "en") -> str:
    """A finding as a sentence."""
    return sentence(finding.kind, lang, path=finding.path, other=finding.other)


def verify(
    path: Path, fingerprint: str | None = None, known: Mapping[str, str] | None = None
) -> Verdict:
    """Check the bundle at `path`; with `fingerprint`, also that it is the bundle meant.

    `known`: hashes just computed from the same bytes, which are then not read again.
    FileNotFoundError when nothing is there, NotABundle when it is something else.
    """
    if path.is_dir():
        return _verdict(_folder(path), fingerprint, known or {})
    if path.exists() and not path.is_file():
        raise NotABundle(path)
    with path.open("rb") as raw:
        if raw.read(4) != b"PK\x03\x04":
            raise NotABundle(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _verdict(_zip(archive), fingerprint, known or {})
    except zipfile.BadZipFile as error:
        return Verdict(None, 0, [Finding("unreadable", path.name, str(error))])


def _verdict(tree: Tree, fingerprint: str | None, known: Mapping[str, str]) -> Verdict:
    findings = list(tree.findings)
    actual: dict[str, str] = {}
    for name in tree.sizes:
        try:
            actual[name] = known.get(name) or _sha256(tree, name)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
            actual[name] = UNREADABLE
            findings.append(Finding("unreadable", name, str(error)))
    found, payload = _hashes(tree, actual)
    bad = {name for finding in findings + found for name in (finding.path, finding.other)}
    findings += found + _statements(tree, payload, actual, bad)
    seal = actual.get(TAGS)
    if fingerprint is not None and fingerprint.strip().lower() != seal:
        findings.insert(0, Finding("fingerprint", str(seal), fingerprint.strip()))
    return Verdict(seal, len(actual), findings)


class Tree(NamedTuple):
    """The files of a bundle by path inside it, with names composed as manifests hold them."""

    sizes: dict[str, int]
    findings: list[Finding]  # about files that are not even looked into
    open: Callable[[str], IO[bytes]]


def _folder(path: Path) -> Tree:
    """A bundle that lies open."""
    if not any((path / mark).exists() for mark in MARKS):
        raise NotABundle(path)
    sizes: dict[str, int] = {}
    findings: list[Finding] = []
    real: dict[str, Path] = {}
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            findings.append(Finding("unreadable", folder.relative_to(path).as_posix(), str(error)))
            continue
        for entry in entries:
            facts = entry.lstat()
            # macOS gives names back decomposed
            name = unicodedata.normalize("NFC", entry.relative_to(path).as_posix())
            if stat.S_ISDIR(facts.st_mode):
                waiting.append(entry)
            elif not stat.S_ISREG(facts.st_mode):
                findings.append(Finding("special", name))
            elif name in sizes:
                findings.append(Finding("twice", name))
            else:
                sizes[name], real[name] = facts.st_size, entry
    return Tree(sizes, findings, lambda name: real[name].open("rb"))


def _zip(archive: zipfile.ZipFile) -> Tree:
    """A zipped bundle. Members are read in place: a hostile name harms nothing."""
    sizes: dict[str, int] = {}
    findings: list[Finding] = []
    real: dict[str, zipfile.ZipInfo] = {}
    members = [member for member in archive.infolist() if not member.is_dir()]
    # The bundle is the folder with most marks of one.
    marked = [(f"/{member.filename}", mark) for member in members for mark in MARKS]
    roots = [name[1 : -len(mark)] for name, mark in marked if name.endswith(f"/{mark}")]
    roots = [root for root in roots if root.count("/") < 2]
    if not roots:
        raise NotABundle(archive.filename)
    root = max(roots, key=roots.count)
    for member in members:
        name = unicodedata.normalize("NFC", member.filename[len(root) :])
        parts = member.filename.split("/")
        if "\\" in member.filename or ":" in parts[0] or {"", ".", ".."} & set(parts):
            findings.append(Finding("unsafe", member.filename))
        elif not member.filename.startswith(root):
            findings.append(Finding("added", member.filename))
        elif stat.S_ISLNK(member.external_attr >> 16):
            findings.append(Finding("special", name))
        elif name in sizes:
            findings.append(Finding("twice", name))
        else:
            sizes[name], real[name] = member.file_size, member
    return Tree(sizes, findings, lambda name: archive.open(real[name]))


def _hashes(tree: Tree, actual: dict[str, str]) -> tuple[list[Finding], dict[str, str]]:
    """Every file against the list that names it, from the fingerprint down.

    A list that was renamed or swapped is recognised by its hash; one that was changed is still
    read, but what does not fit it is only doubtful. Also returns the lines of the payload list.
    """
    where = {digest: name for name, digest in sorted(actual.items(), reverse=True)}
    due: dict[str, tuple[str, str]] = {}  # file → (SHA-256, list that says so)
    findings: list[Finding] = []

    def lines(name: str) -> dict[str, str]:
        """File → SHA-256, as a list says."""
        due_here = due[name][0] if name in due else actual.get(name)
        place = name if actual.get(name) == due_here else where.get(str(due_here), name)
        said: dict[str, str] = {}
        if actual.get(place, UNREADABLE) == UNREADABLE:
            return said
        for line in filter(None, _text(tree, place).split("\n")):
            match = LINE.fullmatch(line)
            if match:  # BagIt writes CR, LF and % in names as %0D, %0A and %25
                plain = re.sub("%(0[AaDd]|25)", lambda m: chr(int(m[1], 16)), match[2])
                said[unicodedata.normalize("NFC", plain)] = match[1]
            elif actual.get(place) == due_here and name != FINGERPRINT:
                findings.append(Finding("malformed", name, line[:80]))
        return said

    pairs = [d for d in [actual.get(TAGS, ""), *where] if _pointer(d) in where and d in where]
    spoken = pairs[0] if pairs else lines(FINGERPRINT).get(TAGS)
    if not pairs and TAGS in actual:
        # One of the two was changed: a whole tag manifest that fits every file it lists was not.
        own = lines(TAGS)
        fits = own and all(actual.get(n) == digest for n, digest in own.items())
        spoken = actual[TAGS] if spoken is None or (fits and not findings) else spoken
        findings.clear()
    if spoken is not None:
        due = {TAGS: (spoken, FINGERPRINT), FINGERPRINT: (_pointer(spoken), TAGS)}
    else:
        findings += [Finding("missing", name) for name in (TAGS, FINGERPRINT) if name not in actual]
    tags = lines(TAGS)
    due.update({n: (d, TAGS) for n, d in tags.items() if n not in due})
    if PAYLOAD not in due and PAYLOAD not in actual:
        findings.append(Finding("missing", PAYLOAD))
    payload = lines(PAYLOAD)
    due.update({n: (d, PAYLOAD) for n, d in payload.items() if n not in due})
    shaken = {n for n in (TAGS, PAYLOAD) if n in due and n in actual and due[n][0] not in where}
    silent = {name for name, said in ((TAGS, tags), (PAYLOAD, payload)) if not said}
    return findings + _compare(due, actual, shaken, silent), payload


def _compare(
    due: dict[str, tuple[str, str]], actual: dict[str, str], shaken: set[str], silent: set[str]
) -> list[Finding]:
    """Name what happened to each file that is not where and what it should be."""
    wrong = {name: digest for name, (digest, _) in due.items() if actual.get(name) != digest}
    extra = [name for name in actual if name not in due]
    loose = {actual[name]: name for name in extra}  # content → an unlisted file that holds it
    moved = {actual[name]: name for name in wrong if name in actual}  # … a listed one
    findings: list[Finding] = []
    doubts: list[Finding] = []
    told: set[str] = set()

    def tell(kind: str, name: str, owner: str) -> None:
        if owner in shaken:
            doubts.append(Finding("doubtful", name, owner))
        else:
            findings.append(Finding(kind, name, owner))

    for name, digest in sorted(wrong.items(), key=lambda item: (item[0] not in MARKS, item[0])):
        partner = moved.get(digest)
        if name in told or actual.get(name) == UNREADABLE:
            continue
        if name not in actual and loose.get(digest, name) not in (told | {name}):
            findings.append(Finding("renamed", name, loose[digest]))
            told.add(loose[digest])
        elif name in actual and partner and actual[name] == wrong[partner]:
            findings.append(Finding("swapped", name, partner))
            told.add(partner)
        else:
            tell("changed" if name in actual else "missing", name, due[name][1])
    for name in extra:
        owner = PAYLOAD if name.startswith("data/") else TAGS
        if name not in told and owner not in silent:  # a list that is gone is told already
            tell("added", name, owner)
    return findings + doubts


def _statements(
    tree: Tree, payload: dict[str, str], actual: dict[str, str], bad: set[str]
) -> list[Finding]:
    """What the documents say, against the bag and against each other; changed ones say nothing."""
    said: dict[str, Any] = {}
    findings: list[Finding] = []
    for name in (MANIFEST, GAPS, CUSTODY):
        if name in actual and name not in bad:
            try:
                said[name] = json.loads(_text(tree, name))
            except (ValueError, RecursionError) as error:
                findings.append(Finding("malformed", name, str(error)))
    checks: list[tuple[tuple[str, ...], Callable[[], Iterator[Finding]]]] = [
        ((MANIFEST,), lambda: _described(said[MANIFEST], payload, tree.sizes)),
        ((MANIFEST,), lambda: _links(said[MANIFEST])),
        ((GAPS, MANIFEST), lambda: _spans(said[MANIFEST], said[GAPS])),
        ((CUSTODY,), lambda: _custody(said[CUSTODY])),
    ]
    for needed, check in checks:
        if all(name in said for name in needed):
            try:
                findings += check()
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                findings.append(Finding("malformed", needed[0], f"{type(error).__name__}: {error}"))
    # What is known to be changed or added need not be said to contradict as well.
    again = ("contradiction", "unlisted")
    return [one for one in findings if one.kind not in again or one.path not in bad]


def _described(manifest: Any, payload: dict[str, str], sizes: dict[str, int]) -> Iterator[Finding]:
    """The media files of the manifest are those of the bag, with the same hash and size."""
    if manifest["format"] != "hindsight-bundle" or manifest["version"] != 1:
        raise ValueError(f"{manifest['format']} {manifest['version']}")
    described = set()
    for camera in manifest["cameras"]:
        own = {segment["sha256"] for segment in camera["segments"]}
        for item in camera["segments"] + camera["playable"]:
            name = unicodedata.normalize("NFC", item["file"])
            described.add(name)
            if payload and payload.get(name) != item["sha256"]:
                yield Finding("contradiction", name, "SHA-256")
            if sizes.get(name, item["size_bytes"]) != item["size_bytes"]:
                yield Finding("contradiction", name, "size")
            if not {original["sha256"] for original in item.get("originals", ())} <= own:
                yield Finding("contradiction", name, "originals")
    for name in sorted(sizes):
        if name.startswith(("data/originals/", "data/playable/")) and name not in described:
            yield Finding("unlisted", name)


def _links(manifest: Any) -> Iterator[Finding]:
    """Each segment's link to the one before leads into the bundle, or to one accounted for."""
    start, end = _span(manifest["requested"])
    for camera in manifest["cameras"]:
        here = {segment["sha256"] for segment in camera["segments"]}
        outside = {item["sha256"]: item for item in camera["chain"]["outside"]}
        for segment in camera["segments"]:
            before = segment["prev_sha256"]
            item = outside.get(before)
            if before is None or before in here:
                continue
            kept = item is not None and item["state"] == "closed"  # then it may belong in here
            if item is None or (kept and _span(item)[0] < end and _span(item)[1] > start):
                yield Finding("chain", segment["file"], before)


def _spans(manifest: Any, gaps: Any) -> Iterator[Finding]:
    """Per camera: recorded and missing spans are disjoint and make up the requested span."""
    start, end = _span(manifest["requested"])
    known = {camera["camera"] for camera in manifest["cameras"]}
    for name in sorted({gap["camera"] for gap in gaps} - known):
        yield Finding("span", GAPS, name)
    for camera in manifest["cameras"]:
        pieces = [_span(segment) for segment in camera["segments"]]
        holes = [_span(gap) for gap in gaps if gap["camera"] == camera["camera"]]
        kept, lost = _union(pieces, start, end), sum(last - first for first, last in holes)
        whole = _union(pieces + holes, start, end)
        if kept + lost != end - start or whole != end - start:
            numbers = f"{kept / 1e6:.6f} s + {lost / 1e6:.6f} s, {(end - start) / 1e6:.6f} s"
            yield Finding("span", GAPS, f"{camera['camera']}: {numbers}")


def _union(spans: list[tuple[int, int]], start: int, end: int) -> int:
    """Length of the union inside [start, end)."""
    total, reach = 0, start
    for first, last in sorted(spans):
        total += max(0, min(last, end) - max(first, reach))
        reach = max(reach, min(last, end))
    return total


def _custody(custody: Any) -> Iterator[Finding]:
    """Each audit row carries the hash of its own words; neighbours link."""
    before: Any = None
    for row in custody["rows"]:
        values = {field: row[field] for field in AUDIT}
        text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        follows = before is None or row["seq"] > before["seq"]
        if before is not None and row["seq"] == before["seq"] + 1:
            follows = row["prev_hash"] == before["hash"]
        if hashlib.sha256(text.encode()).hexdigest() != row["hash"] or not follows:
            yield Finding("custody", CUSTODY, str(row["seq"]))
        before = row


def _span(item: Any) -> tuple[int, int]:
    return _us(item["start"]), _us(item["end"])


def _us(text: str) -> int:
    """'2026-11-18T13:04:07.240000Z' → UTC microseconds."""
    when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007  both sides are UTC
    return (when - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001


def _pointer(digest: str) -> str:
    """SHA-256 of the fingerprint file that names a tag manifest of this SHA-256."""
    return hashlib.sha256(f"{digest}  {TAGS}\n".encode()).hexdigest()


def _sha256(tree: Tree, name: str) -> str:
    digest = hashlib.sha256()
    with tree.open(name) as source:
        for chunk in iter(lambda: source.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _text(tree: Tree, name: str) -> str:
    with tree.open(name) as source:
        return source.read().decode("utf-8", "replace")


def told(verdict: Verdict, lang: str) -> list[str]:
    """The verdict in plain words, a line each."""
    count = len(verdict.findings)
    lines = ["- " + describe(finding, lang) for finding in verdict.findings]
    lines.append(sentence("unsound" if count else "sound", lang, count=count, files=verdict.files))
    if verdict.fingerprint:
        lines.append(sentence("mark", lang, fingerprint=verdict.fingerprint))
    return lines


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Check an evidence bundle. 校验证据包。")
    parser.add_argument("bundle", nargs="?", help="folder or zip; default: where this file lies")
    parser.add_argument("--fingerprint", help="the fingerprint you were given")
    parser.add_argument("--lang", choices=("en", "zh"))
    asked = parser.parse_args(arguments)
    lang = asked.lang or ("zh" if str(locale.getlocale()[0]).lower()[:2] in ("zh", "ch") else "en")
    path = Path(asked.bundle) if asked.bundle else Path(__file__).resolve().parent
    if hasattr(sys.stdout, "reconfigure"):  # a console without Chinese must not stop the check
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        verdict = verify(path, asked.fingerprint)
    except (FileNotFoundError, NotABundle) as error:
        gone = isinstance(error, FileNotFoundError)
        print(sentence("no_bundle" if gone else "not_bundle", lang, path=path))
        return 3 if gone else 4
    print("\n".join(told(verdict, lang)))
    return 9 if verdict.findings else 0


if __name__ == "__main__":
    sys.exit(main())
