"""Who knows of a case, and what a hand-over opens: own or other department × open or closed ×
handed over, expired, taken back; asked of the case, of the purpose and of the bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from storage import audit, casework, search_runs, stored_queries
from storage.access import access_of
from storage.case_sight import case_for, cases_for
from storage.cases import UNKNOWN_CASE, holds
from storage.departments import add_department, set_department
from storage.errors import Conflict, Denied, HindsightError, Invalid, NotFound
from storage.exhibits import Wanted, add_exhibit, add_note, exhibits_of, find_exhibit
from storage.exhibits import remove_exhibit as remove
from storage.grants import GRANTABLE, Place, add_grant, grants
from storage.handing_over import HANDED, HandedOver, hand_over, handovers, take_back
from storage.people import add_user
from storage.reading import footage
from storage.rights import Verb
from storage.stored_queries import StoredQuery
from storage.vocabulary import Actor, Role, Segment, Span
from tests.storage.media import START_US, House, new_house

NOW_US = START_US + 60_000_000
HOUR_US = 3_600_000_000
SPAN = Span(START_US, START_US + 1_000_000)
# name → role and department; all of the north may whatever their roles allow with its camera
PEOPLE = {
    "nora": (Role.INVESTIGATOR, "north"), "neil": (Role.OPERATOR, "north"),
    "sara": (Role.INVESTIGATOR, "south"), "eve": (Role.INVESTIGATOR, "east"),
    "lone": (Role.INVESTIGATOR, None), "audra": (Role.AUDITOR, "south"),
    "adam": (Role.ADMINISTRATOR, "south"),
}  # fmt: skip


@dataclass
class Town:
    """Everybody, and a camera of the north with footage."""

    house: House
    row: Segment
    cases: int = 0

    def case(self, department: str | None = "north", *, exhibit: bool = True) -> str:
        """A case that nora opened, or of nobody's department, with an exhibit of hers."""
        self.cases += 1
        number = f"A-{self.cases}"
        with self.house.ledger.write() as tx:
            who = "nora" if department == "north" else "program"
            access = access_of(tx, who, self.house.clock.now)
            casework.begin(tx, access, Actor(who), number, "thefts", department)
        if exhibit:
            self.collect(number)
        return number

    def collect(self, case: str, who: str = "nora", span: Span = SPAN, **facts: object) -> int:
        camera = self.house.cameras["gate"]
        with self.house.ledger.write() as tx:
            added = add_exhibit(
                tx,
                self.house.directory.settings,
                access_of(tx, who, self.house.clock.now),
                Actor(who),
                Wanted(case, camera, span, **facts),  # type: ignore[arg-type]
            )
        return added.exhibit.id

    def give(
        self, case: str, who: str = "nora", to: str = "south", hours: int = 1,
        verbs: tuple[Verb, ...] = (Verb.SEARCH, Verb.PLAY), token: str | None = None,
    ) -> HandedOver:  # fmt: skip
        with self.house.ledger.write() as tx:
            return hand_over(
                tx, access_of(tx, who, self.house.clock.now), Actor(who, token=token), case,
                department=to, verbs=verbs, until_us=self.house.clock.now + hours * HOUR_US,
                reason="they live there",
            )  # fmt: skip

    def end(self, case: str, number: int, who: str = "nora") -> None:
        with self.house.ledger.write() as tx:
            take_back(
                tx, access_of(tx, who, self.house.clock.now), Actor(who), case, number, "done"
            )

    def close(self, case: str, who: str = "nora") -> casework.Closed:
        with self.house.ledger.write() as tx:
            return casework.close(tx, access_of(tx, who, self.house.clock.now), Actor(who), case)

    def knows(self, who: str, case: str) -> bool:
        """Asked in both ways, which must agree; hidden is told as unknown."""
        with self.house.ledger.read() as tx:
            access = access_of(tx, who, self.house.clock.now)
            listed = case in {one.id for one in cases_for(tx, access)}
            if listed:
                assert case_for(tx, access, case).id == case
                return True
            with pytest.raises(NotFound) as hidden:
                case_for(tx, access, case)
        assert hidden.value.message == UNKNOWN_CASE
        return False

    def plays(self, who: str, case: str) -> bool:
        """Whether bytes of the camera leave to them under this case."""
        actor = Actor(who, case, "thefts")
        try:
            footage(self.house.directory, self.row.id, actor, Verb.PLAY)
        except (NotFound, Denied, Conflict):
            return False
        return True


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    house = new_house(tmp_path_factory.mktemp("town") / "data", NOW_US)
    house.camera("gate", department="north")
    town = Town(house, house.segment("gate"))
    with house.ledger.write() as tx:
        for name in ("north", "south", "east"):
            add_department(tx, name, 1)
        for name, (role, department) in PEOPLE.items():
            user = add_user(tx, name, None, role, created_us=1)
            set_department(tx, user.id, department)
        add_grant(
            tx, department="north", verbs=GRANTABLE, place=Place(cameras_of="north"), from_us=0,
            until_us=NOW_US + 10 * HOUR_US, purpose="thefts", made_by="adam", at_us=NOW_US,
        )  # fmt: skip
    yield town
    house.directory.close()


@pytest.fixture
def town(built: Town) -> Iterator[Town]:
    yield built
    built.house.clock.now = NOW_US


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("handed", ["not", "in force", "expired", "taken back"])
def test_who_knows_of_a_case_and_may_look_under_it(town: Town, closed: bool, handed: str) -> None:
    case = town.case()
    if handed != "not":
        number = town.give(case).handover.id
    if handed == "taken back":
        town.end(case, number)
    if handed == "expired":
        town.house.clock.now += HOUR_US
    if closed:
        town.close(case)
    opens = handed == "in force" and not closed
    for who in PEOPLE:
        always = who in ("nora", "neil", "audra", "adam")
        assert town.knows(who, case) is (always or (opens and who == "sara")), who
        may_play = {"nora": not closed, "adam": not closed, "sara": opens}
        assert town.plays(who, case) is may_play.get(who, False), who


def test_a_case_of_no_department_is_everybodys(town: Town) -> None:
    case = town.case(None, exhibit=False)
    assert all(town.knows(who, case) for who in PEOPLE)


def test_a_grant_handed_over_with_one_case_opens_nothing_under_a_hidden_one(town: Town) -> None:
    handed, other = town.case(), town.case()
    town.give(handed)
    assert town.plays("sara", handed)
    assert not town.plays("sara", other)
    with pytest.raises(NotFound) as hidden:
        footage(town.house.directory, town.row.id, Actor("sara", other), Verb.PLAY)
    assert hidden.value.message == UNKNOWN_CASE


def test_nobody_hands_over_more_than_they_have(town: Town) -> None:
    case = town.case()
    with pytest.raises(Denied):  # her own grant ends before
        town.give(case, hours=11)
    with pytest.raises(NotFound):
        town.give(case, who="sara")
    with pytest.raises(Denied):
        town.give(case, who="neil")  # an operator looks at nothing
    for verb in set(GRANTABLE) - set(HANDED):
        with pytest.raises(Invalid):
            town.give(case, verbs=(verb,))
    with pytest.raises(Invalid):
        town.give(case, to="north")
    with pytest.raises(NotFound):
        town.give(case, to="nowhere")
    with pytest.raises(Invalid):
        town.give(case, hours=0)
    with pytest.raises(Denied):
        town.give(case, token="3 script")
    with town.house.ledger.read() as tx:
        assert not handovers(tx, case)
        assert not [one for one in grants(tx) if one.case_id == case]


def test_whom_a_case_was_handed_to_neither_closes_it_nor_hands_it_on(town: Town) -> None:
    case = town.case()
    number = town.give(case).handover.id
    for act in (
        lambda: town.give(case, who="sara", to="east"), lambda: town.close(case, who="sara"),
        lambda: town.end(case, number, who="sara"),
    ):  # fmt: skip
        with pytest.raises(Denied):
            act()
    town.collect(case, "sara", Span(START_US, START_US + 500_000))  # but adds to it


def test_what_was_handed_over_with_a_case_of_nobodys_is_not_handed_on_nor_back(
    town: Town,
) -> None:
    case = town.case(None, exhibit=False)  # which everybody leads
    town.collect(case)
    number = town.give(case).handover.id
    with pytest.raises(Denied):
        town.give(case, who="sara", to="east")
    town.give(case, to="east")
    town.end(case, number)
    with pytest.raises(Denied):
        town.give(case, who="eve", to="south")
    with town.house.ledger.read() as tx:
        states = {one.department: one.state(NOW_US) for one in handovers(tx, case)}
    assert states == {"south": "taken back", "east": "in force"}


def test_closing_ends_grants_and_hand_overs_and_says_so_and_holds_stay(town: Town) -> None:
    case = town.case()
    town.give(case)
    done = town.close(case)
    assert (done.handovers, done.grants, done.holds) == (1, 1, 1)
    with town.house.ledger.read() as tx:
        assert [one.state(NOW_US) for one in handovers(tx, case)] == ["case closed"]
        assert {one.state(NOW_US) for one in grants(tx) if one.case_id == case} == {"case closed"}
        assert [one.released_us for one in holds(tx, at_us=NOW_US) if one.case_id == case] == [None]
        told = [row.action for row in audit.rows(tx, case_id=case)]
    assert told == [
        "case.open", "exhibit.add", "hold.add", "grant.add", "case.hand_over", "case.close",
    ]  # fmt: skip


def test_taking_back_revokes_what_it_granted_and_nothing_else(town: Town) -> None:
    case = town.case()
    first, second = town.give(case).handover, town.give(case, to="east").handover
    town.end(case, first.id)
    assert not town.knows("sara", case)
    assert town.knows("eve", case)
    assert town.plays("eve", case)
    with pytest.raises(Conflict):
        town.end(case, first.id)
    with pytest.raises(NotFound) as hidden:  # of another case, which may be another department's
        town.end(town.case(), second.id)
    with pytest.raises(NotFound) as unknown:
        town.end(case, 4711)
    assert hidden.value.message == unknown.value.message
    assert str(unknown.value).replace("4711", str(second.id)) == str(hidden.value)


def test_an_exhibit_is_added_to_and_removed_but_never_changed(town: Town) -> None:
    case = town.case(exhibit=False)
    number = town.collect(case, note="a red bicycle")
    with pytest.raises(Conflict, match=f"exhibit {number}"):
        town.collect(case)
    with town.house.ledger.write() as tx:
        access = access_of(tx, "nora", NOW_US)
        add_note(tx, access, Actor("nora"), number, "it is blue")
        gone = remove(tx, access, Actor("nora"), number, "another bicycle")
        assert [note.text for note in gone.notes] == ["a red bicycle", "it is blue"]
        assert (gone.removed_by, gone.remove_reason) == ("nora", "another bicycle")
        for act in (add_note, remove):
            with pytest.raises(Conflict):
                act(tx, access, Actor("nora"), number, "again")
        assert [one.id for one in exhibits_of(tx, access, case)] == [number]
        assert [h.id for h in holds(tx, at_us=NOW_US) if h.case_id == case] == [gone.hold_id]
    assert town.collect(case) > number  # the span is free again


def test_an_exhibit_of_a_hidden_camera_or_case_is_unknown(town: Town) -> None:
    case = town.case(exhibit=False)
    number = town.collect(case)
    town.give(case, verbs=(Verb.SEARCH,))
    with town.house.ledger.read() as tx:
        assert find_exhibit(tx, access_of(tx, "sara", NOW_US), number).id == number
        said = set()
        for who, asked in (("eve", number), ("lone", number), ("sara", 10**12), ("sara", 2**70)):
            with pytest.raises(NotFound) as unknown:
                find_exhibit(tx, access_of(tx, who, NOW_US), asked)
            said.add(unknown.value.message)
        assert len(said) == 1


def test_without_the_right_to_hold_it_is_added_and_told_that_it_may_expire(town: Town) -> None:
    case = town.case()
    town.give(case)  # search and play, no hold
    camera, span = town.house.cameras["gate"], Span(START_US, START_US + 700_000)
    with town.house.ledger.write() as tx:
        access = access_of(tx, "sara", NOW_US)
        settings = town.house.directory.settings
        with pytest.raises(Denied):
            add_exhibit(tx, settings, access, Actor("sara"), Wanted(case, camera, span, hold=True))
        added = add_exhibit(tx, settings, access, Actor("sara"), Wanted(case, camera, span))
    assert added.may_expire
    assert added.exhibit.hold_id is None
    assert added.overlaps  # and that nora's shows a part of the same


@pytest.mark.parametrize(
    ("span", "kind"),
    [(Span(START_US, START_US), Invalid), (Span(START_US + 1, START_US), Invalid),
     (Span(START_US, START_US + 25 * HOUR_US), Invalid), (Span(START_US, NOW_US + 1), Invalid),
     (Span(START_US - HOUR_US, START_US - HOUR_US + 1), NotFound)],
)  # fmt: skip
def test_what_is_no_moment_is_refused(
    town: Town, span: Span, kind: type[HindsightError]
) -> None:  # fmt: skip
    case = town.case(exhibit=False)
    with pytest.raises(kind):
        town.collect(case, span=span)
    with town.house.ledger.read() as tx:
        assert not exhibits_of(tx, access_of(tx, "nora", NOW_US), case)


def test_an_exhibit_names_only_a_search_that_whoever_collects_it_has_asked(town: Town) -> None:
    case = town.case(exhibit=False)
    with town.house.ledger.write() as tx:
        for token, who in (("A" * 26, "nora"), ("B" * 26, "eve")):
            stored = StoredQuery(token, None, None, who, NOW_US, None, "{}")
            stored_queries.add(tx, stored, {})
            search_runs.add(
                tx, token=token, query_id=token, state="done", asked_by=who, at_us=NOW_US,
                code_version="1",
            )  # fmt: skip
    for token in ("B" * 26, "C" * 26):
        with pytest.raises(NotFound):
            town.collect(case, search=token)
    town.collect(case, search="a" * 26)
