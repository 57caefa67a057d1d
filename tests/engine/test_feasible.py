"""What makes every entry impossible is said before running; what bars lack has a defined result."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from desk import CAPITAL, denied, fills_of, flat, play, scene

from nifty_research.core.errors import MissingDataError, SettingsError
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.engine.bar_flags import bar_flags, flag_delistings
from nifty_research.engine.book import BarFlag
from nifty_research.engine.feasible import (
    idle_rules,
    obstacles,
    refuse_impossible,
    without_bars,
)
from nifty_research.market.calendar import bar_starts

SETTINGS = Path(__file__).resolve().parents[2] / "settings.ini"
DAY = pd.Timestamp("2026-09-15").date()


def minutes(price: float = 1300.0, volume: float = 1000.0, interval: int = 1) -> Bars:
    "One day of one share at one price."
    index = pd.DatetimeIndex(bar_starts(DAY, interval, True))
    prices = np.full((len(index), 1), price)
    traded = np.full(prices.shape, volume)
    return Bars(index, ("RELIANCE",), prices, prices, prices, prices, traded, interval)


def whole_days() -> Bars:
    index = pd.date_range("2026-09-14", periods=5, tz="Asia/Kolkata")
    price = np.full((5, 1), 1300.0)
    return Bars(index, ("RELIANCE",), price, price, price, price, price, 1440)


PER_CENT = {"risk.stop_atr": "0"}


@pytest.mark.parametrize(
    ("changed", "bars", "named"),
    [
        ({"risk.trades_per_day": "0"}, minutes(), "risk.trades_per_day = 0"),
        ({"risk.open_positions": "0"}, minutes(), "risk.open_positions = 0"),
        ({"risk.trades_per_symbol_per_day": "0"}, minutes(), "risk.trades_per_symbol_per_day = 0"),
        ({"risk.positions_per_sector": "0"}, minutes(), "risk.positions_per_sector = 0"),
        ({"account.product": "MIS"}, whole_days(), "account.product = MIS"),
        ({"account.capital_inr": "5000"}, minutes(), "account.capital_inr = 5000"),
        ({"risk.no_entry_before_close_minutes": "375"}, minutes(), "no_entry_before_close_minutes"),
        ({**PER_CENT, "risk.stop_fraction": "0.00001"}, minutes(), "risk.stop_fraction = 1e-05"),
        (
            {"risk.target_atr": "0", "risk.target_fraction": "0.00001"},
            minutes(),
            "risk.target_fraction = 1e-05",
        ),
        ({**PER_CENT, "risk.stop_fraction": "0.2"}, minutes(), "risk.risk_per_trade = 0.005"),
        ({"execution.volume_share": "0.1"}, minutes(volume=0.0), "execution.volume_share = 0.1"),
    ],
)
def test_what_makes_trading_impossible_is_said_before_running(
    changed: dict[str, str], bars: Bars, named: str
) -> None:
    settings = load_settings(SETTINGS, overrides=changed, environ={})
    assert len(obstacles(settings, bars)) == 1
    with pytest.raises(SettingsError) as caught:
        refuse_impossible(settings, bars)
    assert named in str(caught.value) and "(from " in str(caught.value)


def test_the_settings_as_they_are_can_trade() -> None:
    for profile in ("conservative", "exploratory", "aggressive"):
        settings = load_settings(SETTINGS, profile=profile, environ={})
        refuse_impossible(settings, minutes())
        assert idle_rules(settings) == []


def test_all_reasons_are_told_at_once() -> None:
    wanted = {"risk.trades_per_day": "0", "risk.open_positions": "0"}
    settings = load_settings(SETTINGS, overrides=wanted, environ={})
    with pytest.raises(SettingsError, match=r"(?s)trades_per_day.*open_positions"):
        refuse_impossible(settings, minutes())


def test_a_smallest_position_above_the_largest_is_no_setting() -> None:
    wanted = {"risk.minimum_share": "0.3", "risk.maximum_share": "0.2"}
    with pytest.raises(SettingsError, match=r"minimum_share 0\.3 is above maximum_share 0\.2"):
        load_settings(SETTINGS, overrides=wanted, environ={})


def test_a_threshold_above_one_is_no_setting() -> None:
    with pytest.raises(SettingsError, match="minimum_confidence"):
        load_settings(SETTINGS, overrides={"risk.minimum_confidence": "1.2"}, environ={})


def test_an_idle_rule_is_said_and_not_refused() -> None:
    wanted = {"risk.lock_atr": "5", "risk.time_stop_hours": "0.001"}
    settings = load_settings(SETTINGS, overrides=wanted, environ={})
    refuse_impossible(settings, minutes())
    said = idle_rules(settings)
    assert [line.partition(" ")[0] for line in said] == ["risk.lock_atr", "risk.time_stop_hours"]


def test_bars_without_one_bar_are_refused() -> None:
    empty = minutes(math.nan, math.nan)
    with pytest.raises(MissingDataError, match="not one bar"):
        refuse_impossible(load_settings(SETTINGS, environ={}), empty)


# ---- prices with gaps, symbols without bars, no money -------------------------------------------


def test_a_symbol_without_bars_is_never_opened_and_harms_nobody() -> None:
    rows = [[flat(100.0), None]] * 4
    result = play(rows, entries={(0, 0): 0.9, (0, 1): 0.9})
    assert fills_of(result) == [(1, "OPEN", 1500, 100.0)] and denied(result) == []
    assert math.isnan(result.positions["last_price"][1]) and np.isfinite(result.equity).all()
    assert without_bars(scene(rows).bars) == ("B",)


def test_a_price_gap_of_any_size_is_traded_at_the_open_behind_it() -> None:
    result = play([flat(100.0), flat(100.0), flat(1.0)], entries={0: 0.9})
    assert fills_of(result)[1] == (2, "OPEN", -1500, 1.0)
    assert result.equity[-1] == CAPITAL - 1500 * 99_00


def test_cash_below_zero_buys_nothing_more() -> None:
    "All of the money at 100 trades at 101: ten thousand are owed, and nothing is free."
    result = play(
        [[flat(100.0), flat(50.0)], [flat(101.0), flat(50.0)], [flat(101.0), flat(50.0)]],
        entries={(0, 0): 0.9, (1, 1): 0.9},
        maximum_share=1.0, risk_per_trade=1.0, margin_rate=1.0, stop_atr=20.0, target_atr=90.0,
    )  # fmt: skip
    assert result.cash[1] == -10_000_00 and result.equity[1] == CAPITAL
    ((row, symbol, code, limit, _),) = denied(result)
    assert (row, symbol, code, limit) == (1, 1, "MARGIN", -10_000.0)


def test_an_account_without_money_opens_nothing() -> None:
    result = play([flat(100.0)] * 3, entries={0: 0.9}, capital=0)
    assert not len(result.fills)
    assert denied(result) == [(0, 0, "HALTED", 0.0, 0.0)]  # nothing is left of it


def test_a_share_that_ends_is_flagged_on_its_last_bar_and_not_before() -> None:
    index = pd.date_range("2026-01-01", periods=40, freq="B", tz="Asia/Kolkata")
    close = np.full((40, 3), 100.0)
    close[10:, 1], close[25:, 2] = math.nan, math.nan
    bars = Bars(index, ("A", "B", "C"), close, close, close, close, close, 1440)
    settings = load_settings(SETTINGS, overrides={"account.product": "CNC"}, environ={})
    flags = bar_flags(index, bars.symbols, 1440, settings)
    (gone,) = flag_delistings(flags, bars)
    assert gone.symbol == "B" and gone.last == index[9].date()
    assert np.argwhere(flags & BarFlag.DELISTED).tolist() == [[9, 1]]  # C is silent for 15 days
    back = close.copy()
    back[39, 1] = 100.0  # it trades again: it was suspended, not gone
    whole = replace(bars, open=back, high=back, low=back, close=back, volume=back)
    assert not flag_delistings(np.zeros(close.shape, np.uint8), whole)
