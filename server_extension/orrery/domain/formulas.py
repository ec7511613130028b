"""Arithmetic that an algorithm declares of itself, such as its use of memory: parsed and evaluated, never run.

    200 * MiB + rows * (62 * numbers + 90 * categories) + 80 * rounds * min(2 ** max_depth, rows)

Numbers, names, texts to compare with, `+ - * / // % **`, comparisons, `and or not`, `a if b else c`, and the functions
that whoever evaluates it names. A formula knows nothing else: no attribute, no index, no call of anything unnamed.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final

from orrery.errors import Invalid

MAX_CHARACTERS: Final = 2000
MAX_NODES: Final = 500

Value = float | str | bool
Function = Callable[..., float]

_ARITHMETIC: Final = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_COMPARISONS: Final = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_ALLOWED: Final = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Load),
    *(ast.Constant, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or),
    *_ARITHMETIC,
    *_COMPARISONS,
)


def check_formula(text: str) -> ast.Expression:
    """Its syntax tree. Raises: Invalid naming what a formula may not hold."""
    if len(text) > MAX_CHARACTERS:
        raise Invalid(f"a formula of {len(text)} characters is too long; at most {MAX_CHARACTERS} are read")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Invalid(f"formula {text!r} is not arithmetic: {error}") from None
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        raise Invalid(f"formula {text[:40]!r}... has {len(nodes)} parts; at most {MAX_NODES} are read")
    for node in nodes:
        if not isinstance(node, _ALLOWED):
            raise Invalid(f"formula {text!r} may not hold {ast.unparse(node)!r}; only arithmetic is possible")
        if isinstance(node, ast.Call) and (not isinstance(node.func, ast.Name) or node.keywords):
            raise Invalid(f"formula {text!r} may not call {ast.unparse(node)!r}; only functions by their names")
        if isinstance(node, ast.Constant) and not isinstance(node.value, int | float | str):
            raise Invalid(f"formula {text!r} may not hold {node.value!r}; only numbers and texts are possible")
    return tree


def evaluate(text: str, names: Mapping[str, Value], functions: Mapping[str, Function]) -> float:
    """What the formula comes to; infinite where it is too large for a number.

    Raises: Invalid for a name that is not among `names`, and where it has no value (a division by zero).
    """
    tree = check_formula(text)
    try:
        return float(_value(tree.body, names, functions))
    except OverflowError:
        return float("inf")
    except (ArithmeticError, TypeError, ValueError) as error:
        raise Invalid(f"formula {text!r} has no value: {error}") from None


def _value(node: ast.expr, names: Mapping[str, Value], functions: Mapping[str, Function]) -> Any:
    def of(part: ast.expr) -> Any:
        return _value(part, names, functions)

    match node:
        case ast.Constant(value=value):
            # a whole number would grow without end under a power
            return value if isinstance(value, str) else float(value)  # pyright: ignore[reportArgumentType]
        case ast.Name(id=name):
            if name not in names:
                raise Invalid(f"a formula names {name!r}, which is not known; known are {', '.join(sorted(names))}")
            found = names[name]
            return found if isinstance(found, str) else float(found)
        case ast.BinOp(left=left, op=op, right=right):
            return _calculated(op, of(left), of(right))
        case ast.UnaryOp(op=op, operand=operand):
            found = of(operand)
            return (not found) if isinstance(op, ast.Not) else (-found if isinstance(op, ast.USub) else +found)
        case ast.BoolOp(op=op, values=values):
            together = all if isinstance(op, ast.And) else any
            return together(of(value) for value in values)
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [of(left), *(of(other) for other in others)]
            pairs = zip(ops, sides[:-1], sides[1:], strict=True)
            return all(_compared(op, one, other) for op, one, other in pairs)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return of(body) if of(test) else of(orelse)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            if name not in functions:
                raise Invalid(f"a formula calls {name!r}, which is not known; known are {', '.join(sorted(functions))}")
            return functions[name](*(of(argument) for argument in arguments))
        case _:
            raise Invalid(f"a formula may not hold {ast.unparse(node)!r}")


def _calculated(op: ast.operator, a: float, b: float) -> float:
    match op:
        case ast.Add():
            return a + b
        case ast.Sub():
            return a - b
        case ast.Mult():
            return a * b
        case ast.Div():
            return a / b
        case ast.FloorDiv():
            return a // b
        case ast.Mod():
            return a % b
        case _:
            found: Any = a**b
            if isinstance(found, complex):
                raise ValueError(f"{a:g} ** {b:g} is no real number")
            return found


def _compared(op: ast.cmpop, a: Any, b: Any) -> bool:
    match op:
        case ast.Eq():
            return a == b
        case ast.NotEq():
            return a != b
        case ast.Lt():
            return a < b
        case ast.LtE():
            return a <= b
        case ast.Gt():
            return a > b
        case _:
            return a >= b
