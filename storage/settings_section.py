"""What every section of hindsight.toml is, and what the sections agree on."""

from __future__ import annotations

import ipaddress

from pydantic import BaseModel, ConfigDict, field_validator


class Section(BaseModel):
    """Unknown keys are errors; nothing changes once it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator(
        "url", "checkpoint", "tsa_url", "tsa_roots", "issuer", "client_secret_file", "public_url",
        "ca_file", mode="before", check_fields=False,
    )  # fmt: skip
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        """TOML has no null: the template writes "" for it."""
        return None if value == "" else value


def is_this_machine(host: str | None) -> bool:
    """Whether a host of an address is loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
