"""Injected faults are where the list says, and the quality check finds them."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.data.faults import FAULT_KINDS, inject_faults, score
from nifty_research.data.quality import check
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.data.synthetic_daily import adjusted_bars, synthetic_daily
from nifty_research.data.synthetic_index import START_LEVEL, index_bars
from nifty_research.market.calendar import sessions
from nifty_research.market.members import members

DAY = date(2026, 9, 15)
WEEK = synthetic_bars(
    ["HDFCBANK", "RELIANCE", "SBIN", "TCS"], sessions(date(2026, 7, 6), date(2026, 7, 10)), seed=4
)
YEAR = synthetic_daily(
    members(DAY)[:25], sessions(date(2025, 1, 1), date(2025, 12, 31)), seed=4, with_actions=False
).bars


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_the_list_is_the_difference(seed: int, each: int) -> None:
    kinds = tuple(kind for kind in FAULT_KINDS if kind != "split")
    spoilt = inject_faults(WEEK, seed=seed, each=each)
    assert spoilt.injected["kind"].value_counts().to_dict() == dict.fromkeys(kinds, each)
    whole = WEEK.to_frame().set_index(["symbol", "timestamp"])
    table = spoilt.table.set_index(["symbol", "timestamp"])
    marked = {
        (fault.symbol, moment)
        for fault in spoilt.injected.itertuples()
        for moment in pd.date_range(fault.start, fault.end, freq="min")
    }
    same = table.loc[[key not in marked for key in table.index]]
    pd.testing.assert_frame_equal(same, whole.loc[same.index])
    gone = whole.index.difference(table.index)
    assert len(gone) == 20 * each and set(gone) <= marked
    assert table.index.duplicated().sum() == each


@pytest.mark.parametrize("seed", range(6))
def test_the_check_finds_faults_in_minutes(seed: int) -> None:
    spoilt = inject_faults(WEEK, seed=seed)
    result = score(spoilt, check(spoilt.table, interval_minutes=1).unexplained)
    print(result.to_string())
    injected = result[result["injected"] > 0]
    assert injected["found"].sum() >= 0.9 * injected["injected"].sum()


@pytest.mark.parametrize("seed", range(6))
def test_the_check_finds_faults_in_days(seed: int) -> None:
    spoilt = inject_faults(YEAR, seed=seed, each=2)
    result = score(spoilt, check(spoilt.table, interval_minutes=1440).unexplained)
    print(result.to_string())
    injected = result[result["injected"] > 0]
    assert injected["found"].sum() >= 0.85 * injected["injected"].sum()


def test_good_made_up_bars_are_found_good() -> None:
    for bars in (WEEK, YEAR):
        found = check(bars).unexplained
        # The only thing that made-up minutes have on purpose are missing bars.
        assert set(found["kind"]) <= {"gap", "jump", "spike"}, found.to_string()
        assert (found["kind"] != "gap").sum() <= 2
    assert not (check(YEAR).unexplained["kind"] == "gap").any()


def test_odd_wishes_are_refused() -> None:
    with pytest.raises(DataError, match="split"):
        inject_faults(WEEK, seed=1, kinds=("split",))
    with pytest.raises(DataError, match="typo"):
        inject_faults(YEAR, seed=1, kinds=("typo",))
    with pytest.raises(DataError, match="room"):
        inject_faults(WEEK.rows(0, 80), seed=1, each=60)


@given(st.integers(0, 2**32))
def test_an_index_is_the_sum_of_its_members(seed: int) -> None:
    fifty = members(DAY)[:12]
    bars = synthetic_bars(fifty, [DAY], interval_minutes=15, seed=seed)
    weights = {symbol: float(n + 1) for n, symbol in enumerate(fifty)}
    index = index_bars(bars, weights=weights)
    first = bars.open[bars.present.argmax(axis=0), np.arange(len(fifty))]
    close = pd.DataFrame(bars.close).ffill().fillna(pd.Series(first)).to_numpy()
    share = np.array(list(weights.values())) / sum(weights.values())
    assert np.allclose(index.close[:, 0], START_LEVEL * (close / first) @ share, atol=0.006, rtol=0)
    assert (index.high >= index.close).all() and (index.low <= index.open).all()


def test_an_index_falls_when_its_members_fall() -> None:
    days = sessions(date(2016, 1, 1), date(2025, 12, 31))
    bars = adjusted_bars(synthetic_daily(members(DAY), days, seed=3))
    index = index_bars(bars)
    market = np.nanmean(np.diff(np.log(bars.close), axis=0), axis=1)
    own = np.diff(np.log(index.close[:, 0]))
    assert np.corrcoef(market, own)[0, 1] > 0.95
    assert 0.007 < own.std() < 0.016


def test_an_index_needs_every_member() -> None:
    bars = synthetic_bars(["TCS", "SBIN"], [DAY], seed=1)
    with pytest.raises(DataError, match="weight"):
        index_bars(bars, weights={"TCS": 1.0, "SBIN": 0.0})
    other = synthetic_bars(["TCS", "SMALLSHARE"], [DAY], seed=1)
    with pytest.raises(DataError, match="SMALLSHARE"):
        index_bars(other, weights={"TCS": 1.0})
