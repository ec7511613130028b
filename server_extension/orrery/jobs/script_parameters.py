"""What a script takes, read from its syntax tree: argparse's `add_argument`, click's options, typer's functions.

The script is never run for it. What cannot be told from the text (a computed default, a type of its own) is left open:
any value is passed on. Standard library only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, cast

from orrery.errors import Invalid
from orrery.jobs.parameters import DRAFT, UNCHECKED, UNKNOWN_DEFAULT

_TYPES = {"int": "integer", "float": "number", "str": "string", "bool": "boolean", "Path": "string"}
_CLICK_TYPES = {"INT": "integer", "FLOAT": "number", "STRING": "string", "BOOL": "boolean"}
_RANGES = {"IntRange": "integer", "FloatRange": "number"}
#: options that the parsers bring themselves
_OWN = {"help", "version", "h"}
#: options that are the path of a file of configuration
_CONFIGS = {"config", "config-file", "config_file", "config-path", "config_path"}
#: of a switch: what is given for true ("on") and for false ("off"), as far as there is a word for it; of an option that
#: is given once for each item of a list, that option ("each"); of one that is the path of a configuration ("config")
FLAG = "x-orrery-flag"


def read_script(source: str, name: str) -> dict[str, Any]:
    """The JSON schema of a script's options; without properties where it has none that can be read.

    Raises: Invalid where the script is no Python.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        where = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise Invalid(f"{name} is not Python: {getattr(error, 'msg', error)}{where}") from None
    properties: dict[str, Any] = {}
    required: list[str] = []
    for option, schema, is_required in _options(tree):
        if option in _CONFIGS and schema.get("type") == "string" and schema.get("default") is None:
            # what it was given lies in such a file already
            schema |= {FLAG: {"config": f"--{option}"}}
            schema.setdefault("description", "A configuration file. Empty: the platform's, with all that it is given.")
            is_required = False
        properties.setdefault(option, {"title": _title(option), **schema})
        if is_required and option not in required:
            required.append(option)
    found: dict[str, Any] = {"$schema": DRAFT, "type": "object", "properties": properties}
    if required:
        found["required"] = required
    # `parse_known_args` takes what it does not know, and so does a script without a parser that is known here
    is_open = not properties or any(_called(call) == "parse_known_args" for call in _calls(tree))
    return found | {"additionalProperties": is_open}


def _options(tree: ast.Module) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for call in _calls(tree):
        if _called(call) == "add_argument":
            yield from _of_argparse(call)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and _called(decorator) == "option":
                yield from _of_click(decorator)
            elif _is_typer_command(decorator) and not _has_click_options(function):
                yield from _of_typer(function)
    for call in _calls(tree):  # typer.run(main)
        if _called(call) == "run" and len(call.args) == 1 and isinstance(call.args[0], ast.Name):
            yield from _of_named_function(tree, call.args[0].id)


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    """In the order of the text."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return iter(sorted(calls, key=lambda call: (call.lineno, call.col_offset)))


def _called(call: ast.Call) -> str:
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


# argparse


def _of_argparse(call: ast.Call) -> Iterator[tuple[str, dict[str, Any], bool]]:
    flags = [value for argument in call.args if isinstance(value := _literal(argument), str)]
    keywords = _keywords(call)
    option = _long_name(flags)
    if option is None:
        return  # positional: it has no name to be given by
    schema: dict[str, Any] = {}
    match _literal(keywords.get("action")):
        case "store_true":
            schema |= {"type": "boolean", FLAG: {"on": f"--{option}"}, "default": False}
        case "store_false":
            schema |= {"type": "boolean", FLAG: {"off": f"--{option}"}, "default": True}
        case _ if _name_of(keywords.get("action")) == "BooleanOptionalAction":
            schema |= {"type": "boolean", FLAG: _pair(option)}
        case _:
            schema |= _typed(keywords.get("type"), _TYPES, default="string")
            if isinstance(choices := _literal(keywords.get("choices")), list | tuple):
                schema["enum"] = list(cast("list[Any]", choices))
            if "nargs" in keywords and _literal(keywords["nargs"]) != "?":
                schema = {"type": "array", "items": schema} | _exactly(keywords["nargs"])
            elif _literal(keywords.get("action")) == "append":
                schema = _each(option, schema)
            elif _literal(keywords.get("action")) == "extend":
                schema = {"type": "array", "items": schema}
    _describe(schema, keywords)
    yield option, schema, _literal(keywords.get("required")) is True


# click


def _of_click(call: ast.Call) -> Iterator[tuple[str, dict[str, Any], bool]]:
    flags = [value for argument in call.args if isinstance(value := _literal(argument), str)]
    keywords = _keywords(call)
    option = _long_name([flag.partition("/")[0] for flag in flags])
    if option is None:
        return
    given = keywords.get("type")
    pair = next((flag.partition("/") for flag in flags if "/" in flag), None)
    if pair is not None:
        schema: dict[str, Any] = {"type": "boolean", FLAG: {"on": pair[0].strip(), "off": pair[2].strip()}}
    elif _literal(keywords.get("is_flag")) is True:
        schema = {"type": "boolean", FLAG: {"on": f"--{option}"}}
    elif isinstance(given, ast.Call) and _called(given) == "Choice" and given.args:
        choices = _literal(given.args[0])
        schema = {"type": "string", "enum": list(cast("list[Any]", choices))} if choices else {UNCHECKED: True}
    elif isinstance(given, ast.Call) and _called(given) in _RANGES:
        schema = {"type": _RANGES[_called(given)]} | _range(given)
    elif given is None:
        schema = _of_default(keywords.get("default"))
    else:
        schema = _typed(given, _TYPES | _CLICK_TYPES, default=None)
    if _literal(keywords.get("multiple")) is True:
        schema = _each(option, schema)
    elif isinstance(_literal(keywords.get("nargs")), int) and _literal(keywords["nargs"]) != 1:
        schema = {"type": "array", "items": schema} | _exactly(keywords["nargs"])
    _describe(schema, keywords)
    yield option, schema, _literal(keywords.get("required")) is True


def _range(call: ast.Call) -> dict[str, Any]:
    keywords = _keywords(call)
    least = _literal(call.args[0] if call.args else keywords.get("min"))
    most = _literal(call.args[1] if len(call.args) > 1 else keywords.get("max"))
    bounds = {"minimum": least, "maximum": most}
    return {key: value for key, value in bounds.items() if isinstance(value, int | float)}


# typer


def _is_typer_command(decorator: ast.expr) -> bool:
    return (
        isinstance(decorator, ast.Call)
        and _called(decorator) == "command"
        and isinstance(decorator.func, ast.Attribute)
    )


def _has_click_options(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(call, ast.Call) and _called(call) == "option" for call in function.decorator_list)


def _of_named_function(tree: ast.Module, name: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            yield from _of_typer(node)


def _of_typer(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, dict[str, Any], bool]]:
    arguments = function.args
    defaults: list[ast.expr | None] = [
        *[None] * (len(arguments.args) - len(arguments.defaults)),
        *arguments.defaults,
        *arguments.kw_defaults,
    ]
    for argument, default in zip([*arguments.args, *arguments.kwonlyargs], defaults, strict=True):
        annotation, declared = _annotated(argument.annotation)
        if isinstance(default, ast.Call) and _called(default) in ("Option", "Argument"):
            declared, default = default, default.args[0] if default.args else None
        if default is None and (declared is None or _called(declared) == "Argument"):
            continue  # typer takes it by its place
        keywords = _keywords(declared) if declared is not None else {}
        schema = _typed(annotation, _TYPES, default=None) if annotation is not None else _of_default(default)
        if schema.get("type") == "array":
            schema = _each(argument.arg.replace("_", "-"), schema["items"])
        if schema.get("type") == "boolean":
            schema[FLAG] = _pair(argument.arg.replace("_", "-"))
        for key, bound in (("min", "minimum"), ("max", "maximum")):
            if isinstance(value := _literal(keywords.get(key)), int | float):
                schema[bound] = value
        is_required = default is None or (isinstance(default, ast.Constant) and default.value is ...)
        _describe(schema, keywords if is_required else {**keywords, "default": cast("ast.expr", default)})
        yield argument.arg.replace("_", "-"), schema, is_required


def _annotated(annotation: ast.expr | None) -> tuple[ast.expr | None, ast.Call | None]:
    """The type inside `Annotated[type, typer.Option(...)]`, and the option."""
    if isinstance(annotation, ast.Subscript) and _name_of(annotation.value) == "Annotated":
        parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        option = next((part for part in parts[1:] if isinstance(part, ast.Call)), None)
        return parts[0], option
    return annotation, None


# what they share


def _pair(option: str) -> dict[str, str]:
    return {"on": f"--{option}", "off": f"--no-{option}"}


def _each(option: str, item: dict[str, Any]) -> dict[str, Any]:
    """A list whose items are given by the option each: `--tag a --tag b`."""
    return {"type": "array", "items": item, FLAG: {"each": f"--{option}"}}


def _exactly(count: ast.expr) -> dict[str, int]:
    found = _literal(count)
    return {"minItems": found, "maxItems": found} if isinstance(found, int) else {}


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}


def _long_name(flags: list[str]) -> str | None:
    names = [flag.lstrip("-") for flag in sorted(flags, key=lambda flag: not flag.startswith("--")) if flag[:1] == "-"]
    return next((name for name in names if name and name not in _OWN), None)


def _typed(node: ast.expr | None, known: dict[str, str], *, default: str | None) -> dict[str, Any]:
    """`X | None` and `Optional[X]` are X: an option that is not given is left out."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [
            side for side in (node.left, node.right) if not (isinstance(side, ast.Constant) and side.value is None)
        ]
        return _typed(sides[0], known, default=default) if len(sides) == 1 else {UNCHECKED: True}
    if isinstance(node, ast.Subscript):
        inner = _typed(node.slice, known, default=None)
        match _name_of(node.value):
            case "Optional":
                return inner
            case "list" | "List" | "Sequence":
                return {"type": "array", "items": inner}
            case "Literal":
                choices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                return {"enum": [_literal(choice) for choice in choices]}
            case _:
                return {UNCHECKED: True}
    if node is None:
        return {"type": default} if default else {UNCHECKED: True}
    name = _name_of(node)
    return {"type": known[name]} if name in known else {UNCHECKED: True}


def _of_default(node: ast.expr | None) -> dict[str, Any]:
    value = _literal(node)
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
        if isinstance(value, kind):
            return {"type": name}
    return {"type": "string"} if node is None else {UNCHECKED: True}


def _describe(schema: dict[str, Any], keywords: dict[str, ast.expr]) -> None:
    if isinstance(text := _literal(keywords.get("help")), str):
        schema["description"] = text.replace("%%", "%").replace("%(default)s", "the default")
    node = keywords.get("default")
    if node is None:
        return
    default = _literal(node)
    if default is None:
        if not (isinstance(node, ast.Constant) and node.value is None):
            schema[UNKNOWN_DEFAULT] = True
        return
    if schema.get("type") == "number" and type(default) is int:
        default = float(default)
    schema["default"] = list(cast("tuple[Any, ...]", default)) if isinstance(default, tuple) else default


def _literal(node: ast.expr | None) -> Any:
    """The value where the text tells it, else None."""
    if node is None:
        return None
    try:
        value: Any = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return None if isinstance(value, bytes | set | complex) or value is ... else value


def _name_of(node: ast.expr | None) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case ast.Call():
            return _called(node)
        case _:
            return ""


def _title(option: str) -> str:
    words = option.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] if words else option
