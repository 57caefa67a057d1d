"""A venue with books over a small synthetic day, played by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.exchange.account import Account
from nifty_research.exchange.market import Market
from nifty_research.exchange.orders import Order
from nifty_research.exchange.sources import BarSource
from nifty_research.exchange.venue import Venue

DAY = date(2026, 9, 15)
FORM = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "order_type": "LIMIT",
    "product": "MIS",
    "quantity": "10",
    "price": "1000",
}


def account(name: str, cash_inr: int = 100_000_000) -> Account:
    rates = {"MIS": 0.2, "CNC": 1.0, "NRML": 0.2}
    return Account(name, f"key{name}", f"secret{name}", cash_inr * 100, rates)


def bars_of(symbol: str, rows: list[tuple[str, float, float, float, float, float]]) -> Bars:
    "Bars of one symbol from rows of time, open, high, low, close and volume."
    frame = pd.DataFrame(rows, columns=["timestamp", "open", "high", "low", "close", "volume"])
    frame["timestamp"] = pd.DatetimeIndex(frame["timestamp"], tz="Asia/Kolkata")
    frame["symbol"] = symbol
    return Bars.from_frame(frame, interval_minutes=1)


class Floor:
    "INFY around 1 000; `play` brings a price of the market."

    def __init__(
        self,
        *accounts: Account,
        symbol: str = "INFY",
        auctions: bool = False,
        price: float = 1000.0,
        day: str = "2026-09-15",
        before: str = "2026-09-14",
    ) -> None:
        rows = [
            (f"{before} 15:00", price, price, price, price, 1000.0),
            (f"{day} 09:15", price, price, price, price, 1000.0),
        ]
        self.accounts = accounts or (account("ONE"), account("TWO"))
        self.told: list[tuple[str, str]] = []
        market = Market(bars_of(symbol, rows), 1, load_settings(), matching="book")
        self.venue = Venue(
            market,
            list(self.accounts),
            lambda order: self.told.append((order.order_id, order.status)),
            source=BarSource(market),
            auctions=auctions,
        )
        self.market, self.symbol = market, symbol
        self.now: datetime = market.now
        if auctions:
            self.now = self.now.replace(hour=9, minute=0)
        self.venue.begin_day(self.now)
        self.venue.pass_time(self.now)

    def at(self, clock: str) -> None:
        "Let time pass until a time of the day."
        hour, minute = clock.split(":")
        self.now = self.now.replace(hour=int(hour), minute=int(minute), second=0)
        self.venue.pass_time(self.now)

    def play(self, price: float, quantity: int = 0) -> None:
        self.now += timedelta(seconds=1)
        self.venue.pass_time(self.now)
        self.venue.play_prices([(self.symbol, price, quantity)], self.now)

    def place(self, who: int = 0, variety: str = "regular", **fields: Any) -> Any:
        form = FORM | {"tradingsymbol": self.symbol}
        form |= {name: str(value) for name, value in fields.items()}
        return self.venue.place(self.accounts[who], variety, form)

    def buy(self, quantity: int, price: float, who: int = 0, **more: Any) -> Order:
        order: Order = self.place(who, quantity=quantity, price=price, **more)
        return order

    def sell(self, quantity: int, price: float, who: int = 0, **more: Any) -> Order:
        return self.buy(quantity, price, who, transaction_type="SELL", **more)

    def held(self, who: int = 0) -> int:
        return sum(one.quantity for one in self.accounts[who].holdings.values())

    def depth(self, side: str) -> list[tuple[float, int]]:
        found = self.venue.depth(self.symbol)[side]
        return [(one["price"], one["quantity"]) for one in found if one["orders"]]

    def orders(self, who: int = 0) -> Iterator[Order]:
        yield from self.accounts[who].orders.values()
