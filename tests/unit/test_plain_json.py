"""What JSON can hold, and that no body of the API takes a number that is none."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from orrery.api.errors import answer
from orrery.controllers.settings import LimitSettings
from orrery.domain.catalogue import KINDS
from orrery.errors import Invalid
from orrery.plain_json import MAX_DEPTH, check_plain


@pytest.mark.parametrize(
    ("body", "path", "said"),
    [
        ('{"spec": {"space": {"x": {"high": 1e999}}}}', "spec.space.x.high", "must be a finite number, not inf"),
        ('{"x": [1, NaN]}', "x.1", "must be a finite number, not nan"),
        ('{"x": "a\\ud800b"}', "x", r"must be text in Unicode, and 'a\ud800b' holds half of a character"),
        ('{"\\udc00": 1}', r"\udc00", r"the name '\udc00' holds half of a character; names are text in Unicode"),
        (
            '{"x": 100000000000000000000}',
            "x",
            "must be a whole number of 64 bits, not 1.000000e+20",
        ),
        ("[" * 200 + "]" * 200, ".".join(["0"] * MAX_DEPTH), "lists and objects within each other go 100 deep at most"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_place_and_value(body: str, path: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_plain(json.loads(body))
    assert refused.value.details == {"fields": [{"path": path, "message": said}]}
    assert refused.value.message == f"{path.removeprefix('spec.')}: {said}"


def test_what_json_holds_is_taken() -> None:
    check_plain({"text": "é😀", "numbers": [0, -1, 2**64 - 1, 1e308], "none": None, "true": True, "deep": [[[]]]})


def test_an_answer_says_an_error_that_quotes_what_json_cannot_hold() -> None:
    given = {"x": float("inf"), "\ud800": ["\udfff", 10**30, {1: float("nan")}]}
    body = json.loads(bytes(answer(Invalid("not \ud800", given=given)).body))
    assert body["error"]["message"] == r"not \ud800"
    assert body["error"]["details"]["given"] == {"x": "inf", r"\ud800": [r"\udfff", str(10**30), {"1": "nan"}]}


def models_in(annotation: Any) -> set[type[BaseModel]]:
    """The models that an annotation holds, those in their fields as well."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}.union(*(models_in(field.annotation) for field in annotation.model_fields.values()))
    return set[type[BaseModel]]().union(*map(models_in, get_args(annotation)))


def takes_numbers(annotation: Any) -> bool:
    return annotation is float or any(map(takes_numbers, get_args(annotation)))


def test_no_spec_takes_infinity_written_as_text() -> None:
    """`{"cores": "inf"}` is plain JSON; where a number is meant, it is read as one."""
    bodies = [LimitSettings, *(kind.spec for kind in KINDS)]
    bodies += [action.body for kind in KINDS for action in kind.actions if action.body is not None]
    lax = sorted(
        f"{model.__name__}.{name}"
        for body in bodies
        for model in models_in(body)
        for name, field in model.model_fields.items()
        if takes_numbers(field.annotation)
        and model.model_config.get("allow_inf_nan") is not False
        and not any(getattr(note, "allow_inf_nan", True) is False for note in field.metadata)
    )
    assert lax == []
