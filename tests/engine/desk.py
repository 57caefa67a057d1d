"""A small market to try the engine on: bars by hand, rules in plain numbers, a walk row by row.

`play` runs the compiled loop. `Walk` does the same from Python as a session does, phase by phase
over all symbols, with an order book of its own that knows nothing but the intents it was sent. The
two must agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from nifty_research.data.bars import Bars
from nifty_research.engine.backtest import BacktestResult, backtest
from nifty_research.engine.book import (
    ACTION,
    DENIED,
    FILL,
    INTENT,
    LISTING,
    RULES,
    BarFlag,
    BarPhase,
    Closed,
    Denial,
    OrderKind,
    Purpose,
    Reason,
    Role,
    new_desk,
    unpack_state,
)
from nifty_research.engine.events import apply_closed, apply_fill, open_day
from nifty_research.engine.fill import fill_in_band
from nifty_research.engine.play import cancel_wanted, expire_orders
from nifty_research.engine.protection import take_targets
from nifty_research.engine.rules import DayRules, put_day
from nifty_research.engine.step import step

LAKH = 1_00_000_00  # paise
CAPITAL = 10 * LAKH
FIRST_DAY = date(2026, 9, 14)  # a Monday
NO_CHARGES = np.zeros((1, 12), np.int64)
SHARE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Row = tuple[float, float, float, float] | None

PLAIN: Mapping[str, float] = {
    "interval": 1,
    "trades_per_day": 150,
    "open_positions": 20,
    "trades_per_symbol": 8,
    "positions_per_sector": 6,
    "minimum_confidence": 0.70,
    "exit_threshold": 0.30,
    "minimum_share": 0.05,
    "maximum_share": 0.15,
    "risk_per_trade": 0.005,
    "stop_atr": 2.0,
    "target_atr": 3.0,
    "trail_from_atr": 1.5,
    "trail_by_atr": 0.8,
    "stop_step_atr": 0.25,
    "stop_moves": 24,
    "order_changes": 25,
    "daily_loss": 0.02,
    "drawdown": 0.10,
    "margin_rate": 0.20,
    "slippage": 0.0,
    "protection": 0.02,
    "shorting": 1,
    "intraday": 1,
}


def flat(price: float) -> Row:
    "A bar that does not move."
    return (price, price, price, price)


def rules(**changed: float) -> Any:
    "One RULES record: the conservative profile without slippage, and what is changed."
    record = np.zeros(1, RULES)
    for name, value in (PLAIN | changed).items():
        record[name] = value
    return record


@dataclass
class Scene:
    "Everything a backtest is given."

    bars: Bars
    entry: Any
    exit: Any
    atr: Any
    flags: Any
    rules: Any
    days: list[DayRules]
    capital: int = CAPITAL
    lean: Any = None  # as the entry scores where nothing else is said

    def __post_init__(self) -> None:
        self.lean = self.entry if self.lean is None else self.lean

    def run(self, *, start: int = 0, state: bytes | None = None) -> BacktestResult:
        return backtest(
            self.bars, self.entry, self.exit, self.atr, self.rules, self.days, flags=self.flags,
            capital_paise=self.capital, lean=self.lean, start=start, state=state,
        )  # fmt: skip


def weekdays(count: int) -> list[date]:
    every = (FIRST_DAY + timedelta(n) for n in range(2 * count + 2))
    return [day for day in every if day.weekday() < 5][:count]


def bars_from(days: Sequence[Sequence[Sequence[Row]]]) -> Bars:
    "Bars from days of rows of one (open, high, low, close) or None a symbol."
    stamps = [
        pd.Timestamp(day, tz="Asia/Kolkata") + pd.Timedelta(minutes=555 + minute)
        for day, rows in zip(weekdays(len(days)), days, strict=True)
        for minute in range(len(rows))
    ]
    table = np.array(
        [[one or (math.nan,) * 4 for one in row] for rows in days for row in rows], np.float64
    )
    columns = [np.ascontiguousarray(table[:, :, n]) for n in range(4)]
    volume = np.where(np.isnan(columns[0]), np.nan, 100.0)
    symbols = tuple(SHARE[: table.shape[1]])
    return Bars(pd.DatetimeIndex(stamps), symbols, *columns, volume, 1)


def scene(
    *days: Sequence[Any],  # rows; a row is one bar, or a list of one bar a symbol
    entries: Mapping[Any, float] | None = None,  # row or (row, symbol) -> score
    exits: Mapping[Any, float] | None = None,
    leans: Mapping[Any, float] | None = None,  # beside the entries, which are leans too
    flags: Mapping[Any, int] | None = None,
    atr: Any = 1.0,
    tick: float = 0.05,
    lot: int = 1,
    freeze: int = 100_000,
    sectors: Sequence[int] | None = None,
    rates: Any = NO_CHARGES,
    capital: int = CAPITAL,
    **changed: float,
) -> Scene:
    "A scene by hand; without slippage, charges or flags unless given."
    full = [[row if isinstance(row, list) else [row] for row in rows] for rows in days]
    bars = bars_from(full)
    shape = bars.shape
    listings = np.zeros(shape[1], LISTING)
    listings["tick"], listings["lot"], listings["freeze"] = tick, lot, freeze
    listings["sector"] = np.arange(shape[1]) if sectors is None else sectors

    def table(values: Mapping[Any, float] | None, kind: Any) -> Any:
        filled = np.zeros(shape, kind)
        for place, value in (values or {}).items():
            filled[place] = value
        return filled

    return Scene(
        bars,
        table(entries, np.float64),
        table(exits, np.float64),
        np.broadcast_to(np.asarray(atr, np.float64), shape).copy(),
        table(flags, np.uint8),
        rules(**changed),
        [DayRules(day, listings, rates) for day in bars.days()],
        capital,
        table({**(entries or {}), **leans}, np.float64) if leans else None,
    )


def play(*days: Sequence[Any], **words: Any) -> BacktestResult:
    "The result of a scene by hand."
    return scene(*days, **words).run()


def fills_of(result: BacktestResult) -> list[tuple[int, str, int, float]]:
    "Row, phase, quantity and price of every fill."
    return [
        (int(f["row"]), BarPhase(f["phase"]).name, int(f["quantity"]), float(f["price"]))
        for f in result.fills
    ]


def said(result: BacktestResult) -> list[tuple[int, str, float]]:
    "Row, purpose and price of every intent."
    return [(int(i["row"]), Purpose(i["purpose"]).name, float(i["price"])) for i in result.intents]


def denied(result: BacktestResult) -> list[tuple[int, int, str, float, float]]:
    "Row, symbol, code, limit and value of every denial."
    return [
        (int(d["row"]), int(d["symbol"]), Denial(d["code"]).name, float(d["limit"]),
         float(d["value"]))
        for d in result.denials
    ]  # fmt: skip


def reasons(result: BacktestResult) -> list[str]:
    "Why positions were left, in order."
    return [Reason(f["reason"]).name for f in result.fills if f["reason"]]


@dataclass
class Resting:
    "An order as the outside knows it."

    quantity: int
    kind: int
    price: float
    role: Role
    changes: int = 0


@dataclass
class Outside:
    "An exchange that knows only the requests it was sent."

    order_changes: int
    orders: dict[tuple[int, Role], Resting] = field(default_factory=dict)  # in order of placement

    def take(self, intents: Any) -> None:
        "Carry out requests in their order; a second order of a symbol and role is an error."
        for intent in intents:
            symbol, quantity = int(intent["symbol"]), int(intent["quantity"])
            price, exit_ = float(intent["price"]), self.orders.get((symbol, Role.EXIT))
            match Purpose(intent["purpose"]):
                case Purpose.ENTRY:
                    self._place(symbol, Resting(quantity, OrderKind.MARKET, price, Role.ENTRY))
                case Purpose.STOP:
                    self._place(symbol, Resting(quantity, OrderKind.STOP, price, Role.EXIT))
                case Purpose.PART:
                    self._place(symbol, Resting(quantity, OrderKind.MARKET, price, Role.PART))
                case Purpose.EXIT if exit_ is None:
                    self._place(symbol, Resting(quantity, OrderKind.MARKET, price, Role.EXIT))
                case Purpose.CANCEL_ENTRY:
                    del self.orders[symbol, Role.ENTRY]
                case Purpose.CANCEL_EXIT:
                    del self.orders[symbol, Role.EXIT]
                case Purpose.CANCEL_PART:
                    del self.orders[symbol, Role.PART]
                case purpose:
                    self._change(exit_, purpose, quantity, price)

    def _place(self, symbol: int, order: Resting) -> None:
        assert (symbol, order.role) not in self.orders, "two orders of one role at a time"
        assert order.role is not Role.ENTRY or not self.of(symbol), "an entry beside an exit"
        self.orders[symbol, order.role] = order

    def of(self, symbol: int) -> list[Resting]:
        "Orders of a symbol."
        return [order for (place, _), order in self.orders.items() if place == symbol]

    def _change(self, held: Resting | None, purpose: Purpose, quantity: int, price: float) -> None:
        assert held is not None, "nothing to change"
        if purpose is Purpose.RESIZE:
            held.quantity = quantity
        else:
            assert held.quantity == quantity
            held.kind = {
                Purpose.MOVE_STOP: OrderKind.STOP,
                Purpose.TARGET: OrderKind.LIMIT,
                Purpose.EXIT: OrderKind.MARKET,
            }[purpose]
            held.price = price
        held.changes += 1
        assert held.changes <= self.order_changes, "Kite refuses the change"


@dataclass
class Walk:
    "The engine driven from Python over a scene."

    scene: Scene
    after_row: Callable[[Walk, int], None] = lambda walk, row: None
    start: int = 0
    state: bytes | None = None

    def __post_init__(self) -> None:
        scene = self.scene
        first = scene.days[0]
        self.desk = new_desk(
            scene.rules, first.listings, first.rates, returns=first.returns,
            capital_paise=scene.capital,
        )  # fmt: skip
        if self.state:
            positions, account = unpack_state(self.state)
            self.desk = self.desk._replace(positions=positions, account=account)
        self.outside = Outside(int(scene.rules["order_changes"][0]))
        self.fills: list[Any] = []
        self.intents: list[Any] = []
        self.denials: list[Any] = []
        self.new_fills = self.new_intents = 0
        self.equity = np.full(len(scene.bars.index), scene.capital)
        self.cash = self.equity.copy()
        self.row = 0

    @property
    def positions(self) -> Any:
        return self.desk.positions

    @property
    def account(self) -> Any:
        return self.desk.account

    def run(self) -> Walk:
        bars, days = self.scene.bars, {day.day: day for day in self.scene.days}
        dates = [stamp.date() for stamp in bars.index]
        for row in range(self.start, len(dates)):
            self.row, self.day = row, days[dates[row]]
            self.new_fills, self.new_intents = len(self.fills), len(self.intents)
            if row == self.start or dates[row - 1] != dates[row]:
                self.desk = put_day(self.desk, self.day)
            if row == 0 or dates[row - 1] != dates[row]:
                open_day(self.desk)
                self._send()
            self._play()
            self._decide()
            if row + 1 == len(dates) or dates[row + 1] != dates[row]:
                expire_orders(self.desk)
                self._send()
                self.outside.orders.clear()
            self.equity[row], self.cash[row] = self.account["equity"][0], self.account["cash"][0]
            self.after_row(self, row)
        return self

    def _send(self) -> None:
        "Empty the buffers into the logs and send the intents."
        intents, denials = self.desk.take()
        intents["row"], denials["row"] = self.row, self.row
        self.outside.take(intents)
        self.intents += list(intents)
        self.denials += list(denials)

    def _play(self) -> None:
        bars, row = self.scene.bars, self.row
        for symbol, flag in enumerate(self.scene.flags[row]):
            order = self.outside.orders.get((symbol, Role.EXIT))
            if flag & BarFlag.STOPS_PURGED and order and order.kind == OrderKind.STOP:
                del self.outside.orders[symbol, Role.EXIT]
                at = BarPhase.OPEN.value
                apply_closed(self.desk, symbol, Role.EXIT.value, Closed.PURGED.value, at)
        late: set[int] = set()
        for phase in (BarPhase.OPEN, BarPhase.STOPS, BarPhase.LIMITS, BarPhase.LATE_STOPS):
            late = self._phase(phase, late)
            if phase in (BarPhase.OPEN, BarPhase.STOPS):
                opened = phase is BarPhase.OPEN
                high, low = (bars.open, bars.open) if opened else (bars.high, bars.low)
                take_targets(self.desk, high[row], low[row], phase.value)
            self._send()

    def _phase(self, phase: BarPhase, late: set[int]) -> set[int]:
        "Match one phase of all symbols; the symbols whose entry filled in it."
        bars, row, entered = self.scene.bars, self.row, set()
        for (symbol, role), order in sorted(self.outside.orders.items()):
            if phase is BarPhase.LATE_STOPS and symbol not in late:
                continue
            open_ = float(bars.open[row, symbol])
            price = fill_in_band(
                self.scene.rules, self.day.listings[symbol], phase.value, int(order.kind),
                order.quantity, order.price, open_,
                float(bars.high[row, symbol]), float(bars.low[row, symbol]),
            )  # fmt: skip
            if not math.isnan(price):
                last_price = open_ if phase is BarPhase.OPEN else price
                self._book(phase, symbol, role, price, last_price)
                entered |= {symbol} if role is Role.ENTRY else set()
            elif phase is BarPhase.OPEN and order.kind == OrderKind.MARKET:
                if not math.isnan(open_):
                    order.kind = OrderKind.LIMIT
                    self.positions[f"{role.name.lower()}_kind"][symbol] = OrderKind.LIMIT
        return entered

    def _book(
        self, phase: BarPhase, symbol: int, role: Role, price: float, last_price: float
    ) -> None:
        order = self.outside.orders.pop((symbol, role))
        fill = np.zeros(1, FILL)[0]
        fill["row"], fill["fine"], fill["phase"] = self.row, self.row, phase
        fill["symbol"], fill["quantity"], fill["price"] = symbol, order.quantity, price
        fill["value"] = abs(order.quantity) * round(price * 100)
        fill["reason"] = apply_fill(
            self.desk, symbol, role.value, order.quantity, price, last_price, phase.value
        )
        fill["heads"] = self.desk.heads[0]
        self.fills.append(fill)

    def _decide(self) -> None:
        scene, row = self.scene, self.row
        minute = int(scene.bars.index[row].timestamp()) // 60 + scene.bars.interval_minutes
        step(
            self.desk, minute, scene.bars.close[row],
            scene.entry[row], scene.exit[row], scene.lean[row], scene.atr[row], scene.flags[row],
        )  # fmt: skip
        cancel_wanted(self.desk)
        self._send()

    def result(self) -> BacktestResult:
        "What was decided, as the compiled loop reports it."
        return BacktestResult(
            in_rows(np.array(self.fills, FILL)),
            np.array(self.intents, INTENT),
            np.array(self.denials, DENIED),
            self.equity,
            self.cash,
            self.positions,
            self.account,
            np.zeros(0, ACTION),
        )


def in_rows(log: Any) -> Any:
    "Records by row, phase and symbol, and in the order written where these are equal."
    return log[np.lexsort((log["symbol"], log["phase"], log["row"]))]


def assert_same(one: BacktestResult, other: BacktestResult, since: int = 0) -> None:
    "Two results agree from a row on, to the bit."
    for name in ("fills", "intents", "denials"):
        left, right = getattr(one, name), getattr(other, name)
        if name != "denials":  # these have no phase and one order only
            left, right = in_rows(left), in_rows(right)
        left, right = left[left["row"] >= since], right[right["row"] >= since]
        np.testing.assert_array_equal(left, right, err_msg=name)
    np.testing.assert_array_equal(one.equity[since:], other.equity[since:])
    np.testing.assert_array_equal(one.cash[since:], other.cash[since:])
    for name in one.account.dtype.names or ():
        np.testing.assert_array_equal(one.account[name], other.account[name], err_msg=name)
    for name in one.positions.dtype.names or ():
        np.testing.assert_array_equal(one.positions[name], other.positions[name], err_msg=name)
