"Daily bars under the engine's rules: hand-made days, and that no order knows the day it trades on."

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import Bars
from nifty_research.engine.backtest import BacktestResult
from nifty_research.engine.book import BarPhase, Reason
from nifty_research.engine.rules import days_of
from nifty_research.market.calendar import sessions
from nifty_research.serve.daily_play import play_days, two_row_days
from nifty_research.strategies.contract import Scores
from nifty_research.strategies.ensemble import Ensemble, Opinion, Seat
from nifty_research.strategies.panel import View

DAYS = sessions(date(2024, 1, 1), date(2024, 12, 31))


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(overrides={"account.product": "CNC", "execution.slippage_bps": "0"})


def bars_of(rows: list[tuple[float, float, float, float] | None]) -> Bars:
    "Days of one share: open, high, low, close, or a hole."
    index = pd.DatetimeIndex([pd.Timestamp(day, tz="Asia/Kolkata") for day in DAYS[: len(rows)]])
    prices = np.array([row or (np.nan,) * 4 for row in rows])
    columns = [np.ascontiguousarray(prices[:, [at]]) for at in range(4)]
    volume = np.where(np.isnan(columns[3]), np.nan, 1000.0)
    return Bars(index, ("INFY",), *columns, volume, 1440)


def view_of(bars: Bars, entries: dict[int, float], exits: dict[int, float], atr: float) -> View:
    "What is thought: some scores, and one range throughout."
    entry, exit_ = np.zeros(bars.shape), np.zeros(bars.shape)
    for row, score in entries.items():
        entry[row] = score
    for row, wish in exits.items():
        exit_[row] = wish
    members = (Scores(entry, exit_),)
    ensemble = Ensemble((Seat("made"),), 0.4)
    return View(
        Opinion(entry, exit_, entry.copy()), members, ensemble, None, np.full(bars.shape, atr)
    )


def play(
    settings: Settings,
    rows: list[tuple[float, float, float, float] | None],
    entries: dict[int, float],
    exits: dict[int, float] | None = None,
    atr: float = 2.0,
) -> BacktestResult:
    bars = bars_of(rows)
    return play_days(bars, view_of(bars, entries, exits or {}, atr), settings, days_of(bars, "CNC"))


CALM = (100.0, 101.0, 99.0, 100.0)


def test_an_evening_decision_trades_at_the_next_open(settings: Settings) -> None:
    result = play(settings, [CALM, (101.0, 102.0, 100.0, 101.0), CALM], {0: 0.9})

    (bought,) = result.fills
    assert (bought["row"], bought["price"], bought["phase"]) == (1, 101.0, BarPhase.OPEN)
    # risk 0.5 % of 10 lakh over two ranges of ₹2; at most 15 % of equity at the close of ₹100
    assert bought["quantity"] == min(5_000 / 4, 150_000 / 100)


def test_a_position_is_carried_with_its_stop_put_back_each_morning(settings: Settings) -> None:
    result = play(settings, [CALM] * 5 + [(99.0, 100.0, 95.0, 96.0)], {0: 0.9})

    bought, sold = result.fills
    assert (bought["row"], sold["row"], sold["phase"]) == (1, 5, BarPhase.STOPS)
    assert sold["price"] == 96.0 and sold["reason"] == Reason.STOP  # 100 less two ranges


def test_a_stop_that_is_gapped_through_trades_at_the_open(settings: Settings) -> None:
    result = play(settings, [CALM, CALM, (90.0, 92.0, 89.0, 91.0)], {0: 0.9})

    sold = result.fills[1]
    assert (sold["row"], sold["price"], sold["phase"]) == (2, 90.0, BarPhase.OPEN)


def test_a_day_that_spans_stop_and_target_is_a_loss(settings: Settings) -> None:
    result = play(settings, [CALM, CALM, (100.0, 110.0, 90.0, 108.0)], {0: 0.9})

    assert result.fills[1]["reason"] == Reason.STOP


def test_a_target_is_taken_within_the_day(settings: Settings) -> None:
    result = play(settings, [CALM, CALM, (100.0, 108.0, 99.0, 103.0)], {0: 0.9})

    sold = result.fills[1]
    assert (sold["price"], sold["reason"]) == (106.0, Reason.TARGET)  # 100 and three ranges


def test_a_wish_to_leave_is_granted_in_the_morning(settings: Settings) -> None:
    result = play(settings, [CALM, CALM, CALM, (99.5, 101.0, 99.0, 100.0)], {0: 0.9}, {2: 1.0})

    sold = result.fills[1]
    assert (sold["row"], sold["price"], sold["reason"]) == (3, 99.5, Reason.SIGNAL)


def test_a_purchase_gapped_beyond_protection_waits_for_its_price_and_dies(
    settings: Settings,
) -> None:
    above = (105.0, 106.0, 104.0, 105.0)  # the protected price is 102
    back = (105.0, 106.0, 101.0, 102.0)

    assert len(play(settings, [CALM, above, CALM], {0: 0.9}).fills) == 0
    bought = play(settings, [CALM, back, CALM], {0: 0.9}).fills[0]
    assert (bought["price"], bought["phase"]) == (102.0, BarPhase.LIMITS)


def test_a_day_without_a_bar_trades_nothing_and_decides_nothing(settings: Settings) -> None:
    result = play(settings, [CALM, None, CALM, CALM], {0: 0.9, 1: 0.9})

    assert len(result.fills) == 0
    left = play(settings, [CALM, CALM, CALM, None, CALM], {0: 0.9}, {2: 1.0})
    assert left.fills["row"].tolist() == [1, 4]  # it stays until there is a market


def test_shares_cannot_be_sold_short_overnight(settings: Settings) -> None:
    result = play(settings, [CALM] * 3, {0: -0.9})

    assert len(result.fills) == 0 and result.denials["row"].tolist() == [0]


def test_equity_is_that_of_closes(settings: Settings) -> None:
    result = play(settings, [CALM, CALM, (100.0, 103.0, 99.0, 102.0)], {0: 0.9})
    bought = result.fills[0]
    charges = int(bought["heads"].sum())

    assert result.equity[1] == 100_000_000 - charges
    assert result.equity[2] == 100_000_000 - charges + int(bought["quantity"]) * 200


@given(st.integers(0, 2**32 - 1), st.integers(5, 35))
def test_what_comes_later_changes_nothing_before(seed: int, cut: int) -> None:
    settings = load_settings(overrides={"account.product": "CNC"})
    generator = np.random.default_rng(seed)

    def days(count: int) -> list[tuple[float, float, float, float] | None]:
        closes = 100.0 * np.exp(np.cumsum(generator.normal(0, 0.02, count)))
        opens = np.r_[100.0, closes[:-1]] * np.exp(generator.normal(0, 0.01, count))
        spread = np.abs(generator.normal(0, 0.01, (2, count)))
        highs = np.maximum(opens, closes) * (1 + spread[0])
        lows = np.minimum(opens, closes) * (1 - spread[1])
        rows = np.round(np.stack([opens, highs, lows, closes], axis=1), 2)
        return [tuple(row) for row in rows.tolist()]  # type: ignore[misc]

    shared, one, other = days(cut), days(40 - cut), days(40 - cut)
    scores = {row: float(score) for row, score in enumerate(generator.uniform(-1, 1, 40))}

    first, second = (play(settings, shared + rest, scores) for rest in (one, other))

    assert first.equity[:cut].tolist() == second.equity[:cut].tolist()
    for log in ("fills", "denials"):
        a, b = getattr(first, log), getattr(second, log)
        assert a[a["row"] < cut].tobytes() == b[b["row"] < cut].tobytes()


def test_a_morning_knows_only_the_evening_before() -> None:
    bars = bars_of([CALM, (101.0, 102.0, 100.0, 101.5), None])

    rows = two_row_days(bars)

    assert np.isnan(rows.close[0, 0]) and rows.close[2, 0] == 100.0 and rows.close[4, 0] == 101.5
    assert rows.open[3, 0] == 101.0 and np.isnan(rows.open[0::2]).all()
