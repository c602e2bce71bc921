"""/api/v1/users, /departments and /grants: as the commands of these names, for administrators."""

from __future__ import annotations

from flask import Response, jsonify

from storage import grant_changes, people_changes
from storage.clock import parse_time
from storage.departments import departments
from storage.grant_changes import Wanted
from storage.i18n import current_language
from storage.people_changes import Change, Changed
from storage.vocabulary import Role
from web import context
from web.blueprints.api import _api as api
from web.proving import prove_again
from web.shapes_people import (
    Department,
    DepartmentBody,
    Grant,
    GrantBody,
    GrantEnd,
    GrantsListed,
    User,
    UserBody,
    UserChange,
    UserMade,
)


@api.operation("GET", "/users", "Who may log in", answer=list[User])
def list_users() -> Response:
    """As `user list --json`."""
    with context.directory().ledger.read() as tx:
        found = people_changes.people(tx)
    return jsonify([people_changes.document(one) for one in found])


@api.operation("POST", "/users", "Add a person", body=UserBody, answer=UserMade, status=201)
def add_user(body: UserBody) -> tuple[Response, int]:
    """As `user add`; the one-time password is in this answer and nowhere else."""
    prove_again(body.password)
    made = people_changes.add_person(
        context.directory(), context.actor(reason=body.reason), body.name, Role(body.role),
        lang=body.language or current_language(), department=body.department,
    )  # fmt: skip
    return jsonify(_told(made)), 201


@api.operation("GET", "/users/<path:user>", "A person", answer=User)
def show_user(user: str) -> Response:
    """One of them."""
    with context.directory().ledger.read() as tx:
        found = people_changes.person(tx, user)
    return jsonify(people_changes.document(found))


@api.operation("PATCH", "/users/<path:user>", "Change a person", body=UserChange, answer=UserMade)
def change_user(user: str, body: UserChange) -> Response:
    """As `user set`."""
    change = Change(
        role=None if body.role is None else Role(body.role), enabled=body.enabled,
        lang=body.language, department=body.department, no_department=body.no_department,
        reset_password=body.reset_password, reset_second_factor=body.reset_second_factor,
        end_sessions=body.end_sessions,
    )  # fmt: skip
    if change.gives:
        prove_again(body.password)
    changed = people_changes.change_person(
        context.directory(), context.actor(reason=body.reason), user, change
    )
    return jsonify(_told(changed))


@api.operation("GET", "/departments", "To whom people and cameras belong", answer=list[Department])
def list_departments() -> Response:
    """As `department list --json`."""
    return jsonify(_departments())


@api.operation(
    "POST", "/departments", "Register a department", body=DepartmentBody, answer=Department,
    status=201,
)  # fmt: skip
def add_department(body: DepartmentBody) -> tuple[Response, int]:
    """As `department add`."""
    made = people_changes.make_department(context.directory(), context.actor(), body.name)
    return jsonify(next(one for one in _departments() if one["name"] == made)), 201


@api.operation(
    "GET", "/grants", "Who may do what with which cameras", query=GrantsListed,
    answer=list[Grant],
)  # fmt: skip
def list_grants(query: GrantsListed) -> Response:
    """As `grant list --json`."""
    now_us = context.now_us()
    asked = grant_changes.Asked(query.user, query.department, query.camera, query.site, query.ended)
    with context.directory().ledger.read() as tx:
        found = grant_changes.listed(tx, asked, now_us)
    return jsonify([grant_changes.document(one, now_us) for one in found])


@api.operation("POST", "/grants", "Grant something", body=GrantBody, answer=Grant, status=201)
def add_grant(body: GrantBody) -> tuple[Response, int]:
    """As `grant add`."""
    prove_again(body.password)
    wanted = Wanted(
        verbs=body.verbs, purpose=body.purpose, user=body.user, department=body.department,
        site=body.site, camera=body.camera, cameras_of=body.cameras_of,
        from_us=None if body.from_ is None else parse_time(body.from_),
        until_us=None if body.until is None else parse_time(body.until), case_id=body.case,
    )  # fmt: skip
    made = grant_changes.give(context.directory(), context.actor(), wanted)
    return jsonify(grant_changes.document(made, context.now_us())), 201


@api.operation("POST", "/grants/<int:grant>/revoke", "End a grant now", body=GrantEnd, answer=Grant)
def revoke_grant(grant: int, body: GrantEnd) -> Response:
    """As `grant revoke`."""
    ended = grant_changes.take_back(context.directory(), context.actor(), grant, body.reason)
    return jsonify(grant_changes.document(ended, context.now_us()))


def _told(changed: Changed) -> dict[str, object]:
    return people_changes.document(changed.now) | {"one_time_password": changed.password}


def _departments() -> list[dict[str, object]]:
    with context.directory().ledger.read() as tx:
        found = departments(tx)
    return [{"name": name, "people": people, "cameras": own} for name, people, own in found]
