"""The words in which a document's problems are told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from orrery.controllers.commands import parse_spec
from orrery.errors import Invalid

FOREIGN = ("input", "valid", "permitted", "required", "should")


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: float = Field(1.0, gt=0, lt=9)


class Left(BaseModel):
    side: Literal["left"]


class Right(BaseModel):
    side: Literal["right"]


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rounds: int = Field(1, ge=1, le=10)
    step: int = Field(2, multiple_of=2)
    names: list[str] = Field(default_factory=list, max_length=2)
    title: str = Field("a", min_length=1, max_length=3, pattern="^[a-z]*$")
    kind: Literal["tpe", "grid"] = "tpe"
    on: bool = False
    at: AwareDatetime | None = None
    values: dict[str, float] = Field(default_factory=dict)
    inner: Inner | None = None
    sides: list[Annotated[Left | Right, Field(discriminator="side")]] = Field(default_factory=list)
    needed: int = 0


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"rounds": "x"}, "rounds: must be a whole number, not 'x'"),
        ({"rounds": 1.5}, "rounds: must be a whole number, not 1.5"),
        ({"rounds": 0}, "rounds: must be at least 1, not 0"),
        ({"rounds": 11}, "rounds: must be at most 10, not 11"),
        ({"step": 3}, "step: must be a multiple of 2, not 3"),
        ({"names": "a"}, "names: must be a list, not 'a'"),
        ({"names": ["a", "b", "c"]}, "names: must have at most 2 items and has 3"),
        ({"names": [1]}, "names.0: must be text, not 1"),
        ({"title": ""}, "title: must have at least 1 character, not ''"),
        ({"title": "long"}, "title: must have at most 3 characters, not 'long'"),
        ({"title": "ü" * 9999}, f"title: must have at most 3 characters, not '{'ü' * 199} …"),
        ({"title": "A"}, "title: must be of the form ^[a-z]*$, not 'A'"),
        ({"kind": "foo"}, "kind: must be 'tpe' or 'grid', not 'foo'"),
        ({"on": "maybe"}, "on: must be true or false, not 'maybe'"),
        ({"at": "noon"}, "at: must be a moment, such as 2026-01-31T22:00:00+01:00, not 'noon'"),
        ({"at": "2026-01-01T10:00"}, "at: needs its time zone, such as"),
        ({"values": [1]}, "values: must be an object: names with their values"),
        ({"values": {"a": "x"}}, "values.a: must be a number, not 'x'"),
        ({"inner": 3}, "inner: must be an object: names with their values, not 3"),
        ({"inner": {"width": 0}}, "inner.width: must be above 0, not 0"),
        ({"inner": {"width": 9}}, "inner.width: must be below 9, not 9"),
        ({"inner": {"widht": 2}}, "inner.widht: there is no such field; did you mean 'width'?"),
        ({"round": 2}, "round: there is no such field; did you mean 'rounds'?"),
        ({"sides": [{}]}, "sides.0: needs a field 'side' that says which kind it is"),
        ({"sides": [{"side": "up"}]}, "sides.0: its 'side' must be one of 'left', 'right'"),
    ],
)
def test_a_problem_is_told_in_plain_words_with_the_field_and_the_value(document: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_spec(Document, document)
    assert refused.value.message.startswith(said)
    assert not any(word in refused.value.message.lower().split() for word in FOREIGN)
