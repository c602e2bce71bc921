"""Events: kept in order, found by camera, span and kind, forgotten when they are old."""

from __future__ import annotations

from sqlalchemy import insert

from storage import schema
from storage.commands.events import sentence
from storage.events import SENTENCES, EventKind, events, note, prune
from storage.i18n import use_language
from tests.storage.media import START_US, US, CommandLine, House


def noted(house: House) -> tuple[int, int]:
    """Two cameras, a volume and the archive, an event each."""
    gate, yard = house.camera("gate").id, house.camera("yard").id
    with house.ledger.write() as tx:
        note(tx, EventKind.RECORDER_STARTED, START_US)
        note(tx, EventKind.RECORDING_BEGAN, START_US + US, camera_id=gate)
        note(tx, EventKind.VOLUME_REFUSES, START_US + 2 * US, volume="main", detail="full")
        note(tx, EventKind.RECORDING_LOST, START_US + 3 * US, camera_id=yard, detail="x" * 900)
    return gate, yard


def test_events_are_found_by_camera_span_and_kind_newest_first(house: House) -> None:
    gate, yard = noted(house)
    with house.ledger.read() as tx:
        assert [one.camera for one in events(tx)] == ["yard", None, "gate", None]
        assert [one.kind for one in events(tx, camera_ids=[gate])] == ["recording_began"]
        assert len(events(tx, camera_ids=[gate, yard])) == 2
        assert [one.volume for one in events(tx, kinds=[EventKind.VOLUME_REFUSES])] == ["main"]
        between = events(tx, from_us=START_US + US, to_us=START_US + 3 * US)
        assert [one.at_us for one in between] == [START_US + 2 * US, START_US + US]
        assert [one.at_us for one in events(tx, limit=1)] == [START_US + 3 * US]
        assert len(events(tx)[0].detail or "") == 500


def test_old_events_are_forgotten_when_asked(house: House) -> None:
    noted(house)
    with house.ledger.write() as tx:
        assert prune(tx, START_US + 2 * US) == 2
        assert len(events(tx)) == 2


def test_every_kind_has_its_sentence() -> None:
    assert set(SENTENCES) == set(EventKind)


def test_events_command_has_the_shape_of_the_interface(
    house: House, hindsight: CommandLine
) -> None:
    noted(house)
    shown = hindsight.json("events", "--top", "3")
    assert [one["kind"] for one in shown] == ["recording_lost", "volume_refuses", "recording_began"]
    assert shown[1] == {
        "time": "2026-11-18T13:00:02.000000Z", "kind": "volume_refuses", "camera": None,
        "volume": "main", "detail": "full",
    }  # fmt: skip
    [one] = hindsight.json("events", "--camera", "gate")
    assert one["camera"] == "gate"
    kinds = hindsight.json("events", "--kind", "volume_refuses", "--kind", "recorder_started")
    assert len(kinds) == 2
    assert hindsight.json("events", "--to", "2026-11-18T13:00:00Z") == []
    assert hindsight("events", "--kind", "nonsense").code != 0


def test_events_are_told_in_both_languages_with_their_cause(
    house: House, hindsight: CommandLine
) -> None:
    gate = house.camera("gate", tz="Asia/Shanghai").id
    with house.ledger.write() as tx:
        note(tx, EventKind.RECORDING_LOST, START_US, camera_id=gate, detail="stalled ×3: no packet")
    english, chinese = hindsight("events").out, hindsight("--lang", "zh", "events").out
    assert "2026-11-18 21:00:00.000 +08:00" in english
    assert "recording was lost" in english
    assert "no pictures came ×3: no packet" in english
    assert "录像中断" in chinese
    use_language("en")


def test_a_kind_of_a_later_version_is_shown_as_it_is(house: House) -> None:
    with house.ledger.write() as tx:
        tx.execute(insert(schema.event).values(kind="moon_rose", at_us=START_US))
        [one] = events(tx)
    assert sentence(one) == "moon_rose"
