"""A crash storm: recorder, indexer and writers of the ledger killed at random instants.

storm = Storm(folder, seed=1)
storm.rage(500)
toll = storm.reckon()

Processes are those started here and their children, each killed by its number.
"""

from __future__ import annotations

import calendar
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from storage.clock import US
from storage.directory import DataDirectory
from storage.durable import OPEN_SUFFIX, is_locked
from storage.fragments import scan
from storage.vocabulary import Camera
from tests.damage.aftermath import faults
from tests.damage.witness import Witness
from tests.servers.clips import make_clip
from tests.servers.recording import CHECKOUT, Recording, alive, kill, until

FRAGMENT_S, GOP_S = 1.0, 1.0
LEAST_S, MOST_S = 0.05, 1.5  # between two kills
CALM_S = (4.0, 9.0)  # now and then longer, so that segments close and are indexed
CALM = 0.1  # how often
SHORT_DAYS = 30 / 86_400  # the promise of every other camera: its footage expires meanwhile
END_S = 120.0  # for the last start to take in what lies there
# Who is killed, and how often. The nursery is the child of `record` that forks capture processes.
AIMS = {
    "capture": 8, "record": 3, "nursery": 1, "index": 2, "custody": 2, "keeping": 3, "all": 2
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Struck:
    """A camera that was being recorded when its process was killed."""

    camera: Camera
    at_us: int
    since_us: int  # where the segment that was open began


@dataclass(slots=True)
class Toll:
    """What the storm did, and what it cost."""

    kills: int = 0  # instants at which something was killed
    processes: Counter[str] = field(default_factory=Counter)  # that were killed, by kind
    closed: int = 0  # segments whose rows were seen
    recovered: int = 0
    expired: int = 0
    indexed: int = 0
    lost: list[str] = field(default_factory=list)  # closed segments that are not what they were
    wrong: list[str] = field(default_factory=list)  # rows that say what is not so, and the like
    losses_ms: list[float] = field(default_factory=list)  # of each open segment, up to the kill
    torn_ms: list[float] = field(default_factory=list)  # of it, what was whole before the kill
    unasked: list[str] = field(default_factory=list)  # processes that ended by themselves

    @property
    def worst_loss_ms(self) -> float:
        """Of an open segment, milliseconds up to the instant of the kill."""
        return max(self.losses_ms, default=0.0)

    @property
    def worst_torn_ms(self) -> float:
        """Of what was whole on the disk, milliseconds; nothing may be lost of that."""
        return max(self.torn_ms, default=0.0)


class Storm:
    """An archive of its own with cameras that never end, and everything that writes to it."""

    def __init__(
        self, folder: Path, seed: int, *, cameras: int = 4, index: bool = True,
        short_days: float = SHORT_DAYS,
    ) -> None:  # fmt: skip
        self.seed = seed
        self.toll = Toll()
        self._chance = random.Random(seed)
        names = [f"c{n}" for n in range(cameras)]
        promises = "".join(f"c{n} = {short_days:.9f}\n" for n in range(0, cameras, 2))
        self.made = Recording(
            folder / "data", f"every_s = 2\n[retention.camera_days]\n{promises}", per_process=2,
        )  # fmt: skip
        clips = [
            make_clip(folder / f"{n}.mp4", seed=n, audio="aac" if n == 1 else None)
            for n in range(cameras)
        ]
        self.cameras = [
            self.made.add(name, f"{clip.as_uri()}?loop=1")
            for name, clip in zip(names, clips, strict=True)
        ]
        self._argv = {"record": self.hindsight("record")}
        if index:
            self._argv["index"] = self.hindsight("index", "--follow")
        for role in ("custody", "keeping"):
            self._argv[role] = [
                sys.executable, "-m", "tests.damage.storm_writer", str(self.made.root), str(seed),
                role,
            ]  # fmt: skip
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._struck: list[Struck] = []
        self._whole_s: dict[str, float] = {}  # name of an open segment → as far as it was whole
        self.witness = Witness(self.made.root / "ledger.db", self.volume)
        # Who comes after a kill of all must find the ledger as it was left: we hold it open no
        # more than the witness does.
        self.directory.ledger.close()

    @property
    def directory(self) -> DataDirectory:
        """Of the archive."""
        return self.made.directory

    @property
    def volume(self) -> Path:
        """Where its footage lies."""
        return self.directory.archive.volume("main").root

    def hindsight(self, *words: str) -> list[str]:
        """The command line of a command on this archive."""
        return [sys.executable, "-m", "hindsight", "--data", str(self.made.root), *words]

    def rage(self, kills: int) -> None:
        """Kill so many times, at random instants; what was killed is started again at once."""
        self.witness.start()
        for role in self._argv:
            self._start(role)
        while self.toll.kills < kills:
            calm = self._chance.random() < CALM
            time.sleep(self._chance.uniform(*(CALM_S if calm else (LEAST_S, MOST_S))))
            self._strike()
            for role in self._argv:
                self._start(role)

    def reckon(self) -> Toll:
        """Kill all once more, start everything once, stop it well, and look at what is there."""
        self._strike("all")
        self._start("record")
        until(self._all_recorded, END_S, "all cameras are recorded again")
        code = self._end("record")
        if code:
            self.toll.wrong.append(f"`hindsight record` ended with {code}")
        last = ["retain", "seal", *(["index"] if "index" in self._argv else [])]
        for command in last:
            with self.made.log.open("ab") as log:
                done = subprocess.run(
                    self.hindsight(command), cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=log
                )
            if done.returncode:
                self.toll.wrong.append(f"`hindsight {command}` ended with {done.returncode}")
        self.witness.close()
        self.witness.look()
        self.witness.look_at_all()
        self._count()
        self.toll.lost += [f"{key}: {how}" for key, how in self.witness.lost.items()]
        self.toll.wrong += [f"{key}: {how}" for key, how in self.witness.wrong.items()]
        checked = subprocess.run(
            self.hindsight("check", "--level", "hash", "--json"), cwd=CHECKOUT,
            capture_output=True, check=False,
        )  # fmt: skip
        self.toll.wrong += faults(self.directory, self.cameras, json.loads(checked.stdout))
        return self.toll

    def close(self) -> None:
        """Leave nothing running."""
        self.witness.close() if self.witness.is_alive() else None
        for process in self._running.values():
            process.kill()
            process.wait()
        for pid in self._recorders():
            kill(pid)
        self.made.close()

    def _start(self, role: str) -> None:
        process = self._running.get(role)
        if process is not None:
            code = process.poll()
            if code is None:
                return
            if code != -signal.SIGKILL:
                self.toll.unasked.append(f"{role} ended with {code}")
        with self.made.log.open("ab") as log:
            self._running[role] = subprocess.Popen(
                self._argv[role], cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip

    def _end(self, role: str) -> int:
        process = self._running.pop(role)
        process.send_signal(signal.SIGINT)
        return process.wait(60)

    def _strike(self, aim: str = "") -> None:
        """Kill somebody, after noting what is being written and by whom."""
        alive_now = {role: one.pid for role, one in self._running.items() if one.poll() is None}
        below = self._recorders()
        nurseries = {pid for pid in below if self._is_nursery(pid)}
        captures = sorted(below.keys() - nurseries)
        aims = {"all", *alive_now}
        aims |= {"capture"} if captures else set()
        aims |= {"nursery"} if nurseries else set()
        ranked = sorted(aims)
        aim = aim or self._chance.choices(ranked, [AIMS[role] for role in ranked])[0]
        if aim == "capture":
            doomed = {self._chance.choice(captures): aim}
        elif aim == "nursery":
            doomed = {nurseries.pop(): aim}
        elif aim == "all":
            doomed = {pid: role for role, pid in alive_now.items()}
            doomed |= dict.fromkeys(captures, "capture") | dict.fromkeys(nurseries, "nursery")
        else:
            doomed = {alive_now[aim]: aim}
        self.witness.look()
        self._note({camera for pid in doomed for camera in below.get(pid, ())})
        for pid, role in doomed.items():
            if alive(pid):
                kill(pid)
                self.toll.processes[role] += 1
        self.toll.kills += 1
        for process in self._running.values():
            if process.pid in doomed:
                process.wait()
        until(lambda: not any(map(alive, doomed)), 10, "who was killed is gone")

    def _note(self, struck: set[int]) -> None:
        """What of each open segment is whole; last, so that it is as young as can be."""
        for camera in self.cameras:
            since = []
            for path in (self.volume / camera.slug).glob(f"*/*/*.mp4{OPEN_SUFFIX}"):
                try:
                    whole_s = scan(path).end_s
                    if is_locked(path):
                        since.append(_begin_us(path))
                except FileNotFoundError:  # published this instant
                    continue
                self._whole_s[path.name.removesuffix(OPEN_SUFFIX)] = whole_s
            if since and camera.id in struck:
                now_us = self.directory.clock.now_us()
                self._struck.append(Struck(camera, now_us, min(since)))

    def _recorders(self) -> dict[int, set[int]]:
        """Processes below `hindsight record`, orphans included → the cameras whose locks they
        hold: capture processes, and the nursery that forks them."""
        root, found = str(self.made.root), {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode().split("\0")
                if root not in words or not {"record", "recorder.capture"} & {*words}:
                    continue
                held = [handle.readlink() for handle in (folder / "fd").iterdir()]
            except OSError:  # it just ended
                continue
            locks = {str(path) for path in held}
            found[int(folder.name)] = {
                camera.id for camera in self.cameras
                if f"{root}/run/capture-{camera.id}.lock" in locks
            }  # fmt: skip
        supervisor = self._running.get("record")
        if supervisor is not None:
            found.pop(supervisor.pid, None)
        return {pid: cameras for pid, cameras in found.items() if alive(pid)}

    def _is_nursery(self, pid: int) -> bool:
        supervisor = self._running.get("record")
        try:
            parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            return False
        return supervisor is not None and int(parent) == supervisor.pid

    def _all_recorded(self) -> bool:
        """Whether every camera has a segment open again, and nothing waits to be adopted."""
        for camera in self.cameras:
            there = list((self.volume / camera.slug).glob(f"*/*/*{OPEN_SUFFIX}"))
            try:
                if len(there) != 1 or not is_locked(there[0]) or scan(there[0]).end_s < GOP_S:
                    return False
            except FileNotFoundError:
                return False
        return True

    def _count(self) -> None:
        rows = self.witness.rows()
        self.toll.closed = len(self.witness.seen)
        self.toll.recovered = sum(said.recovered for said, _ in rows.values())
        self.toll.expired = sum(state == "expired" for _, state in rows.values())
        [(self.toll.indexed,)] = self.witness.ask(
            "SELECT count(*) FROM index_work WHERE state = 'done'"
        )
        kept_us = {Path(said.path).name: said.duration_us for said, _ in rows.values()}
        self.toll.torn_ms = [
            max(0, round(whole_s * US) - kept_us.get(name, 0)) / 1000
            for name, whole_s in self._whole_s.items()
        ]
        for one in self._struck:
            ends = [
                said.end_us for said, _ in rows.values()
                if said.camera_id == one.camera.id and said.start_us < one.at_us
            ]  # fmt: skip
            kept_to_us = max([*ends, one.since_us])
            self.toll.losses_ms.append(max(0, one.at_us - kept_to_us) / 1000)


def _begin_us(path: Path) -> int:
    """Where a segment begins, from its name."""
    stamp = path.name.partition("_")[0]
    day, _, clock = stamp.removesuffix("Z").partition("T")
    whole, _, ms = clock.partition(".")
    return calendar.timegm(time.strptime(day + whole, "%Y%m%d%H%M%S")) * US + int(ms) * 1000
