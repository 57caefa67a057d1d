"""Made-up contracts: parity, order in strike, ticks, convergence, VIX, and lines of the store."""

from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.money import nearest_tick
from nifty_research.data.bars import Bars
from nifty_research.data.layout import CONTRACTS
from nifty_research.data.store import BarStore
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.data.synthetic_daily import adjusted_bars, synthetic_daily
from nifty_research.data.synthetic_index import index_bars
from nifty_research.market.calendar import sessions
from nifty_research.market.members import members
from nifty_research.market.symbols import parse
from nifty_research.options.surface import Surface, fit_smile
from nifty_research.options.synthetic import synthetic_futures, synthetic_options
from nifty_research.options.synthetic_chain import option_chain
from nifty_research.options.synthetic_days import contract_days
from nifty_research.options.terms import RATE, bar_ends, monthlies, near_expiries, years_to
from nifty_research.options.variance import india_vix, variance_path

DAY = date(2026, 9, 15)


def nifty_of(seed: int, day: date = DAY, interval: int = 15) -> Bars:
    return index_bars(synthetic_bars(members(day), [day], interval_minutes=interval, seed=seed))


@given(
    st.integers(0, 2**32),
    st.sampled_from(
        [date(2021, 3, 24), date(2024, 1, 25), date(2025, 8, 28), DAY, date(2026, 7, 28)]
    ),
    st.integers(0, 1),
    st.integers(0, 19),
)
def test_a_chain_is_free_of_bargains(seed: int, day: date, place: int, row: int) -> None:
    index = nifty_of(seed, day)
    moment = bar_ends(index)[row]
    expiry = near_expiries("NIFTY", day)[place]
    chain = option_chain(index, moment, seed=seed, expiry=expiry, each_side=15)
    calls, puts = (chain[chain["kind"] == k].reset_index(drop=True) for k in ("CE", "PE"))
    strikes, years = calls["strike"].to_numpy(), years_to(expiry, bar_ends(index)[row : row + 1])[0]
    forward = (calls["fair"] - puts["fair"]) * np.exp(RATE * years) + strikes
    assert np.ptp(forward) < 1e-7  # Parity, exact
    assert (np.diff(calls["fair"]) <= 1e-9).all() and (np.diff(puts["fair"]) >= -1e-9).all()
    assert (np.diff(calls["fair"], 2) >= -1e-7).all()
    for side in (calls, puts):
        assert (side["bid"] <= side["fair"] + 1e-9).all() and (
            side["fair"] <= side["ask"] + 1e-9
        ).all()
        assert (side["ask"] > side["bid"]).all()
        for name in ("bid", "ask"):
            assert all(nearest_tick(price, 0.05) == price for price in side[name].tolist())
        assert (side["open_interest"] % side["lot"] == 0).all()
    # Quotes alone leave no riskless profit: sell the dear side of parity, buy the cheap one.
    discount = np.exp(-RATE * years)
    synthetic_ask = calls["ask"] - puts["bid"] + discount * strikes
    synthetic_bid = calls["bid"] - puts["ask"] + discount * strikes
    assert synthetic_bid.max() <= synthetic_ask.min() + 1e-9


@given(st.integers(0, 2**32))
def test_bars_of_contracts_follow_the_index(seed: int) -> None:
    index = nifty_of(seed)
    options = synthetic_options(index, seed=seed, each_side=4)
    for column, symbol in enumerate(options.symbols):
        contract = parse(symbol)
        assert contract.underlying == "NIFTY" and contract.kind in ("CE", "PE")
        there = options.present[:, column]
        prices = options.close[there, column]
        assert all(nearest_tick(price, 0.05) == price for price in prices.tolist())
        assert (options.volume[there, column] % 65 == 0).all()
    futures = synthetic_futures(index, seed=seed)
    assert [parse(symbol).kind for symbol in futures.symbols] == ["FUT"] * 3
    apart = futures.close / index.close - 1
    assert (np.nanmean(apart, axis=0) > -0.001).all() and np.nanmax(apart) < 0.02
    # Later months carry more interest, whatever the day's basis.
    assert all(a < b + 0.001 for a, b in pairwise(np.nanmean(apart, axis=0).tolist()))


def test_calls_rise_and_puts_fall_with_the_index() -> None:
    index = nifty_of(7, interval=1)
    options = synthetic_options(index, seed=7, each_side=2, expiries=monthlies("NIFTY", DAY, 1))
    moves = np.diff(index.close[:, 0])
    for column, symbol in enumerate(options.symbols):
        own = np.diff(options.close[:, column])
        known = np.isfinite(own)
        sign = 1 if symbol.endswith("CE") else -1
        assert sign * np.corrcoef(moves[known], own[known])[0, 1] > 0.7


def test_a_future_comes_home_on_its_last_day() -> None:
    last = date(2026, 9, 29)
    index = nifty_of(3, last, interval=1)
    future = synthetic_futures(index, seed=3, expiries=[last])
    assert abs(future.close[-1, 0] / index.close[-1, 0] - 1) < 2e-5


def test_a_day_alone_has_the_contracts_of_the_span() -> None:
    days = sessions(date(2026, 9, 7), date(2026, 9, 11))
    bars = synthetic_bars(members(DAY), days, interval_minutes=15, seed=9)
    index = index_bars(bars)
    part = index.on(days[2])
    expiry = monthlies("NIFTY", days[2], 1)
    whole = synthetic_futures(index, seed=9, expiries=expiry).on(days[2])
    assert synthetic_futures(part, seed=9, expiries=expiry).equals(whole)
    path, alone = variance_path(index, seed=9), variance_path(part, seed=9)
    rows = slice(int(index.index.searchsorted(part.index[0])), None)
    assert np.array_equal(path.variance[rows][: len(part.index)], alone.variance)


def test_fear_rises_when_the_index_falls() -> None:
    days = sessions(date(2016, 1, 1), date(2025, 12, 31))
    made = adjusted_bars(synthetic_daily(members(DAY), days, seed=1))
    index = index_bars(made)
    vix = india_vix(index, variance_path(index, seed=1))
    change, move = np.diff(np.log(vix.close[:, 0])), np.diff(np.log(index.close[:, 0]))
    assert np.corrcoef(change, move)[0, 1] < -0.2
    assert 12 < np.median(vix.close) < 24
    assert 0.03 < change.std() < 0.12
    ahead = np.array([np.std(move[n : n + 21]) for n in range(len(move) - 21)])
    assert np.corrcoef(vix.close[: len(ahead), 0], ahead)[0, 1] > 0.3


def test_the_store_takes_made_up_derivatives(tmp_path: Path) -> None:
    days = sessions(date(2026, 9, 7), date(2026, 9, 18))
    index = index_bars(adjusted_bars(synthetic_daily(members(days[0]), days, seed=20260915)))
    table = contract_days(index, seed=20260915, each_side=3)
    full = table.reindex(columns=CONTRACTS.names)
    store = BarStore(tmp_path)
    report = store.append_contracts(
        pa.Table.from_pandas(full, schema=CONTRACTS, preserve_index=False)
    )
    assert report.new == len(table)
    assert (table["volume_units"] == table["contracts"] * table["lot"]).all()
    expired = table[(table["kind"] != "FUT") & (table["date"] == table["expiry"])]
    level = expired["underlying_price"] - expired["strike"]
    intrinsic = np.where(expired["kind"] == "CE", level, -level).clip(0)
    # Ten minutes are left between the end of the daily bar and the end of trading.
    assert np.abs(expired["close"] - intrinsic).max() < 12
    # From day to day the change adds up to what is held.
    future = table[table["symbol"] == "NIFTY26SEPFUT"]
    assert (future["change_in_oi"].cumsum() == future["open_interest"]).all()


def test_a_real_smile_is_of_the_family(nifty_data: Path) -> None:
    chain = pd.read_parquet(nifty_data / "fo" / "index_option_chain_2019.parquet")
    part = chain[(chain["underlying"] == "NIFTY") & (chain["timestamp"].dt.hour == 11)]
    part = part[part["timestamp"].dt.minute < 14].dropna(subset=["spot", "ce_iv_pct", "pe_iv_pct"])
    errors, flat = [], []
    for (expiry, moment), lines in part.groupby(["expiry", "timestamp"]):
        years = (pd.Timestamp(expiry) - moment.tz_localize(None)).days / 365
        middle = (lines["ce_bid"] + lines["ce_ask"] - lines["pe_bid"] - lines["pe_ask"]) / 2
        near = (lines["strike"] / lines["spot"] - 1).abs() < 0.01
        distance = np.log(lines["strike"] / float((lines["strike"] + middle)[near].median()))
        seen = np.where(distance < 0, lines["pe_iv_pct"], lines["ce_iv_pct"]) / 100
        use = ((distance.abs() < 0.06) & (seen > 0.03)).to_numpy()
        if use.sum() < 10 or not 5 / 365 <= years <= 40 / 365:
            continue
        k, seen = distance[use].to_numpy(), seen[use]
        theta, skew, wings = fit_smile(k, seen, years)
        fitted = Surface(theta / years, theta / years, skew=skew, wings=wings)
        again = np.sqrt(fitted.total_variance(k, years) / years)
        errors.append(float(np.sqrt(np.mean((again - seen) ** 2))))
        flat.append(float(np.std(seen)))
    print(f"{len(errors)} smiles, median error {np.median(errors):.4f}, flat {np.median(flat):.4f}")
    assert len(errors) > 20
    # The page's volatilities are rounded, partly stale, and computed on the index, not the forward.
    assert np.median(errors) < 0.015 and np.median(errors) < 0.5 * np.median(flat)
