"""A query as JSON and back: complete, its pictures named by their pixels and kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.query import ALREADY_CUT, Marked, Part, Picture, Query, Then, between_text
from storage.clock import optional_rfc3339, parse_time, parse_time_of_day
from storage.errors import DataLoss, Invalid


def document(query: Query) -> dict[str, Any]:
    """Everything of the query in JSON's types; `from_document` makes the same query of it.

    A frame is named by its number as a string: 63 bits do not fit every reader's numbers.
    """
    then = query.then
    return {
        "parts": _parts(query.parts),
        "exclusions": _parts(query.exclusions),
        "then_parts": _parts(then.parts) if then else [],
        "within_s": then.within_s if then else None,
        "near_m": then.near_m if then else None,
        "cameras": list(query.cameras),
        "sites": list(query.sites),
        "around": query.around.model_dump() if query.around else None,
        "from": optional_rfc3339(query.from_us),
        "to": optional_rfc3339(query.to_us),
        "between": between_text(query.between) if query.between else None,
        "weekdays": list(query.weekdays),
        "kind": query.kind,
        "least_box": query.least_box,
        "light": query.light,
        "marks": [
            {"frame": str(mark.frame_id), "segment": mark.segment_id, "right": mark.right}
            for mark in query.marks
        ],
        "top": query.top,
        "diversify": query.diversify,
        "case": query.case_id,
        "reason": query.reason,
    }


def understood(query: Query, cameras: list[str] | None, top: int) -> dict[str, Any]:
    """The document with a summary before it, and what cameras and top came down to.

    `text`, `then`: the first words of each step; `image`, `box`: the first picture.
    """
    picture = next((part for part in query.parts if part.image is not None), None)
    return {
        "text": _first_words(query.parts),
        "not": list(query.excluded_texts),
        "then": _first_words(query.then.parts) if query.then else None,
        "image": None if picture is None else _picture(picture),
        "box": None if picture is None or picture.box is None else list(picture.box),
        **document(query),
        "cameras": cameras,
        "top": top,
    }


def pictures_of(query: Query) -> dict[str, Picture]:
    """The query's pictures by the SHA-256 that its document names them with."""
    then = query.then.parts if query.then else ()
    return {
        part.pixels_sha256: part.image
        for part in (*query.parts, *query.exclusions, *then)
        if part.image is not None and part.pixels_sha256 is not None
    }


def from_document(doc: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Query:
    """The query that `document` described. `pictures` as of `pictures_of`.

    DataLoss: a picture is missing or is not the one that was named. Invalid: the document is of
    another version of Hindsight, or no document of a query.
    """
    left = dict(doc)
    try:
        then_parts = _read_parts(left.pop("then_parts"), pictures)
        within_s, near_m = left.pop("within_s"), left.pop("near_m")
        start, end, between = left.pop("from"), left.pop("to"), left.pop("between")
        fields = {
            "parts": _read_parts(left.pop("parts"), pictures),
            "exclusions": _read_parts(left.pop("exclusions"), pictures),
            "then": None,
            "from_us": None if start is None else parse_time(start),
            "to_us": None if end is None else parse_time(end),
            "between": None if between is None else parse_time_of_day(between),
            "marks": tuple(
                Marked(frame_id=int(one["frame"]), segment_id=one["segment"], right=one["right"])
                for one in left.pop("marks")
            ),
            "case_id": left.pop("case"),
        }
        if then_parts:
            fields["then"] = Then(parts=then_parts, within_s=within_s, near_m=near_m)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Invalid(
            "this is no stored query of this version of Hindsight ({error}); ask it anew",
            error=f"{type(error).__name__}: {error}",
        ) from None
    return Query.model_validate({**left, **fields})


def _parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [
        {"text": part.text, "weight": part.weight} if part.image is None else
        {"picture": _picture(part), "box": list(part.box) if part.box else None,
         "weight": part.weight}
        for part in parts
    ]  # fmt: skip


def _read_parts(
    parts: Sequence[Mapping[str, Any]], pictures: Mapping[str, Picture]
) -> tuple[Part, ...]:
    return tuple(_read_part(part, pictures) for part in parts)


def _read_part(part: Mapping[str, Any], pictures: Mapping[str, Picture]) -> Part:
    if "picture" not in part:
        return Part(text=part["text"], weight=part["weight"])
    name = part["picture"]["pixels_sha256"]
    fields = {"image": pictures.get(name), "box": part["box"], "weight": part["weight"]}
    if fields["image"] is not None:
        made = Part.model_validate(fields, context={ALREADY_CUT: True})
        if made.pixels_sha256 == name:
            return made
    raise DataLoss(
        "picture {name} of a stored query is gone or damaged; ask anew with the picture",
        name=str(name)[:12],
    )


def _picture(part: Part) -> dict[str, Any] | None:
    if part.image is None:
        return None
    height, width = part.image.shape[:2]
    return {"width": width, "height": height, "pixels_sha256": part.pixels_sha256}


def _first_words(parts: Sequence[Part]) -> str | None:
    return next((part.text for part in parts if part.text is not None), None)
