"""What holds for each strategy of the package: causal, held or whole alike, silent on bad bars."""

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategy_bars import LENGTH, bars_of, make_bars

from nifty_research.core.errors import SettingsError
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.data.files import read_bars
from nifty_research.strategies.contract import (
    HeldIndicators,
    Indicators,
    Scores,
    Strategy,
    check_causal,
    check_scores,
)
from nifty_research.strategies.registry import load_strategy, strategy_parameters
from nifty_research.strategies.signal_quality import VOLUME_BARS

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "moving_average",
    "rsi_reversion",
    "bollinger_breakout",
    "volume_breakout",
    "momentum",
    "macd",
)
PLAIN = {name: load_strategy(name, {}) for name in NAMES}
SWITCHED = {
    name: load_strategy(
        name,
        {"longer_minutes": 5, "longer_period": 2, "least_volume": 1.1, "trend_period": 12},
    )
    for name in NAMES
}
SEEDS = st.integers(0, 10_000)
EACH = pytest.mark.parametrize("name", NAMES)


def scores_of(strategy: Strategy, bars: Bars) -> Scores:
    scores = strategy.scores(bars, Indicators())
    check_scores(scores, bars, strategy.name)
    return scores


def assert_same(one: Scores, other: Scores) -> None:
    np.testing.assert_array_equal(one.entry, other.entry)
    np.testing.assert_array_equal(one.exit, other.exit)


def fires(strategy: Strategy, scores: Scores) -> np.ndarray:
    return np.abs(scores.entry) >= strategy.threshold


@EACH
@given(seed=SEEDS, holes=st.sampled_from([0.0, 0.2]), is_switched=st.booleans())
def test_scores_are_valid_and_causal(name: str, seed: int, holes: float, is_switched: bool) -> None:
    bars = make_bars(seed, holes=holes)
    strategy = (SWITCHED if is_switched else PLAIN)[name]
    scores_of(strategy, bars)
    check_causal(strategy, bars, cuts=20)


@EACH
@given(seed=SEEDS, size=st.integers(1, 40), is_switched=st.booleans())
def test_rows_added_in_pieces_give_the_whole(
    name: str, seed: int, size: int, is_switched: bool
) -> None:
    bars, held = make_bars(seed, holes=0.1), HeldIndicators()
    strategy = (SWITCHED if is_switched else PLAIN)[name]
    pieces = [
        held.follow(strategy, bars.rows(start, min(start + size, LENGTH)))
        for start in range(0, LENGTH, size)
    ]
    whole = scores_of(strategy, bars)
    np.testing.assert_array_equal(np.concatenate([one.entry for one in pieces]), whole.entry)
    np.testing.assert_array_equal(np.concatenate([one.exit for one in pieces]), whole.exit)


@EACH
@given(seed=SEEDS)
def test_the_units_of_price_and_volume_do_not_matter(name: str, seed: int) -> None:
    bars, strategy = make_bars(seed), PLAIN[name]
    scaled = bars_of(bars.close * 8, bars.high * 8, bars.low * 8, bars.volume * 4)
    assert_same(scores_of(strategy, scaled), scores_of(strategy, bars))


@EACH
@given(seed=SEEDS)
def test_symbols_do_not_know_of_each_other(name: str, seed: int) -> None:
    bars, strategy = make_bars(seed), SWITCHED[name]
    alone = bars_of(*(getattr(bars, c)[:, 1:2] for c in ("close", "high", "low", "volume")))
    whole = scores_of(strategy, bars)
    assert_same(scores_of(strategy, alone), Scores(whole.entry[:, 1:2], whole.exit[:, 1:2]))


@EACH
@given(seed=SEEDS)
def test_ready_exactly_after_the_warm_up(name: str, seed: int) -> None:
    strategy = PLAIN[name]
    ready = ~np.isnan(scores_of(strategy, make_bars(seed)).entry)
    assert not ready[: strategy.warmup].any()
    assert ready[strategy.warmup :].all()


@EACH
@given(seed=SEEDS)
def test_switches_wait_for_their_own_bars(name: str, seed: int) -> None:
    strategy = SWITCHED[name]
    ready = ~np.isnan(scores_of(strategy, make_bars(seed)).entry)
    assert not ready[: max(PLAIN[name].warmup, VOLUME_BARS)].any()
    assert ready[strategy.warmup :].all()


@EACH
@given(seed=SEEDS)
def test_switches_only_hold_back(name: str, seed: int) -> None:
    bars = make_bars(seed)
    plain, switched = scores_of(PLAIN[name], bars), scores_of(SWITCHED[name], bars)
    kept = switched.entry == plain.entry
    assert not fires(SWITCHED[name], switched)[~kept].any()
    ready = np.isfinite(switched.entry)
    assert (np.sign(switched.entry) == np.sign(plain.entry))[ready].all()
    np.testing.assert_array_equal(switched.exit, plain.exit)


@EACH
def test_it_fires_both_ways_and_not_all_the_time(name: str) -> None:
    strategy = PLAIN[name]
    entry = scores_of(strategy, make_bars(1, rows=4_000, columns=8)).entry
    fired = np.abs(entry) >= strategy.threshold
    assert 0.0005 < fired.mean() < 0.15
    assert (entry[fired] > 0).any() and (entry[fired] < 0).any()


@EACH
def test_prices_that_never_move_give_no_signal(name: str) -> None:
    flat = np.full((LENGTH, 2), 1412.3)
    for volume in (np.full(flat.shape, 1000.0), np.zeros(flat.shape)):
        scores = scores_of(PLAIN[name], bars_of(flat, flat, flat, volume))
        assert not fires(PLAIN[name], scores).any() and not (scores.exit > 0).any()


@EACH
@pytest.mark.parametrize("rows", [0, 1, 2, 6])
def test_fewer_bars_than_the_warm_up_give_no_score(name: str, rows: int) -> None:
    scores = scores_of(SWITCHED[name], make_bars(4).rows(0, rows))
    assert scores.entry.shape == (rows, 3) and np.isnan(scores.entry).all()


@EACH
def test_a_share_listed_later_is_as_if_its_history_began_there(name: str) -> None:
    bars, strategy = make_bars(11), PLAIN[name]
    absent = np.zeros(bars.shape, dtype=bool)
    absent[:50, 1] = True
    columns = [getattr(bars, c).copy() for c in ("close", "high", "low", "volume")]
    for column in columns:
        column[absent] = np.nan
    late = scores_of(strategy, bars_of(*columns))
    alone = scores_of(strategy, bars.rows(50, LENGTH))
    np.testing.assert_array_equal(late.entry[50:, 1], alone.entry[:, 1])
    np.testing.assert_array_equal(late.exit[50:, 1], alone.exit[:, 1])
    assert np.isnan(late.entry[:50, 1]).all()


@EACH
def test_a_halt_is_no_signal(name: str) -> None:
    bars, strategy = make_bars(12), PLAIN[name]
    columns = [getattr(bars, c).copy() for c in ("close", "high", "low", "volume")]
    for column in columns:
        column[60:90, 0] = np.nan
    scores = scores_of(strategy, bars_of(*columns))
    assert np.isnan(scores.entry[60:90, 0]).all() and not (scores.exit[60:90, 0] > 0).any()
    assert np.isfinite(scores.entry[90:, 0]).all()


@EACH
@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.0},
        {"threshold": 1.1},
        {"longer_minutes": -5},
        {"longer_period": 0},
        {"least_volume": -0.1},
        {"least_volume": float("inf")},
        {"trend_period": -1},
    ],
)
def test_parameters_out_of_bounds_are_refused(name: str, wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=f"strategy {name}"):
        replace(PLAIN[name], **wrong)  # type: ignore[type-var]


@EACH
@pytest.mark.parametrize("profile", ["conservative", "exploratory", "aggressive"])
def test_the_settings_name_every_parameter(name: str, profile: str) -> None:
    settings = load_settings(ROOT / "settings.ini", profile=profile, environ={})
    given = settings.parameters(name)
    assert set(given) == set(strategy_parameters(PLAIN[name]))
    if profile == "conservative":
        assert load_strategy(name, given) == PLAIN[name]


@EACH
def test_real_minutes_are_valid_and_causal(name: str) -> None:
    folder = Path(os.environ.get("NIFTY_DATA", ROOT / "../shared/data"))
    path = folder / "minute" / "stocks_1min_2021.parquet"
    if not path.exists():
        pytest.skip(f"no real minutes at {path}: set NIFTY_DATA")
    days = (date(2021, 4, 5), date(2021, 4, 6))
    bars, _ = read_bars(path, interval_minutes=1, days=days, keep_good=True)
    for strategy in (PLAIN[name], SWITCHED[name]):
        scores_of(strategy, bars)
        check_causal(strategy, bars, cuts=4)
    assert fires(PLAIN[name], scores_of(PLAIN[name], bars)).any()
