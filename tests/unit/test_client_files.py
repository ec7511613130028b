"""Which files an upload takes, and under which names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orrery.client.predictions import make_rows
from orrery.client.uploads import Planned, plan
from orrery.errors import Invalid


def test_files_lie_under_their_own_names_and_a_folder_keeps_its_tree(tmp_path: Path) -> None:
    (tmp_path / "images" / "cats").mkdir(parents=True)
    (tmp_path / "images" / "cats" / "1.png").write_bytes(b"x")
    (tmp_path / "images" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "a.csv").write_text("a\n1\n")
    planned = plan([tmp_path / "a.csv", tmp_path / "images"])
    assert [entry.path for entry in planned] == ["a.csv", "cats/1.png"]


def test_bytes_and_tables_are_uploaded_under_the_given_name() -> None:
    import pandas as pd

    planned = plan({"a.csv": b"a\n1\n", "b.csv": pd.DataFrame({"b": [1, 2]})})
    assert planned == [Planned("a.csv", b"a\n1\n"), Planned("b.csv", b"b\n1\n2\n")]


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"no file '.*absent\.csv'"):
        plan([tmp_path / "absent.csv"])


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.csv").write_text("a\n1\n")
    with pytest.raises(Invalid, match=r"two files would lie at 'data\.csv'"):
        plan([tmp_path / "one" / "data.csv", tmp_path / "two" / "data.csv"])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no file in the folder"):
        plan([tmp_path])


def test_rows_come_from_tables_arrays_dicts_and_lists() -> None:
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame({"a": [1.5, float("nan")], "b": ["x", None]})
    assert make_rows(frame) == [{"a": 1.5, "b": "x"}, {"a": None, "b": None}]
    assert make_rows(np.array([[1, 2]])) == [[1, 2]]
    assert make_rows({"a": np.float32(0.5)}) == [{"a": 0.5}]
    assert make_rows({"instances": [{"a": 1}]}) == [{"a": 1}]


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(Invalid, match=r"object\(\)|object object"):
        make_rows([{"a": object()}])


def test_a_file_whose_name_is_no_unicode_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff.py")).write_text("x")
    (tmp_path / "näme ☃.py").write_text("x")
    with pytest.raises(Invalid, match=r"the name of the file 'bad\\udcff\.py' is no Unicode; rename it"):
        plan([tmp_path])
