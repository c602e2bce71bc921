#!/usr/bin/env python3
"""Checks a Hindsight evidence bundle (folder or zip) with Python 3.8's own library alone.

Travels in every bundle as verify.py: `python3 verify.py [BUNDLE]`. Unpacks nothing, follows no
link, writes nothing. Exit status: 0 sound, 9 findings, 3 no such bundle, 4 not a bundle.
"""

# This file stands alone wherever it lies: it prints, and speaks both languages by itself.
# ruff: noqa: E501, T201

from __future__ import annotations

import argparse
import base64
import codecs
import hashlib
import json
import locale
import re
import stat
import struct
import sys
import unicodedata
import zipfile
import zlib
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain, islice, product
from pathlib import Path
from typing import IO, Any, Callable, Iterator, Mapping, NamedTuple  # noqa: UP035

FINGERPRINT, TAGS = "fingerprint-sha256.txt", "tagmanifest-sha256.txt"
PAYLOAD = "manifest-sha256.txt"
MANIFEST, GAPS, CUSTODY = "data/manifest.json", "data/gaps.json", "data/custody.json"
PROOFS = "data/proofs.json"
# The signature is over the bytes of the fingerprint file, so no list can hold it.
CERTIFICATE, SIGNATURE, STAMP = "certificate.pem", "fingerprint-sha256.txt.sig", "timestamp.tsr"
MARKS = ("bagit.txt", PAYLOAD, TAGS, FINGERPRINT, MANIFEST)  # any of them: this was a bundle
LINE = re.compile(r"([0-9a-f]{64}) [ *]?(.+)")
MARK = re.compile(
    rf"([0-9a-f]{{64}})  {re.escape(TAGS)}\n(?:([0-9a-f]{{64}})  {re.escape(STAMP)}\n)?"
)
# Of the facts that were sealed, those that the manifest tells under the same names.
FACTS = (
    "origin", "size_bytes", "sha256", "prev_sha256", "container", "codec", "width", "height", "fps",
    "audio_codec", "recovered", "original_name", "note", "first_pts", "time_base",
)  # fmt: skip
SILENCE_US = 6_000_000  # by so much at most may an original's pictures end before its row does
AUDIT = ["seq", "ts_us", "actor", "case_id", "reason", "action", "subject", "detail", "prev_hash"]
# Read as a whole: a bomb of gigabytes in a megabyte of zip must not end in memory.
TEXTS, MOST_TEXT = (*MARKS, GAPS, CUSTODY, PROOFS, CERTIFICATE, STAMP, SIGNATURE), 256 << 20
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
    "signature": ("{path} does not sign this bundle: it was changed, or made with another key than that of {other}", "{path} 不是对本证据包的签名：它已被改动，或并非由 {other} 中的密钥签署"),
    "unsigned": ("data/manifest.json says that the bundle is signed, and {path} is not in it", "data/manifest.json 称本证据包已签名，包内却没有 {path}"),
    "signer": ("the bundle's certificate has the SHA-256 {path}, not {other}: somebody else signed it", "证据包证书的 SHA-256 为 {path}，而不是 {other}：签名者另有其人"),
    "stamp": ("{path} is no time stamp over this bundle's fingerprint", "{path} 不是对本证据包指纹的时间戳"),
    "proof": ("{path} is not proven to lie under a signed seal: {other}", "{path} 不能证明属于已签名的封签：{other}"),
    "hidden": ("bytes lie before {path} that the zip's own directory does not list; some programs unpack them", "{path} 之前有 zip 目录未列出的数据；有些程序会将其解压"),
    "seal": ("seal {path} in data/proofs.json does not hold: {other}", "data/proofs.json 中的封签 {path} 不成立：{other}"),
    "clock": ("{path}: its corrected times do not follow from the listed clock corrections", "{path}：校正后的时间与所列时钟校正不符"),
    "fingerprint": ("the bundle's fingerprint is {path}, not {other}: this is not the bundle meant", "证据包指纹为 {path}，而不是 {other}：这不是所指的那个证据包"),
    "sound": ("Sound: {files} files, nothing changed, added, removed, renamed or swapped.", "完好：共 {files} 个文件，无改动、增加、删除、改名或对调。"),
    "unsound": ("NOT sound; findings: {count}.", "不完好，共发现 {count} 处问题。"),
    "mark": ("Fingerprint, to compare with the one you were given apart from the bundle: {fingerprint}", "指纹，请与另行告知您的核对：{fingerprint}"),
    "signed": ("Signed. SHA-256 of the certificate, to compare with the one you were given: {sha256}; it calls itself “{subject}”", "已签名。证书 SHA-256，请与另行告知您的核对：{sha256}；证书自称“{subject}”"),
    "not_signed": ("Unsigned: nothing in here shows who made it.", "未签名：包内没有任何内容能表明由谁制作。"),
    "stamped": ("A time stamp over the fingerprint says {time}. This program cannot check who gave it; openssl can: openssl ts -verify -digest {fingerprint} -in timestamp.tsr -CAfile AUTHORITY.pem", "有对指纹的时间戳，称时间为 {time}。本程序无法核验时间戳由谁签发，可用 openssl：openssl ts -verify -digest {fingerprint} -in timestamp.tsr -CAfile 机构根证书.pem"),
    "sealed": ("Originals under a signed seal: {sealed} of {originals}. Key of the seals, to compare with the archive's, if you were told: {keys}", "属于已签名封签的原始文件：{sealed} / {originals}。封签密钥，如另行告知过您档案的密钥，请核对：{keys}"),
    "unsealed": ("Under no seal, so nothing shows since when the archive has it: {path}", "不属于任何封签，无从证明档案自何时起存有此文件：{path}"),
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
    signer: Signer | None = None  # None: unsigned, or the signature does not hold
    stamped: str | None = None  # what the time stamp claims; its own signature was not checked
    sealed: Sealed | None = None  # None: some original does not lie under its seal


class Signer(NamedTuple):
    """Whose certificate it is; only a comparison with one got elsewhere makes that true."""

    subject: str
    sha256: str  # of the certificate in DER
    key: bytes  # Ed25519


class Sealed(NamedTuple):
    """Which originals lie under a signed seal."""

    originals: int
    keys: list[str]  # of their seals: SHA-256 of the raw public key
    unsealed: list[str]  # files of those that no seal holds; nothing shows that they are old


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
    path: Path, fingerprint: str | None = None, hashes: Mapping[str, str] | None = None,
    certificate: str | None = None,
) -> Verdict:  # fmt: skip
    """Check the bundle at `path`; with `fingerprint`, also that it is the bundle meant, with
    `certificate` (its SHA-256), that it was signed by whom it should be.

    `hashes`: file → SHA-256 as just computed from the same bytes, which are not read again then.
    FileNotFoundError when nothing is there, NotABundle when it is something else.
    """
    if path.is_dir():
        return verify_tree(_folder(path), fingerprint, hashes or {}, certificate)
    if path.exists() and not path.is_file():
        raise NotABundle(path)
    with path.open("rb") as raw:
        if raw.read(4) != b"PK\x03\x04":
            raise NotABundle(path)
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # on hostile bytes zipfile raises every kind there is
        return Verdict(None, 0, [Finding("unreadable", path.name, str(error))])
    with archive:
        return verify_tree(_zip(archive), fingerprint, hashes or {}, certificate)


def verify_tree(
    tree: Tree, fingerprint: str | None, hashes: Mapping[str, str], certificate: str | None = None
) -> Verdict:
    """The same of files wherever they lie."""
    findings = list(tree.findings)
    actual: dict[str, str] = {}
    for name in tree.sizes:
        try:
            if tree.sizes[name] > MOST_TEXT and name in TEXTS:
                raise ValueError(f"{tree.sizes[name]} > {MOST_TEXT}")
            actual[name] = hashes.get(name) or _sha256(tree, name)
        except Exception as error:  # on hostile bytes decoders raise every kind there is
            actual[name] = UNREADABLE
            findings.append(Finding("unreadable", name, str(error)))
    signed = _signed(tree, actual)
    found, payload, due = _hashes(tree, actual, signed)
    signer = signed.signer if signed and due.get(CERTIFICATE) == actual.get(CERTIFICATE) else None
    bad = {name for finding in findings + found for name in (finding.path, finding.other)}
    sealed: list[Sealed] = []
    found += _statements(tree, payload, actual, bad, due, signer, sealed)
    seal = actual.get(TAGS)
    stamped = None
    if STAMP in due and not {STAMP, TAGS} & bad:
        stamped = _stamped(tree, str(seal))
        found += [] if stamped else [Finding("stamp", STAMP)]
    for kind, here, given in (
        ("signer", signer.sha256 if signer else "–", certificate),
        ("fingerprint", str(seal), fingerprint),
    ):
        if given is not None and re.sub(r"[:\s]", "", given).lower() != here:
            findings.insert(0, Finding(kind, here, given.strip()))
    return Verdict(seal, len(actual), findings + found, signer, stamped, next(iter(sealed), None))


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
    members = [
        one for one in archive.infolist()
        if not one.is_dir() or one.file_size or ".." in one.filename.split("/")
    ]  # fmt: skip
    findings += hidden_members(archive)
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


def hidden_members(archive: zipfile.ZipFile) -> Iterator[Finding]:
    """What a program that reads a zip from its beginning would unpack and its directory does not
    list: members must follow one another, from the first byte to the directory."""
    end, slack = 0, 0
    for member in sorted(archive.infolist(), key=lambda one: one.header_offset):
        if not 0 <= member.header_offset - end <= slack:
            yield Finding("hidden", member.filename)
        source: Any = archive.fp
        source.seek(max(0, member.header_offset) + 26)
        lengths = source.read(4)
        if len(lengths) < 4:  # it cannot be read either, and that is told
            return
        name, extra = struct.unpack("<HH", lengths)
        end = member.header_offset + 30 + name + extra + member.compress_size
        slack = 24 if member.flag_bits & 8 else 0  # sizes once more, where they were not known
    if not 0 <= archive.start_dir - end <= slack:
        yield Finding("hidden", "zip")


class Signed(NamedTuple):
    """A signature that holds."""

    signer: Signer
    place: str  # the file that holds it
    mark: str  # what it signs: the text of the fingerprint file


def _signed(tree: Tree, actual: dict[str, str]) -> Signed | None:
    """The signature, wherever it, the certificate and the fingerprint file lie by now; of the
    fingerprint file what must have stood in it will do. None without one that holds."""

    def held(first: str, most: int, form: Callable[[bytes], Any]) -> Iterator[tuple[str, Any]]:
        for name in sorted(tree.sizes, key=lambda name: (name != first, name)):
            if tree.sizes[name] <= most and actual[name] != UNREADABLE:
                with tree.open(name) as source:
                    content = form(source.read())
                if content:
                    yield name, content

    signers = list(islice(held(CERTIFICATE, 4096, _signer), 3))
    if not signers:
        return None
    signatures = list(islice(held(SIGNATURE, 64, lambda raw: len(raw) == 64 and raw), 3))
    marks = [mark for _, mark in islice(held(FINGERPRINT, 400, _mark_in), 3)]
    stamps = [None, actual[STAMP]] if STAMP in actual else [None]
    marks += [_mark(actual[TAGS], stamp) for stamp in stamps if TAGS in actual]
    for (_, signer), mark, (place, signature) in product(signers, marks, signatures):
        if is_signed(signer.key, mark.encode(), signature):
            return Signed(signer, place, mark)
    return None


def _mark(tags: str, stamp: str | None) -> str:
    """The text of the fingerprint file, from the hashes of what it names."""
    return f"{tags}  {TAGS}\n" + (f"{stamp}  {STAMP}\n" if stamp else "")


def _mark_in(raw: bytes) -> str | None:
    text = raw.decode("utf-8", "replace")
    return text if MARK.fullmatch(text) else None


def _hashes(
    tree: Tree, actual: dict[str, str], signed: Signed | None
) -> tuple[list[Finding], dict[str, str], dict[str, str]]:
    """Every file against the list that names it, from the fingerprint down.

    A list that was renamed or swapped is recognised by its hash; one that was changed is still
    read, but what does not fit it is only doubtful. Also returns the lines of the payload list,
    and the hash that every listed file ought to have.
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

    mark = signed.mark if signed else _unsigned_mark(tree, actual, where, lines, findings)
    if mark is not None:
        spoken, stamp = MARK.fullmatch(mark).groups()  # type: ignore[union-attr]
        due = {
            TAGS: (spoken, FINGERPRINT),
            FINGERPRINT: (_text_hash(mark), SIGNATURE if signed else TAGS),
        }
        if stamp:
            due[STAMP] = (stamp, FINGERPRINT)
    else:
        findings += [Finding("missing", name) for name in (TAGS, FINGERPRINT) if name not in actual]
    tags = lines(TAGS)
    due.update({n: (d, TAGS) for n, d in tags.items() if n not in due})
    if signed:
        due[SIGNATURE] = (actual[signed.place], FINGERPRINT)
    elif CERTIFICATE in due and SIGNATURE not in actual:
        findings.append(Finding("missing", SIGNATURE))
    elif CERTIFICATE in due:
        due[SIGNATURE] = (actual[SIGNATURE], FINGERPRINT)
        if actual.get(CERTIFICATE) == due[CERTIFICATE][0] and actual[SIGNATURE] != UNREADABLE:
            whole = all(actual.get(name) == due[name][0] for name in (TAGS, FINGERPRINT))
            findings.append(
                Finding("signature", SIGNATURE, CERTIFICATE)
                if whole
                else Finding("doubtful", SIGNATURE, FINGERPRINT)
            )
    if PAYLOAD not in due and PAYLOAD not in actual:
        findings.append(Finding("missing", PAYLOAD))
    payload = lines(PAYLOAD)
    due.update({n: (d, PAYLOAD) for n, d in payload.items() if n not in due})
    shaken = {n for n in (TAGS, PAYLOAD) if n in due and n in actual and due[n][0] not in where}
    silent = {name for name, said in ((TAGS, tags), (PAYLOAD, payload)) if not said}
    findings += _compare(due, actual, shaken, silent)
    return findings, payload, {name: digest for name, (digest, _) in due.items()}


def _unsigned_mark(
    tree: Tree, actual: dict[str, str], where: dict[str, str],
    lines: Callable[[str], dict[str, str]], findings: list[Finding],
) -> str | None:  # fmt: skip
    """What the fingerprint file must say, by the lists alone."""
    for name in sorted(tree.sizes, key=lambda name: (name != FINGERPRINT, name)):
        if tree.sizes[name] <= 400 and actual[name] != UNREADABLE:
            mark = _mark_in(_text(tree, name).encode())
            if mark and mark[:64] in where:
                return mark
    said = lines(FINGERPRINT)
    spoken = said.get(TAGS)
    if TAGS in actual:
        # One of the two was changed: a whole tag manifest that fits every file it lists was not.
        own = lines(TAGS)
        fits = own and all(actual.get(n) == digest for n, digest in own.items())
        spoken = actual[TAGS] if spoken is None or (fits and not findings) else spoken
        findings.clear()
    return None if spoken is None else _mark(spoken, said.get(STAMP))


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

    for name, digest in sorted(wrong.items(), key=lambda item: (item[0] not in MARKS, item[0])):
        partner = moved.get(digest)
        if name in told or actual.get(name) == UNREADABLE:
            continue
        if due[name][1] in shaken:  # nothing that a changed list says is sure
            doubts.append(Finding("doubtful", name, due[name][1]))
        elif name not in actual and loose.get(digest, name) not in (told | {name}):
            findings.append(Finding("renamed", name, loose[digest]))
            told.add(loose[digest])
        elif name in actual and partner and actual[name] == wrong[partner]:
            findings.append(Finding("swapped", name, partner))
            told.add(partner)
        else:
            findings.append(Finding("changed" if name in actual else "missing", name, due[name][1]))
    for name in extra:
        owner = PAYLOAD if name.startswith("data/") else TAGS
        if name not in told and owner not in silent:  # a list that is gone is told already
            sure = owner not in shaken
            (findings if sure else doubts).append(
                Finding("added" if sure else "doubtful", name, owner)
            )
    return findings + doubts


def _statements(
    tree: Tree, payload: dict[str, str], actual: dict[str, str], bad: set[str],
    due: dict[str, str], signer: Signer | None, sealed: list[Sealed],
) -> list[Finding]:  # fmt: skip
    """What the documents say, against the bag and against each other; changed ones say nothing."""
    said: dict[str, Any] = {}
    findings: list[Finding] = []
    for name in (MANIFEST, GAPS, CUSTODY, PROOFS):
        if name in actual and name not in bad:
            try:
                with tree.open(name) as source:
                    said[name] = read_document(source)
            except (ValueError, RecursionError) as error:
                findings.append(Finding("malformed", name, str(error)))
        elif name not in actual and name not in bad:  # the lists were made anew without it
            findings.append(Finding("missing", name))
    checks: list[tuple[tuple[str, ...], Callable[[], Iterator[Finding]]]] = [
        ((MANIFEST,), lambda: _described(said[MANIFEST], payload, tree.sizes)),
        ((MANIFEST,), lambda: _links(said[MANIFEST])),
        (
            (MANIFEST,),
            lambda: _promises(said[MANIFEST], due, signer) if TAGS not in bad else iter(()),
        ),
        ((MANIFEST,), lambda: _clocks(said[MANIFEST])),
        ((PROOFS, MANIFEST), lambda: _proofs(said[PROOFS], said[MANIFEST], sealed)),
        ((GAPS, MANIFEST), lambda: _spans(said[MANIFEST], said[GAPS])),
        ((CUSTODY,), lambda: _custody(said[CUSTODY])),
    ]
    for needed, check in checks:
        if all(name in said for name in needed):
            try:
                findings += check()
            except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
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
        for item in chain(camera["segments"], camera["playable"], camera["stills"]):
            name = unicodedata.normalize("NFC", item["file"])
            described.add(name)
            if payload and payload.get(name) != item["sha256"]:
                yield Finding("contradiction", name, "SHA-256")
            if sizes.get(name, item["size_bytes"]) != item["size_bytes"]:
                yield Finding("contradiction", name, "size")
            if not {original["sha256"] for original in item.get("originals", ())} <= own:
                yield Finding("contradiction", name, "originals")
    for name in sorted(sizes):
        if (
            name.startswith(("data/originals/", "data/playable/", "data/stills/"))
            and name not in described
        ):
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
    listed: dict[str, list[tuple[int, int]]] = {}
    for gap in gaps:
        listed.setdefault(gap["camera"], []).append(_span(gap))
    for name in sorted(listed.keys() - {camera["camera"] for camera in manifest["cameras"]}):
        yield Finding("span", GAPS, name)
    for camera in manifest["cameras"]:
        pieces = [_span(segment) for segment in camera["segments"]]
        holes = listed.get(camera["camera"], [])
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
        fits = hashlib.sha256(text.encode()).hexdigest() == row["hash"]
        if not fits or not follows or _us(row["time"]) != row["ts_us"]:
            yield Finding("custody", CUSTODY, str(row["seq"]))
        before = row


def _promises(manifest: Any, due: dict[str, str], signer: Signer | None) -> Iterator[Finding]:
    """The manifest says who signed and whether there is a time stamp: neither can be taken away
    with the lists alone."""
    signature, stamp = manifest["signature"], manifest["timestamp"]
    if signature and CERTIFICATE not in due:
        yield Finding("unsigned", CERTIFICATE)
    elif signature and signer and signature["certificate_sha256"] != signer.sha256:
        yield Finding("contradiction", CERTIFICATE, "SHA-256")
    elif signature and signer and signature["subject"] != signer.subject:
        yield Finding("contradiction", CERTIFICATE, "subject")
    if stamp and stamp["made"] and STAMP not in due:
        yield Finding("missing", STAMP)


def _clocks(manifest: Any) -> Iterator[Finding]:
    """Corrected times are the recorded ones plus a correction that is listed and covers them."""
    for camera in manifest["cameras"]:
        known = [(*_span(one), round(one["offset_s"] * 1e6)) for one in camera["clock_corrections"]]
        for segment in camera["segments"]:
            for piece in segment["corrected"]:
                (start, end), offset = _span(piece), round(piece["offset_s"] * 1e6)
                told = _us(piece["corrected_start"]), _us(piece["corrected_end"])
                covers = any(a <= start and end <= b and o == offset for a, b, o in known)
                if not covers or told != (start + offset, end + offset):
                    yield Finding("clock", segment["file"])


def _proofs(proofs: Any, manifest: Any, sealed: list[Sealed]) -> Iterator[Finding]:
    """Each original's facts lie under a root that some key signed, and are the manifest's."""
    raws = [base64.b64decode(key["public_key"].split("-----")[2])[-32:] for key in proofs["keys"]]
    keys = {_text_hash(raw): raw for raw in raws}
    seals: dict[tuple[str, int], Any] = {}
    broken, count, used, unsealed = False, 0, set(), []
    for seal in sorted(proofs["seals"], key=lambda one: (one["camera"], one["number"])):
        name, before = (
            (seal["camera"], seal["number"]),
            seals.get((seal["camera"], seal["number"] - 1)),
        )
        values = {
            field: seal[field]
            for field in ("camera", "number", "sealed_us", "segments", "root", "prev_hash")
        }
        wrong = "SHA-256" if _text_hash(_canonical(values)) != seal["hash"] else ""
        if name in seals or _us(seal["sealed"]) != seal["sealed_us"]:
            wrong = "number" if name in seals else "sealed"
        if before and before["hash"] != seal["prev_hash"]:
            wrong = "prev_hash"
        if not is_signed(
            keys.get(seal["key_id"], b""),
            bytes.fromhex(seal["hash"]),
            bytes.fromhex(seal["signature"]),
        ):
            wrong = "Ed25519"
        seals[name], broken = seal, broken or bool(wrong)
        if wrong:
            yield Finding("seal", f"{name[0]} {name[1]}", wrong)
    due: dict[str, tuple[str, bytes]] = {}  # id → file, what the manifest says
    for camera in manifest["cameras"]:
        for segment in camera["segments"]:
            if segment["id"] in due:
                broken = True
                yield Finding("proof", segment["file"], "–")
            due[segment["id"]] = segment["file"], _said(camera["camera"], segment)
    count = len(due)
    for item in proofs["segments"]:
        file, said = due.pop(item["facts"]["id"], (item["facts"]["id"], b""))
        wrong = _unlike(json.loads(said), item["facts"]) if said else "–"
        if not wrong and item["seal"] is None:
            unsealed.append(file)
        elif not wrong:
            seal = seals[item["facts"]["camera"], item["seal"]]
            leaf = _text_hash(b"\0" + _canonical({**item["facts"], "format": 1}))
            root = root_from_path(leaf, item["index"], seal["segments"], item["path"])
            used.add(seal["key_id"])
            wrong = "" if root == seal["root"] else "Merkle"
        broken = broken or bool(wrong)
        if wrong:
            yield Finding("proof", file, wrong)
    for file, _ in due.values():
        yield Finding("proof", file, "–")
    if not broken and not due:
        sealed.append(Sealed(count, sorted(used), sorted(unsealed)))


def _said(camera: str, segment: Any) -> bytes:
    """What the manifest tells of an original, under the names it was sealed with; and its end."""
    start, end = _span(segment)
    clock = segment["clock"]
    return _canonical({
        **{name: segment[name] for name in FACTS}, "camera": camera, "start_us": start, "created_us": _us(segment["closed"]),
        "clock_source": clock["source"], "clock_error_us": round(clock["error_s"] * 1e6), "end_us": end,
    })  # fmt: skip


def _unlike(said: Any, facts: Any) -> str:
    """The first fact that the manifest tells otherwise than what was sealed; '' when none."""
    end = said.pop("end_us")
    wrong = [name for name in sorted(said) if said[name] != facts[name]]
    if not 0 <= facts["end_us"] - end <= SILENCE_US:
        wrong.append("end_us")
    return wrong[0] if wrong else ""


def root_from_path(leaf: str, index: int, size: int, path: list[str]) -> str | None:
    """The Merkle root that an audit path leads to (RFC 9162 § 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    place, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        pair = sibling + root if place & 1 or place == last else root + sibling
        if place == last:
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        root = _text_hash(b"\1" + bytes.fromhex(pair))
        place, last = place >> 1, last >> 1
    return root if last == 0 else None


def _canonical(values: Any) -> bytes:
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _stamped(tree: Tree, fingerprint: str) -> str | None:
    """What time the stamp over this fingerprint claims; None when it is over something else."""
    with tree.open(STAMP) as source:
        raw = source.read(1 << 20)
    at = raw.find(bytes.fromhex(fingerprint))
    time = re.search(rb"\x18.(\d{14})", raw[at + 32 :], re.DOTALL) if at >= 0 else None
    try:
        return f"{datetime.strptime(time[1].decode(), '%Y%m%d%H%M%S')}Z" if time else None  # noqa: DTZ007
    except ValueError:
        return None


# Certificates (X.509 in DER), as far as to say whose key it is


def _signer(raw: bytes) -> Signer | None:
    """Subject and key of a certificate in PEM; None when it is none, or not of an Ed25519 key."""
    found = re.search(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END", raw)
    if found is None:
        return None
    try:
        der = base64.b64decode(found[1])
        [(_, whole)] = _elements(der)
        fields = [one for one in _elements(_elements(whole)[0][1]) if one[0] != 0xA0]
        subject, key = _elements(fields[4][1]), _elements(fields[5][1])
        if _elements(key[0][1])[0][1] != b"\x2b\x65\x70" or len(key[1][1]) != 33:
            return None
        names = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x05": "serialNumber"}
        parts = [_elements(_elements(part)[0][1]) for _, part in subject]
        said = ", ".join(
            f"{names.get(kind, kind.hex())}={value.decode()}" for (_, kind), (_, value) in parts
        )
        return Signer(said, hashlib.sha256(der).hexdigest(), key[1][1][1:])
    except (ValueError, IndexError):
        return None


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """(tag, content) of DER elements that follow one another."""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("DER")
        found.append((tag, data[at : at + length]))
        at += length
    return found


# Ed25519 (RFC 8032 § 5.1, § 6) in extended coordinates; public data only, so time may tell.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # of -1
ZERO = (0, 1, 1, 0)


def _add(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    low, high = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = high - low, d - c, d + c, high + low
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number: int, point: tuple[int, ...]) -> tuple[int, ...]:
    total: tuple[int, ...] = ZERO
    while number:
        if number & 1:
            total = _add(total, point)
        point, number = _add(point, point), number >> 1
    return total


def _point(data: bytes) -> tuple[int, ...] | None:
    """The point that 32 bytes stand for."""
    y, sign = int.from_bytes(data, "little") & (1 << 255) - 1, data[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


@lru_cache(maxsize=4096)
def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the Ed25519 key (32 bytes) signed the message."""
    point = _point(key) if len(key) == 32 and len(signature) == 64 else None
    s = int.from_bytes(signature[32:], "little")
    if point is None or BASE is None or s >= ORDER:
        return False
    x, y, z, _ = _times(8, point)
    if not x and y == z:  # a key of small order signs everything
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    minus = (P - point[0], point[1], 1, P - point[3])
    k = int.from_bytes(digest, "little") % ORDER
    x, y, z, _ = _add(_times(s, BASE), _times(k, minus))
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


def _span(item: Any) -> tuple[int, int]:
    return _us(item["start"]), _us(item["end"])


def _us(text: str) -> int:
    """'2026-11-18T13:04:07.240000Z' → UTC microseconds."""
    when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007  both sides are UTC
    return (when - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001


def _text_hash(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def _sha256(tree: Tree, name: str) -> str:
    digest, size = hashlib.sha256(), 0
    with tree.open(name) as source:
        for chunk in iter(lambda: source.read(1 << 20), b""):
            digest.update(chunk)
            size += len(chunk)
    if size != tree.sizes[name]:  # a zip that declares more than it holds
        raise ValueError(f"{size} != {tree.sizes[name]}")
    return digest.hexdigest()


def _text(tree: Tree, name: str) -> str:
    if tree.sizes[name] > MOST_TEXT:  # under another name: its own was told and not read
        return ""
    with tree.open(name) as source:
        return source.read().decode("utf-8", "replace")


# JSON, of which a long list does not stand in memory as objects: a week's would be 150 MB.

LONG = ("segments", "originals", "rows", "")  # lists by their key; "": the document itself is one
DEEPEST, CHUNK, BATCH = 40, 1 << 16, 256


class Rows:
    """A list that is kept as compressed text and read again whenever it is gone through."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._open: list[str] = []

    def add(self, text: str) -> None:
        """One more row, as JSON."""
        self._open.append(text)
        if len(self._open) == BATCH:
            self.close()

    def close(self) -> None:
        """Pack what is not packed yet."""
        if self._open:
            self._packed.append(zlib.compress(f"[{','.join(self._open)}]".encode(), 1))
            self._open = []

    def __iter__(self) -> Iterator[Any]:
        for batch in self._packed:
            yield from json.loads(zlib.decompress(batch))


def read_document(source: IO[bytes], chunk: int = CHUNK) -> Any:
    """One JSON document, read so many bytes at a time; ValueError when it is none. Lists of LONG
    come as `Rows`."""
    reader = _Reader(source, chunk)
    value = reader.value("", 0)
    if reader.peek():
        raise ValueError("extra data")
    return value


def _may_go_on(value: Any, after: str) -> bool:
    """Whether what was read so far is the beginning of a value; `after`: what is there of the rest.

    Of "3600." that is cut here, 3600 is a whole number.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return not after or (number and len(after) < 32 and not after.strip("0123456789.eE+-"))


class _Reader:
    """Goes through JSON by its brackets; what lies between them is Python's to read."""

    def __init__(self, source: IO[bytes], chunk: int) -> None:
        self._source, self._chunk = source, chunk
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._text, self._at, self._ended = "", 0, False
        self._read = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is no blank; '' at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _more(self, size: int = 0) -> bool:
        raw = self._source.read(size or self._chunk)
        self._ended = not raw
        text = self._decode(raw, self._ended)
        self._text, self._at = self._text[self._at :] + text, 0
        return bool(raw or text)

    def _take(self, wanted: str) -> str:
        found = self.peek()
        if not found or found not in wanted:
            raise ValueError(f"{found!r} where one of {wanted!r} is due")
        self._at += 1
        return found

    def _whole(self) -> tuple[Any, str]:
        """The next value as a whole, and its text."""
        self.peek()
        size = self._chunk
        while True:
            try:
                value, end = self._read(self._text, self._at)
                if self._ended or not _may_go_on(value, self._text[end : end + 32]):
                    break
            except ValueError:
                if self._ended:
                    raise
            self._more(size)
            size *= 2  # a value of many megabytes is not begun anew for every few of them
        text, self._at = self._text[self._at : end], end
        return value, text

    def value(self, key: str, depth: int) -> Any:
        """The next value, that of `key`."""
        opening = self.peek()
        if opening not in ("{", "[") or depth > DEEPEST:
            return self._whole()[0]
        self._at += 1
        if opening == "{":
            return dict(self._members(depth))
        if key not in LONG:
            return [self.value("-", depth + 1) for _ in self._items("]")]
        rows = Rows()
        for _ in self._items("]"):
            rows.add(self._whole()[1])
        rows.close()
        return rows

    def _members(self, depth: int) -> Iterator[tuple[str, Any]]:
        for _ in self._items("}"):
            name = self._whole()[0] if self.peek() == '"' else self._take('"')
            self._take(":")
            yield name, self.value(name or "-", depth + 1)

    def _items(self, end: str) -> Iterator[None]:
        """Before each item of a list or object, up to its closing bracket."""
        if self.peek() == end:
            self._at += 1
            return
        yield
        while self._take("," + end) == ",":
            yield


def told(verdict: Verdict, lang: str) -> list[str]:
    """The verdict in plain words, a line each."""
    count = len(verdict.findings)
    lines = ["- " + describe(finding, lang) for finding in verdict.findings]
    lines.append(sentence("unsound" if count else "sound", lang, count=count, files=verdict.files))
    if verdict.fingerprint:
        lines.append(sentence("mark", lang, fingerprint=verdict.fingerprint))
    if verdict.signer:
        lines.append(
            sentence(
                "signed",
                lang,
                sha256=verdict.signer.sha256,
                # Last, short and without runs of blanks: it may try to look like our words.
                subject=" ".join(verdict.signer.subject.split())[:120],
            )
        )
    elif not count:
        lines.append(sentence("not_signed", lang))
    if verdict.stamped:
        lines.append(
            sentence("stamped", lang, time=verdict.stamped, fingerprint=verdict.fingerprint)
        )
    if verdict.sealed:
        originals, keys, unsealed = verdict.sealed
        sealed, named = originals - len(unsealed), ", ".join(keys) or "–"
        lines.append(sentence("sealed", lang, sealed=sealed, originals=originals, keys=named))
        lines += ["- " + sentence("unsealed", lang, path=name) for name in unsealed]
    return lines


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Check an evidence bundle. 校验证据包。")
    parser.add_argument("bundle", nargs="?", help="folder or zip; default: where this file lies")
    parser.add_argument("--fingerprint", help="the fingerprint you were given")
    parser.add_argument("--certificate", help="the SHA-256 of the certificate you were given")
    parser.add_argument("--lang", choices=("en", "zh"))
    asked = parser.parse_args(arguments)
    lang = asked.lang or ("zh" if str(locale.getlocale()[0]).lower()[:2] in ("zh", "ch") else "en")
    path = Path(asked.bundle) if asked.bundle else Path(__file__).resolve().parent
    if hasattr(sys.stdout, "reconfigure"):  # a console without Chinese must not stop the check
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        verdict = verify(path, asked.fingerprint, None, asked.certificate)
    except (FileNotFoundError, NotABundle) as error:
        gone = isinstance(error, FileNotFoundError)
        print(sentence("no_bundle" if gone else "not_bundle", lang, path=path))
        return 3 if gone else 4
    print("\n".join(told(verdict, lang)))
    return 9 if verdict.findings else 0


if __name__ == "__main__":
    sys.exit(main())
