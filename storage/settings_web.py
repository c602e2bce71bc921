"""Settings of the web server, and of logging in at somebody else's door (OpenID Connect)."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from storage.settings_section import Section, is_this_machine
from storage.vocabulary import Role


class WebSettings(Section):
    """[web]"""

    host: str = Field(
        "127.0.0.1",
        description="address to listen on; loopback unless you put a TLS proxy in front",
    )
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0: any free one")
    proxies: list[str] = Field(
        [],
        description="addresses or networks of the proxies in front, such as"
        ' ["127.0.0.1", "10.1.0.0/24"]: only they are believed when they say where a request'
        " comes from (X-Forwarded-For) and that it came over TLS (X-Forwarded-Proto)",
    )
    session_hours: int = Field(12, ge=1, le=720, description="a login ends after, hours")
    idle_minutes: int = Field(
        60,
        ge=1,
        le=43_200,
        description="a login ends when nothing was asked for so long, minutes; an open board asks"
        " once a minute",
    )
    second_factor: list[Role] = Field(
        [],
        description="roles that need a second factor (codes of an authenticator app), such as"
        ' ["administrator"]; others may have one',
    )
    upload_bytes: int = Field(
        20_000_000, ge=100_000, description="largest picture taken as a query, bytes"
    )
    threads: int = Field(8, ge=2, le=128, description="requests answered at once")
    watermark: bool = Field(
        False,
        description="who looks, when and for which case, over the picture in the player: a"
        " photograph of the screen tells it; whoever controls the browser can remove it",
    )
    map_tiles: str = Field(
        "",
        description="what the map's cameras are drawn on: a PMTiles file or a folder of tiles"
        " (z/x/y.png), relative to the data directory; or a tile server, such as"
        " https://tiles.example/{z}/{x}/{y}.png, which every browser then asks, and which learns"
        " where people look; WGS 84 and not GCJ-02, Web Mercator; empty: plain ground with a grid",
    )
    map_zoom: int = Field(
        19, ge=1, le=22, description="closest zoom a tile server has; files and folders tell theirs"
    )
    map_credit: str = Field(
        "", max_length=200, description="whose map it is, as its licence wants it said on the map"
    )

    @field_validator("map_tiles", mode="after")
    @classmethod
    def _are_tiles(cls, value: str) -> str:
        return tile_server(value) if "://" in value else value

    @field_validator("proxies", mode="after")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                network = ipaddress.ip_network(text)
            except ValueError:
                raise ValueError(f"{text} is neither an address nor a network") from None
            if network.prefixlen == 0:
                raise ValueError(f"{text} is everybody: anyone could say to be anywhere")
        return value


class OidcSettings(Section):
    """[oidc]"""

    issuer: str | None = Field(
        None,
        description="OpenID Connect provider where people may log in, https, exactly as it calls"
        " itself; empty: none, people log in with passwords",
    )
    client_id: str = Field("", max_length=255, description="as the provider knows Hindsight")
    client_secret_file: Path | None = Field(
        None,
        description="file that holds the client secret; relative to the data directory; empty: the"
        " provider knows Hindsight as a public client",
    )
    public_url: str | None = Field(
        None,
        description="how browsers reach Hindsight, such as https://hindsight.example; at the"
        " provider, register it with /login/oidc/return to come back to, and with /login to come"
        " to after logging out",
    )
    ca_file: Path | None = Field(
        None,
        description="certificates (PEM) that vouch for the provider's; relative to the data"
        " directory; empty: those of the public authorities",
    )
    label: str = Field(
        "", max_length=60, description="what people know the provider as; empty: its host"
    )
    scopes: list[Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")]] = Field(
        ["openid", "profile"], description="what is asked of the provider; openid must be there"
    )
    timeout_s: float = Field(
        5, ge=0.2, le=60, description="give up on a provider that says nothing for so long, seconds"
    )
    create_people: bool = Field(
        False,
        description="who is new is made at their first login, with the role that role_claim says;"
        " otherwise an administrator links them before: `hindsight user link`",
    )
    name_claim: str = Field(
        "preferred_username",
        min_length=1,
        description="claim that names a person who is made; nobody is ever found by it",
    )
    role_claim: str = Field(
        "",
        description="claim that says the role (its values are looked up in roles), anew at each"
        " login: who has none there stays out; empty: roles are given here",
    )
    roles: dict[str, Role] = Field(
        {}, description="value of role_claim = role; of several, the one named first here"
    )
    department_claim: str = Field(
        "",
        description="claim that says the department (its values are looked up in departments), anew"
        " at each login; empty: departments are given here",
    )
    departments: dict[str, str] = Field(
        {}, description="value of department_claim = department; of several, the first named here"
    )
    second_factor_amr: list[str] = Field(
        [],
        description='values of the claim amr that count as a second factor, such as ["mfa"]; when'
        " none of them is there, Hindsight asks for its own factor where a person has one or"
        " needs one",
    )
    second_factor_acr: list[str] = Field(
        [], description="values of the claim acr that count as a second factor"
    )
    password_roles: list[Role] = Field(
        list(Role),
        description="roles that may log in with a password all the same; administrator must be"
        " there, for when the provider cannot be reached",
    )

    @field_validator("issuer", "public_url", mode="after")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        return None if value is None else safe_url(value)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if Role.ADMINISTRATOR not in self.password_roles:
            raise ValueError("password_roles must hold administrator")
        if bool(self.role_claim) != bool(self.roles):
            raise ValueError("role_claim and roles need one another")
        if bool(self.department_claim) != bool(self.departments):
            raise ValueError("department_claim and departments need one another")
        if self.issuer is None:
            if set(self.password_roles) != set(Role):
                raise ValueError("password_roles needs an issuer, or some could not log in at all")
            return self
        if not self.client_id or self.public_url is None:
            raise ValueError("an issuer needs client_id and public_url")
        if "openid" not in self.scopes:
            raise ValueError("scopes must hold openid")
        if self.create_people and not self.role_claim:
            raise ValueError("create_people needs role_claim and roles: what may who is new?")
        return self

    @property
    def shown_label(self) -> str:
        """What people know the provider as."""
        return self.label or urlsplit(self.issuer or "").hostname or ""


def tile_server(text: str) -> str:
    """`text` if it is the address of tiles: https (http: of this machine), with {z}, {x} and {y}.

    ValueError otherwise. Its scheme, host and port are what the browsers are allowed to ask.
    """
    base, _, query = text.partition("?")
    try:
        safe_url(base)
        host = urlsplit(base).hostname or ""
    except ValueError as error:
        raise ValueError(f"{error}; it may hold a query after the path") from None
    if not re.fullmatch(r"[A-Za-z0-9.:-]+", host) or not re.fullmatch(r"[!-~]*", query):
        raise ValueError("the tile server must be one host, named in printable ASCII")
    if set(re.findall(r"{(.*?)}", text)) != {"z", "x", "y"}:
        raise ValueError("the address of tiles must hold {z}, {x} and {y}, and nothing else in {}")
    return text


def safe_url(text: str) -> str:
    """`text` if it is an https address (http: of this machine) without password, query, fragment.

    ValueError otherwise.
    """
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the address cannot be read") from None
    if not text.isascii() or any(ch.isspace() or not ch.isprintable() for ch in text):
        raise ValueError("the address must be printable ASCII without blanks")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("the address must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("the address must hold no user, password, query or fragment")
    if parts.scheme == "http" and not is_this_machine(host):
        raise ValueError("http reaches this machine only; use https")
    return text
