"""The event stream as the client reads it."""

from __future__ import annotations

from orrery.client.events import ServerEvent, parse_events, split_lines


def read(*chunks: bytes) -> list[ServerEvent]:
    return list(parse_events(split_lines(chunks)))


def test_an_event_has_its_name_its_data_and_its_id() -> None:
    assert read(b'id: 7\nevent: resource\ndata: {"a": 1}\n\n') == [ServerEvent("resource", '{"a": 1}', "7")]


def test_events_are_put_together_from_any_pieces() -> None:
    stream = b"id: 1\r\nevent: log\r\ndata: one\r\ndata: two\r\n\r\n: still here\n\nid: 2\ndata: x\n\n"
    expected = [
        ServerEvent("log", "one\ntwo", "1"),
        ServerEvent("comment", "still here", "1"),
        ServerEvent("message", "x", "2"),
    ]
    assert read(stream) == expected
    assert read(*(bytes([byte]) for byte in stream)) == expected


def test_a_line_separator_inside_a_json_text_does_not_end_the_line() -> None:
    data = '{"text": "a\u2028b\x0bc"}'
    assert read(f"event: log\ndata: {data}\n\n".encode()) == [ServerEvent("log", data, "")]


def test_an_event_that_was_cut_off_is_dropped() -> None:
    assert read(b"event: log\ndata: half") == []
