"""What `ind` answers: for one bar as for all, each thing reckoned once, nothing to write to."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.data.bars import Bars
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.indicators.catalogue import CATALOGUE, Entry
from nifty_research.indicators.definition import over
from nifty_research.indicators.sessions import session_of
from nifty_research.strategies.contract import HeldIndicators, Indicators, Scores


def market(seed: int = 3) -> Bars:
    "Two days of quarters of an hour, some missing."
    days = [date(2026, 9, 15), date(2026, 9, 16)]
    bars = synthetic_bars(("INFY", "SBIN", "TCS"), days, interval_minutes=15, seed=seed)
    holes = np.random.default_rng(seed).random(bars.shape) < 0.1
    names = ("open", "high", "low", "close", "volume")
    columns = {name: np.where(holes, np.nan, getattr(bars, name)) for name in names}
    return Bars(bars.index, bars.symbols, **columns, interval_minutes=15)


BARS = market()
SHORT = {"period": 5, "fast": 3, "slow": 6, "signal": 4, "atr_period": 4, "first": 3, "smooth": 2}


def method_of(ind: Indicators, row: Entry) -> Any:
    "The method of a catalogue row; candlesticks share one."
    return ind.candle if row.group == "candle" else getattr(ind, row.name)


def asked(ind: Indicators, row: Entry, bars: Bars) -> tuple[np.ndarray, ...]:
    "What the method of a catalogue row gives, with short periods so that there is a value soon."
    arguments = dict(row.arguments)
    method = method_of(ind, row)
    names = method.__code__.co_varnames[: method.__code__.co_argcount]
    arguments |= {name: SHORT[name] for name in names if name in SHORT}
    pair = {"value": bars.close, "other": bars.high}
    given_ = [pair[name] for name in row.inputs] if "value" in row.inputs else [bars]
    found = method(*given_, **arguments)
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)
def test_every_indicator_of_the_catalogue_can_be_asked_and_held(row: Entry) -> None:
    whole = asked(Indicators(), row, BARS)
    held = HeldIndicators()
    for at in range(BARS.shape[0]):
        held.next_rows(BARS.rows(at, at + 1))
        for one, known in zip(asked(held, row, held.bars), whole, strict=True):
            np.testing.assert_array_equal(one[0], known[at])
    sessions = session_of(BARS.index, BARS.shape[1])
    series: dict[str, Any] = {"value": BARS.close, "other": BARS.high, "session": sessions}
    inputs = [series.get(name, getattr(BARS, name, None)) for name in row.inputs]
    given_ = inputs if "value" in row.inputs else [BARS]
    usual = method_of(Indicators(), row)(*given_, **row.arguments)
    expected = over(row.indicator(), *inputs)
    for one, known in zip(usual if isinstance(usual, tuple) else (usual,), expected, strict=True):
        np.testing.assert_array_equal(one, known)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_rows_in_any_pieces_give_the_whole(sizes: list[int]) -> None:
    held, ind = HeldIndicators(), Indicators()
    rows, begin = BARS.shape[0], 0
    whole = ind.latest(ind.rsi(ind.longer(BARS, 60).close, 3)) - ind.lag(ind.vwap(BARS), 2)
    for size in [*sizes, rows]:
        end = min(rows, begin + size)
        if begin == end:
            return
        held.next_rows(BARS.rows(begin, end))
        longer = held.longer(held.bars, 60)
        part = held.latest(held.rsi(longer.close, 3)) - held.lag(held.vwap(held.bars), 2)
        np.testing.assert_array_equal(part, whole[begin:end])
        begin = end


def test_what_is_asked_twice_is_reckoned_once_and_what_is_derived_is_not_confused() -> None:
    held = HeldIndicators()
    for at in range(BARS.shape[0]):
        held.next_rows(BARS.rows(at, at + 1))
        bars = held.bars
        assert held.atr(bars, 5) is held.atr(bars, 5)
        assert held.ema(held.atr(bars, 5), 3) is held.ema(held.atr(bars, 5), 3)
        middle = (bars.high + bars.low) / 2
        one, other = held.ema(middle, 3), held.ema(bars.close - middle, 3)
        assert one is not other
    both = Indicators()
    np.testing.assert_array_equal(one, both.ema((BARS.high + BARS.low) / 2, 3)[-1:])
    derived = BARS.close - (BARS.high + BARS.low) / 2
    np.testing.assert_array_equal(other, both.ema(derived, 3)[-1:])


def test_nothing_that_ind_gives_can_be_written_to() -> None:
    held = HeldIndicators()
    held.next_rows(BARS)
    for ind in (held, Indicators()):
        with pytest.raises(ValueError, match="read-only"):
            ind.atr(BARS)[0] = 1.0


def test_another_sequence_of_calls_is_refused_with_its_place() -> None:
    held = HeldIndicators()
    held.next_rows(BARS.rows(0, 1))
    held.ema(held.bars.close, 5)
    held.atr(held.bars)
    held.next_rows(BARS.rows(1, 2))
    with pytest.raises(DataError, match="call 1 of one bar"):
        held.ema(held.bars.open, 5)  # the same average, of another column
    held.next_rows(BARS.rows(2, 3))
    held.ema(held.bars.close, 5)
    with pytest.raises(DataError, match="'atr 9' after 'atr 14'"):
        held.atr(held.bars, 9)


def test_rows_must_be_begun_before_anything_is_asked_of_them() -> None:
    with pytest.raises(DataError, match="next_rows"):
        _ = HeldIndicators().bars


def test_one_bar_of_history_is_enough_to_begin() -> None:
    class Last:
        name, warmup, threshold = "last", 0, 0.5

        def scores(self, bars: Bars, ind: Indicators) -> Scores:
            entry = np.sign(np.nan_to_num(bars.close - ind.lag(bars.close)))
            return Scores(entry, np.zeros(bars.shape))

    one = HeldIndicators().follow(Last(), BARS.rows(0, 1))
    assert one.entry.shape == (1, 3) and (one.entry == 0).all()
