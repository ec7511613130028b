"""The variables of a Python kernel on the disk, so that another kernel can go on from them.

Loaded by its path *inside* the kernel, whichever Python that is: it needs the standard library and cloudpickle, and
imports nothing of the platform. All variables share one pickle, so that what two of them hold in common is one thing
again afterwards (a model and its optimizer); large arrays lie beside it, each under the hash of its content, and are
written once until they change. Secrets of the job are not written: a variable that is one is read from the
environment again, and whatever holds one, however deep inside, is left out. Functions and classes of the notebook go
by value and are bound to the new kernel's namespace. A variable that cannot be saved is left out and named with the
reason; the others are not affected.
"""

# pickled data has no types, and cloudpickle carries none
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false, reportUntypedBaseClass=false

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import re
import sys
import time
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import cloudpickle

#: arrays from this size on lie in files of their own
BUFFER_BYTES = 1 << 16
#: so much at a time is looked through for secrets
LOOK_BYTES = 1 << 22
#: why a variable is left out
HOLDS_SECRET = "it holds a secret; read it anew from the environment"
#: IPython's own history: `_`, `__`, `_3`, `_i`, `_ii`, `_i3`, `_oh` ...
_HISTORY = re.compile(r"_{1,3}|_\d+|_i{1,3}|_i\d+|_[doi]h")
_SURROUNDINGS = " surroundings"
#: names the variables of the environment that hold the job's secrets, separated by commas
_SECRETS = "ORRERY_SECRETS"
#: a line of a secret counts by itself from this length on
_LEAST_LINE = 8
_started: dict[str, Any] = {"environment": dict(os.environ), "path": list(sys.path), "folder": os.getcwd()}


class TooLarge(Exception):
    """More than the state may hold."""


class TooSlow(Exception):
    """Saving takes longer than it may."""


class HoldsSecret(Exception):
    """It holds a secret of the job, which is not to lie on the disk in clear."""


class NotRestored(Exception):
    """A variable that was saved cannot be made again: the message names it and the reason."""


class Output:
    """What is written, within its bounds: the pickle itself and the arrays beside it."""

    def __init__(self, folder: str, limit_bytes: int, limit_seconds: float) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.deadline = time.monotonic() + limit_seconds
        self.limit_seconds = limit_seconds
        self.file = open(os.path.join(folder, "namespace.new"), "wb")
        self.buffers: list[str] = []
        self.buffer_bytes = 0
        #: what must not be written
        self.needles: list[bytes] = []

    def write(self, data: bytes) -> int:
        """pickle hands a text or bytes over whole, in one piece."""
        self._check(self.file.tell() + self.buffer_bytes + len(data))
        self._look_through(data)
        return self.file.write(data)

    def keep(self, buffer: pickle.PickleBuffer) -> bool:
        """pickle's `buffer_callback`: False for one that lies in a file of its own."""
        with buffer.raw() as content:
            if content.nbytes < BUFFER_BYTES:
                return True
            self._check(self.file.tell() + self.buffer_bytes + content.nbytes)
            self._look_through(content)
            name = hashlib.sha256(content).hexdigest()
            path = os.path.join(self.folder, "buffers", name)
            if not os.path.exists(path):
                with open(f"{path}.new", "wb") as file:
                    file.write(content)
                os.replace(f"{path}.new", path)
            self.buffers.append(name)
            self.buffer_bytes += content.nbytes
        return False

    def mark(self) -> tuple[int, int, int]:
        return self.file.tell(), len(self.buffers), self.buffer_bytes

    def rewind(self, mark: tuple[int, int, int]) -> None:
        """Forget what was written since `mark`."""
        at, count, self.buffer_bytes = mark
        self.file.seek(at)
        self.file.truncate()
        del self.buffers[count:]

    def close(self) -> None:
        self.file.close()

    def _look_through(self, data: bytes | memoryview) -> None:
        if not self.needles:
            return
        view = memoryview(data)
        overlap = max(map(len, self.needles)) - 1
        # by pieces, for an array may be as large as what is left of the memory
        for begin in range(0, len(view), LOOK_BYTES):
            piece = bytes(view[begin : begin + LOOK_BYTES + overlap])
            if any(needle in piece for needle in self.needles):
                raise HoldsSecret(HOLDS_SECRET)

    def _check(self, size: int) -> None:
        if size > self.limit_bytes:
            raise TooLarge(f"it is more than what is left of the {readable(self.limit_bytes)} that a state may have")
        if time.monotonic() > self.deadline:
            raise TooSlow(f"saving took longer than {self.limit_seconds:g} s")


class Pickler(cloudpickle.Pickler):
    """cloudpickle's, with functions that belong to the namespace they are loaded into, and no open files."""

    def __init__(self, output: Output, namespace: Mapping[str, Any], with_globals: bool) -> None:
        super().__init__(output, protocol=5, buffer_callback=output.keep)
        #: whether a function brings the variables that it uses; else they are saved as such
        self.with_globals = with_globals
        self.output = output
        self.namespace = namespace

    def add(self, name: str, value: object) -> None:
        """Append a variable. What fails half-way is taken back, here and in pickle's memory of what it has written."""
        entry = [name, value]
        mark = self.output.mark()
        try:
            self.dump(entry)
        except BaseException:
            self.output.rewind(mark)
            memo = self.memo.copy()
            begun = memo.get(id(entry), (len(memo),))[0]
            self.memo = {key: seen for key, seen in memo.items() if seen[0] < begun}
            raise

    def reducer_override(self, obj: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        for name in ("stdout", "stderr"):
            if obj is getattr(sys, name):
                return getattr, (sys, name)
        if isinstance(obj, io.IOBase) and not isinstance(obj, io.BytesIO | io.StringIO):
            raise pickle.PicklingError("an open file cannot be saved; open it in the cell that uses it")
        return super().reducer_override(obj)

    def _dynamic_function_reduce(self, func: types.FunctionType) -> Any:
        if func.__globals__ is not self.namespace:
            return super()._dynamic_function_reduce(func)
        code, _, _, _, closure = self._function_getnewargs(func)
        made = super()._dynamic_function_reduce(func)
        state, slots = made[2]
        slots["__globals__"] = slots["__globals__"] if self.with_globals else {}
        return bound_function, (code, closure), (state, slots), None, None, made[5]


def bound_function(code: types.CodeType, closure: Any) -> types.FunctionType:
    """A function whose global names are the notebook's variables."""
    return types.FunctionType(code, user_namespace(), None, None, closure)


def user_namespace() -> dict[str, Any]:
    return sys.modules["__main__"].__dict__


def user_names(namespace: Mapping[str, Any]) -> list[str]:
    """The variables that the notebook has made, in its order: neither IPython's own nor its history."""
    hidden: Mapping[str, Any] = getattr(_shell(), "user_ns_hidden", {})
    return [
        name
        for name, value in namespace.items()
        if _HISTORY.fullmatch(name) is None
        and not (name.startswith("__") and name.endswith("__"))
        and not (name in hidden and hidden[name] is value)
    ]


def _secrets() -> dict[str, str]:
    """The job's secrets by the variables of the environment that it was given them in."""
    began: Mapping[str, str] = _started["environment"]
    return {name: began[name] for name in began.get(_SECRETS, "").split(",") if began.get(name)}


def _needles(secrets: Iterable[str]) -> list[str]:
    """What is looked for in texts: the secrets, and the longer lines of those that have several."""
    return [part for secret in secrets for part in {secret, *(p for p in secret.splitlines() if len(p) >= _LEAST_LINE)}]


def _written(needles: Iterable[str]) -> list[bytes]:
    """As they stand in what is pickled: texts are UTF-8 there, in NumPy's arrays four bytes a character."""
    return [needle.encode(code, "surrogatepass") for needle in needles for code in ("utf-8", "utf-32-le")]


def _holds(value: object, needles: Iterable[str]) -> bool:
    """Whether a plain text or plain bytes hold one; what lies inside other objects is seen when it is written."""
    if isinstance(value, str):
        return any(needle in value for needle in needles)
    if isinstance(value, bytes | bytearray):
        return any(needle.encode() in value for needle in needles)
    return False


class _FromEnvironment:
    """Pickled in the place of a secret: what is loaded is the variable of the environment as it is then."""

    def __init__(self, variable: str) -> None:
        self.variable = variable

    def __reduce__(self) -> tuple[Callable[[str], str], tuple[str]]:
        return environment_value, (self.variable,)


def environment_value(variable: str) -> str:
    """Raises: NotRestored."""
    try:
        return os.environ[variable]
    except KeyError:
        raise NotRestored(f"it was read from {variable}, which this run is not given; name that secret again") from None


def _without_secrets(value: object, secrets: Mapping[str, str], needles: Iterable[str], *, by_name: bool) -> object:
    """What is written for a value. `by_name`: who reads it has the same variables. Raises: HoldsSecret."""
    if by_name and type(value) is str:
        for variable, secret in secrets.items():
            if value == secret:
                return _FromEnvironment(variable)
    if _holds(value, needles):
        raise HoldsSecret(HOLDS_SECRET)
    return value


def save(
    folder: str,
    limit_bytes: int,
    limit_seconds: float,
    names: Iterable[str] | None = None,
    *,
    with_globals: bool = False,
) -> dict[str, Any]:
    """Write the variables (those of `names`, or all) to `namespace.new` and `buffers/` in `folder`; say what was done.

    `with_globals`: functions bring the variables that they use, for where not all variables go.
    Raises: TooSlow.
    """
    began = time.monotonic()
    os.makedirs(os.path.join(folder, "buffers"), exist_ok=True)
    namespace = user_namespace()
    secrets = _secrets()
    needles = _needles(secrets.values())
    output = Output(folder, limit_bytes, limit_seconds)
    saved: list[str] = []
    unsaved: list[dict[str, str]] = []
    try:
        pickler = Pickler(output, namespace, with_globals)
        if names is None:
            pickler.add(_SURROUNDINGS, _surroundings(needles))
        output.needles = _written(needles)
        for name in user_names(namespace) if names is None else [name for name in names if name in namespace]:
            value = namespace[name]
            try:
                pickler.add(name, _without_secrets(value, secrets, needles, by_name=names is None))
                saved.append(name)
            except TooSlow:
                raise
            except Exception as error:  # whatever a value's own pickling raises: it is named, and left out
                unsaved.append({"name": name, "type": type_name(value), "reason": reason_of(error)})
        size = output.file.tell() + output.buffer_bytes
    finally:
        output.close()
    return {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "variables": saved,
        "unsaved": unsaved,
        "buffers": output.buffers,
        "bytes": size,
        "seconds": round(time.monotonic() - began, 4),
        "execution_count": getattr(_shell(), "execution_count", 1),
    }


def load(folder: str, pickle_name: str, description: Mapping[str, Any]) -> list[str]:
    """Put the saved variables into this kernel's namespace; returns their names. Raises: NotRestored."""
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if description["python"] != here:
        raise NotRestored(
            f"the variables were saved by Python {description['python']}, and this kernel is Python {here}"
        )
    namespace = user_namespace()
    names: list[str] = []
    with open(os.path.join(folder, pickle_name), "rb") as file:
        unpickler = pickle.Unpickler(file, buffers=_buffers(folder, description["buffers"]))
        expected = list(description["variables"])
        while True:
            try:
                name, value = unpickler.load()
            except EOFError:
                break
            except Exception as error:
                name = expected[len(names)] if len(names) < len(expected) else "?"
                raise NotRestored(f"variable {name!r} cannot be made again: {reason_of(error)}") from error
            if name == _SURROUNDINGS:
                _restore_surroundings(value)
            else:
                namespace[name] = value
                names.append(name)
    shell = _shell()
    if shell is not None and description.get("execution_count"):
        shell.execution_count = description["execution_count"]
    return names


def _buffers(folder: str, names: Iterable[str]) -> Iterable[bytearray]:
    """In a `bytearray` each, so that arrays can be written to again."""
    for name in names:
        with open(os.path.join(folder, "buffers", name), "rb") as file:
            content = bytearray(os.fstat(file.fileno()).st_size)
            file.readinto(content)
            yield content


def _surroundings(needles: Iterable[str]) -> dict[str, Any]:
    """What cells change besides variables and can be set again: random generators, environment, folder, import path."""
    generators: dict[str, Any] = {"random": random.getstate()}
    for module, getter in (("numpy", "random.get_state"), ("torch", "get_rng_state")):
        if module in sys.modules:
            generators[module] = _attribute(sys.modules[module], getter)()
    began = _started["environment"]
    changed = {key: value for key, value in os.environ.items() if began.get(key) != value}
    return {
        "generators": generators,
        "environment": {key: value for key, value in changed.items() if not _holds(value, needles)},
        "removed": [key for key in began if key not in os.environ],
        "path": [entry for entry in sys.path if entry not in _started["path"]],
        "folder": os.path.relpath(os.getcwd(), _started["folder"]),
    }


def _restore_surroundings(found: Mapping[str, Any]) -> None:
    random.setstate(found["generators"]["random"])
    for module, setter in (("numpy", "random.set_state"), ("torch", "set_rng_state")):
        if module in found["generators"]:
            __import__(module)
            _attribute(sys.modules[module], setter)(found["generators"][module])
    for key in found["removed"]:
        os.environ.pop(key, None)
    os.environ.update(found["environment"])
    sys.path.extend(entry for entry in found["path"] if entry not in sys.path)
    folder = os.path.join(_started["folder"], found["folder"])
    if os.path.isdir(folder):
        os.chdir(folder)


def _attribute(module: types.ModuleType, path: str) -> Callable[..., Any]:
    found: Any = module
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _shell() -> Any:
    ipython: Any = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def type_name(value: object) -> str:
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def reason_of(error: BaseException) -> str:
    text = (str(error).splitlines() or [""])[0][:300]
    return (
        text
        if isinstance(error, TooLarge | HoldsSecret | NotRestored | pickle.PicklingError) and text
        else f"{type(error).__name__}: {text}"
    )


def readable(size: int) -> str:
    return f"{size / (1 << 30):.3g} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.3g} MiB"
