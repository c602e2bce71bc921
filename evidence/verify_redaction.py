"""Checks a redacted copy, folder or zip: every file is as it was when the copy was signed."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evidence.redaction_papers import CERTIFICATE, DOCUMENT, FORMAT, SIGNATURE, SUMS
from evidence.verify_bundle import hidden_members
from storage.i18n import N_, tr

LINE = re.compile(r"([0-9a-f]{64})  ([^/\\]+)")
MOST_TEXT = 64 << 20  # of what is read as a whole: a zip may say more than it holds
CHUNK_BYTES = 1 << 20
REQUIRED = (CERTIFICATE, DOCUMENT)  # or nothing says who signed, and what the film is
# kind → what is said of {path}
WORDS = {
    "changed": N_("{path} was changed: its SHA-256 is not the one in sha256.txt"),
    "missing": N_("{path} is missing"),
    "added": N_("{path} was added: sha256.txt does not list it"),
    "unreadable": N_("{path} cannot be read or understood"),
    "special": N_("{path} is a link, a folder or a special file; it was not opened"),
    "signature": N_("{path} does not sign sha256.txt with the key of certificate.pem"),
    "signer": N_("the certificate is not the one you were told of: its SHA-256 is {path}"),
    "film": N_("the film is not the one you were told of: its SHA-256 is {path}"),
    "contradiction": N_("{path} and sha256.txt do not speak of the same copy"),
    "unlisted": N_("sha256.txt does not list {path}, which every copy has"),
    "film_unknown": N_(
        "the film cannot be compared with the SHA-256 you were told: {path} is not to be believed"
    ),
    "signer_unknown": N_(
        "the certificate cannot be compared with the SHA-256 you were told: {path}"
        " is not to be believed"
    ),
    "hidden": N_(
        "{path}: the zip holds bytes that its directory does not list; another program may"
        " unpack something else"
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is not as it should be."""

    kind: str  # a key of WORDS
    path: str

    def text(self) -> str:
        """In words; a hostile name cannot steer a terminal."""
        said = tr(WORDS[self.kind], path=self.path)
        return "".join(ch if ch.isprintable() else f"\\x{ord(ch):02x}" for ch in said)


@dataclass(slots=True)
class CopyVerdict:
    """The copy is sound when nothing was found."""

    findings: list[Found] = field(default_factory=list)
    files: int = 0
    subject: str | None = None  # of the certificate, when its signature holds
    certificate_sha256: str | None = None
    sha256: str | None = None  # of the MP4, as listed
    originals: int = 0


def is_redaction(path: Path) -> bool:
    """Whether something there calls itself a redacted copy, damaged or not."""
    try:
        names = {name for name, _ in _entries(path)}
    except (OSError, zipfile.BadZipFile):
        return False
    return DOCUMENT in names or (SUMS in names and SIGNATURE in names)


def verify_redaction(
    path: Path, film: str | None = None, certificate: str | None = None
) -> CopyVerdict:
    """Hash everything anew. `film`, `certificate`: the SHA-256 that was told of the MP4 and of the
    signer's certificate."""
    verdict = CopyVerdict()
    opened = dict(_entries(path))
    texts = {
        name: _text(opened[name]) if name in opened else None
        for name in (SUMS, SIGNATURE, CERTIFICATE, DOCUMENT)
    }
    for name, text in texts.items():
        if name not in opened:
            verdict.findings.append(Found("missing", name))
        elif text is None:
            verdict.findings.append(Found("unreadable", name))
    verdict.findings += _unlisted_bytes(path)
    listed = _listed(texts[SUMS], verdict)
    verdict.findings += [Found("unlisted", name) for name in REQUIRED if name not in listed]
    for name, due in listed.items():
        verdict.files += 1
        if name not in opened:
            if name not in texts:
                verdict.findings.append(Found("missing", name))
            continue
        found = _sha256(opened[name])
        if found is None:
            verdict.findings.append(Found("special", name))
        elif found != due:
            verdict.findings.append(Found("changed", name))
    verdict.findings += [
        Found("added", name) for name in sorted(opened) if name not in (SUMS, SIGNATURE, *listed)
    ]
    _check_signature(texts, certificate, verdict)
    _check_document(texts[DOCUMENT], listed, verdict)
    if film is not None and verdict.sha256 is None:
        verdict.findings.append(Found("film_unknown", DOCUMENT))
    elif film is not None and verdict.sha256 is not None and _plain(film) != verdict.sha256:
        verdict.findings.append(Found("film", verdict.sha256))
    if certificate is not None and verdict.certificate_sha256 is None:
        verdict.findings.append(Found("signer_unknown", CERTIFICATE))
    return verdict


def _unlisted_bytes(path: Path) -> list[Found]:
    """What only a program that reads a zip from its beginning would see."""
    if path.is_dir():
        return []
    with zipfile.ZipFile(path) as archive:
        return [Found("hidden", one.path) for one in hidden_members(archive)]


Opener = Callable[[], IO[bytes]]


def _entries(path: Path) -> Iterator[tuple[str, Opener | None]]:
    """(name, how to open it) of everything in it; None for what is no plain file."""
    if path.is_dir():
        for one in sorted(path.iterdir()):
            plain = stat.S_ISREG(one.lstat().st_mode)
            yield one.name, partial(_file, one) if plain else None
        return
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    seen: set[str] = set()
    for info in infos:
        if info.is_dir() and not info.file_size and ".." not in info.filename.split("/"):
            continue  # as `zip -r` writes one
        folder, _, name = info.filename.rpartition("/")
        mode = info.external_attr >> 16
        plain = not (mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG))
        key = name if name and "/" not in folder else info.filename
        if key in seen:  # twice, or in two folders: neither is believed
            yield f"{info.filename} (2)", None
            continue
        seen.add(key)
        yield key, partial(_member, path, info) if plain and name else None


def _file(path: Path) -> IO[bytes]:
    return path.open("rb")


def _member(path: Path, info: zipfile.ZipInfo) -> IO[bytes]:
    return zipfile.ZipFile(path).open(info)


def _sha256(opener: Opener | None) -> str | None:
    if opener is None:
        return None
    digest = hashlib.sha256()
    try:
        with opener() as source:
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError):
        return "unreadable"
    return digest.hexdigest()


def _text(opener: Opener | None) -> bytes | None:
    if opener is None:
        return None
    try:
        with opener() as source:
            data = source.read(MOST_TEXT + 1)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError):
        return None
    return data if len(data) <= MOST_TEXT else None


def _listed(sums: bytes | None, verdict: CopyVerdict) -> dict[str, str]:
    try:
        lines = (sums or b"").decode().splitlines()
    except UnicodeDecodeError:
        lines = [""]
    found: dict[str, str] = {}
    for line in lines:
        match = LINE.fullmatch(line)
        if match is None or match[2] in found:
            verdict.findings.append(Found("unreadable", SUMS))
            break
        found[match[2]] = match[1]
    return found


def _check_signature(
    texts: dict[str, bytes | None], told: str | None, verdict: CopyVerdict
) -> None:
    sums, signature, pem = (texts[name] for name in (SUMS, SIGNATURE, CERTIFICATE))
    if sums is None or signature is None or pem is None:
        return  # missing or unreadable: said already
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(key)
        key.verify(signature, sums)
    except (ValueError, TypeError, InvalidSignature, x509.UnsupportedGeneralNameType):
        verdict.findings.append(Found("signature", SIGNATURE))
        return
    der = certificate.public_bytes(Encoding.DER)
    verdict.certificate_sha256 = hashlib.sha256(der).hexdigest()
    named = {NameOID.SERIAL_NUMBER: "serialNumber"}
    verdict.subject = ", ".join(one.rfc4514_string(named) for one in certificate.subject)
    if told is not None and _plain(told) != verdict.certificate_sha256:
        verdict.findings.append(Found("signer", verdict.certificate_sha256))


def _plain(told: str) -> str:
    """As openssl prints it, with colons, or without."""
    return told.replace(":", "").strip().lower()


def _check_document(data: bytes | None, listed: dict[str, str], verdict: CopyVerdict) -> None:
    if data is None:
        return
    try:
        document = json.loads(data)
        file, form = document["file"], document["format"]
        name, due, originals = file["name"], file["sha256"], len(document["originals"])
    except (ValueError, KeyError, TypeError, RecursionError):
        verdict.findings.append(Found("unreadable", DOCUMENT))
        return
    if form != FORMAT or listed.get(name) != due:
        verdict.findings.append(Found("contradiction", DOCUMENT))
        return
    verdict.sha256, verdict.originals = due, originals
