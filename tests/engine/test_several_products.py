"""Shares, futures and options in one run: each with its own charges, lots, margin and hours."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nifty_research.core.errors import UnknownRuleError, UsageError
from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import Bars
from nifty_research.engine.backtest import BacktestResult, backtest
from nifty_research.engine.book import Denial, Reason
from nifty_research.engine.rules import bar_flags, dated_days, day_rules, rules_of
from nifty_research.market.charges import HEADS, charges_by_head

ROOT = Path(__file__).resolve().parents[2]
DAY = dt.date(2026, 9, 15)
SHARE, FUTURE, CALL = "RELIANCE", "NIFTY26SEPFUT", "NIFTY26SEP25000CE"
PRICES = {SHARE: 1300.0, FUTURE: 25_000.0, CALL: 200.0}


def settings(product: str) -> Settings:
    wanted = {
        "account.product": product, "account.capital_inr": "100000000",
        "risk.stop_atr": "0", "risk.stop_fraction": "0.05", "risk.target_atr": "0",
        "risk.trail_by_atr": "0", "risk.lock_atr": "0", "execution.slippage_bps": "0",
        "risk.time_stop_hours": "0", "risk.minimum_share": "0.001",
    }  # fmt: skip
    return load_settings(ROOT / "settings.ini", overrides=wanted, environ={})


def two_days(*symbols: str) -> Bars:
    "Two days of minutes from 09:15 to 15:40 at unchanging prices."
    minutes = pd.date_range("09:15", "15:39", freq="min").time
    stamps = [
        pd.Timestamp.combine(day, minute).tz_localize("Asia/Kolkata")
        for day in (DAY, DAY + dt.timedelta(1))
        for minute in minutes
    ]
    price = np.tile([PRICES[symbol] for symbol in symbols], (len(stamps), 1))
    volume = np.full(price.shape, 1e6)
    return Bars(pd.DatetimeIndex(stamps), symbols, price, price, price, price, volume, 1)


def run(
    bars: Bars,
    product: str,
    entries: dict[tuple[int, str], float],
    exits: dict[tuple[int, str], float] | None = None,
    products: dict[str, str] | None = None,
) -> BacktestResult:
    chosen = settings(product)
    tables = [np.zeros(bars.shape), np.zeros(bars.shape)]
    for table, given in zip(tables, (entries, exits or {}), strict=True):
        for (row, symbol), value in given.items():
            table[row, bars.symbols.index(symbol)] = value
    return backtest(
        bars, *tables, np.full(bars.shape, 1.0), rules_of(chosen, 1),
        dated_days(bars, chosen, products=products),
        flags=bar_flags(bars.index, bars.symbols, 1, chosen, products),
        capital_paise=chosen.account.capital_paise,
    )  # fmt: skip


def told(bars: Bars, result: BacktestResult) -> list[tuple[str, str, int, str]]:
    "Symbol, time, quantity and reason of every fill."
    return [
        (
            bars.symbols[int(fill["symbol"])],
            f"{bars.index[int(fill['row'])]:%d %H:%M}",
            int(fill["quantity"]),
            Reason(fill["reason"]).name if fill["reason"] else "",
        )
        for fill in result.fills
    ]


@pytest.mark.parametrize(
    ("product", "of_each"),
    [("MIS", {SHARE: "MIS", FUTURE: "MIS", CALL: "MIS"}),
     ("CNC", {SHARE: "CNC", FUTURE: "NRML", CALL: "NRML"})],
)  # fmt: skip
def test_every_fill_pays_the_charges_of_its_segment(product: str, of_each: dict[str, str]) -> None:
    bars = two_days(SHARE, FUTURE, CALL)
    both = {(0, symbol): 0.9 for symbol in bars.symbols}
    result = run(bars, product, both, {(5, symbol): 1.0 for symbol in bars.symbols})
    assert len(result.fills) == 6
    segments = {SHARE: "equity", FUTURE: "futures", CALL: "options"}
    for fill in result.fills:
        symbol = bars.symbols[int(fill["symbol"])]
        wanted = charges_by_head(
            int(fill["value"]), is_sell=bool(fill["quantity"] < 0), day=DAY,
            product=of_each[symbol], segment=segments[symbol],
        )  # fmt: skip
        assert dict(zip(HEADS, fill["heads"].tolist(), strict=True)) == wanted, symbol
    assert result.account["cash"][0] == 100 * 100_000_000 - result.fills["heads"].sum()


def test_futures_and_options_trade_in_whole_lots() -> None:
    bars = two_days(FUTURE, CALL)
    result = run(bars, "MIS", {(0, FUTURE): 0.9, (0, CALL): 0.9})
    bought = {fill["symbol"].item(): fill["quantity"].item() for fill in result.fills[:2]}
    # a tenth of equity at the stop: 0.5 % of 10 crore over 5 %; the lot is 65, the largest
    # order of the exchange 1,800 units, in whole lots 1,755
    assert bought == {0: 10_000_000 // 25_000 // 65 * 65, 1: 1_755}


def test_a_carried_future_stands_beside_a_share_of_the_day() -> None:
    bars = two_days(SHARE, FUTURE)
    entries = {(0, SHARE): 0.9, (0, FUTURE): -0.9}
    result = run(bars, "CNC", entries, products={SHARE: "MIS"})
    assert told(bars, result) == [
        (SHARE, "15 09:16", 7_692, ""),  # 10 % of 10 crore at 1,300
        (FUTURE, "15 09:16", -390, ""),  # six lots of 65
        (SHARE, "15 15:10", -7_692, "SQUARE_OFF"),
    ]
    assert result.positions["quantity"].tolist() == [0, -390]


def test_each_is_held_to_its_own_product() -> None:
    "Shares in delivery and options are not sold short, futures are."
    bars = two_days(SHARE, FUTURE, CALL)
    result = run(bars, "CNC", {(0, symbol): -0.9 for symbol in bars.symbols})
    denied = [(bars.symbols[int(d["symbol"])], Denial(d["code"]).name) for d in result.denials]
    assert denied == [(SHARE, "SHORT_DELIVERY"), (CALL, "SHORT_DELIVERY")]
    assert told(bars, result) == [(FUTURE, "15 09:16", -390, "")]


def test_a_future_blocks_its_margin_and_a_delivery_its_value() -> None:
    listings = day_rules(DAY, list(PRICES), PRICES, "CNC").listings
    assert listings["margin"].round(4).tolist() == [1.0, 0.113, 1.0]
    assert listings["own_margin"].tolist() == [0, 1, 1]
    early = day_rules(dt.date(2021, 1, 15), [SHARE], PRICES, "MIS").listings
    assert early["margin"].tolist() == [0.05]


def test_a_future_trades_ten_minutes_longer_and_its_stop_is_not_purged() -> None:
    bars = two_days(SHARE, FUTURE)
    result = run(bars, "MIS", {(0, SHARE): 0.9, (0, FUTURE): 0.9})
    assert [one for one in told(bars, result) if one[3]] == [
        (SHARE, "15 15:10", -7_692, "SQUARE_OFF"),
        (FUTURE, "15 15:35", -390, "SQUARE_OFF"),
    ]


def test_the_lot_of_a_stock_future_is_asked_for() -> None:
    name = "RELIANCE26SEPFUT"
    with pytest.raises(UnknownRuleError, match="archive of instrument lists"):
        day_rules(DAY, [name], {name: 1300.0}, "MIS")
    listings = day_rules(DAY, [name], {name: 1300.0}, "MIS", lots={name: 500}).listings
    assert listings["lot"][0] == 500 and listings["freeze"][0] == 76_500


def test_a_product_of_a_stranger_is_refused() -> None:
    with pytest.raises(UsageError, match="symbol that is not traded"):
        day_rules(DAY, [SHARE], PRICES, "MIS", products={"TCS": "CNC"})


# ---- bands --------------------------------------------------------------------------------------


def test_the_band_of_the_dated_rule_holds_where_bars_carry_none() -> None:
    days = pd.DatetimeIndex(["2024-03-01", "2024-03-02", "2024-03-04"], tz="Asia/Kolkata")
    price = np.full((3, 2), 100.0)
    bars = Bars(days, (SHARE, "NOWHERELTD"), price, price, price, price, price, 1440)
    found = [one.listings for one in dated_days(bars, settings("CNC"))]
    assert [one["band_high"].tolist() for one in found] == [
        [0.0, 0.0],  # no close before it
        [105.0, 120.0],  # fixed at 5 % on the disaster-recovery day
        [0.0, 120.0],  # widened when pressed: none holds all day
    ]


def test_bands_that_bars_carry_go_before_the_rule() -> None:
    days = pd.DatetimeIndex(["2024-03-04", "2024-03-05"], tz="Asia/Kolkata")
    price = np.full((2, 2), 100.0)
    high = np.array([[np.nan, np.nan], [110.0, np.nan]])
    bars = Bars(
        days, (SHARE, "NOWHERELTD"), price, price, price, price, price, 1440,
        extra={"band_high": high},
    )  # fmt: skip
    assert dated_days(bars, settings("CNC"))[1].listings["band_high"].tolist() == [110.0, 120.0]
