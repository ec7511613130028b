"""A profile as HTML for a notebook cell, in Jupyter's own colours. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

#: of a wider table the first columns are shown
MOST_COLUMNS: Final = 200
#: from this many columns on a heat map has no numbers in its cells
MOST_WRITTEN: Final = 14
_LINE: Final = "var(--jp-border-color2, #ddd)"
_MUTED: Final = "color: var(--jp-ui-font-color2, #666)"
_BRAND: Final = "var(--jp-brand-color1, #1976d2)"
_WARN: Final = "var(--jp-warn-color1, #f57c00)"
_BACK: Final = "var(--jp-layout-color1, #fff)"
_UPRIGHT: Final = "writing-mode: vertical-rl; transform: rotate(180deg); font-weight: 400"

Json = Mapping[str, Any]


def overview(profile: Json) -> str:
    """Summary, findings, columns, missing values and correlations."""
    parts = [_summary(profile), _findings(profile), _columns(profile), _missing(profile), _correlations(profile)]
    return f"<div style='line-height: 1.5'>{''.join(parts)}</div>"


def _summary(profile: Json) -> str:
    cells = max(1, profile["rows"] * len(profile["columns"]))
    duplicates = profile["duplicate_rows"]
    tiles = [
        ("Rows", f"{profile['rows']:,}"),
        ("Columns", f"{len(profile['columns']):,}"),
        ("Missing values", f"{profile['missing_cells']:,} ({profile['missing_cells'] / cells:.1%})"),
        ("Duplicate rows", "not counted" if duplicates is None else f"{duplicates:,}"),
        ("In memory", f"{profile['memory_bytes'] / (1 << 20):,.1f} MiB"),
    ]
    boxes = "".join(
        f"<div style='border: 1px solid {_LINE}; border-radius: 6px; padding: 4px 14px'>"
        f"<div style='{_MUTED}; font-size: 85%'>{title}</div><div style='font-size: 125%'>{value}</div></div>"
        for title, value in tiles
    )
    note = ""
    if profile["measured_rows"] < profile["rows"]:
        note = f"<p>Statistics are of {profile['measured_rows']:,} rows chosen at random of {profile['rows']:,}.</p>"
    return f"<div style='display: flex; flex-wrap: wrap; gap: 8px'>{boxes}</div>{note}"


def _findings(profile: Json) -> str:
    findings: Sequence[Json] = profile["findings"]
    if not findings:
        return f"<h4>Data quality</h4><p style='{_MUTED}'>Nothing questionable was found.</p>"
    items = "".join(
        f"<li><b>{'Check' if group['severity'] == 'warning' else 'Note'}:</b> {_group(group, findings)}"
        f"<div style='{_MUTED}'>{escape(group['remedy'])}</div></li>"
        for group in finding_groups(profile)
    )
    return f"<h4>Data quality</h4><ul>{items}</ul>"


def finding_groups(profile: Json) -> Sequence[Json]:
    """Like findings together; of a profile that was made before there were groups, each by itself."""
    findings: Sequence[Json] = profile["findings"]
    alone = [{**finding, "count": 1, "findings": [place]} for place, finding in enumerate(findings)]
    groups: Sequence[Json] = profile.get("finding_groups") or alone
    return groups


def _group(group: Json, findings: Sequence[Json]) -> str:
    """One line; of several findings, with each of them to unfold."""
    message = escape(group["message"])
    if group["count"] == 1:
        return message
    places: Sequence[int] = group["findings"]
    lines = "".join(f"<li>{escape(findings[place]['message'])}</li>" for place in places)
    left = group["count"] - len(places)
    more = f"<li>… and {left:,} more.</li>" if left else ""
    return (
        f"<details style='display: inline-block; vertical-align: top'><summary>{message}</summary>"
        f"<ul>{lines}{more}</ul></details>"
    )


def _columns(profile: Json) -> str:
    titles = (
        "Column",
        "Kind",
        "Missing",
        "Distinct",
        "Mean",
        "Std. dev.",
        "Lowest",
        "Highest",
        "Distribution",
        "Most frequent",
    )
    rows = "".join(_column(column, profile["rows"]) for column in profile["columns"][:MOST_COLUMNS])
    left = len(profile["columns"]) - MOST_COLUMNS
    more = f"<p style='{_MUTED}'>… and {left:,} more columns.</p>" if left > 0 else ""
    head = "".join(f"<th scope='col' style='text-align: left; padding: 2px 10px'>{title}</th>" for title in titles)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<h4>Columns</h4>{_scrolled(table, 'Columns in numbers')}{more}"


def _column(column: Json, rows: int) -> str:
    top: Sequence[Json] = column.get("top") or []
    frequent = ", ".join(f"{entry['value']} ({entry['count']:,})" for entry in top[:3])
    numbers = [number(column.get(key)) for key in ("mean", "std", "minimum", "maximum")]
    share = column["missing"] / max(1, rows)
    cells = [
        column["kind"],
        f"{column['missing']:,} ({share:.1%})" if share else "0",
        f"{column['distinct']:,}",
        *numbers,
    ]
    written = "".join(f"<td style='padding: 2px 10px; text-align: left'>{escape(cell)}</td>" for cell in cells)
    return (
        f"<tr><th scope='row' style='text-align: left; padding: 2px 10px'>{escape(column['name'])}</th>{written}"
        f"<td>{_mini(column)}</td><td style='text-align: left; padding: 2px 10px'>{escape(frequent)}</td></tr>"
    )


def _mini(column: Json) -> str:
    """A histogram as small as a word."""
    histogram: Json | None = column.get("histogram")
    top: Sequence[Json] = column.get("top") or []
    counts: list[int] = histogram["counts"] if histogram else [entry["count"] for entry in top]
    highest, width = max([1, *counts]), 100 / max(8, len(counts))
    bars = "".join(
        f"<rect x='{place * width:.1f}' y='{24 - 23 * count / highest:.1f}' width='{width - 1:.1f}' "
        f"height='{23 * count / highest:.1f}'/>"
        for place, count in enumerate(counts)
    )
    name = escape(f"Distribution of {column['name']}", quote=True)
    return f"<svg width='100' height='24' role='img' aria-label='{name}' style='fill: {_BRAND}'>{bars}</svg>"


def _missing(profile: Json) -> str:
    missing = sorted((c for c in profile["columns"] if c["missing"]), key=lambda column: -column["missing"])
    if not missing:
        return f"<h4>Missing values</h4><p style='{_MUTED}'>No value is missing.</p>"
    rows = "".join(
        f"<tr><th scope='row' style='text-align: left'>{escape(column['name'])}</th>"
        f"<td>{column['missing']:,}</td><td>{column['missing'] / profile['rows']:.1%}</td></tr>"
        for column in missing[:50]
    )
    return f"<h4>Missing values</h4><table><tbody>{rows}</tbody></table>"


def _correlations(profile: Json) -> str:
    found: Json | None = profile["correlations"]
    if not found:
        return ""
    names: list[str] = found["columns"]
    left = f", {found['left_out']:,} further columns left out" if found["left_out"] else ""
    head = "".join(f"<th scope='col' style='{_UPRIGHT}'>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr><th scope='row' style='text-align: right; font-weight: 400'>{escape(name)}</th>"
        + "".join(_heat_cell(value, name, other, len(names)) for value, other in zip(row, names, strict=True))
        + "</tr>"
        for name, row in zip(names, found["pearson"], strict=True)
    )
    table = f"<table style='font-size: 85%'><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    note = f"<p style='{_MUTED}'>Pearson, over {found['rows']:,} rows{left}.</p>"
    return f"<h4>Correlations</h4>{_scrolled(table, 'Correlations')}{note}"


def _heat_cell(value: float | None, row: str, column: str, columns: int) -> str:
    share = round(abs(value or 0) * 55)
    colour = f"color-mix(in srgb, {_WARN if (value or 0) < 0 else _BRAND} {share}%, {_BACK})"
    written = "none" if value is None else f"{value:.2f}"
    title = escape(f"{row} and {column}: {written}", quote=True)
    shown = written if columns <= MOST_WRITTEN else ""
    return f"<td title='{title}' aria-label='{title}' style='background: {colour}; min-width: 16px'>{shown}</td>"


def _scrolled(table: str, label: str) -> str:
    return (
        f"<div role='region' tabindex='0' aria-label='{label}' style='overflow: auto; max-height: 420px'>{table}</div>"
    )


def alert(message: str) -> str:
    style = "color: var(--jp-error-color1, #b00020); white-space: pre-wrap"
    return f"<div role='alert' style='{style}'>{escape(message)}</div>"


def number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.5g}" if isinstance(value, float) else str(value).removesuffix("T00:00:00")
