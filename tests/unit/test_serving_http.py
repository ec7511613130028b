"""The HTTP layer, spoken to byte by byte: framing, limits, order, slow clients, smuggling, stopping."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orrery.serving.http import Exchange, HttpError, Limits
from orrery.testing.http import RawClient, call
from orrery.testing.listening import Listening
from orrery.testing.waiting import wait_until

BODY_LIMIT = 100_000
LIMITS = Limits(head_bytes=4096, headers=20, drain_seconds=5)
#: for what has to wait until one of them has passed
IMPATIENT = replace(
    LIMITS,
    head_seconds=0.3,
    idle_seconds=0.5,
    body_grace_seconds=0.3,
    body_bytes_per_second=1000,
    write_stall_seconds=0.5,
)


class Echo:
    """Answers with what it got; `/hold` answers when released, `/endless` streams until the client goes."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.held: list[Exchange] = []
        self.gone = threading.Event()

    def on_request(self, exchange: Exchange) -> None:
        path = exchange.head.path
        self.seen.append(f"{exchange.head.method} {path.decode()}")
        if path == b"/hold":
            exchange.on_gone = self.gone.set
            self.held.append(exchange)
        elif path == b"/early":
            raise HttpError(403, "early", "answered before the body")
        elif path == b"/broken":
            raise RuntimeError("secret")
        elif path == b"/stream":
            exchange.start(200, b"content-type: text/plain\r\n", None)
            for piece in (b"one", b"", b"two"):
                exchange.write(piece)
            exchange.end()
        elif path == b"/endless":
            exchange.on_gone = self.gone.set
            exchange.start(200, b"", None)
            exchange.write(b"x" * (8 << 20))
        elif path == b"/later":
            asyncio.get_running_loop().call_later(0.05, self._echo, exchange)
        else:
            self._echo(exchange)

    def _echo(self, exchange: Exchange) -> None:
        exchange.collect(BODY_LIMIT, lambda body: exchange.respond(200, body or exchange.head.path, b"text/plain"))


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def listening(echo: Echo) -> Iterator[Listening]:
    with Listening(lambda: echo, LIMITS) as listening:
        yield listening


@pytest.fixture
def impatient(echo: Echo) -> Iterator[Listening]:
    with Listening(lambda: echo, IMPATIENT) as listening:
        yield listening


def exchange_raw(listening: Listening, data: bytes) -> bytes:
    with RawClient(listening.address) as client:
        client.send(data)
        return client.rest()


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"(?:^|\r\n\r\n|\w|})HTTP/1\.1 (\d{3}) ", answer)]


# ---- framing


def test_a_connection_is_kept_and_reused(listening: Listening) -> None:
    with RawClient(listening.address) as client:
        for i in range(3):
            assert client.request("POST", "/", f"body {i}".encode()).body == f"body {i}".encode()


def test_http_1_0_closes_unless_it_asks_to_keep(listening: Listening) -> None:
    answer = exchange_raw(listening, b"GET /a HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200") and b"connection: close" in answer
    with RawClient(listening.address) as client:
        for _ in range(2):
            client.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert client.answer().headers["connection"] == "keep-alive"


def test_chunked_and_length_bodies_arrive_whole_however_they_are_cut(listening: Listening) -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked += b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
    plain = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde"
    with RawClient(listening.address) as client:
        for message in (chunked, plain):
            for step in (1, 7, len(message)):
                for at in range(0, len(message), step):
                    client.send(message[at : at + step])
                assert client.answer().body == b"abcde"


def test_a_streamed_answer_is_chunked_for_1_1_and_ends_with_the_connection_for_1_0(listening: Listening) -> None:
    with RawClient(listening.address) as client:
        answer = client.request("GET", "/stream")
        assert (answer.headers["transfer-encoding"], answer.body) == ("chunked", b"onetwo")
    assert exchange_raw(listening, b"GET /stream HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nonetwo")


def test_head_is_answered_without_a_body(listening: Listening) -> None:
    with RawClient(listening.address) as client:
        answer = client.request("HEAD", "/abc")
        assert answer.headers["content-length"] == "4"
        assert client.request("GET", "/abc").body == b"/abc"


def test_expect_100_continue_is_answered_before_the_body(listening: Listening) -> None:
    with RawClient(listening.address) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        client.send(b"abc")
        assert client.answer().body == b"abc"


def test_expect_100_continue_with_a_refusal_closes(listening: Listening) -> None:
    data = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    answer = exchange_raw(listening, data)
    assert statuses(answer) == [403] and b"connection: close" in answer


def test_an_upgrade_that_nobody_takes_is_an_ordinary_request(listening: Listening) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    following = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    for cut in (None, -40, -60):
        with RawClient(listening.address) as client:
            data = b"POST / HTTP/1.1\r\nHost: a\r\n" + upgrade + b"Content-Length: 5\r\n\r\nabcde" + following
            client.send(data[:cut])
            if cut is not None:
                wait_until(lambda: True)
                client.send(data[cut:])
            assert client.answer().body == b"abcde"
            assert client.answer().body == b"/next"


# ---- order


def test_pipelined_requests_are_answered_in_order(listening: Listening) -> None:
    with RawClient(listening.address) as client:
        paths = ["/later", "/a", "/later", "/b", "/c"]
        client.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths))
        assert [client.answer().body.decode() for _ in paths] == paths


def test_thousands_of_pipelined_requests_are_answered(listening: Listening) -> None:
    with RawClient(listening.address) as client:
        request = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
        sender = threading.Thread(target=client.send, args=(request * 5000,))
        sender.start()
        assert all(client.answer().body == b"/x" for _ in range(5000))
        sender.join()


def test_a_bad_request_is_refused_after_the_good_ones_before_it(listening: Listening) -> None:
    answer = exchange_raw(listening, b"GET /later HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n")
    assert statuses(answer) == [200, 400]


def test_a_client_that_has_shut_its_side_still_gets_its_answers(listening: Listening) -> None:
    with RawClient(listening.address) as client:
        client.send(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
        client.socket.shutdown(1)
        assert statuses(client.rest()) == [200, 200]


def test_an_early_answer_keeps_the_connection_if_the_body_is_small(listening: Listening) -> None:
    with RawClient(listening.address) as client:
        assert client.request("POST", "/early", b"x" * 1000).status == 403
        assert client.request("GET", "/after").body == b"/after"


# ---- limits


def test_ten_gigabytes_are_refused_by_their_length_before_they_are_read(listening: Listening) -> None:
    answer = exchange_raw(listening, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\nxxxx")
    assert statuses(answer) == [413]
    assert b"10000000000 bytes" in answer and str(BODY_LIMIT).encode() in answer and b"connection: close" in answer


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(listening: Listening) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = exchange_raw(listening, head + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 8)
    assert statuses(answer) == [413] and str(BODY_LIMIT).encode() in answer


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 5000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 600_000,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: a\r\n" % i for i in range(30)) + b"\r\n",
    ],
    ids=["target", "header", "unfinished header", "many headers"],
)
def test_a_head_over_the_limit_is_431(listening: Listening, head: bytes) -> None:
    answer = exchange_raw(listening, head)
    assert statuses(answer) == [431] and b"4096 bytes or 20 headers" in answer


def test_a_body_that_is_mostly_chunk_extensions_is_refused(listening: Listening) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    with RawClient(listening.address) as client:
        client.send(head + b"e" * 30000)
        client.send(b"e" * 600_000)
        assert statuses(client.rest()) == [400]


def test_more_connections_than_allowed_are_told_so(echo: Echo) -> None:
    with Listening(lambda: echo, Limits(connections=2)) as listening:
        with RawClient(listening.address) as first, RawClient(listening.address) as second:
            assert first.request("GET", "/a").status == second.request("GET", "/a").status == 200
            with RawClient(listening.address) as third:
                assert third.answer().status == 503


# ---- slow clients


def test_a_slow_head_is_408(impatient: Listening) -> None:
    with RawClient(impatient.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHo")
        assert statuses(client.rest()) == [408]


def test_a_body_that_trickles_is_408(impatient: Listening, echo: Echo) -> None:
    with RawClient(impatient.address) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n")
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.05):
                try:
                    client.send(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert client.answer().status == 408
        finally:
            stop.set()
            thread.join()


def test_an_idle_connection_is_closed_silently(impatient: Listening) -> None:
    with RawClient(impatient.address) as client:
        client.request("GET", "/a")
        assert client.rest() == b""


def test_a_client_that_reads_nothing_is_cut(impatient: Listening, echo: Echo) -> None:
    with RawClient(impatient.address) as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert echo.gone.wait(10)


def test_the_application_hears_that_the_client_has_gone(listening: Listening, echo: Echo) -> None:
    with RawClient(listening.address) as client:
        client.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        client.head()
    assert echo.gone.wait(10)


def test_an_unclaimed_body_stops_being_read(echo: Echo) -> None:
    with Listening(lambda: echo, Limits(drain_seconds=0.1)) as listening, RawClient(listening.address) as client:
        client.send(b"POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
        client.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                client.send(b"x" * 100_000)
        assert echo.held[0].received_bytes < 1_000_000


# ---- smuggling: whatever two parsers could read differently is refused, and what follows it is not read at all

HEAD = b"POST /first HTTP/1.1\r\nHost: a\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
AMBIGUOUS: dict[str, bytes] = {
    "CL.TE": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE.CL": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "two equal lengths": HEAD + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "length list": HEAD + b"Content-Length: 0, 0\r\n\r\n",
    "signed length": HEAD + b"Content-Length: +0\r\n\r\n",
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "hexadecimal length": HEAD + b"Content-Length: 0x0\r\n\r\n",
    "empty length": HEAD + b"Content-Length: \r\n\r\n",
    "overflowing length": HEAD + b"Content-Length: 18446744073709551616\r\n\r\n",
    "space before colon": HEAD + b"Content-Length : 0\r\n\r\n",
    "tab before colon": HEAD + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "obs-fold": HEAD + b"X: a\r\n Content-Length: 5\r\n\r\n",
    "folded encoding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "space before first header": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF between headers": HEAD + b"X: a\nContent-Length: 0\r\n\r\n",
    "bare LF at the end": HEAD + b"Content-Length: 0\r\n\n",
    "bare CR": HEAD + b"X: a\rTransfer-Encoding: chunked\r\n\r\n",
    "CR CR LF": HEAD + b"X: a\r\r\nY: b\r\n\r\n",
    "NUL": HEAD + b"X: a\x00b\r\n\r\n",
    "no colon": HEAD + b"Content-Length\r\n\r\n",
    "empty name": HEAD + b": a\r\n\r\n",
    "unknown encoding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "encoding list": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": HEAD + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "quoted": HEAD + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "encoding in 1.0": b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size 0x": CHUNKED + b"0x0\r\n\r\n",
    "chunk size sign": CHUNKED + b"-0\r\n\r\n",
    "chunk size overflow": CHUNKED + b"10000000000000000\r\n\r\n",
    "chunk size space": CHUNKED + b"1 \r\na\r\n0\r\n\r\n",
    "chunk size LF": CHUNKED + b"1\na\n0\n\n",
    "chunk extension LF": CHUNKED + b"1;x\na\r\n0\r\n\r\n",
    "chunk without CRLF": CHUNKED + b"1\r\naX0\r\n\r\n",
    "chunk longer than said": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "length in trailer": CHUNKED + b"1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "unknown method": b"SMUG / HTTP/1.1\r\nHost: a\r\n\r\n",
    "other protocol": b"DESCRIBE / RTSP/1.0\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    "control in target": b"GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "target without slash": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "chunked upgrade": HEAD + b"Connection: upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_an_ambiguous_request_is_refused_and_nothing_after_it_is_served(
    listening: Listening, echo: Echo, data: bytes
) -> None:
    for cut in (False, True):
        with RawClient(listening.address) as client:
            for piece in [data + SMUGGLED] if not cut else [data[:20], data[20:], SMUGGLED]:
                client.send(piece)
            answer = client.rest()
        assert len(statuses(answer)) == 1
        assert statuses(answer)[0] in (400, 501, 505), answer
        assert b"connection: close" in answer
        assert not any("smuggled" in seen for seen in echo.seen)


def test_an_absolute_target_is_reduced_to_its_path(listening: Listening) -> None:
    with RawClient(listening.address) as client:
        assert client.request("GET", "http://other/a?b").body == b"/a"


def test_a_fault_is_500_without_a_trace(listening: Listening, caplog: pytest.LogCaptureFixture) -> None:
    answer = call(listening.address, "GET", "/broken")
    assert answer.status == 500 and "secret" not in answer.body.decode()
    assert answer.json["error"]["code"] == "internal"  # type: ignore[index]


# ---- stopping


def test_stopping_answers_what_has_begun_and_refuses_the_rest(echo: Echo) -> None:
    with Listening(lambda: echo, LIMITS) as listening:
        with RawClient(listening.address) as busy, RawClient(listening.address) as idle:
            idle.request("GET", "/a")
            busy.send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: len(echo.held) == 1)
            listening.stop()
            assert idle.rest() == b""
            with pytest.raises((ConnectionError, EOFError)):
                call(listening.address, "GET", "/a")
            listening.call(lambda: echo.held[0].respond(200, b"done"))
            answer = busy.answer()
            assert (answer.body, answer.headers["connection"]) == (b"done", "close")
            assert busy.rest() == b""


def test_stopping_cuts_what_does_not_end(echo: Echo) -> None:
    limits = Limits(drain_seconds=0.2)
    with Listening(lambda: echo, limits) as listening, RawClient(listening.address) as client:
        client.send(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: len(echo.held) == 1)
        listening.stop()
        with pytest.raises((ConnectionError, EOFError)):
            client.answer()


def test_a_stale_socket_is_replaced_and_another_file_is_not(echo: Echo, tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    for _ in range(2):
        with Listening(lambda: echo, LIMITS, socket=path) as listening:
            assert call(listening.address, "GET", "/a").body == b"/a"
            assert path.stat().st_mode & 0o777 == 0o600
        assert not path.exists()
