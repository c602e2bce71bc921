"""The second factor: codes taken once, recovery codes, the lock-out, secrets that lie sealed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
from sqlalchemy import update

from storage import people, second_factor
from storage.clock import US
from storage.errors import Conflict, DataLoss, Denied, Invalid
from storage.login_tables import second_factor as table
from storage.vocabulary import Role, User
from tests.storage.media import House

PASSWORD = "correct horse battery"
STEP_US = second_factor.STEP_S * US


@pytest.fixture
def user(house: House) -> User:
    with house.ledger.write() as tx:
        return people.add_user(tx, "li.wei", PASSWORD, Role.INVESTIGATOR, created_us=1)


def enrol(house: House, user: User) -> tuple[pyotp.TOTP, list[str]]:
    """(the app, the recovery codes)."""
    with house.ledger.write() as tx:
        made = second_factor.begin(tx, house.directory.vault(), user, house.clock.now)
        app = pyotp.TOTP(made.secret)
        code = app.at(house.clock.now // US)
        codes = second_factor.confirm(tx, house.directory.vault(), user, code, house.clock.now)
    house.clock.forward(STEP_US)
    return app, codes


def check(house: House, user: User, code: str) -> str | None:
    with house.ledger.write() as tx:
        return second_factor.check(tx, house.directory.vault(), user, code, house.clock.now)


def test_a_code_is_taken_once_even_within_its_half_minute(house: House, user: User) -> None:
    app, _ = enrol(house, user)
    code = app.at(house.clock.now // US)
    assert check(house, user, f"{code[:3]} {code[3:]}") == "code"
    assert check(house, user, code) is None
    house.clock.forward(STEP_US)
    assert check(house, user, code) is None  # drift would let it in, had it not been used
    assert check(house, user, app.at(house.clock.now // US)) == "code"


def test_the_code_that_confirmed_is_used_up(house: House, user: User) -> None:
    app, _ = enrol(house, user)
    house.clock.forward(-STEP_US)
    assert check(house, user, app.at(house.clock.now // US)) is None


def test_of_many_logins_with_one_code_at_once_one_gets_in(house: House, user: User) -> None:
    app, codes = enrol(house, user)
    for code in (app.at(house.clock.now // US), codes[0]):

        def attempt(_: int, code: str = code) -> str | None:
            try:
                return check(house, user, code)
            except Denied:
                return None

        with ThreadPoolExecutor(6) as pool:
            taken = [one for one in pool.map(attempt, range(6)) if one]
        assert len(taken) == 1
        house.clock.forward(1000 * US)


@pytest.mark.parametrize(("steps", "taken"), [(-2, None), (-1, "code"), (1, "code"), (2, None)])
def test_a_phone_half_a_minute_off_is_let_in_and_no_more(
    house: House, user: User, steps: int, taken: str | None
) -> None:
    app, _ = enrol(house, user)
    house.clock.forward(5 * STEP_US)
    assert check(house, user, app.at(house.clock.now // US + steps * 30)) == taken


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "-12345"])
def test_what_is_no_code_is_wrong_not_an_error(house: House, user: User, code: str) -> None:
    enrol(house, user)
    assert check(house, user, code) is None


def test_each_recovery_code_lets_in_once(house: House, user: User) -> None:
    _, codes = enrol(house, user)
    assert len({*codes}) == 10
    for code in codes[:4]:
        assert check(house, user, code) == "recovery code"
        assert check(house, user, code) is None
    assert check(house, user, codes[5].replace("-", "").upper()) == "recovery code"
    with house.ledger.read() as tx:
        assert second_factor.recovery_codes_left(tx, user) == 5


def test_wrong_codes_lock_like_wrong_passwords_and_the_password_does_not_forgive(
    house: House, user: User
) -> None:
    app, _ = enrol(house, user)

    def password() -> User | None:
        return people.check_password(house.ledger, "li.wei", PASSWORD, house.clock.now)

    for _ in range(people.FREE_FAILURES):
        assert password() is not None
        assert check(house, user, "000000") is None
    with pytest.raises(Denied, match="try again in"):
        password()
    with pytest.raises(Denied, match="try again in"):
        check(house, user, app.at(house.clock.now // US))
    house.clock.forward(STEP_US)
    assert check(house, user, app.at(house.clock.now // US)) == "code"
    assert check(house, user, "000000") is None  # the count began anew
    assert password() is not None


def test_nothing_counts_before_a_code_confirmed_it(house: House, user: User) -> None:
    with house.ledger.write() as tx:
        vault = house.directory.vault()
        made = second_factor.begin(tx, vault, user, house.clock.now)
        assert not people.has_factor(tx, user.id)
        with pytest.raises(Invalid, match="does not fit"):
            second_factor.confirm(tx, vault, user, "000000", house.clock.now)
        code = pyotp.TOTP(made.secret).at(house.clock.now // US)
        assert second_factor.check(tx, vault, user, code, house.clock.now) is None
        again = second_factor.begin(tx, vault, user, house.clock.now)
        assert again.secret != made.secret
        second_factor.confirm(
            tx, vault, user, pyotp.TOTP(again.secret).at(house.clock.now // US), house.clock.now
        )
        with pytest.raises(Conflict, match="already"):
            second_factor.begin(tx, vault, user, house.clock.now)


def test_secret_and_recovery_codes_do_not_lie_open(house: House, user: User) -> None:
    app, codes = enrol(house, user)
    stored = b"".join(path.read_bytes() for path in house.root.glob("ledger.db*"))
    for text in (app.secret, *codes):
        assert text.encode() not in stored


def test_a_secret_put_under_another_person_is_not_taken(house: House, user: User) -> None:
    """Whoever can write the ledger but has no key cannot give somebody else their own factor."""
    app, _ = enrol(house, user)
    with house.ledger.write() as tx:
        admin = people.find_user(tx, "admin")
        tx.execute(update(table).where(table.c.user_id == user.id).values(user_id=admin.id))
    with pytest.raises(DataLoss, match="cannot be unsealed"):
        check(house, admin, app.at(house.clock.now // US))


def test_an_address_says_who_and_where(house: House, user: User) -> None:
    with house.ledger.write() as tx:
        made = second_factor.begin(tx, house.directory.vault(), user, house.clock.now)
        assert second_factor.begun(tx, house.directory.vault(), user) == made
    read = pyotp.parse_uri(made.address)
    assert isinstance(read, pyotp.TOTP)
    assert (read.secret, read.name, read.issuer) == (made.secret, "li.wei", "Hindsight")
