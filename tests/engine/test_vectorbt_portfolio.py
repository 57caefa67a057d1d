"""Our engine and vectorbt agree on trades and equity wherever both have the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from desk import FIRST_DAY, NO_CHARGES, Scene, scene
from hypothesis import example, given
from hypothesis import strategies as st
from plain_market import CAPITAL, SHARES, plain_scene

from nifty_research.core.errors import DataError
from nifty_research.core.settings import load_settings
from nifty_research.engine.backtest import BacktestResult
from nifty_research.engine.vectorbt_bridge import indicator_of
from nifty_research.engine.vectorbt_portfolio import as_portfolio, traded_again
from nifty_research.engine.vectorbt_signals import portfolio, signals
from nifty_research.market.charges import charge_rates, charges_of, charges_of_orders
from nifty_research.strategies.contract import Indicators, Scores

SETTINGS = {
    product: load_settings(overrides={"account.product": product}) for product in ("MIS", "CNC")
}
SEEDS = st.integers(0, 2**32 - 1)
MISSING = st.sampled_from([0.0, 0.1, 0.3])
PRODUCTS = st.sampled_from(["MIS", "CNC"])
STOPS = {"stop_atr": 2.0, "target_atr": 3.0, "trail_from_atr": 1.5, "trail_by_atr": 0.8}


@dataclass(frozen=True)
class Trip:
    "A position from its first order to flat, as both sides can tell it."

    symbol: int
    opened: int  # row
    closed: int  # row; the last one while it is open
    quantity: int  # signed
    is_open: bool
    net: float  # rupees, without the charges to come and at the last close where it is open


def trips_of(result: BacktestResult, last_closes: Any) -> Iterator[Trip]:
    "Positions out of the engine's fills, in order of symbol and opening."
    for symbol in range(len(result.positions)):
        held, opened, quantity, paise = 0, 0, 0, 0
        for fill in result.fills[result.fills["symbol"] == symbol]:
            if held == 0:
                opened, quantity, paise = int(fill["row"]), int(fill["quantity"]), 0
            held += int(fill["quantity"])
            paise -= int(np.sign(fill["quantity"]) * fill["value"] + fill["heads"].sum())
            if held == 0:
                yield Trip(symbol, opened, int(fill["row"]), quantity, False, paise / 100)
        if held:
            net = paise / 100 + held * last_closes[symbol]
            yield Trip(symbol, opened, len(result.equity) - 1, quantity, True, net)


def trips_of_vectorbt(traded: Any) -> Iterator[Trip]:
    "The same out of vectorbt's positions."
    for one in traded.positions.values:
        sign = 1 if one["direction"] == 0 else -1
        yield Trip(
            int(one["col"]), int(one["entry_idx"]), int(one["exit_idx"]),
            sign * round(one["size"]), one["status"] == 0, float(one["pnl"]),
        )  # fmt: skip


def assert_same_trips(result: BacktestResult, traded: Any, scene: Scene) -> None:
    "Every position alike; money to a millionth of a rupee."
    closes = traded.get_filled_close().to_numpy()[-1]
    ours, theirs = list(trips_of(result, closes)), list(trips_of_vectorbt(traded))
    assert [replace(one, net=0.0) for one in ours] == [replace(one, net=0.0) for one in theirs]
    assert np.allclose([one.net for one in ours], [one.net for one in theirs], rtol=0, atol=1e-6)


def paise_apart(result: BacktestResult, value: Any) -> Any:
    "Differences of equity in paise, bar by bar."
    return np.abs(np.asarray(value) * 100.0 - result.equity)


def fees_of(scene: Scene, product: str) -> Iterator[np.ndarray]:
    "(T, N) rupees that an order costs at each open: as a purchase, and as a sale."
    paise = np.nan_to_num(np.round(scene.bars.open * 100)).astype(np.int64) * SHARES
    for is_sell in (False, True):
        heads = charges_of_orders(FIRST_DAY, paise.ravel(), is_sell, product)
        yield heads.sum(axis=1).reshape(paise.shape) / 100


@dataclass(frozen=True)
class Scripted:
    "Scores that are given."

    name: str = "scripted"
    warmup: int = 0
    threshold: float = 0.70

    def scores(self, bars: Any, ind: Indicators) -> Scores:
        "As given."
        return Scores(*SCRIPT)


SCRIPT: list[np.ndarray] = []


@cache
def scripted() -> Any:
    "The indicator of what is in SCRIPT."
    return indicator_of(Scripted())


def from_scores(scene: Scene, product: str, charged: bool) -> Any:
    "vectorbt's portfolio of the scene's scores; nothing of the engine but its rules of reading."
    SCRIPT[:] = [scene.entry, scene.exit]
    settings = SETTINGS[product]
    scored = scripted().run(scene.bars)
    read = signals(scored, scene.bars, settings, flags=scene.flags)
    buys, sells = fees_of(scene, product) if charged else (0.0, 0.0)
    is_purchase = (read.long_entries | read.short_exits).to_numpy()
    return portfolio(
        read, scene.bars, settings, size=SHARES, init_cash=scene.capital / 100, slippage=0.0,
        fees=0.0, fixed_fees=np.where(is_purchase, buys, sells),
    )  # fmt: skip


@given(seed=SEEDS, missing=MISSING, product=PRODUCTS, charged=st.booleans())
@example(seed=0, missing=0.0, product="MIS", charged=False)
def test_from_the_same_scores_both_make_the_same_trades_and_equity(
    seed: int, missing: float, product: str, charged: bool
) -> None:
    rates = charge_rates(FIRST_DAY, product).as_array()[None] if charged else NO_CHARGES
    intraday = product == "MIS"
    scene = plain_scene(
        seed, missing=missing, square_off=intraday, shorting=float(intraday), rates=rates,
        capital=10**8,
    )  # fmt: skip

    result, traded = scene.run(), from_scores(scene, product, charged)

    apart, value = paise_apart(result, traded.value()), traded.value().to_numpy()
    assert (apart / 100 <= 1e-9 * value).all(), "without rounding there is nothing to differ in"
    assert apart.max() < 1.0 and np.isclose(
        traded.orders.fees.sum() * 100, result.fills["heads"].sum(), atol=1e-6
    )
    assert_same_trips(result, traded, scene)


@given(seed=SEEDS, missing=MISSING, product=PRODUCTS, limited=st.booleans())
def test_a_result_told_as_a_portfolio_has_its_orders_trades_and_equity(
    seed: int, missing: float, product: str, limited: bool
) -> None:
    tight = {"trades_per_day": 4, "open_positions": 2, "slippage": 0.0002} if limited else {}
    scene = plain_scene(
        seed, missing=missing, square_off=product == "MIS", atr=1.5, wild=0.004, capital=10**8,
        rates=charge_rates(FIRST_DAY, product).as_array()[None], **(STOPS | tight),
    )  # fmt: skip
    result = scene.run()

    told = as_portfolio(result, scene.bars)

    assert paise_apart(result, told.value()).max() < 1e-3
    assert paise_apart(replace(result, equity=result.cash), told.cash()).max() < 1e-3
    assert len(told.orders) == len(result.fills)
    assert_same_trips(result, told, scene)


@given(seed=SEEDS, missing=MISSING, product=PRODUCTS)
def test_traded_again_by_vectorbt_equity_is_the_same_at_every_bar(
    seed: int, missing: float, product: str
) -> None:
    scene = plain_scene(
        seed, missing=missing, square_off=product == "MIS", atr=0.8, wild=0.004, capital=10**8,
        rates=charge_rates(FIRST_DAY, product).as_array()[None], **STOPS,
    )  # fmt: skip
    result = scene.run()

    again = traded_again(result, scene.bars)

    assert paise_apart(result, again.value().loc[scene.bars.index]).max() < 1e-3
    assert len(again.orders) == len(result.fills)


def test_stops_within_the_bar_of_the_entry_are_among_what_is_tried() -> None:
    scene = plain_scene(1, atr=0.8, wild=0.004, capital=10**8, **STOPS)
    result = scene.run()
    cells = result.fills["row"] * 3 + result.fills["symbol"]

    again = traded_again(result, scene.bars)

    twice = len(cells) - len(np.unique(cells))
    assert twice > 3
    more = len(again.wrapper.index) - len(scene.bars.index)
    assert 0 < more <= twice and again.wrapper.index.is_monotonic_increasing


def hand_made() -> Scene:
    "In at 100, out at 110, and once more in at 105 and held."
    rows = [(p, p + 1, p - 1, p) for p in (100.0, 100.0, 105.0, 110.0, 104.0, 105.0, 108.0)]
    return scene(
        rows, entries={0: 0.9, 4: 0.9}, exits={2: 1.0}, atr=40.0, capital=10_00_000_00,
        rates=charge_rates(FIRST_DAY, "MIS").as_array()[None], minimum_share=0.0,
    )  # fmt: skip


def test_by_hand() -> None:
    made = hand_made()
    result = made.run()

    told = as_portfolio(result, made.bars)

    # By risk: half a per cent of ten lakh, by two ranges of 40 rupees: 62 shares.
    assert told.orders.values["size"].tolist() == [62, 62, 62]
    assert told.orders.values["price"].tolist() == [100.0, 110.0, 105.0]
    closed, held = told.trades.values
    paid = [sum(charges_by_hand(value, sell)) for value, sell in ((6200, False), (6820, True))]
    assert np.isclose(closed["pnl"], 620 - sum(paid)) and held["status"] == 0
    last = sum(charges_by_hand(6510, False))
    assert np.isclose(told.final_value(), 1_000_000 + 620 - sum(paid) + 62 * 3 - last)


def charges_by_hand(value: float, is_sell: bool) -> list[float]:
    "Rupees by head: brokerage, transaction tax, exchange, regulator, stamp, fund, and tax on them."
    heads = np.zeros(7, np.int64)
    charges_of(round(value * 100), is_sell, charge_rates(FIRST_DAY, "MIS").as_array(), heads)
    assert heads[0] == round(value * 100 * 0.0003)
    return [float(head) / 100 for head in heads]


def test_rows_before_the_first_traded_one_are_left_out() -> None:
    scene = plain_scene(4, rates=NO_CHARGES, capital=10**8)
    result = scene.run(start=20)

    for traded in (
        as_portfolio(result, scene.bars, start=20),
        traded_again(result, scene.bars, start=20),
    ):
        assert traded.wrapper.index[0] == scene.bars.index[20]
        assert np.allclose(traded.value(), result.equity[20:] / 100)


def test_a_result_without_any_trade_is_a_flat_line() -> None:
    scene = plain_scene(4)
    scene.entry[:] = 0.0
    result = scene.run()

    for traded in (as_portfolio(result, scene.bars), traded_again(result, scene.bars)):
        assert (traded.value() == CAPITAL / 100).all() and traded.trades.count() == 0


def test_what_fills_do_not_explain_is_refused() -> None:
    scene = plain_scene(4, square_off=False, capital=10**8)
    result = scene.run()
    assert result.positions["quantity"].any(), "something is carried"

    for changed, message in (
        (replace(result, fills=result.fills[:-1]), "do not add up"),
        (replace(result, cash=result.cash + np.r_[np.zeros(59, np.int64), 5]), "no fill"),
        (replace(result, equity=result.equity[1:]), "not of these bars"),
    ):
        for told in (as_portfolio, traded_again):
            with pytest.raises(DataError, match=message):
                told(changed, scene.bars)
    with pytest.raises(DataError, match="not of these bars"):
        as_portfolio(result, scene.bars, start=60)


def test_an_account_on_margin_is_told_but_not_traded_again() -> None:
    scene = plain_scene(4, capital=10_000_00)  # ten thousand rupees, positions of five thousand
    result = scene.run()
    assert result.cash.min() < 0

    assert paise_apart(result, as_portfolio(result, scene.bars).value()).max() < 1e-3
    with pytest.raises(DataError, match="vectorbt refuses an order") as caught:
        traded_again(result, scene.bars)
    assert "margin" in caught.value.remedy
