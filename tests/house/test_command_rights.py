"""Who may do what at the command line, generated from the commands themselves.

Commands belong to whoever owns the data directory, who could read the disk as well: no command
asks who sits there, none acts in a person's name, and each that looks or changes a right says in
the audit chain that it was the command line. What is asked all the same is the purpose: a case
that is closed ends what is done under it. A new command, or a parameter that could name a person,
must be classified here, or a test fails.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hindsight import cli
from storage import audit
from storage.api_tokens import NEVER
from storage.clock import US, rfc3339
from storage.errors import Conflict, Denied, HindsightError, Invalid, NotFound
from storage.people import add_user
from storage.rights import RIGHTS, Verb
from storage.vocabulary import Role
from tests.house.terminal import NOW_US, OTHER, OWN, UNTIL_US, Terminal, built
from tests.storage.media import START_US, House

ROOT = Path(__file__).parents[2]
ROOMS = ("storage", "recorder", "indexer", "search", "evidence", "web")

# Command → what it leaves in the audit chain, or why nothing.
FACTS, WORK, APART = "facts of the ledger, no footage", "goes on as a program", "no archive"
KINDS: dict[str, str] = {
    # shown of footage, or of who looked
    "search": "search", "query again": "search", "query show": "search_shown",
    "query name": FACTS, "query cancel": FACTS, "query list": FACTS, "mark": "mark",
    "standing add": "standing_added", "standing extend": "standing_extended",
    "standing end": "standing_ended", "standing show": "standing_shown", "standing list": FACTS,
    "standing run": WORK, "export": "export", "redact": "redact",
    "audit": "audit.read", "audit list": "audit.read", "audit export": "audit.export",
    "audit verify": "audit.verify", "audit sign": "audit.sign",
    # rights and purposes
    "user add": "user.add", "user set": "user.set", "user list": FACTS,
    "user link": "user.link", "user unlink": "user.unlink", "user links": FACTS,
    "department add": "department.add", "department list": FACTS,
    "grant add": "grant.add", "grant revoke": "grant.revoke", "grant list": FACTS,
    "token add": "token.add", "token revoke": "token.revoke", "token list": FACTS,
    "approval request": "approval.request", "approval give": "approval.give",
    "approval refuse": "approval.refuse", "approval revoke": "approval.revoke",
    "approval list": FACTS,
    "case open": "case.open", "case close": "case.close", "case list": FACTS, "case show": FACTS,
    "case hand-over": "case.hand_over", "case take-back": "case.take_back",
    "exhibit add": "exhibit.add", "exhibit note": "exhibit.note",
    "exhibit remove": "exhibit.remove", "exhibit list": FACTS,
    # the register, and what is kept
    "camera add": "camera.add", "camera import": "camera.add", "camera set": "camera.set",
    "camera enable": "camera.enable", "camera disable": "camera.disable", "camera list": FACTS,
    "camera show": FACTS, "zone add": "zone.add", "zone end": "zone.end", "zone list": FACTS,
    "clock correct": "clock.correct", "clock show": FACTS, "import": "import",
    "hold add": "hold.add", "hold release": "hold.release", "hold list": FACTS,
    "promise set": "promise.set", "promise withdraw": "promise.withdraw", "promise list": FACTS,
    "retain": "retain", "rebuild": "rebuild", "seal": "seal", "seal verify": "seal.verify",
    "seal show": FACTS, "certificate show": "evidence.key",
    "model use": "model.use", "model rollback": "model.rollback", "model list": FACTS,
    "segments": FACTS, "gaps": FACTS, "events": FACTS, "status": FACTS, "forecast": FACTS,
    "violations": FACTS, "check": FACTS, "looks": FACTS, "init": "init",
    # programs
    "record": WORK, "index": WORK, "serve": WORK, "scrub": WORK, "shards": WORK,
    "verify": APART, "demo": APART, "model eval": APART,
}  # fmt: skip
# (command, parameter) → what the person it names is: whom it is done to, whose rows are shown, or
# somebody whose rights are asked as in the web, because they will do it.
DONE_TO, SHOWN, ASKED = "done to", "shown", "asked"
PERSONS: dict[tuple[str, str], str] = {
    ("init", "admin"): DONE_TO,
    ("user add", "name"): DONE_TO, ("user set", "name"): DONE_TO,
    ("user link", "name"): DONE_TO, ("user link", "subject"): DONE_TO,
    ("user unlink", "name"): DONE_TO,
    ("grant add", "user_name"): DONE_TO, ("grant list", "user_name"): SHOWN,
    ("token add", "user_name"): ASKED, ("token list", "user_name"): SHOWN,
    ("approval request", "user_name"): ASKED, ("approval list", "user_name"): SHOWN,
    ("audit", "actor"): SHOWN, ("audit list", "actor"): SHOWN, ("audit export", "actor"): SHOWN,
}  # fmt: skip
# Names of parameters that hold text and name no person.
THINGS = {
    "url", "site", "gb_code", "tz", "department", "address", "vendor", "retention_class",
    "new_name", "names", "from_text", "to_text", "kinds", "reason", "case_id", "expires_text",
    "noted", "to_department", "verbs_text", "camera_name", "cameras_of", "until_text", "purpose",
    "camera", "action", "points_text", "start", "end", "note", "cameras", "model", "reasons",
    "text", "also", "boxes", "likes", "nots", "then", "sites", "around", "between", "weekdays",
    "refine", "token", "expires", "quiet", "webhook", "search_word", "fingerprint", "certificate",
    "host", "kind", "light", "issuer", "numbers", "site_class",
    "sensitive", "lat", "lon", "view_deg", "not_images", "images", "at_text",
}  # fmt: skip
VARIABLES = {"HINDSIGHT_CONFIG", "HINDSIGHT_LOG", "NOTIFY_SOCKET", "OMP_WAIT_POLICY"}
NAMES = {"name"}  # of a camera, a zone, a token, a standing query, a model, a person
PERSON_NAMES = {name for _, name in PERSONS} - NAMES
NAME_OF = re.compile(r"^(user|init) ")  # whose `name` is a person's


def commands() -> Iterator[tuple[str, click.Command]]:
    """(words, command) of each that does something."""

    def walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield " ".join(words), command
            return
        if command.invoke_without_command:
            yield " ".join(words), command
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            yield from walk(inner, (*words, name))

    yield from walk(cli, ())


COMMANDS = dict(commands())


def test_every_command_says_what_it_leaves_in_the_audit_chain() -> None:
    assert sorted(KINDS) == sorted(COMMANDS)


def test_every_parameter_that_could_name_a_person_is_known() -> None:
    found = set()
    for words, command in COMMANDS.items():
        for parameter in command.params:
            name = str(parameter.name)
            if not isinstance(parameter.type, click.types.StringParamType) or name in THINGS:
                continue
            if name in NAMES and not NAME_OF.match(words + " "):
                continue
            found.add((words, name))
    assert found == set(PERSONS)


def test_nothing_but_the_data_directory_comes_from_the_environment() -> None:
    """Nobody becomes somebody by a variable, or by the name of an account of the machine."""
    for command in (cli, *COMMANDS.values()):
        assert not command.context_settings, command.name
        from_outside = {p.name for p in command.params if p.envvar}
        assert from_outside <= {"data"}, (command.name, from_outside)
    asked = re.compile(r"getpass\.|getlogin|pwd\.getpw")
    # What a process sets for its own child is not read.
    read = re.compile(r"os\.(?:environ|getenv)[.\w]*[(\[]\s*[\"'](\w+)[\"'](?!\]\s*=[^=])")
    found = set()
    for path in _sources():
        text = path.read_text(encoding="utf-8")
        assert not asked.search(text), path
        found |= set(read.findall(text))
    assert found <= VARIABLES


def test_no_person_can_be_called_as_a_program_is(house: House) -> None:
    """A name that no user has is a program's, and a program may everything."""
    programs = set()
    for path in _sources():
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "Actor(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Actor" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    programs.add(str(first.value))
                elif isinstance(first, ast.JoinedStr):
                    programs.add(ast.unparse(first)[2:-1])
    assert len(programs) > 3
    for name in programs:
        with house.ledger.write() as tx, pytest.raises(Invalid):
            add_user(tx, name, None, Role.AUDITOR, created_us=NOW_US)


def _sources() -> list[Path]:
    return [
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not {"node_modules", "scenes", "nano"} & set(path.parts)
    ]


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Somebody of every role, of one department; a camera of theirs and one of another's."""
    yield from built(tmp_path_factory.mktemp("town"))


@pytest.fixture
def town(everybody: House) -> Iterator[House]:
    """With clock and settings as they were."""
    settings = everybody.directory.settings
    yield everybody
    everybody.clock.now = NOW_US
    object.__setattr__(everybody.directory, "settings", settings)


SPAN = ("--from", rfc3339(START_US), "--to", rfc3339(START_US + US))
LATER = rfc3339(NOW_US + 3600 * US)
# Every command that is about a camera → how it is asked about one; {n} is new each time.
OF_A_CAMERA: dict[str, tuple[str, ...]] = {
    "camera show": ("{camera}",),
    "camera set": ("{camera}", "--vendor", "maker {n}"),
    "camera enable": ("{camera}",),
    "camera disable": ("{camera}",),
    "segments": ("--camera", "{camera}"),
    "gaps": ("--camera", "{camera}"),
    "events": ("--camera", "{camera}"),
    "clock show": ("{camera}",),
    "status": ("--camera", "{camera}"),
    "violations": ("--camera", "{camera}"),
    "looks": ("--camera", "{camera}"),
    "seal show": ("--camera", "{camera}"),
    "zone add": ("{camera}", "zone {n}", "--points", "0,0,1,0,1,0.5", "--reason", "flats",
                 "--from", LATER),
    "zone list": ("--camera", "{camera}"),
    "hold add": ("--camera", "{camera}", *SPAN, "--reason", "thefts"),
    "grant add": ("--to", "one-auditor", "--may", "see", "--camera", "{camera}", "--purpose", "x",
                  "--until", rfc3339(UNTIL_US + 86_400 * US)),
    "grant list": ("--camera", "{camera}"),
    "audit": ("--camera", "{camera}"),
    "audit list": ("--camera", "{camera}"),
    "audit export": ("--camera", "{camera}"),
    "search": ("a van", "--camera", "{camera}"),
    "standing add": ("standing {n}", "smoke", "--camera", "{camera}", "--expires",
                     rfc3339(UNTIL_US + 86_400 * US)),
}  # fmt: skip
# About a camera, and tried elsewhere: they write files, wait for a process, or correct for good.
ELSEWHERE = {
    "export": "tests/evidence/test_evidence_commands.py", "redact": "tests/evidence",
    "import": "tests/recorder", "index": "tests/indexer", "record": "tests/recorder",
    "camera add": "tests/storage/commands/test_camera.py", "clock correct": "tests/storage",
    "exhibit add": "tests/evidence/test_exhibits.py", "approval request": "below",
}  # fmt: skip
CAMERA_PARAMETERS = {"names", "camera_name", "camera", "cameras"}
CAMERA_GROUPS = re.compile(r"^(camera (?!list|import)|clock |hold add|import|redact)")
PURPOSED = {"--case", "--reason"}


def test_every_command_about_a_camera_is_tried_here_or_elsewhere() -> None:
    about = {
        words
        for words, command in COMMANDS.items()
        if CAMERA_GROUPS.match(words)
        or CAMERA_PARAMETERS & {str(parameter.name) for parameter in command.params}
    }
    assert about == OF_A_CAMERA.keys() | ELSEWHERE.keys()


def _takes(words: str, option: str) -> bool:
    return any(option in parameter.opts for parameter in COMMANDS[words].params)


@pytest.mark.parametrize("expired", [False, True])
@pytest.mark.parametrize("case", [None, "open-1", "closed-1", "nowhere"])
def test_a_command_asks_for_the_purpose_and_for_nobodys_rights(
    town: House, case: str | None, expired: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Own camera or another department's, before and after every grant ran out, whoever sits
    there: what decides is the case, where one is taken."""
    terminal, number = Terminal(town), 0
    if expired:
        town.clock.now = UNTIL_US
    for words, template in OF_A_CAMERA.items():
        if case is not None and not _takes(words, "--case"):
            continue
        purpose: tuple[str, ...] = ()
        if case is not None:
            purpose = ("--case", case)
            if _takes(words, "--reason") and "--reason" not in template:
                purpose += ("--reason", "thefts")
        elif words == "standing add":
            continue  # it takes none without
        for camera, role in ((OWN, Role.AUDITOR), (OTHER, Role.INVESTIGATOR)):
            for name in ("USER", "LOGNAME", "SUDO_USER"):
                monkeypatch.setenv(name, f"one-{role.value}")
            number += 1
            n = f"{case}-{expired}-{number}"
            code, said = terminal(
                *words.split(), *(each.format(camera=camera, n=n) for each in template), *purpose
            )
            due = {"closed-1": Conflict.exit_code, "nowhere": NotFound.exit_code}.get(str(case), 0)
            if words.startswith("audit"):
                due = 0  # there the case is a filter: what was done under it is shown
            assert code == due, (words, camera, case, expired, said)
            _is_told(town, words, code)


def _is_told(town: House, words: str, code: int) -> None:
    """Whatever is noted of a command is noted of the command line; what was done is noted."""
    kind = KINDS[words]
    if code != 0 or kind in (FACTS, WORK, APART):
        return
    with town.ledger.read() as tx:
        newest = audit.rows(tx, action=kind)[-1]
    assert re.fullmatch(r"command line \(uid \d+\)", newest.actor), (words, newest)


@pytest.mark.parametrize("words", ["export", "redact", "exhibit add"])
@pytest.mark.parametrize(("case", "due"), [("closed-1", Conflict), ("nowhere", NotFound)])
def test_nothing_leaves_under_a_case_that_is_not_open(
    town: House, tmp_path: Path, words: str, case: str, due: type[HindsightError]
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text('{"recipe": 1}')
    asked = {
        "export": ("--camera", OWN, *SPAN, "--out", str(tmp_path / "x"), "--case", case,
                   "--reason", "thefts"),
        "redact": ("--camera", OWN, *SPAN, "--out", str(tmp_path / "x"), "--case", case,
                   "--reason", "thefts", "--recipe", str(recipe)),
        "exhibit add": ("--case", case, "--camera", OWN, *SPAN),
    }[words]  # fmt: skip
    code, said = Terminal(town)(*words.split(), *asked)
    assert code == due.exit_code, said
    assert not (tmp_path / "x").exists()


def test_without_a_case_nothing_is_searched_where_one_is_demanded(town: House) -> None:
    search = town.directory.settings.search.model_copy(update={"require_case": True})
    demanding = town.directory.settings.model_copy(update={"search": search})
    object.__setattr__(town.directory, "settings", demanding)
    code, said = Terminal(town)("search", "a van", "--camera", OWN)
    assert code == Denied.exit_code, said


@pytest.mark.parametrize("role", list(Role))
def test_a_token_made_for_a_person_never_exceeds_the_role(town: House, role: Role) -> None:
    for verb in Verb:
        code, said = Terminal(town)(
            "token", "add", f"one-{role.value}", "--name", "t", "--may", verb.value, "--days", "1"
        )
        allowed = verb in RIGHTS[role] and verb not in NEVER
        assert (code == 0) is allowed, (role, verb, said)


@pytest.mark.parametrize("role", list(Role))
def test_an_approval_is_asked_for_what_the_person_may_look_at_anyway(
    town: House, role: Role
) -> None:
    terminal = Terminal(town)
    for camera in (OWN, OTHER):
        terminal("camera", "set", camera, "--sensitive")
    try:
        for verb in (Verb.SEARCH, Verb.PLAY):
            for camera in (OWN, OTHER):
                for case in ("open-1", "closed-1"):
                    for now in (NOW_US, UNTIL_US):
                        town.clock.now = now
                        code, said = terminal(
                            "approval", "request", "--for", f"one-{role.value}", "--camera", camera,
                            "--may", verb.value, "--case", case, "--reason", "thefts",
                        )  # fmt: skip
                        granted = role is Role.ADMINISTRATOR or (camera == OWN and now == NOW_US)
                        due = verb in RIGHTS[role] and granted and case == "open-1"
                        assert (code == 0) is due, (role, verb, camera, case, now, said)
                        if due:  # or the next would find it waiting
                            given = re.search(r"\d+", said)
                            assert given
                            terminal("approval", "revoke", given[0], "--reason", "tried")
    finally:
        for camera in (OWN, OTHER):
            terminal("camera", "set", camera, "--not-sensitive")


def test_what_the_archive_is_made_of_is_its_owners_alone(tmp_path: Path) -> None:
    """The premise: who is not the owner reads nothing of it past the commands."""
    from storage.directory import init_directory

    directory, _ = init_directory(tmp_path / "data")
    directory.close()
    assert (tmp_path / "data").stat().st_mode & 0o007 == 0
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o007 == 0, path
