"""A whole session in one thread: everything is real, only the sockets are left out.

Requests of the real `kiteconnect` client go straight into the exchange's ASGI application, and what
the exchange sends on its stream is parsed by the real `KiteTicker`. Order manager and trading loop
are those of a session. Nothing waits, so hundreds of small markets can be played in a minute.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import BaseAdapter

from nifty_research.broker.client import Broker, request_token_from
from nifty_research.broker.feed import Feed, Heard
from nifty_research.core.clock import LockStepClock
from nifty_research.core.errors import NetworkError
from nifty_research.core.settings import Settings
from nifty_research.data.bars import Bars
from nifty_research.exchange.account import Account
from nifty_research.exchange.market import Market
from nifty_research.exchange.rest import Rest, application
from nifty_research.exchange.stream import Client, Hub
from nifty_research.exchange.venue import Venue
from nifty_research.session.opening import tokens_of
from nifty_research.session.record import Recorder
from nifty_research.session.trader import SessionPlan, Trader

ROOT = "http://exchange.test"
KEY, SECRET = "inprocesskey", "inprocesssecret"


def drive(work: Coroutine[Any, Any, Any]) -> Any:
    "Run a coroutine that never waits for anything."
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise AssertionError("the exchange waited for something outside")


class StraightIn(BaseAdapter):
    "Hands requests of the `requests` library to an ASGI application."

    def __init__(self, app: Any) -> None:
        super().__init__()
        self.app = app

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        body = request.body or b""
        sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [
                (name.lower().encode(), str(value).encode())
                for name, value in request.headers.items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("exchange.test", 80),
        }

        async def receive() -> dict[str, Any]:
            content = body.encode() if isinstance(body, str) else body
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        drive(self.app(scope, receive, send))
        answer = requests.Response()
        answer.status_code = sent[0]["status"]
        for name, value in sent[0]["headers"]:
            answer.headers[name.decode()] = value.decode()
        body = b"".join(message.get("body", b"") for message in sent[1:])
        packed = answer.headers.get("content-encoding") == "gzip"
        answer._content = gzip.decompress(body) if packed else body
        answer.url, answer.request = str(request.url), request
        return answer

    def close(self) -> None:
        "Nothing is held open."


class Wire:
    "The server's end of a connection: what is sent is heard by the client at once."

    def __init__(self) -> None:
        self.hears: Any = None  # (payload, is_binary)

    async def send_text(self, text: str) -> None:
        self.hears(text.encode(), False)

    async def send_bytes(self, data: bytes) -> None:
        self.hears(data, True)


class Exchange:
    "What `exchange.serve` puts together, without ports; `step` plays the next phase."

    def __init__(self, bars: Bars, start: int, settings: Settings) -> None:
        self.account = Account(
            settings.account.id,
            KEY,
            SECRET,
            round(settings.account.capital_inr * 100),
            {"MIS": settings.risk.margin_rate_intraday, "CNC": 1.0},
        )
        self.venue = Venue(Market(bars, start, settings), [self.account], lambda order: None)
        self.hub = Hub(self.venue)
        self.venue.publish = lambda order: self.hub.pending.append(order.update(SECRET))
        self.rest = Rest(self.venue, self.hub)
        self.app = application(self.rest)
        self.sequence = 0
        self.turns: Iterator[Any] = self.venue.play()

    def broker(self) -> Broker:
        "A client that is logged in."
        broker = Broker(ROOT, KEY)
        broker.kite.reqsession.mount(ROOT, StraightIn(self.app))
        page = broker.kite.reqsession.get(
            f"{ROOT}/connect/login", params={"api_key": KEY, "v": "3"}, allow_redirects=False
        )
        token = request_token_from(page.headers["location"])
        broker.kite.set_access_token(broker.log_in(token, SECRET))
        return broker

    def step(self) -> bool:
        "Play one phase; False when there is none left."
        turn = next(self.turns, None)
        if turn is None:
            return False
        drive(self.hub.broadcast(turn))
        self.sequence += 1
        drive(self.hub.barrier(self.sequence, turn))
        return True

    def end(self) -> bytes:
        "The last message."
        now = self.venue.market.now.isoformat()
        data = {"sequence": self.sequence + 1, "phase": "END", "time": now, "bar": now}
        return json.dumps({"type": "barrier", "data": data}).encode()


class InProcessFeed(Feed):
    "The real feed, whose exchange goes on when it has been released and everything is heard."

    def __init__(self, exchange: Exchange, broker: Broker, tokens: list[int]) -> None:
        super().__init__("ws://exchange.test", KEY, str(broker.kite.access_token), tokens)
        self.exchange, self.released = exchange, 0
        wire = Wire()
        wire.hears = lambda data, binary: self._ticker._on_message(None, data, binary)
        client: Any = Client(wire, exchange.account)  # type: ignore[arg-type]
        exchange.hub.clients.append(client)
        drive(exchange.hub._hear(client, json.dumps({"a": "subscribe", "v": tokens})))
        drive(exchange.hub._hear(client, json.dumps({"a": "mode", "v": ["full", tokens]})))
        while not self._heard.empty():
            self._heard.get()

    def next(self, timeout_s: float) -> Heard:
        if self._heard.empty():
            if self.released < self.exchange.sequence:
                raise NetworkError("the exchange waits for us, and we for it")
            if not self.exchange.step():
                self._on_message(self._ticker, self.exchange.end(), False)
        return self._heard.get_nowait()

    def close(self) -> None:
        "Nothing is open."


class MemoryJournal:
    "Events in a list, in the form in which the journal would keep them."

    def __init__(self) -> None:
        self.kept: list[SimpleNamespace] = []

    def write_many(self, events: list[tuple[str, dict[str, Any]]], *, session: str) -> None:
        for kind, payload in events:
            text = json.dumps(payload, allow_nan=False, sort_keys=True)
            self.kept.append(SimpleNamespace(kind=kind, payload=json.loads(text)))

    def last_sequence(self) -> int:
        return len(self.kept)

    def events(self, **_: Any) -> Iterator[Any]:
        "Nothing was written before, and nobody asks the session to stop."
        return iter(())

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event.payload for event in self.kept if event.kind == kind]


class FixedViews:
    "Scores and ranges that are given instead of reckoned; the row is found by the last bar's time."

    def __init__(self, bars: Bars, entry: Any, exit_: Any, lean: Any, atr: Any) -> None:
        self.bars, self.entry, self.exit, self.lean, self.atr = bars, entry, exit_, lean, atr

    def next_view(self, window: Bars) -> SimpleNamespace:
        row = int(self.bars.index.get_loc(window.index[-1]))
        one = slice(row, row + 1)
        scores = SimpleNamespace(entry=self.entry[one], exit=self.exit[one], lean=self.lean[one])
        return SimpleNamespace(scores=scores, atr=self.atr[one], table=self._no_table)

    def _no_table(self, row: int, column: int) -> SimpleNamespace:
        return SimpleNamespace(brief=lambda: {"why": f"given for row {row}, column {column}"})


@dataclass
class Session:
    "A session over bars from `start` on, ready to run."

    bars: Bars
    start: int
    settings: Settings

    def __post_init__(self) -> None:
        self.exchange = Exchange(self.bars, self.start, self.settings)
        self.broker = self.exchange.broker()
        self.journal = MemoryJournal()
        tokens = tokens_of(self.broker, self.bars.symbols)
        self.feed = InProcessFeed(self.exchange, self.broker, list(tokens.values()))
        self.clock = LockStepClock(self.exchange.venue.market.now, self._release)
        played = self.bars.rows(self.start, len(self.bars.index))
        warm_up = self.bars.rows(0, self.start)
        plan = SessionPlan(
            "in-process",
            self.bars.symbols,
            tuple(played.days()),
            tuple(warm_up.days()) if self.start else (),
            self.bars.interval_minutes,
        )
        self.trader = Trader(
            plan,
            self.settings,
            self.broker,
            self.feed,
            self.clock,
            Recorder(self.journal, "in-process"),  # type: ignore[arg-type]
            warm_up,
            tokens,
        )

    def _release(self, sequence: int) -> None:
        self.feed.released = sequence

    def think(self, entry: Any, exit_: Any, lean: Any, atr: Any) -> None:
        "Give the session its scores."
        fixed = FixedViews(self.bars, entry, exit_, lean, atr)
        self.trader.decider = fixed  # type: ignore[assignment]
