"""The data directory: opens settings, ledger, archive and keys as one; makes a new one."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet

from storage import audit
from storage.clock import Clock, SystemClock, rfc3339
from storage.durable import make_directory, write_file
from storage.errors import Conflict, DataLoss, NotFound
from storage.ledger import Ledger
from storage.people import add_user, one_time_password
from storage.settings import FILE_NAME, Settings, load_settings
from storage.vocabulary import Actor, Role
from storage.volumes import Archive, open_volume

FORMAT = 1  # of the data directory; another number is refused, never guessed at
BALLAST_BYTES = 16 << 20  # freed when the disk is full, so that the ledger can still commit
log = logging.getLogger(__name__)


class DataDirectory:
    """Everything of one installation: `settings`, `ledger`, `archive`, `clock`, paths and keys."""

    def __init__(
        self, root: Path, settings: Settings, ledger: Ledger, archive: Archive, clock: Clock
    ) -> None:
        self.root = root
        self.settings = settings
        self.ledger = ledger
        self.archive = archive
        self.clock = clock

    @property
    def lake(self) -> Path:
        """Where Parquet parts lie."""
        return self.root / "lake"

    @property
    def index(self) -> Path:
        """Where FAISS shards lie; all of it can be deleted."""
        return self.root / "index"

    @property
    def cache(self) -> Path:
        """Derived pictures and playable views; all of it can be deleted."""
        return self.root / "cache"

    def key(self, name: str) -> bytes:
        """The bytes of keys/<name>, made by `init`."""
        try:
            return (self.root / "keys" / name).read_bytes()
        except FileNotFoundError:
            raise DataLoss(
                "key {key} is missing from {directory}/keys; restore it from your backup",
                key=name, directory=self.root,
            ) from None  # fmt: skip

    def vault(self) -> Fernet:
        """Seals and unseals camera credentials."""
        return Fernet(self.key("secrets.key"))

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()

    @contextmanager
    def exclusive(self, job: str) -> Iterator[None]:
        """Only one process at a time does `job` here; Conflict for the second."""
        make_directory(self.root / "run")
        with (self.root / "run" / f"{job}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    "another `hindsight {job}` works on {directory}; wait for it or stop it",
                    job=job, directory=self.root,
                ) from None  # fmt: skip
            yield


def settings_file(root: Path) -> Path | None:
    """$HINDSIGHT_CONFIG, else hindsight.toml in the data directory, else beside it."""
    if named := os.environ.get("HINDSIGHT_CONFIG"):
        path = Path(named)
        if not path.is_file():
            raise NotFound("settings file {file} (HINDSIGHT_CONFIG) does not exist", file=path)
        return path
    for candidate in (root / FILE_NAME, root.parent / FILE_NAME):
        if candidate.is_file():
            return candidate
    return None


def is_initialised(root: Path) -> bool:
    """Whether `init` finished here."""
    return (root / "format.json").is_file()


def open_directory(root: Path, clock: Clock | None = None) -> DataDirectory:
    """Open an initialised data directory; migrates the ledger, verifies nothing else.

    NotFound when it was never initialised, Conflict when it is of another version.
    """
    root = root.absolute()
    clock = clock or SystemClock()
    if not is_initialised(root):
        raise NotFound(
            "{directory} is not a data directory; `hindsight --data {directory} init` makes one",
            directory=root,
        )
    try:
        found = json.loads((root / "format.json").read_bytes())["format"]
    except (ValueError, KeyError, TypeError):
        raise DataLoss(
            "{file} cannot be read; restore it from your backup", file=root / "format.json"
        ) from None
    if found != FORMAT:
        raise Conflict(
            "{directory} has format {found}, this Hindsight writes format {ours}; use the version"
            " that made it, nothing was changed",
            directory=root, found=found, ours=FORMAT,
        )  # fmt: skip
    settings = load_settings(settings_file(root))
    return _open(root, settings, clock)


def _open(root: Path, settings: Settings, clock: Clock) -> DataDirectory:
    ledger = Ledger(settings.ledger.url or f"sqlite:///{root / 'ledger.db'}")
    ledger.migrate()
    volumes = {}
    with ledger.write() as tx:
        for name, one in settings.volumes.items():
            # Only `init` and a name new to the ledger make a volume; a lost disk is not remade.
            volumes[name] = open_volume(
                tx, name, root / one.path, now_us=clock.now_us(), create=True
            )
    return DataDirectory(root, settings, ledger, Archive(volumes), clock)


def init_directory(
    root: Path, *, administrator: str = "admin", lang: str = "en", clock: Clock | None = None
) -> tuple[DataDirectory, str]:
    """Make a data directory: keys, settings file, ledger, volume, first administrator.

    Returns it and the administrator's one-time password, which is kept nowhere. Conflict when
    there is one already; NotFound/Invalid for bad settings, before anything is made.
    """
    root = root.absolute()
    clock = clock or SystemClock()
    if is_initialised(root):
        raise Conflict(
            "{directory} is a data directory already; nothing was changed", directory=root
        )
    if root.exists() and not root.is_dir():
        raise Conflict("{directory} is a file; name a directory", directory=root)
    if root.exists() and (root / "ledger.db").exists():
        raise Conflict(
            "{directory} holds a ledger but no format.json; it may be damaged or half copied."
            " Nothing was changed",
            directory=root,
        )
    found = settings_file(root)
    settings = load_settings(found)
    make_directory(root)
    make_directory(root / "keys")
    os.chmod(root / "keys", 0o700)
    for name, data in (("secrets.key", Fernet.generate_key()), ("session.key", os.urandom(32))):
        write_file(root / "keys" / name, data, mode=0o600)
    if found is None:
        write_file(root / FILE_NAME, _settings_template().encode())
    _write_ballast(root)
    directory = _open(root, settings, clock)
    password = one_time_password()
    now_us = clock.now_us()
    with directory.ledger.write() as tx:
        add_user(tx, administrator, password, Role.ADMINISTRATOR, created_us=now_us, lang=lang)
        actor = Actor(f"command line (uid {os.getuid()})")
        audit.record(tx, actor, "init", str(root), at_us=now_us)
    facts = {"format": FORMAT, "created": rfc3339(now_us)}
    write_file(root / "format.json", json.dumps(facts).encode())  # last: init is done
    return directory, password


def release_ballast(root: Path) -> bool:
    """Free the ballast so that the ledger can commit on a full disk; True if there was one."""
    path = root / "ballast"
    if not path.exists():
        return False
    path.unlink()
    log.error("ballast released: the disk of %s is full", root)
    return True


def _write_ballast(root: Path) -> None:
    write_file(root / "ballast", os.urandom(BALLAST_BYTES))


def _settings_template() -> str:
    """Every setting with its default and meaning, commented out."""
    lines = ["# Hindsight settings; every line shows a default. See docs/ref/settings.md.", ""]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if name == "volumes":
            lines += ["# [volumes.main]", '# path = "volumes/main"', ""]
            continue
        lines.append(f"# [{name}]")
        for key, inner in type(default).model_fields.items():
            value = getattr(default, key)
            text = (
                {None: '""', True: "true", False: "false"}.get(value)
                if value is None or isinstance(value, bool)
                else json.dumps(value if not isinstance(value, Path) else str(value))
            )
            lines += [f"# {inner.description}", f"# {key} = {text}"]
        lines.append("")
    return "\n".join(lines)
