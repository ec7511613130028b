"""The bounds of environment variables are those of the system that programs are started on."""

from __future__ import annotations

import subprocess
from typing import cast

import pytest

from orrery.controllers.commands import parse_spec
from orrery.domain.kinds import Spec
from orrery.domain.notebooks import MAX_VALUE, NotebookSpec
from orrery.domain.records import Json
from orrery.domain.secrets import SecretSpec
from orrery.domain.trainings import TrainingSpec
from orrery.domain.variables import LONGEST_NAME, MOST_BYTES, MOST_BYTES_TOGETHER, check_parameters, check_values
from orrery.errors import Invalid


def runs_with(variables: dict[str, str]) -> bool:
    try:
        return subprocess.run(["/bin/true"], env=variables, check=False).returncode == 0
    except OSError:
        return False


def test_the_largest_variable_is_one_that_a_program_can_be_given() -> None:
    largest = {"X": "ä" * ((MOST_BYTES - 3) // 2)}
    check_values(largest)
    assert runs_with(largest)
    above = {"X": f"{largest['X']}ab"}
    assert not runs_with(above)
    with pytest.raises(ValueError, match="X takes 131,073 bytes with its value; a variable has 131,072 at most"):
        check_values(above)


def test_all_variables_together_are_bounded_below_what_a_program_can_be_given() -> None:
    many = {f"X{index}": "x" * 100_000 for index in range(10)}
    check_values(many)
    assert runs_with(many)
    more = {f"X{index}": "x" * 100_000 for index in range(11)}
    with pytest.raises(ValueError, match=f"all variables together take 1,100,.*{MOST_BYTES_TOGETHER:,} at most"):
        check_values(more)


def test_hyperparameters_are_variables_too() -> None:
    with pytest.raises(ValueError, match="the value of x holds the character NUL"):
        check_parameters({"x": "a\0b"})
    with pytest.raises(ValueError, match="the value of x holds the character NUL"):
        check_parameters({"x": [{"y": "a\0b"}]})
    with pytest.raises(ValueError, match=r"the name 'a\\x00b' holds the character NUL"):
        check_parameters({"a\0b": 1})
    check_parameters({"x": r"\u0000"})
    with pytest.raises(ValueError, match=r"all hyperparameters together take 140,.*131,072 at most"):
        check_parameters({"x": "a" * 70_000, "y": ["b" * 70_000]})


def test_a_run_cannot_have_variables_and_hyperparameters_beyond_the_bound_together() -> None:
    environment = {f"X{index}": "x" * 100_000 for index in range(9)}
    run = {"algorithm": "a", "environment": environment}
    TrainingSpec.model_validate(run)
    with pytest.raises(ValueError, match="all variables and hyperparameters together take 1,"):
        TrainingSpec.model_validate({**run, "parameters": {"x": "y" * 100_000}})


def test_a_secret_fits_into_a_variable_of_any_name() -> None:
    most = (MOST_BYTES - LONGEST_NAME - 2) // 4
    SecretSpec(value="😀" * most)
    with pytest.raises(ValueError, match=r"a secret has 130,815 bytes in UTF-8 at most; this has 130,816"):
        SecretSpec(value="😀" * (most + 1))


def told(model: type[Spec], document: Json) -> dict[str, str]:
    """What is wrong, by its place."""
    with pytest.raises(Invalid) as refused:
        parse_spec(model, document)
    fields = cast("list[dict[str, str]]", refused.value.details["fields"])
    return {field["path"]: field["message"] for field in fields}


def test_each_wrong_variable_is_told_at_its_own_place() -> None:
    environment = {"GOOD": "", "1.X": "a", "EM_X": "b", "NUL": "a\0"}
    assert told(TrainingSpec, {"algorithm": "a", "environment": environment}) == {
        "spec.environment.1.X": "'1.X' cannot be set: use letters, digits and '_', not beginning with EM_ or ORRERY_",
        "spec.environment.EM_X": "'EM_X' cannot be set: use letters, digits and '_', not beginning with EM_ or ORRERY_",
        "spec.environment.NUL": "the value of NUL holds the character NUL (at place 2), which no variable can",
    }
    twice = {"algorithm": "a", "environment": {"TOKEN": "x"}, "secrets": {"TOKEN": "mine"}}
    assert told(TrainingSpec, twice) == {
        "spec.secrets.TOKEN": "TOKEN is set both in environment and in secrets; leave one of them away"
    }
    of_notebook = {"environment": {"JUPYTERHUB_X": "a", "LONG": "x" * (MAX_VALUE + 1)}}
    assert list(told(NotebookSpec, of_notebook)) == ["spec.environment.JUPYTERHUB_X", "spec.environment.LONG"]
