"""The API as a document: operations are declared once, routed, checked and described from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from types import UnionType
from typing import Any, Union, get_args, get_origin

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.json_schema import models_json_schema

from storage.errors import KINDS, HindsightError, Invalid
from web.problems import PROBLEM_TYPE
from web.sessions import NotLoggedIn
from web.shapes import Problem

View = Callable[..., ResponseReturnValue]
JSON = "application/json"
NO_FORM_TOKEN = "X-CSRF-Token is missing, or is of another session."
TOO_LARGE = "More was sent than this address takes."
REFUSALS: tuple[type[HindsightError], ...] = (*KINDS, NotLoggedIn)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address. `answer` None: bytes of `media_type`, not JSON."""

    method: str
    rule: str
    endpoint: str
    summary: str
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    upload: str | None  # field of a picture in the multipart form of the request
    answer: Any
    media_type: str
    status: int


class Api:
    """A blueprint whose routes are operations."""

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.operations: list[Operation] = []

    def operation(
        self,
        method: str,
        rule: str,
        summary: str,
        *,
        query: type[BaseModel] | None = None,
        body: type[BaseModel] | None = None,
        upload: str | None = None,
        answer: Any = None,
        media_type: str = JSON,
        status: int = 200,
    ) -> Callable[[View], View]:
        """Route a view; it is called with its checked `query` and `body`."""

        def register(view: View) -> View:
            self.operations.append(
                Operation(
                    method,
                    rule,
                    view.__name__,
                    summary,
                    query,
                    body,
                    upload,
                    answer,
                    media_type,
                    status,
                )
            )

            @wraps(view)
            def checked(**values: Any) -> ResponseReturnValue:
                if query is not None:
                    values["query"] = _checked(query, _arguments(query))
                if body is not None:
                    values["body"] = _checked(body, _sent(upload))
                return view(**values)

            self.blueprint.add_url_rule(rule, view.__name__, checked, methods=[method])
            return checked

        return register

    def document(self, title: str, version: str, prefix: str) -> dict[str, Any]:
        """OpenAPI 3.1."""
        models: set[type[BaseModel]] = {Problem}
        for each in self.operations:
            models |= {model for model in (each.body,) if model} | _models_in(each.answer)
        _, definitions = models_json_schema(
            [(model, "serialization" if model not in self._bodies() else "validation")
             for model in sorted(models, key=lambda one: one.__name__)],
            ref_template="#/components/schemas/{model}",
        )  # fmt: skip
        paths: dict[str, dict[str, Any]] = {}
        for each in self.operations:
            path = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", each.rule)
            paths.setdefault(path, {})[each.method.lower()] = _described(each)
        return {
            "openapi": "3.1.0",
            "info": {"title": title, "version": version},
            "paths": paths,
            "components": {
                "schemas": definitions.get("$defs", {}),
                "securitySchemes": {
                    "session": {"type": "apiKey", "in": "cookie", "name": "hindsight_session"},
                    "form": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
                    "token": {"type": "http", "scheme": "bearer"},
                },
            },
            "security": [{"session": []}, {"token": []}],
        }

    def _bodies(self) -> set[type[BaseModel]]:
        return {each.body for each in self.operations if each.body}


def _described(each: Operation) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"<(?:\w+:)?(\w+)>", each.rule)
    ]
    if each.query is not None:
        schema = each.query.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, field in schema.get("properties", {}).items():
            parameters.append(
                {"name": name, "in": "query", "required": name in schema.get("required", []),
                 "description": field.pop("description", ""), "schema": field}
            )  # fmt: skip
    answer: dict[str, Any] = {"description": each.summary}
    if each.answer is not None:
        adapter = TypeAdapter(each.answer)
        schema = adapter.json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        answer["content"] = {JSON: {"schema": schema}}
    elif each.status != 204:
        answer["content"] = {each.media_type: {}}
    problem = {"content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    described: dict[str, Any] = {
        "operationId": each.endpoint,
        "summary": each.summary,
        "responses": {
            str(each.status): answer,
            **{str(kind.http_status): {"description": _first_line(kind), **problem}
               for kind in REFUSALS},
        },
    }  # fmt: skip
    if parameters:
        described["parameters"] = parameters
    if each.body is not None:
        reference = {"$ref": f"#/components/schemas/{each.body.__name__}"}
        content: dict[str, Any] = {JSON: {"schema": reference}}
        if each.upload:
            content["multipart/form-data"] = {
                "schema": {
                    "type": "object",
                    "properties": {
                        "query": {"type": "string", "contentMediaType": JSON,
                                  "contentSchema": reference},
                        each.upload: {"type": "string", "format": "binary"},
                    },
                }
            }  # fmt: skip
        described["requestBody"] = {"required": True, "content": content}
    if each.method != "GET":
        described["security"] = [{"session": [], "form": []}, {"token": []}]
        described["responses"]["400"] = {"description": NO_FORM_TOKEN, **problem}
    if each.body is not None:
        described["responses"]["413"] = {"description": TOO_LARGE, **problem}
    return described


def _first_line(kind: type[HindsightError]) -> str:
    return (kind.__doc__ or "").split("\n")[0]


def _models_in(answer: Any) -> set[type[BaseModel]]:
    if isinstance(answer, type) and issubclass(answer, BaseModel):
        return {answer}
    if get_origin(answer) is not None:
        return set().union(*(_models_in(part) for part in get_args(answer)))
    return set()


def _arguments(query: type[BaseModel]) -> dict[str, Any]:
    """Query arguments; a field that is a list takes every occurrence."""
    lists = {
        field.alias or name
        for name, field in query.model_fields.items()
        if _is_list(field.annotation)
    }
    return {
        name: request.args.getlist(name) if name in lists else request.args[name]
        for name in request.args
    }


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return any(_is_list(part) for part in get_args(annotation))
    return get_origin(annotation) is list


def _sent(upload: str | None) -> Any:
    """The JSON of the request: its body, or the `query` field of a form with a picture."""
    if upload and request.mimetype == "multipart/form-data":
        text = request.form.get("query", "{}")
    else:
        if request.mimetype != JSON:
            raise Invalid("send application/json, not {type}", type=request.mimetype or "nothing")
        text = request.get_data(as_text=True)
    try:
        return TypeAdapter(dict[str, Any]).validate_json(text)
    except ValidationError:
        raise Invalid("the request is not a JSON object; nothing was done") from None


def _checked(model: type[BaseModel], values: Any) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(
            "field {field} cannot be used: {error}; nothing was done",
            field=".".join(str(part) for part in first["loc"]) or "?", error=first["msg"],
        ) from None  # fmt: skip
