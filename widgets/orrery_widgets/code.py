"""The Python that a panel stands for, as text that can be pasted and run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

#: longer calls get one argument a line
_LINE = 88
_HEAD = "import orrery\n\nclient = orrery.Client()\n"


def program(*statements: str) -> str:
    """The statements, after the lines that make `client`."""
    return _HEAD + "\n".join(statements)


def without_head(source: str) -> str:
    """A program's statements, for a notebook in which `client` is made already."""
    return source.removeprefix(_HEAD)


def call(function: str, *positional: Any, result: str = "", **named: Any) -> str:
    """`result = function("a", name="b")`; arguments that are None are left out."""
    arguments = [literal(value) for value in positional]
    arguments += [f"{name}={literal(value)}" for name, value in named.items() if value is not None]
    head = f"{result} = {function}" if result else function
    line = f"{head}({', '.join(arguments)})"
    if len(line) <= _LINE:
        return line
    return "\n".join([f"{head}(", *(f"    {indented(argument)}," for argument in arguments), ")"])


def indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def literal(value: Any) -> str:
    """`value` as a Python literal with double quotes; long lists and mappings over several lines."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f'float("{value}")'
    if isinstance(value, Mapping):
        entries = [f"{literal(key)}: {literal(item)}" for key, item in cast("Mapping[Any, Any]", value).items()]
        return _wrapped("{", entries, "}")
    if isinstance(value, list | tuple):
        return _wrapped("[", [literal(item) for item in cast("Sequence[Any]", value)], "]")
    return repr(value)


def _quoted(text: str) -> str:
    body = repr(text)
    if body.startswith('"'):
        return body
    return '"' + body[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'


def _wrapped(opening: str, entries: Sequence[str], closing: str) -> str:
    line = opening + ", ".join(entries) + closing
    if len(line) <= _LINE - 20:
        return line
    return "\n".join([opening, *(f"    {indented(entry)}," for entry in entries), closing])
