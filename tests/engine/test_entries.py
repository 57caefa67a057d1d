"""What may be opened (K1), how large (K2), and what halts the account (K5), each worked by hand.

Ten lakh of capital, shares at ₹100, one rupee of average true range, unless a test says otherwise.
By risk: 0.5 % of 10 lakh over a stop two rupees away is 2,500 shares. By share: 15 % of 10 lakh is
1,500 shares. So 1,500 it is.
"""

import datetime as dt
import math

import numpy as np
import pytest
from desk import CAPITAL, denied, fills_of, flat, play, reasons, said

from nifty_research.engine.book import BarFlag
from nifty_research.market.charges import charge_rates

CALM = [flat(100.0)] * 6
PAIR, THREE = [[flat(100.0)] * n for n in (2, 3)]


def test_an_entry_is_decided_at_a_close_and_trades_at_the_next_open() -> None:
    result = play([flat(100.0), (101.0, 102.0, 100.5, 101.5)], entries={0: 0.9})
    assert said(result)[0] == (0, "ENTRY", 102.0)  # protected 2 % above the last price
    assert fills_of(result) == [(1, "OPEN", 1500, 101.0)]


# ---- K1: limits ---------------------------------------------------------------------------------


def test_trades_a_day_count_working_orders_and_finished_trades() -> None:
    result = play(
        [THREE] * 5,
        entries={(0, 0): 0.9, (0, 1): 0.8, (0, 2): 0.75, (3, 0): 0.9},
        exits={(1, 0): 1.0},
        trades_per_day=2,
    )
    assert denied(result) == [(0, 2, "TRADES_A_DAY", 2.0, 2.0), (3, 0, "TRADES_A_DAY", 2.0, 2.0)]


def test_trades_a_day_begin_again_in_the_morning() -> None:
    result = play(CALM[:4], CALM[:3], entries={0: 0.9, 4: 0.9}, exits={1: 1.0}, trades_per_day=1)
    assert [row for row, _, quantity, _ in fills_of(result) if quantity > 0] == [1, 5]


def test_trades_of_one_symbol_a_day() -> None:
    result = play(
        [PAIR] * 6,
        entries={(0, 0): 0.9, (3, 0): 0.9, (3, 1): 0.9},
        exits={(1, 0): 1.0},
        trades_per_symbol=1,
    )
    assert denied(result) == [(3, 0, "TRADES_A_SYMBOL", 1.0, 1.0)]
    assert result.positions["quantity"].tolist() == [0, 1500]


def test_open_positions_count_working_orders_and_what_is_held() -> None:
    result = play([PAIR] * 3, entries={(0, 0): 0.9, (0, 1): 0.8, (1, 1): 0.8}, open_positions=1)
    assert denied(result) == [
        (0, 1, "OPEN_POSITIONS", 1.0, 1.0),  # the other is working
        (1, 1, "OPEN_POSITIONS", 1.0, 1.0),  # the other is held
    ]


def test_positions_of_a_sector_count_working_orders() -> None:
    result = play(
        [THREE] * 2,
        entries={(0, 0): 0.8, (0, 1): 0.9, (0, 2): 0.75},
        sectors=[7, 7, 3],
        positions_per_sector=1,
    )
    assert denied(result) == [(0, 0, "SECTOR", 1.0, 1.0)]
    assert result.positions["quantity"].tolist() == [0, 1500, 1500]


@pytest.mark.parametrize(("score", "taken"), [(0.69, False), (0.70, True), (-0.70, True)])
def test_confidence(score: float, taken: bool) -> None:
    result = play(CALM, entries={0: score})
    assert bool(len(result.fills)) is taken
    if not taken:
        assert denied(result) == [(0, 0, "CONFIDENCE", 0.70, 0.69)]


def test_the_largest_score_comes_first_and_the_first_symbol_where_scores_are_equal() -> None:
    four = [flat(100.0)] * 4
    entries = {(0, 0): 0.8, (0, 1): -0.9, (0, 2): 0.9, (0, 3): 0.8}
    result = play([four] * 2, entries=entries)
    assert [int(intent["symbol"]) for intent in result.intents[:4]] == [1, 2, 0, 3]


def test_nothing_is_opened_late_in_the_day() -> None:
    result = play(CALM, entries={0: 0.9}, flags={0: BarFlag.NO_ENTRY})
    assert denied(result) == [(0, 0, "NO_ENTRY", 0.0, 0.0)]


def test_delivery_shares_are_not_sold_short() -> None:
    result = play(CALM, entries={0: -0.9}, shorting=0)
    assert denied(result) == [(0, 0, "SHORT_DELIVERY", 0.0, -0.9)]


@pytest.mark.parametrize("atr", [math.nan, 0.0])
def test_nothing_is_opened_without_a_range_to_measure_the_stop_by(atr: float) -> None:
    assert denied(play(CALM, entries={0: 0.9}, atr=atr)) == [(0, 0, "NO_RANGE", 0.0, 0.0)]


# ---- K2: size -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "quantity"),
    [
        ({"atr": 1.0}, 1500),  # maximum share: 15 % of 10 lakh / 100
        ({"atr": 4.0}, 625),  # risk: 5,000 / (2 x 4)
        ({"freeze": 1000}, 1000),  # largest order of the exchange
        ({"atr": 4.0, "lot": 100}, 600),  # whole lots
        ({"atr": 1.0, "maximum_share": 0.30}, 2500),  # risk again: 5,000 / 2
    ],
)
def test_the_tightest_term_decides_the_size(bound: dict[str, float], quantity: int) -> None:
    result = play(CALM[:2], entries={0: 0.9}, **bound)  # type: ignore[arg-type]
    assert result.fills["quantity"].tolist() == [quantity]


def test_below_the_minimum_share_the_trade_is_not_worth_its_charges() -> None:
    result = play(CALM, entries={0: 0.9}, atr=6.0)  # 5,000 / 12 = 416 shares
    assert denied(result) == [(0, 0, "SIZE", 50_000.0, 41_600.0)]


def test_below_one_lot_there_is_no_trade() -> None:
    result = play(CALM, entries={0: 0.9}, atr=4.0, lot=1000)
    assert denied(result) == [(0, 0, "SIZE", 50_000.0, 0.0)]


def test_margin_is_what_the_others_left() -> None:
    result = play(
        [THREE] * 2,
        entries={(0, 0): 0.9, (0, 1): 0.8, (0, 2): 0.75},
        maximum_share=0.40,
        risk_per_trade=0.05,
        margin_rate=1.0,
    )
    assert denied(result) == [(0, 2, "MARGIN", 200_000.0, 400_000.0)]


def test_a_loss_not_yet_realised_takes_margin_and_a_gain_gives_none() -> None:
    words = {"maximum_share": 0.5, "risk_per_trade": 0.5, "margin_rate": 1.0, "stop_atr": 20.0,
             "target_atr": 50.0, "trail_from_atr": 50.0}  # fmt: skip
    for price, limit, wanted in ((99.0, 495_000.0, 497_475.0), (101.0, 500_000.0, 502_425.0)):
        moved = [[flat(100.0), flat(99.0)]] * 2 + [[flat(price), flat(99.0)]]
        result = play(moved, entries={(0, 0): 0.9, (2, 1): 0.9}, **words)  # type: ignore[arg-type]
        assert denied(result) == [(2, 1, "MARGIN", limit, wanted)]


# ---- charges ------------------------------------------------------------------------------------


def test_charges_of_an_intraday_purchase() -> None:
    "On ₹1,50,000: ₹20, no tax on a purchase, 0.0030699 %, 0.0001 %, 0.003 %; 18 % on ₹20 and fees."
    rates = charge_rates(dt.date(2026, 9, 15), "MIS").as_array()[None]
    result = play(CALM[:2], entries={0: 0.9}, rates=rates)
    assert result.fills["heads"][0].tolist() == [2000, 0, 460, 15, 450, 0, 446]
    assert result.cash[-1] == CAPITAL - 1_50_000_00 - 33_71
    assert result.equity[-1] == CAPITAL - 33_71


# ---- K5: halts ----------------------------------------------------------------------------------

WIDE = {"maximum_share": 1.0, "risk_per_trade": 1.0, "stop_atr": 40.0, "target_atr": 90.0,
        "trail_from_atr": 90.0}  # fmt: skip


def test_the_days_loss_halts_and_flattens_until_the_next_morning() -> None:
    result = play(
        [flat(100.0), flat(100.0), flat(98.01), flat(98.0), flat(98.0), flat(98.0)],
        [flat(98.0)] * 2,
        entries={0: 0.9, 4: 0.9, 6: 0.9},
        **WIDE,  # type: ignore[arg-type]
    )
    assert fills_of(result)[:2] == [(1, "OPEN", 10_000, 100.0), (4, "OPEN", -10_000, 98.0)]
    assert reasons(result) == ["DAILY_LOSS"]
    assert denied(result) == [(4, 0, "HALTED", 980_000.0, 980_000.0)]
    assert fills_of(result)[2][:2] == (7, "OPEN")


def test_the_drawdown_is_measured_from_the_peak_and_never_resumes() -> None:
    result = play(
        [flat(price) for price in (100.0, 100.0, 110.0, 99.01, 99.0, 99.0, 99.0)],
        [flat(99.0)] * 3,
        entries={0: 0.9, 5: 0.9, 7: 0.9},
        daily_loss=0.5,
        **WIDE,  # type: ignore[arg-type]
    )
    assert fills_of(result) == [(1, "OPEN", 10_000, 100.0), (5, "OPEN", -10_000, 99.0)]
    assert reasons(result) == ["DRAWDOWN"]
    assert denied(result) == [
        (5, 0, "HALTED", 990_000.0, 990_000.0),
        (7, 0, "HALTED", 990_000.0, 990_000.0),
    ]


def test_a_drawdown_outranks_a_days_loss() -> None:
    result = play(
        [flat(100.0), flat(100.0), flat(97.0), flat(97.0)],
        entries={0: 0.9},
        drawdown=0.03,
        **WIDE,  # type: ignore[arg-type]
    )
    assert reasons(result) == ["DRAWDOWN"]


def test_nan_scores_say_nothing() -> None:
    result = play(CALM, entries={0: math.nan, 1: 0.9, 2: math.nan}, exits={3: math.nan})
    assert fills_of(result) == [(2, "OPEN", 1500, 100.0)]
    assert not len(result.denials) and result.positions["quantity"][0] == 1500
    assert np.isfinite(result.equity).all()
