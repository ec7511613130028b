"""A log is searched piece by piece, and the answer is the same wherever the pieces are cut."""

from __future__ import annotations

import pytest

from orrery.api.log_search import MOST_CHARACTERS, Read, search_log

LOG = "begin\nLoss=NaN at step 3\r\n\nÄrger\nloss=0.5\nthe end: loss".encode()


def reader(log: bytes, size: int) -> Read:
    return lambda offset: (log[offset : offset + size], min(len(log), offset + size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_found_with_their_numbers_wherever_pieces_are_cut(size: int) -> None:
    assert search_log(reader(LOG, size), "LOSS") == {
        "items": [
            {"line": 2, "text": "Loss=NaN at step 3"},
            {"line": 5, "text": "loss=0.5"},
            {"line": 6, "text": "the end: loss"},
        ],
        "more": False,
    }
    assert search_log(reader(LOG, size), "ärger")["items"] == [{"line": 4, "text": "Ärger"}]
    assert search_log(reader(LOG, size), ".*") == {"items": [], "more": False}


def test_an_answer_is_bounded_and_the_next_goes_on_behind_it() -> None:
    first = search_log(reader(LOG, 5), "loss", most=2)
    assert ([item["line"] for item in first["items"]], first["more"]) == ([2, 5], True)
    rest = search_log(reader(LOG, 5), "loss", after_line=5, most=2)
    assert ([item["line"] for item in rest["items"]], rest["more"]) == ([6], False)


def test_a_line_without_end_is_one_match_and_cut() -> None:
    log = b"x" * (3 << 20) + b"needle" + b"y" * (3 << 20) + b"needle\nneedle"
    found = search_log(reader(log, 1 << 20), "needle")["items"]
    assert [item["line"] for item in found] == [1, 2]
    assert all(len(item["text"]) <= MOST_CHARACTERS for item in found)
