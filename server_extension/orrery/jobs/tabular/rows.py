"""A dataset's rows in memory by column, read exactly as the platform reads them: for drawing them all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orrery.jobs.tabular.columns import describe
from orrery.jobs.tabular.profile import load_table
from orrery.jobs.tabular.sources import find_files, reading, same_columns
from orrery.jobs.tabular.summaries import Array


def read_values(folder: Path) -> dict[str, Sequence[Any]]:
    """Every column of the files in `folder`: None where missing, times in seconds since 1970.

    Of a table beyond `MEASURED_CELLS` as many rows as that allows. Raises: BadData.
    """
    with reading() as reader:
        sources = [reader.open(file) for file in find_files(folder)]
        same_columns(sources)
        infos = describe(reader, sources)
        table = load_table(reader, sources, infos)
        values: dict[str, Sequence[Any]] = {}
        quantities = table.places("number", "datetime")
        for place, column in table.numbers(quantities):
            found: Array = column.astype(object)
            found[~np.isfinite(column)] = None
            values[infos[place].name] = found.tolist()
        for place in table.places("boolean", "category", "text"):
            rows = reader.rows(f"SELECT {table.column(place)} FROM profiled")
            values[infos[place].name] = [row[0] for row in rows]
    return values
