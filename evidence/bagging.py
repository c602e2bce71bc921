"""Makes a folder a BagIt bag, in a process of its own.

The bagit library changes the working directory of its process while it works. The threads of a
web server share theirs: two exports at once would write each other's manifests.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import bagit

from storage.durable import sha256_file

if TYPE_CHECKING:
    from evidence.signing import Signer

FINGERPRINT, TAGS = "fingerprint-sha256.txt", "tagmanifest-sha256.txt"
CERTIFICATE, SIGNATURE, STAMP = "certificate.pem", "fingerprint-sha256.txt.sig", "timestamp.tsr"
PROCESSES = max(1, min(4, os.cpu_count() or 1))  # that hash
WORTH_BYTES = 64 << 20  # with less, one has hashed it before others have started
VERIFIER = Path(__file__).with_name("verify_bundle.py")


def make_bag(folder: Path, info: Mapping[str, str], beside: Mapping[str, str]) -> str:
    """Move all of `folder` into its data/, hash it anew from disk, add the verifier.

    `beside` are texts to lie next to it, by name. Returns the fingerprint: the SHA-256 of the tag
    manifest, which stands for every file. OSError as the system gives it.
    """
    # -P and our own path: what lies in the working directory is never imported.
    places = os.pathsep.join(place for place in sys.path if place)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "evidence.bagging", str(folder)],
        input=json.dumps([dict(info), dict(beside)]), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": places},
    )  # fmt: skip
    if done.returncode:
        # The child's last line is an error number, or what bagit has to say.
        words = (done.stderr.strip().splitlines() or ["bagit"])[-1]
        raise OSError(int(words), folder.name) if words.isdigit() else OSError(words)
    return sha256_file(folder / TAGS)


def sign_bag(folder: Path, fingerprint: str, stamp: bytes | None, signer: Signer) -> None:
    """Add what no list can hold: the time stamp, the fingerprint file over both, its signature."""
    # In the form of sha256sum, so that `sha256sum -c` starts the chain of checks.
    text = f"{fingerprint}  {TAGS}\n"
    if stamp is not None:
        (folder / STAMP).write_bytes(stamp)
        text += f"{hashlib.sha256(stamp).hexdigest()}  {STAMP}\n"
    (folder / FINGERPRINT).write_bytes(text.encode())
    (folder / SIGNATURE).write_bytes(signer.key.sign(text.encode()))


def unmake_bag(folder: Path, keep: Collection[str]) -> None:
    """Bring those entries of data/ back up and remove everything else."""
    for entry in folder.iterdir():
        if entry.name != "data":
            entry.unlink()
    for entry in (folder / "data").iterdir():
        if entry.name in keep:
            entry.rename(folder / entry.name)
    shutil.rmtree(folder / "data")


def payload(folder: Path) -> dict[str, str]:
    """File → SHA-256, as the bag's manifest says."""
    lines = (folder / "manifest-sha256.txt").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _processes(folder: Path) -> int:
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return PROCESSES if size_bytes > WORTH_BYTES else 1


def _main(folder: str) -> int:
    try:
        info, beside = json.load(sys.stdin)
        bag = bagit.make_bag(folder, info, processes=_processes(Path(folder)), checksums=["sha256"])
        (Path(folder) / "verify.py").write_bytes(VERIFIER.read_bytes())
        for name, text in beside.items():
            (Path(folder) / name).write_bytes(text.encode())
        bag.save()  # once more, for the tag manifest to know these
        # bagit puts one blank between hash and name there; sha256sum wants two, as everywhere.
        tags = Path(folder) / TAGS
        lines = sorted(tags.read_text(encoding="utf-8").splitlines())
        tags.write_text("".join(f"{line.replace(' ', '  ', 1)}\n" for line in lines), "utf-8")
    except OSError as error:
        print(error.errno, file=sys.stderr)  # noqa: T201  the parent reads it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
