"""Which variables a cell reads and assigns, from its syntax tree; the cell is not run."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass, field

_BUILTINS = frozenset(dir(builtins))
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass
class CellNames:
    """In the order of first use."""

    #: read by the cell's own statements before it assigns them
    reads: list[str] = field(default_factory=list[str])
    #: read only by functions that it defines, whenever these are called
    reads_later: list[str] = field(default_factory=list[str])
    #: assigned, imported or defined at its top level
    assigns: list[str] = field(default_factory=list[str])

    @property
    def needed(self) -> list[str]:
        return list(dict.fromkeys([*self.reads, *self.reads_later]))


def cell_names(source: str) -> CellNames:
    """Magics and shell lines are understood as IPython does. Raises: SyntaxError."""
    from IPython.core.inputtransformer2 import TransformerManager

    found = _Finder()
    for statement in ast.parse(TransformerManager().transform_cell(source)).body:
        found.visit(statement)
    assigned = set(found.names.assigns)
    names = found.names
    names.reads_later = [name for name in names.reads_later if name not in assigned and name not in names.reads]
    names.reads = [name for name in names.reads if name != "get_ipython"]
    return names


class _Finder(ast.NodeVisitor):
    """Walks statements in order; a name is read from outside where nothing before has assigned it."""

    def __init__(self) -> None:
        self.names = CellNames()
        #: names bound by the comprehensions around
        self.inner: list[set[str]] = []

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._read(node.id)
        elif isinstance(node.ctx, ast.Store):
            self._assign(node.id)
        else:
            self._read(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
        self.visit(node.value)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self.visit(node.target)
        for statement in [*node.body, *node.orelse]:
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._assign(alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._assign(alias.asname or alias.name)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        known = node.name is not None and node.name in self.names.assigns
        if node.name is not None:
            self._assign(node.name)
        for statement in node.body:
            self.visit(statement)
        if node.name is not None and not known:
            self.names.assigns.remove(node.name)  # Python unbinds it at the handler's end

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in [*node.decorator_list, *_defaults(node.args), *_annotations(node)]:
            self.visit(part)
        self._assign(node.name)
        self._read_later(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for part in _defaults(node.args):
            self.visit(part)
        self._read_later(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]:
            self.visit(part)
        body = _Finder()
        body.inner = [*self.inner, set(self.names.assigns)]
        for statement in node.body:
            body.visit(statement)
        for name in body.names.reads:
            self._read(name)
        self._assign(node.name)
        _extend(self.names.reads_later, body.names.reads_later)

    def visit_ListComp(self, node: _COMPREHENSIONS) -> None:
        bound = {
            name.id
            for generator in node.generators
            for name in ast.walk(generator.target)
            if isinstance(name, ast.Name)
        }
        self.visit(node.generators[0].iter)
        self.inner.append(bound)
        for generator in node.generators:
            if generator is not node.generators[0]:
                self.visit(generator.iter)
            for condition in generator.ifs:
                self.visit(condition)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self.inner.pop()

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _read(self, name: str) -> None:
        known = name in self.names.assigns or any(name in names for names in self.inner)
        if not known and name not in _BUILTINS:
            _extend(self.names.reads, [name])

    def _assign(self, name: str) -> None:
        _extend(self.names.assigns, [name])

    def _read_later(self, node: _SCOPES) -> None:
        bound, declared, read = _inside(node)
        _extend(self.names.assigns, sorted(declared & bound))
        around = {name for names in self.inner for name in names}
        _extend(self.names.reads_later, [name for name in read if name not in (bound - declared) | around])


def _inside(node: _SCOPES) -> tuple[set[str], set[str], list[str]]:
    """What a function binds, declares global, and reads, functions inside it included."""
    arguments = node.args
    bound = {argument.arg for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
    bound |= {argument.arg for argument in (arguments.vararg, arguments.kwarg) if argument is not None}
    declared: set[str] = set()
    read: list[str] = []
    for part in ast.walk(node):
        match part:
            case ast.Name(id=name, ctx=ast.Store()):
                bound.add(name)
            case ast.Name(id=name):
                _extend(read, [name] if name not in _BUILTINS else [])
            case ast.Global(names=names):
                declared.update(names)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) if (
                part is not node
            ):
                bound.add(name)
            case ast.arg(arg=name):
                bound.add(name)
            case ast.alias(name=name, asname=other):
                bound.add(other or name.partition(".")[0])
            case ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case _:
                pass
    return bound, declared, read


def _defaults(arguments: ast.arguments) -> Iterable[ast.expr]:
    return [*arguments.defaults, *(default for default in arguments.kw_defaults if default is not None)]


def _annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterable[ast.expr]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    found = [argument.annotation for argument in every if argument.annotation is not None]
    return [*found, *([node.returns] if node.returns is not None else [])]


def _extend(names: list[str], more: Iterable[str]) -> None:
    names.extend(name for name in dict.fromkeys(more) if name not in names)
