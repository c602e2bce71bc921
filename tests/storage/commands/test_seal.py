"""`hindsight seal`, `seal show`, `seal verify`."""

from __future__ import annotations

from storage.clock import SystemClock
from storage.seals import public_key
from tests.storage.media import CommandLine, House


def test_seals_are_made_shown_and_held_against_what_was_noted(
    house: House, hindsight: CommandLine
) -> None:
    house.footage("gate", 2)
    house.footage("square", 2)
    made = hindsight.json("seal")
    assert (len(made["seals"]), made["segments"], made["copies"]) == (2, 4, 2)
    house.segment("gate", SystemClock().now_us())  # commands go by the machine's clock
    assert "1, over 1 segments" in hindsight("seal").out
    shown = hindsight.json("seal", "show")
    assert [(s["camera"], s["number"]) for s in shown["seals"]] == [("gate", 2), ("square", 1)]
    key = public_key(shown["public_key"])
    for one in shown["seals"]:
        key.verify(bytes.fromhex(one["signature"]), bytes.fromhex(one["hash"]))
    assert len(hindsight.json("seal", "show", "--all", "--camera", "gate")["seals"]) == 2
    assert shown["seals"][0]["hash"] in hindsight("seal", "show").out
    assert hindsight("seal", "show", "--camera", "nobody").code == 3
    noted = [word for s in shown["seals"] for word in ("--noted", s["hash"])]
    assert hindsight.json("seal", "verify", *noted)["ok"] is True
    assert "3 seals" in hindsight("seal", "verify").out
    refused = hindsight("seal", "verify", "--noted", "ab" * 32)
    assert refused.code == 9
    assert "ab" * 32 in refused.out
