"""The signature: real openssl accepts it, nobody else's passes, and taking it away shows."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from evidence.signing import SIGNING_KEY, signer
from evidence.verify_bundle import ORDER, Finding, is_signed, told, verify
from storage import audit
from storage.errors import DataLoss
from storage.settings import Settings
from storage.vocabulary import Actor
from tests.evidence.test_bundle_damage import FINGERPRINT, SIGNATURE, TAGS, relist

SOMEBODY = Actor("somebody")

# RFC 8032 § 7.1, tests 1, 2, 3 and SHA(abc): public key, message, signature
VECTORS = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"),
    ("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     hashlib.sha512(b"abc").hexdigest(),
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
     "e0303dca179c138ac17ad9bef1177331a704"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_signatures_of_the_rfc_hold(key: str, message: str, signature: str) -> None:
    assert is_signed(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))
    assert not is_signed(
        bytes.fromhex(key), bytes.fromhex(message) + b".", bytes.fromhex(signature)
    )


def says_cryptography(key: bytes, message: bytes, signature: bytes) -> bool:
    """The verdict of a library many people looked at."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_random_and_broken_signatures_are_judged_as_cryptography_does() -> None:
    chance = random.Random(8032)
    sound = 0
    for _ in range(150):
        secret, message = Ed25519PrivateKey.generate(), chance.randbytes(chance.randrange(200))
        key, signature = secret.public_key().public_bytes_raw(), secret.sign(message)
        s = int.from_bytes(signature[32:], "little")
        flipped = bytearray(signature)
        flipped[chance.randrange(64)] ^= 1 << chance.randrange(8)
        cases = [
            (key, message, signature),
            (key, message, bytes(flipped)),
            (key, message + b"x", signature),
            (chance.randbytes(32), message, signature),
            (key, message, chance.randbytes(64)),
            (key, message, signature[:32] + (s + ORDER).to_bytes(32, "little")),  # malleable
            (key, message, signature[:-1]),
            (key[:-1], message, signature),
        ]
        case = cases[chance.randrange(len(cases))]
        for one in (cases[0], case):
            assert is_signed(*one) == says_cryptography(*one), [part.hex() for part in one]
            sound += is_signed(*one)
    assert sound >= 150


@pytest.mark.parametrize("key", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"\x02" + bytes(31)])
def test_degenerate_keys_sign_nothing_of_ours(key: bytes) -> None:
    """The identity, above all: with it, R = the identity and S = 0 would sign everything."""
    identity = b"\x01" + bytes(31)
    assert not is_signed(key, b"message", identity + bytes(32))
    assert not is_signed(key, b"message", bytes(64))


def test_a_certificate_cannot_speak_in_the_verifiers_voice(bundle: Path) -> None:
    verdict = verify(bundle)
    assert verdict.signer is not None
    genuine = "0" * 64
    name = f"Archive. SHA-256 of the certificate: {genuine}; compare it.{' ' * 300}x{'y' * 300}"
    (line,) = [
        line
        for line in told(verdict._replace(signer=verdict.signer._replace(subject=name)), "en")
        if genuine in line
    ]
    assert line.index(verdict.signer.sha256) < line.index("it calls itself") < line.index(genuine)
    assert "  " not in line
    assert len(line) < 350


def openssl(bundle: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *words], cwd=bundle, capture_output=True, text=True)


CHECK = ("pkeyutl", "-verify", "-rawin", "-certin", "-inkey", "certificate.pem",
         "-sigfile", SIGNATURE, "-in", FINGERPRINT)  # fmt: skip


def test_openssl_verifies_the_signature_and_refuses_a_changed_one(bundle: Path) -> None:
    done = openssl(bundle, *CHECK)
    assert (done.returncode, done.stdout.strip()) == (0, "Signature Verified Successfully")
    (bundle / FINGERPRINT).write_text("0" * 64 + f"  {TAGS}\n")
    assert openssl(bundle, *CHECK).returncode != 0


def test_openssl_and_the_verifier_name_the_same_certificate(bundle: Path) -> None:
    shown = openssl(bundle, "x509", "-in", "certificate.pem", "-noout", "-fingerprint", "-sha256")
    sha256 = shown.stdout.strip().split("=")[1].replace(":", "").lower()
    verdict = verify(bundle)
    assert verdict.signer is not None
    assert verdict.signer.sha256 == sha256
    assert verify(bundle, certificate=shown.stdout.strip().split("=")[1]).findings == []
    assert any(f"you were given: {sha256}; it calls itself" in line for line in told(verdict, "en"))


def test_another_certificate_than_the_one_told_is_a_finding(bundle: Path) -> None:
    assert [one.kind for one in verify(bundle, certificate="0" * 64).findings] == ["signer"]


def test_one_key_per_installation_made_once_private_and_audited(house: Any, out: Path) -> None:
    house.segment()
    first = house.export(out, 0, 4).signer
    again = house.export(out.with_name("again"), 0, 4).signer
    assert first.sha256 == again.sha256
    assert (house.directory.root / "keys" / SIGNING_KEY).stat().st_mode & 0o777 == 0o600
    with house.ledger.read() as tx:
        made = [row for row in audit.rows(tx, limit=100) if row.action == "evidence.key"]
    assert [json.loads(row.detail)["certificate_sha256"] for row in made] == [first.sha256]
    assert "PRIVATE" not in "".join(
        path.read_text("utf-8", "replace") for path in out.rglob("*") if path.is_file()
    )


def test_the_certificate_names_whom_the_settings_name(house: Any) -> None:
    house.directory.settings = Settings.model_validate({"evidence": {"signer": "北区分局 档案室"}})
    assert "CN=北区分局 档案室" in signer(house.directory, SOMEBODY).subject


@pytest.mark.parametrize("junk", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\n"])
def test_unreadable_key_is_no_reason_to_sign_with_another(house: Any, junk: bytes) -> None:
    (house.directory.root / "keys" / SIGNING_KEY).write_bytes(junk)
    with pytest.raises(DataLoss, match=r"evidence\.pem"):
        signer(house.directory, SOMEBODY)


# Forgers


def kinds(bundle: Path) -> list[str]:
    return [one.kind for one in verify(bundle).findings]


def test_stripped_signature_is_noticed(bundle: Path) -> None:
    (bundle / SIGNATURE).unlink()
    assert kinds(bundle) == ["missing"]
    (bundle / "certificate.pem").unlink()
    relist(bundle)
    assert kinds(bundle) == ["unsigned"]


def test_bundle_that_never_was_signed_says_so(bundle: Path) -> None:
    manifest = json.loads((bundle / "data/manifest.json").read_text())
    manifest["signature"] = None
    (bundle / "data/manifest.json").write_text(json.dumps(manifest))
    for name in (SIGNATURE, "certificate.pem"):
        (bundle / name).unlink()
    relist(bundle)
    verdict = verify(bundle)
    assert (verdict.findings, verdict.signer) == ([], None)
    assert "Unsigned: nothing in here shows who made it." in told(verdict, "en")
    assert "未签名：包内没有任何内容能表明由谁制作。" in told(verdict, "zh")


def test_signature_of_another_installation_is_told_apart(house: Any, bundle: Path) -> None:
    forger = signer(house.directory, SOMEBODY)
    due = verify(bundle).signer
    assert due is not None

    def sign() -> None:
        relist(bundle)
        (bundle / SIGNATURE).write_bytes(forger.key.sign((bundle / FINGERPRINT).read_bytes()))

    sign()  # under the certificate that was there
    assert kinds(bundle) == ["signature"]
    (bundle / "certificate.pem").write_text(forger.pem)
    sign()  # the manifest still names the certificate that was there
    assert kinds(bundle) == ["contradiction"]
    manifest = json.loads((bundle / "data/manifest.json").read_text())
    manifest["signature"] |= forger.document()
    (bundle / "data/manifest.json").write_text(json.dumps(manifest))
    sign()  # all of it made anew: only what was told apart from the bundle helps
    assert kinds(bundle) == []
    assert [one.kind for one in verify(bundle, certificate=due.sha256).findings] == ["signer"]
    manifest["signature"]["subject"] = "CN=City Police"
    (bundle / "data/manifest.json").write_text(json.dumps(manifest))
    sign()  # a name that the certificate does not bear
    assert verify(bundle).findings == [Finding("contradiction", "certificate.pem", "subject")]


@pytest.mark.parametrize("junk", [
    "", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nMIIBoDCCAVKgAwIBAgIUCo8k\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nMIT/////////////////////\n-----END CERTIFICATE-----\n",
])  # fmt: skip
def test_certificate_that_is_none_signs_nothing(bundle: Path, junk: str) -> None:
    (bundle / "certificate.pem").write_text(junk)
    relist(bundle)
    assert kinds(bundle) == ["signature"]
    assert verify(bundle).signer is None
