"""Walk-forward: no choice knows the days it trades, and the account goes on across the cuts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import UsageError
from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import COLUMNS, Bars
from nifty_research.engine.sweep import Where, sweep
from nifty_research.engine.sweep_ground import ground_key, ground_of
from nifty_research.engine.sweep_plan import Variants
from nifty_research.engine.sweep_runner import FIGURES, Runner
from nifty_research.engine.tear_sheet import tear_sheet_of
from nifty_research.engine.walk_forward import Schedule, WalkForward, walk_forward, windows_of
from nifty_research.engine.walk_forward_paths import Parts, part_spans, walk_paths
from nifty_research.market.calendar import sessions

ROOT = Path(__file__).resolve().parents[2]
FAST, SLOW = "strategy moving_average.fast", "strategy moving_average.slow"
GRID = {FAST: [2, 3, 5], SLOW: [8, 12]}
SCHEDULE = Schedule(train=90, test=40, purge=3, embargo=2)


@pytest.fixture
def base() -> Settings:
    return load_settings(
        ROOT / "settings.ini",
        overrides={
            "account.product": "CNC",
            "risk.minimum_confidence": "0.3",
            "risk.drawdown": "0.9",
            "strategy moving_average.threshold": "0.3",
        },
        environ={},
    )


@pytest.fixture(scope="module")
def bars() -> Bars:
    return made(sessions(date(2023, 1, 1), date(2024, 6, 30)), 3)


def made(days: list[date], shares: int, per_day: int = 1) -> Bars:
    chance = np.random.default_rng(7)
    stamps = pd.DatetimeIndex(pd.to_datetime(days))
    if per_day > 1:
        late = pd.to_timedelta(555 + 60 * np.arange(per_day), unit="min")
        stamps = pd.DatetimeIndex((stamps.to_numpy()[:, None] + late.to_numpy()).ravel())
    index = stamps.tz_localize("Asia/Kolkata")
    close = np.round(400 * np.exp(np.cumsum(chance.normal(0, 0.02, (len(index), shares)), 0)), 1)
    open_ = np.vstack([close[:1], close[:-1]])
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    volume = np.full(close.shape, 1e6)
    names = tuple("ABCDE"[:shares])
    return Bars(index, names, open_, high, low, close, volume, 1440 if per_day == 1 else 60)


def walked(
    bars: Bars, base: Settings, store: Path, grid: dict[str, list[int]] = GRID
) -> WalkForward:
    return walk_forward(bars, base, grid, SCHEDULE, store=store, where=Where(workers=1))


def test_each_window_is_chosen_as_a_sweep_of_its_bars_would(
    bars: Bars, base: Settings, tmp_path: Path
) -> None:
    found = walked(bars, base, tmp_path / "walk")

    for number, window in enumerate(found.windows):
        start, end = window.train
        table = sweep(
            bars.rows(0, end), base, GRID, store=tmp_path / "sweep", start=start, workers=1
        )
        inside = [outcomes[number].figures for outcomes in found.inside]
        np.testing.assert_array_equal(table[list(FIGURES)].to_numpy(float), np.array(inside))
        assert table["sharpe"].idxmax() == found.chosen[number]
    assert len(set(found.chosen.tolist())) > 1


def test_one_setting_is_one_backtest(bars: Bars, base: Settings, tmp_path: Path) -> None:
    found = walked(bars, base, tmp_path, {FAST: [3], SLOW: [8]})
    end = len(found.bars.index)
    ground = {ground_key(base): ground_of(found.bars, base)}
    runner = Runner(found.bars, ground, [(found.start, end)])
    variant = Variants(base).of(found.plan.settings[0])
    straight = runner.play(variant, (found.start, end))

    assert len(found.windows) > 4 and len(straight.fills) > 30
    assert np.array_equal(found.result.equity[found.start :], straight.equity[found.start :])
    assert np.array_equal(found.result.fills, straight.fills)
    assert found.outcome.figures == runner.outcomes(variant)[0].figures


def test_the_future_changes_no_choice_and_no_traded_day_before_it(
    bars: Bars, base: Settings, tmp_path: Path
) -> None:
    found = walked(bars, base, tmp_path)
    cut = found.windows[2].test[1]
    columns = {name: getattr(bars, name).copy() for name in COLUMNS}
    for name in COLUMNS[:4]:
        columns[name][cut:] = np.round(columns[name][cut:] * 1.7, 1)
    columns["high"] = np.maximum.reduce([columns[name] for name in COLUMNS[:4]])
    columns["low"] = np.minimum.reduce([columns[name] for name in COLUMNS[:4]])
    other = walked(replace(bars, **columns), base, tmp_path)

    assert np.array_equal(other.chosen[:3], found.chosen[:3])
    assert np.array_equal(other.result.equity[:cut], found.result.equity[:cut])
    assert not np.array_equal(other.result.equity[cut:], found.result.equity[cut:])


def test_the_stitched_account_has_a_tear_sheet(bars: Bars, base: Settings, tmp_path: Path) -> None:
    found = walked(bars, base, tmp_path)
    sheet = tear_sheet_of(
        found.result, found.bars, base, name="walk-forward", start=found.start, draws=0
    )

    assert np.isclose(sheet.figures.sharpe, found.figures.sharpe, rtol=1e-9)
    assert len(sheet.daily.returns) == len(found.returns) == len(found.days)
    lines = found.table()
    assert np.isclose((1 + lines["return"]).prod(), (1 + found.returns).prod())
    assert (lines["train to"] < lines["test from"]).all()


def test_anchored_windows_keep_the_first_day(bars: Bars) -> None:
    rolling = windows_of(bars, SCHEDULE)
    anchored = windows_of(bars, replace(SCHEDULE, anchored=True))

    assert {window.train[0] for window in anchored} == {0}
    assert [one.test for one in rolling] == [one.test for one in anchored]
    assert [one.train[1] for one in rolling] == [one.train[1] for one in anchored]
    assert rolling[0].test[0] - rolling[0].train[1] == 5  # purge and embargo, daily bars


@given(
    days=st.integers(4, 60),
    per_day=st.integers(1, 5),
    train=st.integers(1, 40),
    test=st.integers(1, 20),
    purge=st.integers(0, 5),
    embargo=st.integers(0, 5),
    anchored=st.booleans(),
)
def test_windows_share_no_day(
    days: int, per_day: int, train: int, test: int, purge: int, embargo: int, anchored: bool
) -> None:
    bars = made(sessions(date(2023, 1, 1), date(2023, 6, 30))[:days], 1, per_day)
    schedule = Schedule(train, test, anchored, purge, embargo)
    if train + test > days or purge + embargo >= train or embargo >= test:
        with pytest.raises(UsageError):
            windows_of(bars, schedule)
        return
    windows = windows_of(bars, schedule)
    assert windows[0].test[0] == train * per_day and windows[-1].test[1] == len(bars.index)
    for window in windows:
        assert window.train[0] < window.train[1]
        assert window.train[1] + (purge + embargo) * per_day == window.test[0]
        assert window.train[1] % per_day == window.test[1] % per_day == 0
    assert all(a.test[1] == b.test[0] for a, b in pairwise(windows))


def test_processes_and_a_second_call_give_the_same(
    bars: Bars, base: Settings, tmp_path: Path
) -> None:
    one = walked(bars, base, tmp_path)
    again = walked(bars, base, tmp_path)
    two = walk_forward(bars, base, GRID, SCHEDULE, store=tmp_path / "two", where=Where(workers=2))

    assert one.known == 0 and again.known == len(one.plan) == 6
    for other in (again, two):
        assert np.array_equal(other.chosen, one.chosen)
        assert np.array_equal(other.outcome.equity, one.outcome.equity)


def test_paths_are_made_of_choices_that_did_not_know_them(
    bars: Bars, base: Settings, tmp_path: Path
) -> None:
    found = walk_paths(
        bars, base, GRID, Parts(5, 2, purge=3, embargo=2), store=tmp_path, where=Where(workers=1)
    )
    spans, _ = part_spans(bars, Parts(5, 2, purge=3, embargo=2))

    assert found.paths.shape == (4, len(bars.index)) and found.variants.shape[1] == 6
    for split, shown in zip(found.cuts.splits, found.cuts.tested, strict=True):
        traded = np.concatenate([np.arange(*spans[one]) for one in shown])
        assert np.array_equal(np.sort(traded), split.test)
        gap = np.abs(split.train[:, None] - split.test[None, :]).min()
        assert gap > 2  # of purge and embargo the shorter
    assert 0.0 <= found.overfitting <= 1.0


def test_what_cannot_be_walked_is_refused(bars: Bars, base: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="do not fit"):
        walk_forward(bars, base, GRID, Schedule(300, 200), store=tmp_path)
    with pytest.raises(UsageError, match="nothing to choose on"):
        walk_forward(bars, base, GRID, Schedule(90, 40, embargo=40), store=tmp_path)
    with pytest.raises(UsageError, match="objective"):
        walk_forward(bars, base, GRID, SCHEDULE, store=tmp_path, objective="gain")
    with pytest.raises(UsageError, match="one account"):
        walk_forward(bars, base, {"account.product": ["CNC"]}, SCHEDULE, store=tmp_path)
    with pytest.raises(UsageError, match="too short"):
        walk_paths(bars, base, GRID, Parts(6, 2, embargo=100), store=tmp_path)
    assert not any(tmp_path.iterdir())
