"""The data directory: opens settings, ledger, archive and keys as one; makes a new one."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from storage import audit
from storage.clock import Clock, SystemClock, rfc3339
from storage.durable import is_locked, make_directory, remove_empty_folders, remove_file, write_file
from storage.errors import Conflict, DataLoss, NotFound
from storage.ledger import CONNECTIONS, Ledger
from storage.people import add_user, one_time_password
from storage.settings import FILE_NAME, Settings, load_settings
from storage.vocabulary import Actor, Role
from storage.volume_keys import key_name
from storage.volumes import IDENTITY, Archive, Volume, known_volumes, make_volume, with_key

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

LEDGER = "ledger.db"
KEYS = "keys"
SEAL_KEY = "seal.key"  # signs seals over segment rows
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
    def made_of_segments(self) -> Path:
        """Where pictures made of segments lie, a folder of each; discardable."""
        return self.cache / "segments"

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
        from cryptography.fernet import Fernet  # megabytes: not before there is a password

        return Fernet(self.key("secrets.key"))

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()

    def is_running(self, job: str) -> bool:
        """Whether a process does `job` here now."""
        return is_locked(self.root / "run" / f"{job}.lock")

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


def open_directory(root: Path, clock: Clock | None = None, *, adopt: bool = False) -> DataDirectory:
    """Open an initialised data directory; migrates the ledger, verifies nothing else.

    NotFound when it was never initialised, Conflict when it is of another version, DataLoss when
    its ledger is gone: a lost ledger is replaced by a new one only with `adopt`, which also
    takes in volumes that the ledger does not know.
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
    ledger = _ledger(root, settings)
    try:
        if not adopt and ledger.is_new():
            raise DataLoss(
                "the ledger of {directory} is gone; restore it from your backup, or make a new one"
                " from the footage with `hindsight rebuild --adopt`. Nothing was changed",
                directory=root,
            )
        return _open(root, settings, ledger, clock, adopt=adopt)
    except BaseException:  # whatever it was, let go of the ledger's connections
        ledger.close()
        raise


def _ledger(root: Path, settings: Settings) -> Ledger:
    url = settings.ledger.url or f"sqlite:///{root / LEDGER}"
    # One for each request, and as many again for what runs beside them.
    connections = max(CONNECTIONS, 2 * settings.web.threads)
    return Ledger(url, on_full=lambda: release_ballast(root), connections=connections)


def _open(
    root: Path, settings: Settings, ledger: Ledger, clock: Clock, *, adopt: bool
) -> DataDirectory:
    ledger.migrate()
    with ledger.read() as tx:
        known = known_volumes(tx)
    volumes = {}
    for name, one in settings.volumes.items():
        if name in known:
            volume = Volume(name, root / one.path, known[name])
        else:
            # Only a name new to the ledger makes a volume; a lost disk is not remade.
            with ledger.write() as tx:
                volume = make_volume(tx, name, root / one.path, now_us=clock.now_us(), adopt=adopt)
        volumes[name] = with_key(volume, root / KEYS, encrypts=one.encrypt)
    return DataDirectory(root, settings, ledger, Archive(volumes), clock)


def init_directory(
    root: Path,
    *,
    administrator: str = "admin",
    lang: str = "en",
    clock: Clock | None = None,
    adopt: bool = False,
) -> tuple[DataDirectory, str]:
    """Make a data directory: keys, settings file, ledger, volume, first administrator.

    Returns it and the administrator's one-time password, which is kept nowhere. Conflict when
    there is one already; a failure leaves nothing behind. `adopt` takes in the footage that lies
    on the volumes the settings name.
    """
    root = root.absolute()
    clock = clock or SystemClock()
    if is_initialised(root):
        raise Conflict(
            "{directory} is a data directory already; nothing was changed", directory=root
        )
    if root.exists() and not root.is_dir():
        raise Conflict("{directory} is a file; name a directory", directory=root)
    if any((root / name).exists() for name in (LEDGER, "keys/secrets.key")):
        raise Conflict(
            "{directory} holds a ledger or keys but no format.json; it may be damaged or half"
            " copied. Nothing was changed",
            directory=root,
        )
    found = settings_file(root)
    settings = load_settings(found)
    made = [LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", "ballast", "keys/secrets.key",
            "keys/session.key", f"keys/{SEAL_KEY}"]  # fmt: skip
    made += [FILE_NAME] if found is None else []
    for name, one in settings.volumes.items():
        if not (root / one.path / IDENTITY).exists():
            made.append(str(one.path / IDENTITY))
        if one.encrypt and not (root / KEYS / key_name(name)).exists():
            made.append(f"{KEYS}/{key_name(name)}")
    boundary = root if root.exists() else root.parent
    if not root.exists():
        make_directory(root)
        root.chmod(0o750)  # whoever reads the ledger past the commands is asked for nothing
    if settings.ledger.url is None:
        (root / LEDGER).touch(mode=0o640)  # its journals are made with the same mode
    ledger = _ledger(root, settings)
    try:
        _make_keys(root)
        if found is None:
            write_file(root / FILE_NAME, _settings_template().encode())
        _write_ballast(root)
        directory = _open(root, settings, ledger, clock, adopt=adopt)
        password, now_us = one_time_password(), clock.now_us()
        with ledger.write() as tx:
            add_user(tx, administrator, password, Role.ADMINISTRATOR, created_us=now_us, lang=lang)
            actor = Actor(f"command line (uid {os.getuid()})")
            audit.record(tx, actor, "init", str(root), at_us=now_us)
        facts = {"format": FORMAT, "created": rfc3339(now_us)}
        write_file(root / "format.json", json.dumps(facts).encode())  # last: init is done
    except BaseException:  # also an interrupt must leave nothing half-made
        ledger.close()
        for name in made:
            remove_file(root / name)
            remove_empty_folders((root / name).parent, boundary)
        raise
    return directory, password


def _make_keys(root: Path) -> None:
    from cryptography.fernet import Fernet

    make_directory(root / "keys")
    (root / "keys").chmod(0o700)
    for name, data in (("secrets.key", Fernet.generate_key()), ("session.key", os.urandom(32))):
        write_file(root / "keys" / name, data, mode=0o600)
    make_seal_key(root)


def make_seal_key(root: Path) -> None:
    """A new Ed25519 key that signs seals."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    data = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    write_file(root / "keys" / SEAL_KEY, data, mode=0o600)


def release_ballast(root: Path) -> bool:
    """Free the ballast so that the ledger can commit on a full disk; True if there was one."""
    path = root / "ballast"
    if not remove_file(path):
        return False
    log.error("ballast released: the disk of %s is full", root)
    return True


def restore_ballast(root: Path) -> bool:
    """Put the ballast back once there is room for ten of it; True if it lies there."""
    if not (root / "ballast").exists() and shutil.disk_usage(root).free > 10 * BALLAST_BYTES:
        _write_ballast(root)
    return (root / "ballast").exists()


def _write_ballast(root: Path) -> None:
    """Random bytes: a file system that compresses or leaves holes must not save their room."""
    write_file(root / "ballast", os.urandom(BALLAST_BYTES))


def _settings_template() -> str:
    """Every setting with its default and meaning, commented out."""
    lines = ["# Hindsight settings; every line shows a default. See docs/ref/settings.md.", ""]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if name == "volumes":
            lines += ["# [volumes.main]", '# path = "volumes/main"', ""]
            continue
        if name == "webhooks":  # there is none by default
            lines += ["# An example:", "#   [webhooks.duty-desk]"]
            lines += ['#   url = "https://…"', '#   secret_file = "keys/duty-desk.secret"', ""]
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
