"""A script's form is read from its text: argparse, click and typer."""

from __future__ import annotations

import pytest

from orrery.errors import Invalid
from orrery.jobs.script import as_arguments, explain_status
from orrery.jobs.script_parameters import FLAG, read_script

ARGPARSE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("data")
parser.add_argument("-l", "--learning-rate", type=float, default=1, help="how far each step goes (%(default)s)")
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--optimizer", choices=["sgd", "adam"], default="adam")
parser.add_argument("--shuffle", action="store_true")
parser.add_argument("--layers", type=int, nargs="+", default=[64, 32])
parser.add_argument("--seed", type=int, default=pick())
arguments = parser.parse_args()
"""
CLICK = """
import click

@click.command()
@click.option("--depth", type=click.IntRange(1, 32), default=6, help="deepest tree")
@click.option("--loss", type=click.Choice(["l1", "l2"]), required=True)
@click.option("--verbose/--quiet", default=False)
@click.option("--rate", default=0.1)
def main(depth, loss, verbose, rate): ...
"""
TYPER = """
from typing import Annotated, Literal, Optional
import typer

app = typer.Typer()

@app.command()
def main(
    source: str,
    trees: Annotated[int, typer.Option(min=1, max=500, help="how many")] = 100,
    kind: Literal["a", "b"] = "a",
    depth: Optional[int] = None,
    early_stop: bool = True,
    name: str = typer.Option(..., help="what it is called"),
): ...
"""


def test_argparse() -> None:
    schema = read_script(ARGPARSE, "train.py")
    assert schema["required"] == ["epochs"]
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "learning-rate": {
            "title": "Learning rate",
            "type": "number",
            "description": "how far each step goes (the default)",
            "default": 1.0,
        },
        "epochs": {"title": "Epochs", "type": "integer"},
        "optimizer": {"title": "Optimizer", "type": "string", "enum": ["sgd", "adam"], "default": "adam"},
        "shuffle": {"title": "Shuffle", "type": "boolean", FLAG: {"on": "--shuffle"}, "default": False},
        "layers": {"title": "Layers", "type": "array", "items": {"type": "integer"}, "default": [64, 32]},
        "seed": {"title": "Seed", "type": "integer", "x-orrery-default-unknown": True},
    }


def test_click() -> None:
    schema = read_script(CLICK, "train.py")
    assert schema["required"] == ["loss"]
    properties = schema["properties"]
    assert properties["depth"] == {
        "title": "Depth",
        "type": "integer",
        "minimum": 1,
        "maximum": 32,
        "description": "deepest tree",
        "default": 6,
    }
    assert properties["loss"]["enum"] == ["l1", "l2"]
    assert properties["verbose"][FLAG] == {"on": "--verbose", "off": "--quiet"}
    assert properties["rate"] == {"title": "Rate", "type": "number", "default": 0.1}


def test_typer() -> None:
    schema = read_script(TYPER, "train.py")
    properties = schema["properties"]
    assert "source" not in properties
    assert schema["required"] == ["name"]
    assert properties["trees"]["maximum"] == 500 and properties["trees"]["default"] == 100
    assert properties["kind"]["enum"] == ["a", "b"]
    assert properties["depth"]["type"] == "integer" and "default" not in properties["depth"]
    assert properties["early-stop"][FLAG] == {"on": "--early-stop", "off": "--no-early-stop"}


def test_a_script_without_a_parser_and_one_that_takes_more_are_open() -> None:
    assert read_script("print(1)", "a.py")["additionalProperties"] is True
    open_too = ARGPARSE.replace("parse_args()", "parse_known_args()")
    assert read_script(open_too, "a.py")["additionalProperties"] is True


@pytest.mark.parametrize(("source", "told"), [("def f(:\n", "train.py is not Python"), ("a\0b", "train.py is not")])
def test_what_is_no_python_is_refused(source: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        read_script(source, "train.py")


def test_values_become_arguments() -> None:
    flags = {"shuffle": {"on": "--shuffle"}, "fast": {"on": "--fast"}, "cache": {"off": "--no-cache"}}
    values = {
        "rate": 0.1,
        "layers": [64, 32],
        "shuffle": True,
        "fast": False,
        "cache": False,
        "note": "two words",
        "seed": None,
    }
    assert as_arguments(values, flags) == [
        *("--rate", "0.1", "--layers", "64", "32", "--shuffle", "--no-cache", "--note", "two words"),
    ]


def test_a_kill_is_told_with_the_last_lines() -> None:
    told = explain_status(-9, 41, ["epoch 1", "loading"])
    assert told.startswith("exit code : -9 (pid: 41)")
    assert "it was killed" in told and told.endswith("epoch 1\nloading")
    assert explain_status(3, 41, ["ValueError: no"]).splitlines() == ["exit code : 3 (pid: 41)", "ValueError: no"]


REPEATED = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True)
parser.add_argument("--tag", action="append", type=int)
parser.add_argument("--size", nargs=2, type=int)
"""
REPEATED_CLICK = """
import click

@click.command()
@click.option("--tag", multiple=True, type=int)
@click.option("--size", nargs=2, type=int)
@click.option("--config-file", default="mine.json")
def main(tag, size, config_file): ...
"""
REPEATED_TYPER = """
import typer
def main(tag: list[int] = []): ...
typer.run(main)
"""


@pytest.mark.parametrize("source", [REPEATED, REPEATED_CLICK, REPEATED_TYPER])
def test_options_that_are_given_once_for_each_item(source: str) -> None:
    schema = read_script(source, "train.py")
    tag = schema["properties"]["tag"]
    assert (tag["type"], tag["items"]) == ("array", {"type": "integer"})
    flags = {name: found[FLAG] for name, found in schema["properties"].items() if found.get(FLAG)}
    assert as_arguments({"tag": [1, 2]}, flags) == ["--tag", "1", "--tag", "2"]
    if "size" in schema["properties"]:
        size = schema["properties"]["size"]
        assert (size["type"], size["minItems"], size["maxItems"]) == ("array", 2, 2)
        assert as_arguments({"size": [3, 4]}, flags) == ["--size", "3", "4"]


def test_a_needed_configuration_is_the_platforms_file_unless_another_is_named() -> None:
    schema = read_script(REPEATED, "train.py")
    assert "config" not in schema.get("required", [])
    flags = {"config": schema["properties"]["config"][FLAG]}
    assert as_arguments({"tag": None}, flags, "/job/config.json") == ["--config", "/job/config.json"]
    assert as_arguments({"config": "own.json"}, flags, "/job/config.json") == ["--config", "own.json"]
    assert as_arguments({}, flags) == []
    # one that has a file of its own keeps it
    assert FLAG not in read_script(REPEATED_CLICK, "train.py")["properties"]["config-file"]
