"""The gateway's side of apps: whose address it is, who may come in, and for how long nobody has."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import replace
from pathlib import Path

import pytest

from orrery.api.auth import Signer
from orrery.domain.access import User
from orrery.gateway.app_call import split_app_path
from orrery.gateway.apps import AppTable
from orrery.gateway.auth import Authenticator, Identity, TokenExpired, app_key, may_call
from orrery.gateway.frame_page import render_frame
from orrery.gateway.routes import App, BadRoutes, Routes, parse_routes, write_routes
from orrery.gateway.visits import LEASE_SECONDS, Use, Visit, Visits, cookie_value, make_visit, read_visit


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        (b"/apps/dsh_1/~t.u.v/", ("dsh_1", b"t.u.v", b"/")),
        (b"/apps/dsh_1/~t/a/b", ("dsh_1", b"t", b"/a/b")),
        (b"/apps/dsh_1/~t", ("dsh_1", b"t", b"")),
        (b"/apps/dsh_1/~/keep", ("dsh_1", b"", b"/keep")),
        (b"/apps/dsh_1/", ("dsh_1", None, b"/")),
        (b"/apps/dsh_1/a/~t", ("dsh_1", None, b"/a/~t")),
        (b"/apps/dsh_1", None),
        (b"/apps/", None),
        (b"/apps/a%0d%0a/~t/", None),
        (b"/apps/A.b/~t/", None),
        (b"/apps/" + b"a" * 65 + b"/~t/", None),
    ],
)
def test_an_address_with_a_ticket_is_the_apps_and_any_other_the_platforms(
    path: bytes, parts: tuple[str, bytes | None, bytes] | None
) -> None:
    assert split_app_path(path, b"/apps/") == parts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.open(tmp_path / "jwt.key")


def authenticator(tmp_path: Path, clock: Clock) -> Authenticator:
    return Authenticator(tmp_path / "jwt.key", lambda _, done: done(None), clock)


def test_a_ticket_opens_one_app_until_its_end_and_is_no_token(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr("orrery.api.auth.time.time", clock)
    asked = authenticator(tmp_path, clock)
    key = asked.key
    assert key is not None
    user = User("ann", frozenset({"team"}))
    ticket = signer.sign_ticket(user, "dsh_1", "a report", 60).encode()
    visit = read_visit(key, "dsh_1", ticket, clock.now)
    assert visit is not None and (visit.identity, visit.use) == (Identity("ann", frozenset({"team"})), Use.TICKET)
    assert (visit.title, visit.expires_at) == ("a report", clock.now + 60)
    assert read_visit(key, "dsh_2", ticket, clock.now) is None
    assert read_visit(key, "dsh_1", ticket[:-2] + b"xx", clock.now) is None
    assert read_visit(key, "dsh_1", signer.sign(user, 60)[0].encode(), clock.now) is None
    assert signer.read(ticket.decode()) is None
    refused: list[object] = []
    asked.identify(ticket, refused.append)
    assert not isinstance(refused[0], Identity)
    # what it is exchanged for is read as well, and is the same each time
    cookie = replace(visit, use=Use.COOKIE, expires_at=clock.now + 1000.0)
    text = make_visit(key, "dsh_1", cookie)
    assert text == make_visit(key, "dsh_1", cookie) and read_visit(key, "dsh_1", text, clock.now) == cookie
    clock.now += 61
    with pytest.raises(TokenExpired):
        read_visit(key, "dsh_1", ticket, clock.now)


def test_a_ticket_counts_once_and_a_pass_while_its_page_is_open() -> None:
    clock = Clock()
    visits = Visits(clock)
    ticket = Visit(Identity("ann"), Use.TICKET, "a report", clock.now + 60, "1")
    assert [visits.take(ticket), visits.take(ticket), visits.take(replace(ticket, id="2"))] == [True, False, True]
    # a gateway that has just begun does not know which pages are open
    assert visits.is_kept(b"pass")
    clock.now += LEASE_SECONDS - 1
    visits.keep(b"pass")
    clock.now += LEASE_SECONDS - 1
    assert visits.is_kept(b"pass") and not visits.is_kept(b"other")
    clock.now += 1
    assert not visits.is_kept(b"pass")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (None, None),
        (b"a=b; orrery-app=x.y.z; c=d", b"x.y.z"),
        (b"orrery-apps=x; not-orrery-app=y", None),
    ],
)
def test_of_the_cookies_ours_is_found(header: bytes | None, value: bytes | None) -> None:
    assert cookie_value(header) == value


def test_the_page_around_an_app_shows_no_more_than_it_was_given() -> None:
    page = render_frame('a "<b>"', "/x/apps/dsh_1", "p.q.r", "/?a=<script>&b='\"").decode()
    assert page.count("<script>") == 1 and "<b>" not in page
    assert 'data-rest="/?a=&lt;script&gt;&amp;b=&#x27;&quot;"' in page
    assert "allow-same-origin" not in page and 'sandbox="allow-scripts' in page


def test_the_keys_of_two_apps_differ() -> None:
    assert app_key(b"key", "dsh_1") != app_key(b"key", "dsh_2") != hmac.digest(b"key", b"dsh_2", "sha256")


def test_who_may_visit_follows_the_visibility() -> None:
    ann, member, other = Identity("ann"), Identity("m", frozenset({"team"})), Identity("o")
    private = App("dsh_1", "ann", "unix:/s")
    assert [may_call(private, who) for who in (ann, member, other)] == [True, False, False]
    group = App("dsh_1", "ann", "unix:/s", "group", "team")
    assert [may_call(group, who) for who in (ann, member, other)] == [True, True, False]
    assert may_call(App("dsh_1", "ann", "unix:/s", "public"), other)
    assert may_call(private, Identity("boss", admin=True))


def test_routes_name_the_apps(tmp_path: Path) -> None:
    document = Routes(1, apps=(App("dsh_1", "ann", "unix:/s", "group", "team"),))
    write_routes(tmp_path / "routes.json", document)
    assert parse_routes((tmp_path / "routes.json").read_bytes()) == document
    with pytest.raises(BadRoutes, match=r"apps\[0\]\.visibility is 'all'"):
        parse_routes(b'{"revision": 1, "apps": [{"id": "a", "owner": "b", "address": "c", "visibility": "all"}]}')


def test_idle_time_counts_from_the_end_of_the_last_use() -> None:
    async def scenario() -> None:
        clock = Clock()
        table = AppTable(clock)
        app = App("dsh_1", "ann", "unix:/s")
        table.apply([app])
        clock.now += 5
        assert table.document() == {"dsh_1": {"open": 0, "idle_seconds": 5.0}}
        state = table.find("dsh_1")
        assert state is not None
        state.enter()
        clock.now += 100
        assert table.document() == {"dsh_1": {"open": 1, "idle_seconds": 0.0}}
        table.apply([App("dsh_1", "ann", "unix:/s", "public")])
        assert table.find("dsh_1") is state, "a change of visibility is no new app"
        state.leave()
        clock.now += 3
        assert table.document() == {"dsh_1": {"open": 0, "idle_seconds": 3.0}}

        # somebody slipped in before its door was shut: that is told until they have gone
        state.enter()
        table.apply([])
        assert table.find("dsh_1") is None
        assert table.document() == {"dsh_1": {"open": 1, "idle_seconds": 0.0}}
        state.leave()
        assert table.document() == {}

    asyncio.run(scenario())
