"""The register of cameras: add, find, change; credentials sealed and kept apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage import schema
from storage.clock import zone
from storage.errors import Conflict, DataLoss, Invalid, NotFound
from storage.i18n import N_
from storage.vocabulary import Camera

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

CHANGEABLE = (
    "name", "url", "site", "site_class", "gb_code", "department", "address",
    "lon", "lat", "view_deg", "vendor", "tz", "retention_class", "enabled", "sensitive",
)  # fmt: skip
_COLUMNS = [schema.camera.c[one.name] for one in fields(Camera)]  # every question reads them all
UNKNOWN_CAMERA = N_("camera {camera} is not registered; `hindsight camera list` shows the register")
# Characters, as the ledger's columns have room for.
LONGEST = {
    "name": 200, "url": 2000, "site": 400, "department": 200, "address": 400, "vendor": 200,
    "retention_class": 40,
}  # fmt: skip


def slug_of(name: str) -> str:
    """A folder-safe name: letters and digits of any script, '-' between, at most 60 bytes."""
    text = unicodedata.normalize("NFKC", name).lower()
    slug = re.sub(r"[\W_]+", "-", text).strip("-")
    slug = slug.encode()[:60].decode(errors="ignore").strip("-")
    if not slug:
        raise Invalid("camera name {name} has no letter or digit; give it one", name=repr(name))
    return slug


def add_camera(
    tx: Connection,
    *,
    name: str,
    url: str | None,
    created_us: int,
    credentials: tuple[str, str] | None = None,
    vault: Fernet | None = None,
    **facts: Any,
) -> Camera:
    """Register a camera. Conflict if its name or GB code is taken, Invalid on a bad value."""
    slug = slug_of(name)
    values: dict[str, Any] = {"site": "", "site_class": 3, "tz": "UTC", "enabled": True}
    values |= {key: value for key, value in facts.items() if value is not None}
    values |= {"name": name.strip(), "url": url}
    check_facts(values)
    values |= {"slug": slug, "created_us": created_us}
    try:
        with tx.begin_nested():
            made = Camera(
                *tx.execute(insert(schema.camera).values(**values).returning(*_COLUMNS)).one()
            )
    except IntegrityError as error:
        taken = "gb_code" if "gb_code" in str(error.orig) else "name"
        raise Conflict(
            "camera {camera} is already registered (same {field}); nothing was changed,"
            " `hindsight camera set` changes one",
            camera=slug, field=taken,
        ) from None  # fmt: skip
    if credentials:
        if vault is None:
            raise ValueError("credentials need a vault")  # never drop a password silently
        _seal(tx, made.id, credentials, vault)
    return made


def set_camera(tx: Connection, camera: Camera, **facts: Any) -> Camera:
    """Change facts of a camera; its slug and history stay."""
    unknown = set(facts) - set(CHANGEABLE)
    if unknown:
        raise Invalid("camera has no field {field}", field=", ".join(sorted(unknown)))
    check_facts(facts)
    if facts:
        try:
            with tx.begin_nested():
                tx.execute(
                    update(schema.camera).where(schema.camera.c.id == camera.id).values(**facts)
                )
        except IntegrityError:
            raise Conflict(
                "GB code {code} belongs to another camera; nothing was changed",
                code=facts.get("gb_code"),
            ) from None
    return camera_by_id(tx, camera.id)


def cameras(tx: Connection, *, enabled: bool | None = None) -> list[Camera]:
    """All cameras by slug."""
    query = select(*_COLUMNS).order_by(schema.camera.c.slug)
    if enabled is not None:
        query = query.where(schema.camera.c.enabled == enabled)
    return [Camera(*row) for row in tx.execute(query)]


def any_sensitive(tx: Connection) -> bool:
    """Whether a second person has to approve looks at some camera."""
    query = select(schema.camera.c.id).where(schema.camera.c.sensitive).limit(1)
    return tx.execute(query).first() is not None


def camera_by_id(tx: Connection, camera_id: int) -> Camera:
    """The camera with this key."""
    row = (
        tx.execute(select(schema.camera).where(schema.camera.c.id == camera_id)).mappings().first()
    )
    if row is None:
        raise NotFound("camera number {number} is not registered", number=camera_id)
    return _camera(row)


def find_camera(tx: Connection, name: str, among: Callable[[Camera], bool] | None = None) -> Camera:
    """By slug, by the name people use, or by GB code; only `among` these are there any."""
    c = schema.camera.c
    query = select(schema.camera).where(
        (c.slug == name) | (c.name == name) | (c.gb_code == name) | (c.slug == _try_slug(name))
    )
    found = [_camera(row) for row in tx.execute(query).mappings()]
    if among is not None:
        found = [camera for camera in found if among(camera)]
    exact = [camera for camera in found if camera.slug == name] or found
    if len(exact) > 1:
        raise Conflict(
            "{camera} means several cameras ({slugs}); name one of them",
            camera=name, slugs=", ".join(sorted(camera.slug for camera in exact)),
        )  # fmt: skip
    if not exact:
        raise NotFound(UNKNOWN_CAMERA, camera=name)
    return exact[0]


def find_cameras(
    tx: Connection,
    names: Sequence[str],
    sites: Sequence[str] = (),
    among: Callable[[Camera], bool] | None = None,
) -> list[Camera]:
    """Cameras by name and by site subtree; all of them when neither is given.

    With both, a camera must satisfy both. Only `among` these are there any. NotFound names the
    first unknown camera or site.
    """
    everything = cameras(tx)
    if among is not None:
        everything = [camera for camera in everything if among(camera)]
    slugs = {camera.slug: camera for camera in everything}  # a thousand names are one question
    chosen = everything
    if names:
        chosen = [slugs.get(name) or find_camera(tx, name, among) for name in names]
    if sites:
        for site in sites:
            if not any(in_site(camera.site, site) for camera in everything):
                raise NotFound(
                    "site {site} holds no camera; `hindsight camera list` shows the sites",
                    site=site,
                )
        chosen = [cam for cam in chosen if any(in_site(cam.site, site) for site in sites)]
    return sorted({cam.id: cam for cam in chosen}.values(), key=lambda cam: cam.slug)


def in_site(site: str, subtree: str) -> bool:
    """Whether `site` lies in `subtree` ('a/b' holds 'a/b' and 'a/b/c', not 'a/bc')."""
    wanted = subtree.strip("/")
    return site == wanted or site.startswith(wanted + "/")


def set_credentials(
    tx: Connection, camera_id: int, credentials: tuple[str, str] | None, vault: Fernet
) -> None:
    """Seal and keep user and password of a camera; None forgets them."""
    tx.execute(delete(schema.credential).where(schema.credential.c.camera_id == camera_id))
    if credentials:
        _seal(tx, camera_id, credentials, vault)


def _seal(tx: Connection, camera_id: int, credentials: tuple[str, str], vault: Fernet) -> None:
    sealed = vault.encrypt("\0".join(credentials).encode())
    tx.execute(insert(schema.credential).values(camera_id=camera_id, sealed=sealed))


def cameras_with_credentials(tx: Connection) -> set[int]:
    """Keys of the cameras that have user and password."""
    return set(tx.execute(select(schema.credential.c.camera_id)).scalars())


def credentials_of(
    tx: Connection, camera_id: int, vault: Callable[[], Fernet]
) -> tuple[str, str] | None:
    """(user, password) of a camera. DataLoss when the key no longer opens them."""
    sealed = tx.execute(
        select(schema.credential.c.sealed).where(schema.credential.c.camera_id == camera_id)
    ).scalar()
    if sealed is None:
        return None
    from cryptography.fernet import InvalidToken  # megabytes: not before there is a password

    try:
        user, password = vault().decrypt(sealed).decode().split("\0", 1)
    except InvalidToken:
        raise DataLoss(
            "the password of camera number {number} cannot be unsealed: keys/secrets.key is not"
            " the key it was sealed with; set it again with `hindsight camera set`",
            number=camera_id,
        ) from None
    return user, password


def _try_slug(name: str) -> str:
    try:
        return slug_of(name)
    except Invalid:
        return name


def check_facts(values: dict[str, Any]) -> None:
    """Invalid when a fact of a camera is out of range; tidies `site` and `name` in place."""
    for field, longest in LONGEST.items():
        text = values.get(field)
        if text is not None and (len(text) > longest or _has_control(text)):
            raise Invalid(
                "{field} {value} must be one line of at most {longest} characters",
                field=field, value=repr(text[:40]), longest=longest,
            )  # fmt: skip
    if "name" in values:
        slug_of(values["name"])
        values["name"] = values["name"].strip()
    if (tz := values.get("tz")) is not None:
        zone(tz)
    if (code := values.get("gb_code")) is not None and not re.fullmatch(r"[0-9]{20}", code):
        raise Invalid("GB code {code} must have 20 digits", code=code)
    if (site_class := values.get("site_class")) is not None and site_class not in (1, 2, 3):
        raise Invalid("site class {value} must be 1, 2 or 3", value=site_class)
    if (lat := values.get("lat")) is not None and not -90 <= lat <= 90:
        raise Invalid("latitude {value} must lie in -90…90 degrees", value=lat)
    if (lon := values.get("lon")) is not None and not -180 <= lon <= 180:
        raise Invalid("longitude {value} must lie in -180…180 degrees", value=lon)
    if (view := values.get("view_deg")) is not None and not 0 <= view < 360:
        raise Invalid("view direction {value} must lie in 0…360 degrees", value=view)
    if (site := values.get("site")) is not None:
        values["site"] = "/".join(part.strip() for part in site.split("/") if part.strip())


def _has_control(text: str) -> bool:
    """Control characters, line breaks, lone surrogates; a Chinese blank (U+3000) is none."""
    return any(unicodedata.category(ch) in ("Cc", "Cs", "Zl", "Zp") for ch in text)


def _camera(row: RowMapping) -> Camera:
    return Camera(**dict(row))
