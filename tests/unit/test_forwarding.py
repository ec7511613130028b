"""What the Jupyter server passes on to the platform, and what stays with it."""

from __future__ import annotations

import pytest

from orrery.extension.forwarding import (
    Front,
    Upstream,
    make_request_headers,
    make_response_headers,
    make_target,
    relocate,
)

FRONT = Front(prefix="/user/ann/orrery", host="hub.example", scheme="https", client_address="10.0.0.7")
ALONE = Upstream("http://127.0.0.1:4321", "secret")
HUB = Upstream("http://127.0.0.1:9000/services/orrery", "secret")


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("", "/api/v1/models"),
        ("q=a%20b&limit=5", "/api/v1/models?q=a%20b&limit=5"),
        ("token=jupyter&q=x&_xsrf=2|a", "/api/v1/models?q=x"),
        ("token=jupyter", "/api/v1/models"),
    ],
)
def test_the_query_loses_jupyters_credentials_and_nothing_else(query: str, target: str) -> None:
    assert make_target(ALONE, "/api/v1/models", query) == target


def test_the_platforms_own_prefix_is_put_before_the_path() -> None:
    assert make_target(HUB, "/api/v1/models", "") == "/services/orrery/api/v1/models"


def test_the_platform_gets_its_own_token_and_none_of_jupyters() -> None:
    received = [
        ("Host", "hub.example"),
        ("Authorization", "token jupyter"),
        ("Cookie", "_xsrf=1; session=2"),
        ("X-XSRFToken", "1"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("Idempotency-Key", "k"),
    ]
    assert make_request_headers(received, ALONE, FRONT) == [
        ("Host", "127.0.0.1:4321"),
        ("Idempotency-Key", "k"),
        ("Authorization", "Bearer secret"),
        ("X-Forwarded-For", "10.0.0.7"),
        ("X-Forwarded-Host", "hub.example"),
        ("X-Forwarded-Prefix", "/user/ann/orrery"),
        ("X-Forwarded-Proto", "https"),
    ]


def test_the_browser_gets_no_cookie_of_the_platforms() -> None:
    received = [
        ("Set-Cookie", "a=b"),
        ("Transfer-Encoding", "chunked"),
        ("ETag", '"7"'),
        ("Link", "<a>"),
        ("Link", "<b>"),
    ]
    assert make_response_headers(received, ALONE, FRONT) == [("ETag", '"7"'), ("Link", "<a>"), ("Link", "<b>")]


@pytest.mark.parametrize(
    ("upstream", "location", "seen"),
    [
        (ALONE, "/docs", "/user/ann/orrery/docs"),
        (ALONE, "http://127.0.0.1:4321/docs", "/user/ann/orrery/docs"),
        (HUB, "/services/orrery/docs", "/user/ann/orrery/docs"),
        (HUB, "/services/orrery", "/user/ann/orrery/"),
        (HUB, "/user/ann/orrery/docs", "/user/ann/orrery/docs"),
        (ALONE, "next", "next"),
        (ALONE, "//elsewhere.example/x", "//elsewhere.example/x"),
        (ALONE, "https://elsewhere.example/x", "https://elsewhere.example/x"),
    ],
)
def test_a_redirect_within_the_platform_stays_behind_the_proxy(upstream: Upstream, location: str, seen: str) -> None:
    assert relocate(location, upstream, FRONT) == seen


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(ALONE)
