"""Makes a folder a BagIt bag, in a process of its own.

The bagit library changes the working directory of its process while it works. The threads of a
web server share theirs: two exports at once would write each other's manifests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import bagit

from storage.durable import sha256_file

FINGERPRINT, TAGS = "fingerprint-sha256.txt", "tagmanifest-sha256.txt"
VERIFIER = Path(__file__).with_name("verify_bundle.py")


def make_bag(folder: Path, info: Mapping[str, str]) -> str:
    """Move all of `folder` into its data/, hash it anew from disk, add the verifier.

    Returns the fingerprint: the SHA-256 of the tag manifest, which stands for every file.
    OSError as the system gives it.
    """
    # -P and our own path: what lies in the working directory is never imported.
    places = os.pathsep.join(place for place in sys.path if place)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "evidence.bagging", str(folder)],
        input=json.dumps(dict(info)), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": places},
    )  # fmt: skip
    if done.returncode:
        # The child's last line is an error number, or what bagit has to say.
        words = (done.stderr.strip().splitlines() or ["bagit"])[-1]
        raise OSError(int(words), folder.name) if words.isdigit() else OSError(words)
    fingerprint = sha256_file(folder / TAGS)
    # In the form of sha256sum, so that `sha256sum -c` starts the chain of checks.
    (folder / FINGERPRINT).write_text(f"{fingerprint}  {TAGS}\n", encoding="utf-8")
    return fingerprint


def payload(folder: Path) -> dict[str, str]:
    """File → SHA-256, as the bag's manifest says."""
    lines = (folder / "manifest-sha256.txt").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _main(folder: str) -> int:
    try:
        bag = bagit.make_bag(folder, json.load(sys.stdin), checksums=["sha256"])
        (Path(folder) / "verify.py").write_bytes(VERIFIER.read_bytes())
        bag.save()  # once more, for the tag manifest to know verify.py
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
