"""Like findings as one line: "14 columns have many outliers: 'a', 'b', 'c' and 11 more". Pure.

Findings are alike when they have the same code and the same remedy. What shows a profile draws its groups, and
unfolds the findings of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Json = dict[str, Any]

#: so many columns are named; the others are counted
NAMED: Final = 3
#: what several columns have in common; findings of other codes come once a table
_TOGETHER: Final[Mapping[str, str]] = {
    "outliers": "columns have many outliers",
    "many_missing": "columns miss many values",
    "empty_column": "columns are empty in every row",
    "constant_column": "columns have the same value in every row that has one",
    "infinite_values": "columns hold infinite numbers",
    "large_numbers": "columns hold numbers that are too large to be read exactly",
    "identifier": "columns look like identifiers",
    "inconsistent_values": "columns write the same value in different ways",
    "surrounding_blanks": "columns have values that begin or end with a blank",
    "numbers_as_text": "columns hold numbers that are read as text",
    "mixed_types": "columns hold numbers in some rows and text in others",
    "dates_as_text": "columns hold dates that are read as text",
    "high_correlation": "pairs of columns go together almost exactly",
}


def group_findings(found: Sequence[Mapping[str, Any]], listed: Sequence[Mapping[str, Any]]) -> list[Json]:
    """The groups in the order of `listed`: `code`, `severity`, `message`, `remedy`, `count`, `findings`.

    `found` are all; `listed` those of them that are kept, to which `findings` holds the places. A group of one says
    what its finding says.
    """
    groups: dict[tuple[str, str], Json] = {}
    for place, finding in enumerate(listed):
        key = (finding["code"], finding["remedy"])
        group = groups.setdefault(key, {**_shared(finding), "count": 0, "findings": []})
        group["findings"].append(place)
    members: dict[tuple[str, str], list[Mapping[str, Any]]] = {key: [] for key in groups}
    for finding in found:
        key = (finding["code"], finding["remedy"])
        if key in members:
            members[key].append(finding)
    for key, group in groups.items():
        group["count"] = len(members[key])
        group["message"] = _message(members[key])
    return list(groups.values())


def _shared(finding: Mapping[str, Any]) -> Json:
    return {key: finding[key] for key in ("code", "severity", "message", "remedy")}


def _message(findings: Sequence[Mapping[str, Any]]) -> str:
    if len(findings) == 1:
        return str(findings[0]["message"])
    names = list(dict.fromkeys(_name(finding) for finding in findings))
    named = ", ".join(names[:NAMED])
    rest = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{len(findings):,} {_TOGETHER[findings[0]['code']]}: {named}{rest}"


def _name(finding: Mapping[str, Any]) -> str:
    """The column, or the pair of columns."""
    other = finding.get("other_column")
    return repr(finding["column"]) if other is None else f"{finding['column']!r} with {other!r}"
