"""Search spaces: their short texts, their conditions, their grids, and how an algorithm's schema types them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orrery.controllers.search_spaces import example, fit_space
from orrery.domain.search_space import Dimension, grid, in_order, is_active, parse_dimension
from orrery.errors import Invalid

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "depth": {"type": "integer", "minimum": 1, "maximum": 16},
        "rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "booster": {"type": "string", "enum": ["gbtree", "dart"]},
        "verbose": {"type": "boolean"},
        "share": {"type": ["number", "null"]},
        "layers": {"type": "array"},
    },
    "required": ["depth"],
    "additionalProperties": False,
}


def space_of(**texts: Any) -> dict[str, Dimension]:
    return {name: Dimension.model_validate(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("2..8", {"low": 2, "high": 8}),
        ("2..8:2", {"low": 2, "high": 8, "step": 2}),
        ("-1.5..+2e1", {"low": -1.5, "high": 20.0}),
        ("log:1e-4..0.3", {"low": 1e-4, "high": 0.3, "log": True}),
        (" log: .01..1. ", {"low": 0.01, "high": 1.0, "log": True}),
        ("gbtree, dart", {"values": ["gbtree", "dart"]}),
        ("adam", {"values": ["adam"]}),
        ("0..1 if booster=dart", {"low": 0, "high": 1, "when": {"booster": ["dart"]}}),
        ("a,b if depth=2,3", {"values": ["a", "b"], "when": {"depth": ["2", "3"]}}),
    ],
)
def test_short_texts(text: str, fields: dict[str, Any]) -> None:
    assert parse_dimension(text) == fields


@pytest.mark.parametrize("text", ["", " , ", "2..", "..8", "a..b", "2..8..9", "2..8:0"])
def test_what_is_no_space_says_how_one_is_written(text: str) -> None:
    with pytest.raises(ValidationError, match=r"search space|greater than 0"):
        Dimension.model_validate(text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"low": 1}, "low and high"),
        ({"low": 3, "high": 1}, "above high"),
        ({"low": 0, "high": 1, "log": True}, "above 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "has no step"),
        ({"values": [1], "low": 1, "high": 2}, "not both"),
        ({"values": []}, "at least 1"),
    ],
)
def test_what_does_not_fit_together(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Dimension.model_validate(given)


def test_conditions_order_the_names_and_rule_values_out() -> None:
    space = space_of(rate="0..1 if booster=dart", booster="gbtree,dart", skip="0..1 if rate=0.5")
    assert in_order(space) == ["booster", "rate", "skip"]
    assert is_active(space["rate"], {"booster": "dart"})
    assert not is_active(space["rate"], {"booster": "gbtree"})
    assert not is_active(space["skip"], {"booster": "gbtree"}), "what it depends on is not there"
    with pytest.raises(ValueError, match="which is not searched"):
        in_order(space_of(rate="0..1 if boost=dart"))
    with pytest.raises(ValueError, match="wait for one another"):
        in_order(space_of(a="0..1 if b=1", b="0..1 if a=1"))


def test_a_grid_has_every_combination_once() -> None:
    space = fit_space(space_of(depth="2..6:2", booster="gbtree,dart", rate="0.1..0.35:0.1 if booster=dart"), SCHEMA)
    combinations = list(grid(space))
    assert len(combinations) == 3 * (1 + 3)
    assert {combination["rate"] for combination in combinations if "rate" in combination} == {0.1, 0.2, 0.3}
    assert all(type(combination["depth"]) is int for combination in combinations)
    with pytest.raises(ValueError, match="needs a step"):
        list(grid(fit_space(space_of(rate="0.1..0.3"), SCHEMA)))
    with pytest.raises(ValueError, match=r"1,000,000 combinations"):
        list(grid(space_of(**{name: {"type": "int", "low": 1, "high": 100} for name in "abc"})))


def test_the_schema_types_the_dimensions() -> None:
    fitted = fit_space(
        space_of(
            depth="2..9:3", rate="log:0.01..1", verbose="true,false", share="0..1", booster="dart if verbose=true"
        ),
        SCHEMA,
    )
    assert {name: dimension.type for name, dimension in fitted.items()} == {
        **{"depth": "int", "rate": "float", "verbose": "categorical", "share": "float", "booster": "categorical"}
    }
    assert fitted["depth"].high == 8, "the last that the step reaches"
    assert fitted["verbose"].values == [True, False]
    assert fitted["booster"].when == {"verbose": [True]}
    assert example(fitted) == {"depth": 2, "rate": 0.01, "verbose": True, "share": 0.0, "booster": "dart"}


def test_what_no_schema_knows_is_read_as_it_looks() -> None:
    fitted = fit_space(space_of(a="1..3", b="1..3.5", c="1,2,x", d="0.5,1e3"), {})
    assert [fitted[name].type for name in "abcd"] == ["int", "float", "categorical", "categorical"]
    assert (fitted["c"].values, fitted["d"].values) == ([1, 2, "x"], [0.5, 1000.0])


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"depht": "2..8"}, "there is no parameter 'depht'; did you mean 'depth'"),
        ({"depth": "0..8"}, "from 1 to 16"),
        ({"depth": "2..99"}, "from 1 to 16"),
        ({"depth": "2..8:0.5"}, "0.5 is none"),
        ({"booster": "gbtree,dark"}, "one of 'gbtree', 'dart'"),
        ({"booster": "1..2"}, "list the values to try"),
        ({"verbose": "0..1"}, "list the values to try"),
        ({"verbose": "true,yes"}, "true or false"),
        ({"depth": "2,2"}, "stands twice"),
        ({"rate": "0.1..0.5 if booster=dark", "booster": "gbtree,dart"}, "one of 'gbtree', 'dart'"),
        ({"layers": {"values": [[1], [2]]}}, "cannot be searched"),
    ],
)
def test_what_the_algorithm_does_not_take_is_refused_at_its_field(space: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message) as refused:
        fit_space(space_of(**space), SCHEMA)
    fields: Any = refused.value.details["fields"]
    assert fields[0]["path"].startswith("spec.space.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-1e308..1e308", "farther than a number can say"),
        ("0..1e300:1e-300", "step is 1e-300, too small"),
        ("1..1e999", "1e999 is larger than a number can be here"),
        (f"1..1{'0' * 5000}", r"10{36}\.\.\. is larger than a number can be here"),
    ],
)
def test_a_range_that_numbers_cannot_say_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        Dimension.model_validate(text)
    assert len(refused.value.errors()[0]["msg"]) < 200


def test_a_whole_number_of_more_than_64_bits_is_a_float_and_no_int() -> None:
    assert parse_dimension("1..100000000000000000000") == {"low": 1, "high": 1e20}
    for text in ("1..100000000000000000000", "1..16:100000000000000000000"):
        with pytest.raises(Invalid, match="'count' takes whole numbers of 64 bits; 1e\\+20 has more"):
            fit_space(space_of(count=text), {"properties": {"count": {"type": "integer"}}})


def test_what_json_cannot_hold_as_a_number_stays_the_text_that_it_was() -> None:
    fitted = fit_space(space_of(unknown="nan,1e999,99999999999999999999,2"), {"properties": {}})
    assert fitted["unknown"].values == ["nan", "1e999", "99999999999999999999", 2]


def test_a_grid_names_what_has_no_step() -> None:
    with pytest.raises(ValueError, match="rate: a grid needs a step between 0 and 1"):
        list(grid(space_of(depth="1,2", rate="0..1")))


def test_a_list_is_the_values_to_try() -> None:
    assert Dimension.model_validate([1, "two"]).values == [1, "two"]
    with pytest.raises(ValidationError, match="at least 1 item"):
        Dimension.model_validate([])
