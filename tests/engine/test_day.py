"""What the clock, the calendar and missing bars do to a position. Worked by hand."""

import datetime as dt
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from desk import (
    CAPITAL,
    NO_CHARGES,
    Walk,
    assert_same,
    bars_from,
    denied,
    fills_of,
    flat,
    play,
    reasons,
    rules,
    said,
    scene,
)

from nifty_research.core.errors import DataError
from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import Bars
from nifty_research.engine.backtest import backtest
from nifty_research.engine.book import BarFlag, pack_state
from nifty_research.engine.rules import DayRules, bar_flags, day_rules, days_of, reference_prices
from nifty_research.market.calendar import bar_starts

ROOT = Path(__file__).resolve().parents[2]
BEFORE, SINCE = (
    dt.date(2026, 7, 31),
    dt.date(2026, 9, 15),
)  # the closing auction began on 2026-08-03
HELD = [flat(100.0), flat(100.0)]
BUY = {0: 0.9}


def settings(product: str = "MIS") -> Settings:
    return load_settings(ROOT / "settings.ini", overrides={"account.product": product}, environ={})


# ---- the bar's flags ----------------------------------------------------------------------------


def first_bar(flags: object, index: pd.DatetimeIndex, flag: BarFlag) -> str:
    "Start of the first bar that carries a flag."
    raised = np.flatnonzero(np.asarray(flags)[:, 0] & flag)
    return f"{index[raised[0]]:%H:%M}" if len(raised) else ""


@pytest.mark.parametrize(
    ("day", "minutes", "no_entry", "square_off", "last"),
    [
        (BEFORE, 1, "14:59", "15:24", "15:29"),
        (BEFORE, 5, "14:55", "15:20", "15:25"),
        (BEFORE, 15, "14:45", "15:00", "15:15"),
        (SINCE, 1, "14:44", "15:09", "15:14"),
        (SINCE, 5, "14:40", "15:05", "15:10"),
        (SINCE, 15, "14:30", "14:45", "15:00"),
    ],
)
def test_flags_by_date(
    day: dt.date, minutes: int, no_entry: str, square_off: str, last: str
) -> None:
    index = pd.DatetimeIndex(bar_starts(day, minutes, True))
    flags = bar_flags(index, ["RELIANCE"], minutes, settings())
    assert first_bar(flags, index, BarFlag.NO_ENTRY) == no_entry
    assert first_bar(flags, index, BarFlag.SQUARE_OFF) == square_off
    assert first_bar(flags, index, BarFlag.LAST_BAR) == last
    delivery = bar_flags(index, ["RELIANCE"], minutes, settings("CNC"))
    assert not first_bar(delivery, index, BarFlag.SQUARE_OFF)


@pytest.mark.parametrize(("day", "purged"), [(BEFORE, ""), (SINCE, "15:15")])
def test_stops_are_purged_for_the_closing_auction_in_shares_with_derivatives(
    day: dt.date, purged: str
) -> None:
    index = pd.DatetimeIndex(bar_starts(day, 1, False))  # a share without derivatives trades on
    flags = bar_flags(index, ["RELIANCE", "NOWHERELTD"], 1, settings())
    assert first_bar(flags, index, BarFlag.STOPS_PURGED) == purged
    assert not (flags[:, 1] & BarFlag.STOPS_PURGED).any()


@pytest.mark.parametrize(
    ("day", "minutes", "out"),
    [(BEFORE, 1, "15:25"), (BEFORE, 15, "15:15"), (SINCE, 1, "15:10"), (SINCE, 15, "15:00")],
)
def test_the_square_off_trades_in_time(day: dt.date, minutes: int, out: str) -> None:
    index = pd.DatetimeIndex(bar_starts(day, minutes, True))
    price = np.full((len(index), 1), 1300.0)
    bars = Bars(index, ("RELIANCE",), price, price, price, price, price, minutes)
    entry = np.zeros(price.shape)
    entry[2] = 0.9
    result = backtest(
        bars, entry, np.zeros(price.shape), np.full(price.shape, 5.0), rules(),
        days_of(bars, "MIS"), flags=bar_flags(index, bars.symbols, minutes, settings()),
        capital_paise=CAPITAL,
    )  # fmt: skip
    assert reasons(result) == ["SQUARE_OFF"]
    assert f"{index[result.fills['row'][-1]]:%H:%M}" == out


# ---- closing auction, night, morning ------------------------------------------------------------


def test_a_purged_stop_is_put_back_the_next_morning() -> None:
    "Delivery: cancelled at 15:15, put back before the next open, which gaps through it."
    purged = [None, flat(50.0)]
    seen: dict[int, tuple[int, int]] = {}

    def look(walk: Walk, row: int) -> None:
        position = walk.positions[0]
        seen[row] = (int(position["quantity"]), int(position["exit_order"]))

    today = [[flat(100.0), flat(50.0)]] * 3 + [purged] * 2
    case = scene(
        today, [[flat(97.0), flat(50.0)]],
        entries={(0, 0): 0.9}, intraday=0,
        flags={(3, 0): BarFlag.STOPS_PURGED | BarFlag.LAST_BAR,
               (4, 0): BarFlag.STOPS_PURGED | BarFlag.LAST_BAR},
    )  # fmt: skip
    walk = Walk(case, look).run()
    assert seen[2] == (1500, -1500) and seen[3] == (1500, 0)
    result = case.run()
    assert said(result)[1:] == [(1, "STOP", 98.0), (5, "STOP", 98.0)]
    assert fills_of(result)[1] == (5, "OPEN", -1500, 97.0)
    assert_same(result, walk.result())


def test_everything_expires_at_the_end_of_the_day() -> None:
    result = play(HELD, [flat(100.0)] * 2, entries={1: 0.9})
    assert not len(result.fills) and said(result) == [(1, "ENTRY", 102.0)]
    assert result.positions["entry_order"][0] == 0


def test_an_exit_that_expired_is_sent_again_in_the_morning() -> None:
    result = play([*HELD, flat(100.0)], [flat(101.0)], entries=BUY, exits={2: 1.0}, intraday=0)
    assert said(result)[2:] == [(2, "EXIT", 98.0), (3, "EXIT", 98.0)]
    assert fills_of(result)[1] == (3, "OPEN", -1500, 101.0) and reasons(result) == ["SIGNAL"]


def test_changes_are_counted_anew_for_the_order_of_a_new_day() -> None:
    day = [*HELD, (100.0, 102.0, 100.0, 102.0)]
    result = play(day, [flat(102.0)], entries=BUY, intraday=0)
    assert said(result)[2:] == [(2, "MOVE_STOP", 101.2), (3, "STOP", 101.2)]
    assert result.positions["stop_moves"][0] == 0


# ---- missing bars -------------------------------------------------------------------------------


def test_an_entry_whose_bar_is_missing_is_not_chased() -> None:
    result = play([flat(100.0), None, flat(100.0)], entries=BUY)
    assert not len(result.fills) and said(result)[1] == (1, "CANCEL_ENTRY", 0.0)


def test_a_stop_rests_through_missing_bars() -> None:
    result = play([*HELD, None, None, flat(97.0)], entries=BUY)
    assert fills_of(result)[1] == (4, "OPEN", -1500, 97.0)
    assert result.equity.tolist()[2:4] == [CAPITAL] * 2  # at the last price seen


def test_an_exit_waits_for_the_next_bar_as_it_is() -> None:
    result = play([*HELD, flat(100.0), None, None, flat(99.0)], entries=BUY, exits={2: 1.0, 3: 1.0})
    assert said(result)[2:] == [(2, "EXIT", 98.0)]
    assert fills_of(result)[1] == (5, "OPEN", -1500, 99.0)


def test_scores_of_a_missing_bar_are_not_looked_at() -> None:
    result = play([*HELD, None, flat(100.0)], entries=BUY, exits={2: 1.0})
    assert len(result.fills) == 1


def test_a_missing_bar_does_not_put_off_the_square_off() -> None:
    flags = {2: BarFlag.SQUARE_OFF, 3: BarFlag.LAST_BAR}
    result = play([*HELD, None, flat(99.5)], entries=BUY, flags=flags)
    assert said(result)[2:] == [(2, "EXIT", 98.0)]
    assert fills_of(result)[1] == (3, "OPEN", -1500, 99.5) and reasons(result) == ["SQUARE_OFF"]


@pytest.mark.parametrize("flag", [BarFlag.SQUARE_OFF, BarFlag.LAST_BAR])
def test_what_found_no_market_to_square_off_in_is_left_in_the_morning(flag: BarFlag) -> None:
    "A halt until the close: an intraday position may not be kept, so it goes at the first open."
    result = play([*HELD, None, None], [flat(99.0)] * 2, entries=BUY, flags={2: flag, 3: flag})
    assert said(result)[-1] == (4, "EXIT", 98.0)
    assert fills_of(result)[1] == (4, "OPEN", -1500, 99.0) and reasons(result) == ["SQUARE_OFF"]


def test_a_halted_account_leaves_symbols_without_a_bar_too() -> None:
    wide = {"maximum_share": 0.5, "risk_per_trade": 1.0, "stop_atr": 40.0, "target_atr": 90.0}
    rows = [[flat(100.0)] * 2] * 2 + [[flat(95.0), None], [flat(95.0), flat(100.0)]]
    result = play(rows, entries={(0, 0): 0.9, (0, 1): 0.9}, **wide)  # type: ignore[arg-type]
    assert reasons(result) == ["DAILY_LOSS"] * 2 and result.fills["row"].tolist() == [1, 1, 3, 3]


def test_a_symbol_listed_in_mid_history() -> None:
    rows = [[flat(100.0), None]] * 3 + [[flat(100.0), flat(40.0)]] * 3
    result = play(rows, entries={(1, 1): 0.9, (3, 1): 0.9})
    assert fills_of(result) == [(4, "OPEN", 2500, 40.0)]  # risk: 5,000 / 2
    assert not denied(result)
    assert math.isnan(play(rows[:2]).positions["last_price"][1])


# ---- the day's rules ----------------------------------------------------------------------------


def test_reference_prices_are_the_last_closes_or_the_first_open() -> None:
    bars = bars_from(
        [
            [[flat(100.0), None, None], [flat(101.0), None, None]],
            [[None, None, None], [flat(90.0), (40.0, 42.0, 39.0, 41.0), None]],
        ]
    )
    first, second = bars.days()
    assert reference_prices(bars, first) == {"A": 100.0, "B": 1.0, "C": 1.0}
    assert reference_prices(bars, second) == {"A": 101.0, "B": 40.0, "C": 1.0}


def test_reference_prices_look_back_as_far_as_they_must() -> None:
    long_ago = [[flat(77.0), flat(1.0)], *([[None, flat(2.0)]] * 370)]
    bars = bars_from([long_ago, *([[[None, flat(3.0)]] * 370] * 2)])
    assert reference_prices(bars, bars.days()[-1]) == {"A": 77.0, "B": 3.0}


def test_the_tick_follows_the_last_close_of_the_month_before() -> None:
    # ₹1,010 at the end of August, below ₹1,000 since: the class holds until September is over.
    index = pd.DatetimeIndex(
        ["2026-08-31 10:00", "2026-09-14 10:00", "2026-09-15 10:00", "2026-10-01 10:00"],
        tz="Asia/Kolkata",
    )
    close = np.array([[1010.0], [990.0], [985.0], [984.0]])
    bars = Bars(index, ("A",), close, close, close, close, close, 1)
    ticks = [float(rules.listings["tick"][0]) for rules in days_of(bars, "MIS")]
    assert ticks[1:] == [0.10, 0.10, 0.05]


def test_the_largest_order_is_bounded_in_shares_and_in_rupees() -> None:
    listings = day_rules(
        SINCE, ["RELIANCE", "MRF"], {"RELIANCE": 500.0, "MRF": 1.5e5}, "MIS"
    ).listings
    assert listings["freeze"].tolist() == [100_000, 666]


# ---- bad input ----------------------------------------------------------------------------------


def test_a_table_of_another_shape_is_named() -> None:
    case = scene(HELD)
    case.entry = case.entry[:1]
    with pytest.raises(DataError, match="entry has shape"):
        case.run()


def test_a_day_without_rules_is_named() -> None:
    case = scene(HELD, HELD)
    case.days = [DayRules(case.days[0].day, case.days[0].listings, NO_CHARGES)]
    with pytest.raises(DataError, match="2026-09-15"):
        case.run()


def test_a_state_of_other_symbols_is_refused() -> None:
    result = play([[flat(1.0)] * 2])
    with pytest.raises(DataError, match="2 symbols"):
        scene(HELD).run(start=1, state=pack_state(result.positions, result.account))
