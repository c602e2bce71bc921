"""C2PA content credentials inside a playable copy: who made it, when, from which originals.

The same key signs as signs the bundle. C2PA refuses a self-signed certificate, so a root of this
installation's own stands above it: it signed this one certificate, and its key was thrown away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evidence.signing import Signer
from storage import audit
from storage.directory import KEYS, DataDirectory
from storage.durable import OPEN_SUFFIX, write_file
from storage.errors import DataLoss
from storage.vocabulary import Actor

CHAIN = "content-credentials.pem"  # in keys/: the certificate and the root above it, no key
ROOT = "content-credentials-root.pem"  # in a bundle, for a C2PA reader
RECIPE = "org.hindsight.derivative"  # the assertion that names the originals
# https://spec.c2pa.org: what a camera took, and nobody or nothing made up.
CAPTURED = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
MP4 = "video/mp4"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs, and the root to give to a C2PA reader as a trust anchor."""

    signer: Signer
    chain: str  # PEM: the certificate, then the root
    root: x509.Certificate

    @property
    def root_pem(self) -> str:
        """As it travels."""
        return self.root.public_bytes(Encoding.PEM).decode()

    @property
    def root_sha256(self) -> str:
        """Of the root in DER: what people compare."""
        return hashlib.sha256(self.root.public_bytes(Encoding.DER)).hexdigest()


def credentials(directory: DataDirectory, signer: Signer, actor: Actor) -> Credentials:
    """This installation's; made when there are none for this key, with an audit row.

    DataLoss when keys/content-credentials.pem is there and cannot be read.
    """
    path = directory.root / KEYS / CHAIN
    if not path.exists() or _read(path)[0].public_key() != signer.key.public_key():
        with directory.ledger.write() as tx:  # one at a time
            if not path.exists() or _read(path)[0].public_key() != signer.key.public_key():
                chain, root = _issue(signer)
                made = Credentials(signer, chain, root)
                audit.record(
                    tx, actor, "evidence.credentials", CHAIN, at_us=directory.clock.now_us(),
                    detail={"root_sha256": made.root_sha256},
                )  # fmt: skip
                write_file(path, chain.encode(), mode=0o600)
    leaf, root = _read(path)
    chain = (leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)).decode()
    return Credentials(signer, chain, root)


def put_in(
    path: Path, by: Credentials, *, title: str, made: datetime, recipe: Mapping[str, Any],
    version: str,
) -> str:  # fmt: skip
    """Sign the MP4 at `path`, in place; the name of its C2PA manifest.

    Not a byte of its boxes changes but the places in them that say where others lie; one box is
    added. DataLoss when what was written does not verify, OSError when the disk refuses.
    """
    import c2pa  # 50 MB that only exports need

    said = {
        "claim_generator_info": [{"name": "Hindsight", "version": version}],
        "format": MP4,
        "title": title,
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {
                            "action": "c2pa.created",
                            "digitalSourceType": CAPTURED,
                            "when": made.isoformat(timespec="seconds").replace("+00:00", "Z"),
                        }
                    ]
                },
            },
            {"label": RECIPE, "data": dict(recipe)},
        ],
    }
    written = path.with_name(path.name + OPEN_SUFFIX)
    context = _context(by.root_pem)
    signer = c2pa.Signer.from_callback(by.signer.key.sign, c2pa.C2paSigningAlg.ED25519, by.chain)
    try:
        with path.open("rb") as source, written.open("w+b") as target:
            seen = _Seen(target)
            try:
                with c2pa.Builder(said, context) as builder:
                    builder.sign(signer, MP4, source, seen)
                target.flush()
            except c2pa.C2paError as error:
                if seen.refused is not None:  # the library tells no more than that it failed
                    raise seen.refused from error
                raise _unreadable(path, error) from error
        name = verified(written, by.root_pem)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
    return name


def verified(path: Path, root_pem: str) -> str:
    """The name of the C2PA manifest in an MP4 that nobody changed since a certificate under this
    root signed it. DataLoss otherwise."""
    import c2pa

    try:
        with (
            path.open("rb") as source,
            c2pa.Reader(MP4, source, context=_context(root_pem)) as reader,
        ):
            found = json.loads(reader.json())
    except c2pa.C2paError as error:
        raise _unreadable(path, error) from error
    if found.get("validation_state") != "Trusted":
        failures = found.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
        codes = ", ".join(str(one.get("code")) for one in failures)
        raise _unreadable(path, codes or found.get("validation_state"))
    return str(found["active_manifest"])


def _unreadable(path: Path, why: object) -> DataLoss:
    return DataLoss(
        "the content credentials of {file} do not verify ({error}); make the file anew",
        file=path.name, error=why,
    )  # fmt: skip


def _context(root_pem: str) -> Any:
    """Without a word to the network: no revocation is asked for, no manifest fetched."""
    import c2pa

    settings = c2pa.Settings.from_dict(
        {
            "builder": {"thumbnail": {"enabled": False}},
            "trust": {"user_anchors": root_pem},
            "verify": {"ocsp_fetch": False, "remote_manifest_fetch": False},
        }
    )
    return c2pa.Context(settings)


class _Seen:
    """A file whose refusals are kept: the library drops them."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell, self.flush = file.read, file.seek, file.tell, file.flush
        self._file = file
        self.refused: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.refused = error
            raise


def _read(path: Path) -> tuple[x509.Certificate, x509.Certificate]:
    """The certificate and the root above it."""
    try:
        leaf, root = x509.load_pem_x509_certificates(path.read_bytes())
        leaf.verify_directly_issued_by(root)
    except Exception as error:  # of many kinds: whatever is wrong with it, it is no chain
        raise DataLoss(
            "{file} in {directory} cannot be read ({error}); restore it from your backup, or move"
            " it away: the next export makes another root",
            file=CHAIN, directory=path.parent, error=error,
        ) from None  # fmt: skip
    return leaf, root


def _issue(signer: Signer) -> tuple[str, x509.Certificate]:
    """A root, and under it a certificate of the signer's key; the root's key is forgotten."""
    authority = Ed25519PrivateKey.generate()
    own = signer.certificate
    above = _named(own, "root of ")
    root = (
        _certificate(own, authority, above, above)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .sign(authority, None)
    )
    leaf = (
        _certificate(own, signer.key, _named(own, ""), above)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False
        )
        .sign(authority, None)
    )
    pem = leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)
    return pem.decode(), root


def _named(own: x509.Certificate, before: str) -> x509.Name:
    """As the signer is named. C2PA shows the organisation."""
    names = own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = f"{before}{names[0].value!s}"[:64]
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _certificate(
    own: x509.Certificate, key: Ed25519PrivateKey, subject: x509.Name, issuer: x509.Name
) -> x509.CertificateBuilder:
    """As long valid as the signer's own."""
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(own.not_valid_before_utc)
        .not_valid_after(own.not_valid_after_utc)
        .add_extension(identifier, critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=authority, crl_sign=authority,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
