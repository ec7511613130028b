"""The typed parameters cell: what a notebook takes, read from its syntax tree, never by executing it.

    #: How many trees are grown.
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 200
    target: Column = ""           #: the column to predict

becomes a JSON schema (draft 2020-12, properties in the cell's order), which is the algorithm's form, and `validate`
checks values against it with errors that name the parameter, the value and what is allowed. A comment `# -- Data --`
begins a group of the form. Standard library only.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from typing import Any, NewType, cast

from orrery.errors import Invalid
from orrery.jobs.checks import check_values

#: a parameter that names a column of the dataset: `target: Column = ""`
Column = NewType("Column", str)

DRAFT = "https://json-schema.org/draft/2020-12/schema"
#: set where the default is no literal: it exists, but only running the notebook would tell it
UNKNOWN_DEFAULT = "x-orrery-default-unknown"
#: set where the annotation has no meaning here: any JSON value is passed on
UNCHECKED = "x-orrery-unchecked"

_SCALARS: Mapping[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "Column": {"type": "string", "x-orrery-column": True},
    "Any": {},
}
_CONSTRAINTS: Mapping[str, str] = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "title": "title",
    "description": "description",
}
_GROUP = re.compile(r"^#\s*[-=]{2,}\s*(?P<title>.*?\w.*?)\s*[-=]*$")


def read_parameters(source: str) -> dict[str, Any]:
    """The JSON schema of a parameters cell's source.

    Raises: Invalid where the cell is no Python, or a bound is no literal.
    """
    source = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise Invalid(f"the parameters cell is not Python: {error.msg} in its line {error.lineno}") from None
    helps, groups = _comments(source)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for statement in tree.body:
        named = _assignment(statement)
        if named is None:
            continue
        name, annotation, value = named
        prop = _of_annotation(annotation, name) if annotation is not None else _of_value(value)
        described = prop.pop("description", None) or _help_of(statement, helps, source.splitlines())
        entry: dict[str, Any] = {"title": prop.pop("title", None) or _title(name)}
        if described:
            entry["description"] = described
        entry |= prop
        group = next((title for line, title in reversed(groups) if line < statement.lineno), None)
        if group and "x-orrery-group" not in entry:
            entry["x-orrery-group"] = group
        if value is None:
            required.append(name)
        else:
            _set_default(entry, value)
        properties[name] = entry
    schema: dict[str, Any] = {"$schema": DRAFT, "type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return schema | {"additionalProperties": False}


def validate(schema: Mapping[str, Any], values: Mapping[str, Any], *, path: str = "parameters") -> dict[str, Any]:
    """`values` as the schema's types; text from a command line becomes a number or a boolean where one is asked for.

    Defaults are not filled in: the notebook has them. But for what is required: a schema file may have the only one.
    Raises: Invalid with one entry in `details["fields"]` for each fault; its message is the first's.
    """
    checked, faults = check_values(schema, values)
    if faults:
        fields = [{"path": f"{path}.{name}", "message": message} for name, message in faults]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise Invalid(faults[0][1] + more, fields=fields, parameter=faults[0][0], value=values.get(faults[0][0]))
    return checked


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr | None, ast.expr | None] | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
            return name, annotation, value
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
            return name, None, value
        case _:
            return None


def _of_annotation(node: ast.expr, parameter: str) -> dict[str, Any]:
    match node:
        case ast.Constant(value=None):
            return dict(_SCALARS["None"])
        case ast.Constant(value=str(text)):  # a quoted annotation
            return _of_annotation(ast.parse(text, mode="eval").body, parameter)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union([_of_annotation(left, parameter), _of_annotation(right, parameter)])
        case ast.Subscript(value=outer, slice=inner):
            return _of_generic(_last_name(outer), inner, parameter)
        case _:
            name = _last_name(node)
            if name in ("list", "List"):
                return {"type": "array"}
            if name in ("dict", "Dict"):
                return {"type": "object"}
            return dict(_SCALARS[name]) if name in _SCALARS else {UNCHECKED: True}


def _of_generic(outer: str, inner: ast.expr, parameter: str) -> dict[str, Any]:
    arguments = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
    match outer:
        case "Literal":
            return _literal(arguments, parameter)
        case "Optional":
            return _union([_of_annotation(arguments[0], parameter), dict(_SCALARS["None"])])
        case "Union":
            return _union([_of_annotation(argument, parameter) for argument in arguments])
        case "list" | "List" | "Sequence":
            return {"type": "array", "items": _of_annotation(arguments[0], parameter)}
        case "dict" | "Dict" | "Mapping":
            return {"type": "object", "additionalProperties": _of_annotation(arguments[-1], parameter)}
        case "Annotated":
            schema = _of_annotation(arguments[0], parameter)
            for extra in arguments[1:]:
                schema = _constrained(schema, extra, parameter)
            return schema
        case _:
            return {UNCHECKED: True}


def _constrained(schema: dict[str, Any], extra: ast.expr, parameter: str) -> dict[str, Any]:
    """`schema` with what a `Field(...)` says; a bare string is the description; anything else means nothing here."""
    if isinstance(extra, ast.Constant) and isinstance(extra.value, str):
        return schema | {"description": extra.value}
    if not (isinstance(extra, ast.Call) and _last_name(extra.func) == "Field"):
        return schema
    for keyword in extra.keywords:
        if keyword.arg == "json_schema_extra":
            schema |= _literal_value(keyword.value, parameter, "json_schema_extra")
        elif keyword.arg is not None and keyword.arg in _CONSTRAINTS:
            key = _CONSTRAINTS[keyword.arg]
            if schema.get("type") == "array":
                key = {"minLength": "minItems", "maxLength": "maxItems"}.get(key, key)
            schema[key] = _literal_value(keyword.value, parameter, keyword.arg)
    return schema


def _literal_value(node: ast.expr, parameter: str, what: str) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        message = f"{what} of parameter {parameter!r} is {ast.unparse(node)!r}; write a number or text there, since the"
        raise Invalid(f"{message} cell is read without being run", parameter=parameter) from None


def _literal(arguments: list[ast.expr], parameter: str) -> dict[str, Any]:
    choices = [_literal_value(argument, parameter, "a choice") for argument in arguments]
    names = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
    types = {type(choice).__name__ for choice in choices if choice is not None}
    schema: dict[str, Any] = {"enum": choices}
    if len(types) == 1 and (only := types.pop()) in names:
        schema["type"] = names[only] if None not in choices else [names[only], "null"]
    return schema


def _union(branches: list[dict[str, Any]]) -> dict[str, Any]:
    """One type with a list of names where nothing else differs, else `anyOf`."""
    nullable = [branch for branch in branches if branch.get("type") == "null"]
    others = [branch for branch in branches if branch.get("type") != "null"]
    if len(others) == 1 and nullable and "type" in others[0]:
        only = others[0]
        types = cast("list[str]", only["type"] if isinstance(only["type"], list) else [only["type"]])
        merged: dict[str, Any] = only | {"type": types if "null" in types else [*types, "null"]}
        if "enum" in only and None not in only["enum"]:
            merged["enum"] = [*only["enum"], None]
        return merged
    if all(set(branch) == {"type"} and isinstance(branch["type"], str) for branch in branches):
        return {"type": [branch["type"] for branch in branches]}
    flat = [inner for branch in branches for inner in branch.get("anyOf", [branch])]
    return {"anyOf": flat}


def _of_value(value: ast.expr | None) -> dict[str, Any]:
    """The type of a default without annotation; None and what is no literal tell nothing."""
    try:
        literal = ast.literal_eval(value) if value is not None else None
    except (ValueError, TypeError):
        return {UNCHECKED: True}
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(literal, kind):
            return {"type": name}
    return {"type": "object"} if isinstance(literal, dict) else {UNCHECKED: True}


def _set_default(entry: dict[str, Any], value: ast.expr) -> None:
    try:
        default = ast.literal_eval(value)
    except (ValueError, TypeError):
        entry[UNKNOWN_DEFAULT] = True
        return
    if isinstance(default, (set, bytes, complex)) or default is Ellipsis:
        entry[UNKNOWN_DEFAULT] = True
        return
    if entry.get("type") in ("number", ["number", "null"]) and type(default) is int:
        default = float(default)
    entry["default"] = list(cast("tuple[Any, ...]", default)) if isinstance(default, tuple) else default


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _comments(source: str) -> tuple[dict[int, str], list[tuple[int, str]]]:
    """`#:` comments by line, and the titles of groups (`# -- Data --`) with their lines."""
    helps: dict[int, str] = {}
    groups: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.string.startswith("#:"):
            helps[token.start[0]] = token.string[2:].strip()
        elif found := _GROUP.match(token.string):
            groups.append((token.start[0], found["title"]))
    return helps, groups


def _help_of(statement: ast.stmt, helps: Mapping[int, str], source: list[str]) -> str:
    last = statement.end_lineno or statement.lineno
    trailing = [helps[line] for line in range(statement.lineno, last + 1) if line in helps]
    if trailing:
        return " ".join(trailing)
    lines: list[str] = []
    line = statement.lineno - 1
    # Directly above, and on a line of its own: a trailing comment belongs to the statement before.
    while line in helps and source[line - 1].lstrip().startswith("#:"):
        lines.append(helps[line])
        line -= 1
    return " ".join(reversed(lines))


def _title(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else name
