"""A session without sockets: the venue of the local exchange, played in this process.

The trading loop, the order manager, the journal and the venue are the real ones; only the wire
between them is left out, so that a test can run hundreds of sessions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nifty_research.broker.client import Outcome, Sent, outcome_of
from nifty_research.broker.feed import Barrier, Heard, Lost, OrderUpdate, Ticks
from nifty_research.core.clock import LockStepClock, WallClock
from nifty_research.core.errors import AuthenticationError
from nifty_research.core.settings import Settings
from nifty_research.data.bars import Bars
from nifty_research.exchange.account import Account
from nifty_research.exchange.market import Market
from nifty_research.exchange.orders import Order
from nifty_research.exchange.venue import Venue
from nifty_research.exchange.wire import KiteError
from nifty_research.ledger.journal import Journal
from nifty_research.session.processes import effective_values
from nifty_research.session.record import Recorder
from nifty_research.session.trader import SessionPlan, Trader
from nifty_research.session.warmup import warm_up_event


@dataclass
class DirectExchange:
    "A venue behind the methods of `Broker` and `Feed` that the trading loop calls."

    venue: Venue
    account: Account
    queue: deque[Heard] = field(default_factory=deque)
    dies_after: int = -1  # requests that are answered; -1: all
    dead: bool = False
    token_dies_after: int = -1

    def __post_init__(self) -> None:
        self.venue.publish = self._publish
        self._turns = self.venue.play()
        self._requests = 0
        self._sequence = 0

    def _publish(self, order: Order) -> None:
        self.queue.append(OrderUpdate(order.update("secret")["data"]))

    # ---- Broker ---------------------------------------------------------------------------------

    def _write(self, act: Callable[[], Order]) -> Outcome:
        self._requests += 1
        if self.dies_after >= 0 and self._requests > self.dies_after:
            self.dead = True
        if self.dead:
            return Outcome(Sent.UNKNOWN, error_type="ConnectionError", message="refused")
        if 0 <= self.token_dies_after < self._requests:
            return Outcome(Sent.REJECTED, error_type="TokenException", message="Incorrect token")
        try:
            return Outcome(Sent.CONFIRMED, act().order_id)
        except KiteError as error:
            return outcome_of(error, "kite")

    def place(self, **fields: Any) -> Outcome:
        form = {name: str(value) for name, value in fields.items()}
        return self._write(lambda: self.venue.place(self.account, "regular", form))

    def modify(self, order_id: str, **fields: Any) -> Outcome:
        form = {name: str(value) for name, value in fields.items()}
        return self._write(lambda: self.venue.modify(self.account, order_id, form))

    def cancel(self, order_id: str) -> Outcome:
        return self._write(lambda: self.venue.cancel(self.account, order_id))

    def instruments(self) -> list[Any]:
        return list(self.venue.market.instruments.values())

    def orders(self) -> list[dict[str, Any]]:
        return [order.record() for order in self.account.orders.values()]

    def trades_of(self, order_id: str) -> list[dict[str, Any]]:
        if 0 <= self.token_dies_after < self._requests:
            raise AuthenticationError("Incorrect token", where="kite trades_of")
        rows = [one for one in self.venue.trades if one.order.order_id == order_id]
        return [
            {
                "trade_id": one.trade_id,
                "transaction_type": "BUY" if one.order.is_buy else "SELL",
                "quantity": one.quantity,
                "average_price": one.price,
                "fill_timestamp": one.moment.replace(tzinfo=None),
            }
            for one in rows
        ]

    # ---- Feed -----------------------------------------------------------------------------------

    def next(self, timeout_s: float) -> Heard:
        if self.dead:
            return Lost(1006, "connection was closed uncleanly")
        while not self.queue:
            turn = next(self._turns, None)
            self._sequence += 1
            if turn is None:
                now = self.venue.market.now
                return Barrier(self._sequence, "END", now, now)
            market = self.venue.market
            for prices in turn.ticks:
                self.queue.append(
                    Ticks(
                        [
                            {
                                "instrument_token": market.quotes[symbol].token,
                                "last_price": price,
                                "volume_traded": market.quotes[symbol].volume,
                            }
                            for symbol, price in prices.items()
                        ]
                    )
                )
            self.queue.append(Barrier(self._sequence, turn.phase.name, turn.moment, turn.bar_start))
        return self.queue.popleft()

    def close(self) -> None:
        pass


def direct_exchange(settings: Settings, bars: Bars, start: int, **faults: int) -> DirectExchange:
    "An exchange over these bars with the paper account."
    account = Account(
        user_id=settings.account.id,
        api_key="key",
        api_secret="secret",
        cash=settings.account.capital_paise,
        margin_rate={"MIS": settings.risk.margin_rate_intraday, "CNC": 1.0},
    )
    venue = Venue(Market(bars, start, settings), [account], lambda order: None)
    return DirectExchange(venue, account, **faults)


def started_payload(run: str, settings: Settings, bars: Bars, start: int) -> dict[str, Any]:
    "The payload of `session started`, as far as sessions and parity read it."
    return {
        "run": run,
        "mode": "paper",
        "market": "recorded",
        "profile": settings.profile,
        "strategy": settings.strategy.name,
        "settings": effective_values(settings),
        "symbols": list(bars.symbols),
        "interval_minutes": bars.interval_minutes,
        "product": settings.account.product,
        "capital_paise": settings.account.capital_paise,
        "days": [str(day) for day in bars.rows(start, len(bars.index)).days()],
        "warmup_days": [str(day) for day in bars.rows(0, start).days()] if start else [],
    }


def run_direct(
    ledger: Path,
    run: str,
    settings: Settings,
    bars: Bars,
    start: int,
    *,
    on_bar: Callable[[Trader], None] = lambda trader: None,
    **faults: int,
) -> tuple[str, Trader]:
    "Run or go on with a session; its verdict."
    exchange: Any = direct_exchange(settings, bars, start, **faults)
    clock = LockStepClock(exchange.venue.market.now, lambda sequence: None)
    symbols = bars.symbols
    tokens = {name: exchange.venue.market.instruments[name].instrument_token for name in symbols}
    with closing(Journal.open(ledger, settings.account.id, clock=WallClock(0.0))) as parent:
        epoch = parent.acquire(run, 60.0)
        started = started_payload(run, settings, bars, start)
        parent.append("session started", started, session=run)
        with closing(Journal.open(ledger, settings.account.id, clock=clock)) as journal:
            journal.adopt(epoch)
            recorder = Recorder(journal, run)
            warm_up = bars.rows(0, start)
            recorder.record([("warm-up", warm_up_event(warm_up))])
            days = tuple(bars.rows(start, len(bars.index)).days())
            plan = SessionPlan(run, symbols, days, (), bars.interval_minutes)
            trader = Trader(
                plan, settings, exchange, exchange, clock, recorder, warm_up, tokens, on_bar=on_bar
            )
            try:
                verdict = trader.run()
            finally:
                parent.release()
            return verdict, trader
