"""What a cell reads and assigns, and where a changed notebook goes on."""

from __future__ import annotations

import pytest

from orrery.jobs.names import cell_names
from orrery.jobs.state import cell_hash, place_to_go_on, read_state


@pytest.mark.parametrize(
    ("cell", "reads", "later", "assigns"),
    [
        ("y = x + 1; z = y", "x", "", "y z"),
        ("total += 1", "total", "", "total"),
        ("rows[0] = value", "value rows", "", ""),
        ("model.weight = 3", "model", "", ""),
        ("import numpy as np, os.path\nfrom a import b as c\nnp.x(c)", "", "", "np os c"),
        ("def f(a, b=default):\n    c = a + outer\n    return c\nf(1)", "default", "outer", "f"),
        ("def f():\n    return f() + g()\ndef g():\n    return 1", "", "", "f g"),
        ("def f():\n    global count\n    count = 1", "", "", "f count"),
        ("[i * scale for i in items if i > low]", "items low scale", "", ""),
        ("{k: v for k, v in pairs.items()}", "pairs", "", ""),
        ("for i in range(n):\n    print(i)\nelse:\n    done = True", "n", "", "i done"),
        ("with open(path) as file:\n    text = file.read()", "path", "", "file text"),
        ("try:\n    x\nexcept ValueError as error:\n    print(error)", "x", "", ""),
        (
            "class A(Base):\n    k = 1\n    m = k + size\n    def f(self):\n        return other",
            "Base size",
            "other",
            "A",
        ),
        ("g = lambda a: a * factor", "", "factor", "g"),
        ("if (n := len(data)) > 3:\n    print(n)", "data", "", "n"),
        ("a, (b, *c) = parts", "parts", "", "a b c"),
        ("x: int = start", "start", "", "x"),
        ("del old", "old", "", ""),
        ("%matplotlib inline\n!ls {folder}\nshown = thing", "thing", "", "shown"),
    ],
)
def test_names_are_found_in_the_syntax_tree(cell: str, reads: str, later: str, assigns: str) -> None:
    found = cell_names(cell)
    assert (found.reads, found.reads_later, found.assigns) == (reads.split(), later.split(), assigns.split())


def test_what_is_not_python_is_told() -> None:
    with pytest.raises(SyntaxError):
        cell_names("a b c")


def code(source: str, *tags: str) -> dict[str, object]:
    return {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}}


def test_a_notebook_goes_on_after_the_cells_that_are_done() -> None:
    text = {"cell_type": "markdown", "source": "# title", "metadata": {}}
    done = [cell_hash(code("a = 1")), cell_hash(code("b = 2"))]
    cells = [text, code("a = 1"), code("# Parameters\na = 5", "injected-parameters"), text, code("b = 2 \n"), code("c")]
    assert place_to_go_on(cells, done) == (5, None)
    assert place_to_go_on([*cells[1:5], text, code("edited")], done) == (4, None)
    assert place_to_go_on([code("a = 1"), code(""), code("b = 3"), code("c")], done) == (2, 2)
    assert place_to_go_on([code("a = 1")], done) == (1, 1)
    assert place_to_go_on(cells, []) == (0, None)


@pytest.mark.parametrize("document", [None, [], {}, {"format": 2}, {"format": 1, "cell": "x"}])
def test_a_state_that_a_job_wrote_wrongly_is_refused(document: object) -> None:
    with pytest.raises(ValueError):
        read_state(document)
