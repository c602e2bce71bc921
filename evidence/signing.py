"""Who signs bundles: a key and an X.509 certificate of this installation, made on first use."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from storage import audit
from storage.clock import to_datetime
from storage.directory import KEYS, DataDirectory
from storage.durable import write_file
from storage.errors import DataLoss
from storage.seals import key_id_of
from storage.vocabulary import Actor

SIGNING_KEY = "evidence.pem"  # in keys/: private key and certificate in one file, so both or none
VALID = timedelta(days=3652)  # ten years
EARLIER = timedelta(days=1)  # a reader's clock may be behind


@dataclass(frozen=True, slots=True)
class Signer:
    """The key and what says whose it is."""

    key: Ed25519PrivateKey
    certificate: x509.Certificate

    @property
    def sha256(self) -> str:
        """Of the certificate in DER: what people compare."""
        return hashlib.sha256(self.certificate.public_bytes(Encoding.DER)).hexdigest()

    @property
    def pem(self) -> str:
        """The certificate as it travels."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def subject(self) -> str:
        """As verify.py writes it."""
        names = {NameOID.COMMON_NAME: "CN", NameOID.SERIAL_NUMBER: "serialNumber"}
        parts = [f"{names[one.oid]}={one.value!s}" for one in self.certificate.subject]
        return ", ".join(parts)

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {
            "subject": self.subject,
            "certificate_sha256": self.sha256,
            "valid_from": f"{self.certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
            "valid_until": f"{self.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        }


def signer(directory: DataDirectory, actor: Actor) -> Signer:
    """This installation's; made when there is none, with an audit row.

    DataLoss when keys/evidence.pem is there and cannot be read.
    """
    path = directory.root / KEYS / SIGNING_KEY
    if not path.exists():
        with directory.ledger.write() as tx:  # one at a time
            if not path.exists():
                data, made = _make(directory)
                audit.record(
                    tx, actor, "evidence.key", SIGNING_KEY,
                    at_us=directory.clock.now_us(), detail=made.document(),
                )  # fmt: skip
                write_file(path, data, mode=0o600)
    try:
        data = directory.key(SIGNING_KEY)
        key = load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificate(data)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey) or key.public_key() != certificate.public_key():
        raise DataLoss(
            "key {key} in {directory}/keys cannot be read; restore it from your backup",
            key=SIGNING_KEY, directory=directory.root,
        )  # fmt: skip
    return Signer(key, certificate)


def _make(directory: DataDirectory) -> tuple[bytes, Signer]:
    key = Ed25519PrivateKey.generate()
    now = to_datetime(directory.clock.now_us()).replace(microsecond=0)
    name = directory.settings.evidence.signer or f"Hindsight on {platform.node() or '?'}"
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name[:64]),
            # Two installations may have the same name; never the same key.
            x509.NameAttribute(NameOID.SERIAL_NUMBER, key_id_of(key.public_key())[:32]),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=False, crl_sign=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(identifier, critical=False)
        .sign(key, None)
    )
    made = Signer(key, certificate)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + made.pem.encode(), made
