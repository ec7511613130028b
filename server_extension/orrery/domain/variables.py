"""Environment variables as a program can be given them: the kernel refuses to start one with more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

#: NAME=VALUE and the NUL after it, in UTF-8 (Linux's MAX_ARG_STRLEN)
MOST_BYTES: Final = 131_072
#: of a variable, characters
LONGEST_NAME: Final = 255
#: all that a run is given together; Linux gives a program a quarter of its stack, 2 MiB at the usual 8, and the
#: platform's own variables need a place beside them
MOST_BYTES_TOGETHER: Final = 1 << 20


def check_values(variables: Mapping[str, str], name_problem: Callable[[str], str] = lambda _: "") -> None:
    """For the validator of a field of variables.

    `name_problem`: what is wrong with a name; empty where nothing is.

    Raises: ValidationError with each problem at the variable that it is about; ValueError where all are too much.
    """
    found = {name: name_problem(name) or _value_problem(name, value) for name, value in variables.items()}
    if problems := {(name,): problem for name, problem in found.items() if problem}:
        raise refusal(problems)
    _check_together(sum(size_of(name, value) for name, value in variables.items()), "all variables together take")


def refusal(problems: Mapping[tuple[str, ...], str]) -> ValidationError:
    """For a validator to raise: what is wrong, by its place below what the validator is of."""
    return ValidationError.from_exception_data(
        "variables",
        [
            InitErrorDetails(
                type=PydanticCustomError("value_error", "{problem}", {"problem": problem}), loc=place, input=None
            )
            for place, problem in problems.items()
        ],
    )


def _value_problem(name: str, value: str) -> str:
    """What is wrong with a value; empty where a program can be given it."""
    if "\0" in value:
        return (
            f"the value of {name} holds the character NUL (at place {value.index(chr(0)) + 1}), which no variable can"
        )
    if (size := size_of(name, value)) > MOST_BYTES:
        return f"{name} takes {size:,} bytes with its value; a variable has {MOST_BYTES:,} at most: put it into a file"
    return ""


def check_parameters(parameters: Mapping[str, Any], taken_bytes: int = 0, *, beside: str = "variables") -> None:
    """Hyperparameters reach a run as variables too: each for itself, and all as JSON. Raises: ValueError.

    `taken_bytes`: what is `beside` them takes.
    """
    for name, value in parameters.items():
        if "\0" in name:
            raise ValueError(f"the name {name!r} holds the character NUL; it becomes a variable, and no variable can")
        if any("\0" in text for text in _texts(value)):
            raise ValueError(f"the value of {name} holds the character NUL; it becomes a variable, and no variable can")
    whole = len(json.dumps(parameters)) + len("EM_HPS=") + 1
    if whole > MOST_BYTES:
        raise ValueError(
            f"all hyperparameters together take {whole:,} bytes as JSON; they have {MOST_BYTES:,} at most: "
            "put what is long into a file or a dataset"
        )
    # in EM_HPS, and once more in EM_HP_<NAME> each
    _check_together(taken_bytes + 2 * whole, f"all {beside} and hyperparameters together take")


def _texts(value: Any) -> Iterator[str]:
    """Every text in it, also within lists and objects."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            yield from _texts(part)
    elif isinstance(value, Mapping):
        for name, part in cast("Mapping[Any, Any]", value).items():
            yield str(name)
            yield from _texts(part)


def size_of(name: str, value: str) -> int:
    """`NAME=VALUE` with the NUL at its end, bytes."""
    return len(name) + len(value.encode("utf-8", "surrogatepass")) + 2


def _check_together(size: int, what: str) -> None:
    if size > MOST_BYTES_TOGETHER:
        raise ValueError(
            f"{what} {size:,} bytes; a program has {MOST_BYTES_TOGETHER:,} at most: put what is long into a file"
        )
