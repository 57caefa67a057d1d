"""One bar at a time or all at once, alone or together, weighed or not: the same bits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import Bars
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.session.decide import Decider
from nifty_research.strategies import panel
from nifty_research.strategies.contract import Indicators, Scores
from nifty_research.strategies.moving_average import MovingAverage
from nifty_research.strategies.panel import View, needs_window

SYMBOLS = ("HDFCBANK", "INFY", "RELIANCE", "SBIN")


@dataclass(frozen=True)
class Follower:
    "On the side of a longer average."

    name: str = "follower"
    threshold: float = 0.6
    warmup: int = 30
    kind: ClassVar[str] = "trend"

    def scores(self, bars: Bars, ind: Indicators) -> Scores:
        quarters = ind.longer(bars, 15)
        slow = ind.latest(ind.ema(quarters.close, 2))
        entry = np.clip((bars.close - slow) / ind.atr(bars), -1.0, 1.0)
        return Scores(entry, np.where(np.abs(entry) < 0.1, 0.5, 0.0))


@dataclass(frozen=True)
class Reverter:
    "Against the last five bars."

    name: str = "reverter"
    threshold: float = 0.5
    warmup: int = 14
    kind: ClassVar[str] = "reversion"

    def scores(self, bars: Bars, ind: Indicators) -> Scores:
        entry = np.clip((ind.lag(bars.close, 5) - bars.close) / ind.atr(bars), -1.0, 1.0)
        return Scores(entry, np.zeros(bars.shape))


@dataclass(frozen=True)
class Unknowing:
    "Looks at the bar before without asking `ind`: right on a window only."

    name: str = "unknowing"
    threshold: float = 0.5
    warmup: int = 14

    def scores(self, bars: Bars, ind: Indicators) -> Scores:
        before = np.vstack([bars.close[:1], bars.close[:-1]])
        entry = np.clip((bars.close - before) / ind.atr(bars), -1.0, 1.0)
        return Scores(entry, np.zeros(bars.shape))


TOGETHER = (MovingAverage(), Follower(), Reverter(), Unknowing())


def market(seed: int, missing: float) -> Bars:
    "Two days of five minutes with holes."
    bars = synthetic_bars(
        SYMBOLS, [date(2026, 9, 15), date(2026, 9, 16)], interval_minutes=5, seed=seed
    )
    chance = np.random.default_rng(seed)
    holes = chance.random(bars.shape) < missing
    holes[:, 0] |= np.arange(len(bars.index)) < 40  # lists in mid-history
    columns = {
        name: np.where(holes, np.nan, getattr(bars, name))
        for name in ("open", "high", "low", "close", "volume")
    }
    return Bars(bars.index, bars.symbols, **columns, interval_minutes=5)


def chosen(scope: str) -> Settings:
    return load_settings(
        overrides={
            "regime.scope": scope,
            "regime.trend_period": "10",
            "market.interval_minutes": "5",
        }
    )


def arrays(view: View, row: int) -> list[np.ndarray]:
    found = [view.scores.entry, view.scores.exit, view.scores.lean, view.atr]
    found += [array for one in view.members for array in (one.entry, one.exit)]
    found += [] if view.regimes is None else [view.regimes]
    return [array[row] for array in found]


@settings(max_examples=15)
@given(
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.1]),
    st.sampled_from(["market", "symbol"]),
    st.sampled_from([60, 90]),
)
def test_one_bar_is_that_row_of_all_bars(seed: int, missing: float, scope: str, first: int) -> None:
    bars = market(seed, missing)
    decider = Decider(chosen(scope), TOGETHER)
    whole = decider.view(bars)
    decider.begin(bars.rows(0, first))
    assert decider.by_window == {"unknowing"}
    for row in range(first, len(bars.index)):
        one = decider.next_view(bars.rows(0, row + 1))
        for seen, known in zip(arrays(one, 0), arrays(whole, row), strict=True):
            np.testing.assert_array_equal(seen, known)
    last = decider.last_view(bars)
    for seen, known in zip(arrays(last, 0), arrays(whole, len(bars.index) - 1), strict=True):
        np.testing.assert_array_equal(seen, known)


def test_rows_may_come_several_at_a_time() -> None:
    bars = market(3, 0.05)
    decider = Decider(chosen("symbol"), TOGETHER)
    whole = decider.view(bars)
    decider.begin(bars.rows(0, 60))
    for stop in (61, 68, 69, 100, len(bars.index)):
        one = decider.next_view(bars.rows(0, stop))
        for seen, known in zip(arrays(one, 0), arrays(whole, stop - 1), strict=True):
            np.testing.assert_array_equal(seen, known)


@pytest.mark.parametrize("rows", [0, 3])
def test_without_bars_to_try_it_on_every_strategy_gets_the_window(rows: int) -> None:
    bars = market(5, 0.0)
    decider = Decider(chosen("market"), TOGETHER)
    decider.begin(bars.rows(0, rows))
    assert decider.by_window == {one.name for one in TOGETHER}
    whole = decider.view(bars)
    for row in range(rows, 80):
        one = decider.next_view(bars.rows(0, row + 1))
        for seen, known in zip(arrays(one, 0), arrays(whole, row), strict=True):
            np.testing.assert_array_equal(seen, known)


def test_why_a_strategy_needs_the_window_is_said() -> None:
    bars = market(5, 0.0)
    assert needs_window(Reverter(), bars) == ""
    assert "bar by bar" in needs_window(Unknowing(), bars)
    assert "no bars" in needs_window(Reverter(), bars.rows(0, 0))


def test_the_regime_changes_what_votes_are_worth_and_stands_in_the_table() -> None:
    bars = market(7, 0.0)
    view = Decider(chosen("symbol"), TOGETHER).view(bars)
    assert view.regimes is not None and view.regimes.shape == bars.shape
    plain = view.ensemble.combine(view.members)
    assert (np.nan_to_num(plain.entry) != np.nan_to_num(view.scores.entry)).any()
    np.testing.assert_array_equal(plain.exit, view.scores.exit)
    for row, column in ((100, 1), (120, 2), (143, 3)):
        table = view.table(row, column)
        np.testing.assert_array_equal(table.entry, view.scores.entry[row, column])
        assert table.regime == view.regimes[row, column]
        assert [vote.strategy_name for vote in table.votes] == [one.name for one in TOGETHER]
    shared = Decider(chosen("market"), TOGETHER).view(bars)
    assert shared.regimes is not None and shared.regimes.shape == (len(bars.index), 1)
    assert shared.table(143, 3).regime == shared.regimes[143, 0]


def test_one_strategy_alone_needs_no_regime() -> None:
    bars = market(7, 0.0)
    view = Decider(chosen("market"), (Follower(),)).view(bars)
    assert view.regimes is None
    fired = np.abs(view.members[0].entry) >= Follower().threshold
    np.testing.assert_array_equal(view.scores.entry[fired], view.members[0].entry[fired])
    np.testing.assert_array_equal(view.scores.lean, view.members[0].entry)


def test_a_window_that_did_not_grow_or_is_another_one_is_refused() -> None:
    bars = market(9, 0.0)
    decider = Decider(chosen("market"), (Reverter(),))
    decider.begin(bars.rows(0, 60))
    decider.next_view(bars.rows(0, 61))
    for window in (bars.rows(0, 61), bars.rows(0, 20), bars.rows(5, 80)):
        with pytest.raises(DataError, match="must grow by rows at its end"):
            decider.next_view(window)
    decider.begin(bars.rows(5, 60))
    decider.next_view(bars.rows(5, 61))


@pytest.mark.parametrize("piece", [5, 64, 201])
@pytest.mark.parametrize("scope", ["market", "symbol"])
def test_long_histories_in_pieces_are_the_same_to_the_bit(
    piece: int, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = market(11, 0.1)
    together = (*TOGETHER, *(replace_name(Reverter(), f"reverter{n}") for n in range(3)))
    whole = Decider(chosen(scope), together).view(bars)
    monkeypatch.setattr(panel, "PIECE", piece)
    in_pieces = Decider(chosen(scope), together).view(bars)
    for row in range(len(bars.index)):
        pairs = zip(arrays(in_pieces, row), arrays(whole, row), strict=True)
        for seen, known in pairs:
            np.testing.assert_array_equal(seen, known)


def replace_name(strategy: Reverter, name: str) -> Reverter:
    return replace(strategy, name=name)


def test_what_a_strategy_raises_on_many_bars_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Reverter):
        def scores(self, bars: Bars, ind: Indicators) -> Scores:
            raise DataError("no", where="broken", remedy="none")

    monkeypatch.setattr(panel, "PIECE", 10)
    with pytest.raises(DataError, match="broken"):
        Decider(chosen("market"), (Broken(), Reverter())).view(market(11, 0.0))
