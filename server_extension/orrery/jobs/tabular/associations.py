"""How columns go together: Pearson's and Spearman's correlation of numbers, Cramér's V of categories."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Matrix = list[list[float | None]]


def pearson(values: Array) -> Matrix:
    """Of each pair of columns over the rows where both are there, as pandas has it; None where one does not vary.

    `values`: (n_rows, n_columns), NaN where missing.
    """
    known = ~np.isnan(values)
    with np.errstate(all="ignore"):
        scaled = values - np.nanmean(values, axis=0)
        scaled /= np.nanmax(np.abs(scaled), axis=0)
        x = np.where(known & np.isfinite(scaled), scaled, 0.0)
        m = known.astype(np.float64)
        n = m.T @ m
        # Sums over the pair's common rows: of the column itself, its squares, and the products.
        sums, squares, products = x.T @ m, (x * x).T @ m, x.T @ x
        covariance = products - sums * sums.T / n
        variance = squares - sums * sums / n
        variance[variance < 1e-14 * np.maximum(squares, 1e-300)] = np.nan
        r = covariance / np.sqrt(variance * variance.T)
    r[n < 2] = np.nan
    return _rounded(np.clip(r, -1.0, 1.0))


def ranks(values: Array) -> Array:
    """Each column's ranks among what is there, ties at their mean; NaN stays. Their Pearson is Spearman's.

    A row that misses the other column of a pair keeps the rank it has in its own, which pandas ranks again for each
    pair: the two differ a little where values are missing.
    """
    ranked = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        known = ~np.isnan(values[:, column])
        _, inverse, counts = np.unique(values[known, column], return_inverse=True, return_counts=True)
        ranked[known, column] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranked


def cramers_v(codes: Array) -> Matrix:
    """Of each pair of columns, without correction for bias; `codes`: (n_rows, n_columns), from 1, 0 where missing."""
    columns = codes.shape[1]
    v = np.full((columns, columns), np.nan)
    for first in range(columns):
        for second in range(first, columns):
            v[first, second] = v[second, first] = _cramers_v(codes[:, first], codes[:, second])
    return _rounded(v)


def _cramers_v(first: Array, second: Array) -> float:
    both = (first > 0) & (second > 0)
    width = int(second.max()) + 1
    table = np.bincount(first[both] * width + second[both], minlength=(int(first.max()) + 1) * width)
    table = table.reshape(-1, width).astype(np.float64)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape, default=0) < 2:
        return float("nan")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    chi2 = float(np.sum((table - expected) ** 2 / expected))
    return float(np.sqrt(chi2 / table.sum() / (min(table.shape) - 1)))


def _rounded(matrix: Array) -> Matrix:
    return [[round(float(value), 4) if np.isfinite(value) else None for value in row] for row in matrix]
