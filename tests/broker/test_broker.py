"""What an answer, or its absence, means; and that an exchange on this computer is really asked."""

from __future__ import annotations

from datetime import timedelta
from http.client import RemoteDisconnected
from pathlib import Path

import pytest
import requests
from kiteconnect import exceptions as kite
from live_exchange import live_exchange

from nifty_research.broker.client import (
    Broker,
    Sent,
    error_of,
    is_local,
    outcome_of,
    paper_request_token,
    request_token_from,
)
from nifty_research.broker.feed import Feed, barrier_in
from nifty_research.core.errors import (
    APIError,
    AuthenticationError,
    InvalidAnswerError,
    NetworkError,
    RateLimitError,
)
from nifty_research.exchange.stream import barrier_text

REJECTED, UNKNOWN = Sent.REJECTED, Sent.UNKNOWN


@pytest.mark.parametrize(
    ("error", "ours", "sent"),
    [
        (kite.InputException("no", 400), APIError, REJECTED),
        (kite.OrderException("no", 400), APIError, REJECTED),
        (kite.OrderException("no", 500), NetworkError, UNKNOWN),
        (kite.GeneralException("Insufficient funds.", 400), APIError, REJECTED),
        (kite.GeneralException("broken", 500), NetworkError, UNKNOWN),
        (kite.PermissionException("no", 403), APIError, REJECTED),
        (kite.TokenException("dead", 403), AuthenticationError, REJECTED),
        (kite.NetworkException("Too many requests", 429), RateLimitError, REJECTED),
        (kite.NetworkException("timed out, dressed as 400", 400), NetworkError, UNKNOWN),
        (
            kite.NetworkException("Maximum allowed order modifications exceeded.", 400),
            NetworkError,
            REJECTED,
        ),
        (kite.DataException("<html>", 502), InvalidAnswerError, UNKNOWN),
        (requests.ReadTimeout("7 s"), NetworkError, UNKNOWN),
        (requests.ConnectionError("refused"), NetworkError, UNKNOWN),
        (RemoteDisconnected("gone"), NetworkError, UNKNOWN),
        (KeyError("data"), InvalidAnswerError, UNKNOWN),
        (ValueError("JSON"), InvalidAnswerError, UNKNOWN),
        (RuntimeError("our own"), APIError, UNKNOWN),
    ],
)
def test_only_the_brokers_own_no_is_a_no(error: Exception, ours: type, sent: Sent) -> None:
    assert type(error_of(error, "here")) is ours
    told = outcome_of(error, "here")
    assert told.sent is sent and told.error_type == type(error).__name__ and not told.order_id


def test_call_back_address() -> None:
    assert request_token_from("http://x/?status=success&request_token=abc") == "abc"
    for address in ("", "http://x/?status=error", "http://x/?status=success"):
        with pytest.raises(AuthenticationError, match="log-in did not succeed"):
            request_token_from(address)


@pytest.mark.parametrize(
    ("root", "local"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("https://api.kite.trade", False),
        ("http://127.0.0.1.example.org", False),
        ("", False),
    ],
)
def test_what_is_on_this_computer(root: str, local: bool) -> None:
    assert is_local(root) is local
    assert Broker(root or "https://api.kite.trade", "key").kite.reqsession.trust_env is not local


def test_neither_proxy_nor_netrc_comes_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live_exchange(tmp_path) as live:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password wrong\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "")
        broker = live.client()
        assert broker.profile()["user_id"] == "PAPER01"
        assert broker.margins()["enabled"] is True and broker.positions() == []
        assert len(broker.instruments()) == 3 and broker.trades() == broker.orders() == []


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="did not answer"):
        paper_request_token("http://127.0.0.1:9", "key", 1.0)
    broker = Broker("http://127.0.0.1:9", "key", timeout_s=1.0)
    with pytest.raises(NetworkError, match="kite profile"):
        broker.profile()
    assert broker.cancel("1").sent is UNKNOWN and broker.modify("1", price=1.0).sent is UNKNOWN


def test_barrier_is_read_and_nothing_else_is() -> None:
    now = "2026-09-15T09:16:00+05:30"
    found = barrier_in(barrier_text(7, "CLOSE", now, now).encode())
    assert found is not None and (found.sequence, found.phase) == (7, "CLOSE")
    assert found.time.utcoffset() == timedelta(hours=5, minutes=30)
    assert barrier_in(b'{"type":"order","data":{"tag":"barrier"}}') is None
    assert barrier_in('{"type":"message","data":"barrier"}') is None


def test_silence_is_an_error_and_heartbeats_are_not_heard() -> None:
    feed = Feed("ws://127.0.0.1:9", "key", "token", [1])
    feed._ticker._on_message(None, b"\0", True)
    with pytest.raises(NetworkError, match="nothing came from the stream"):
        feed.next(0.01)
