"""Faults are found where they are, ordinary days are none, real files show what is known."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.clock import IST
from nifty_research.core.errors import DataError, MissingDataError, SettingsError
from nifty_research.core.settings import load_settings
from nifty_research.data.action_lists import read_actions
from nifty_research.data.actions import action_table
from nifty_research.data.bars import ZONE, Bars
from nifty_research.data.expected import Presence, known_session
from nifty_research.data.findings import ALL_SYMBOLS, KINDS, Findings, joined
from nifty_research.data.gaps import completeness, follows_gap
from nifty_research.data.inspection import inspect, inspect_file
from nifty_research.data.price_faults import Thresholds, excursions
from nifty_research.data.quality import check
from nifty_research.data.store import BarStore
from nifty_research.data.tick_faults import off_tick
from nifty_research.market.calendar import bar_starts, sessions
from nifty_research.market.members import has_derivatives

SHARES = tuple(f"S{n:02d}" for n in range(12))


def market(
    starts: list[datetime], interval: int, symbols: tuple[str, ...] = SHARES, seed: int = 1
) -> Bars:
    "Quiet prices on the tick, at given times."
    chance = np.random.default_rng(seed)
    size = (len(starts), len(symbols))
    close = 1000 * np.exp(np.cumsum(chance.normal(0, 0.002, size), axis=0))
    close = np.round(close * 2) / 2
    open_ = np.vstack([close[:1], close[:-1]])
    high, low = np.maximum(open_, close) + 0.5, np.minimum(open_, close) - 0.5
    volume = chance.integers(1000, 10_000, size).astype(float)
    index = pd.DatetimeIndex(starts).tz_convert(ZONE)
    return Bars(index, symbols, open_, high, low, close, volume, interval_minutes=interval)


@cache
def daily() -> Bars:
    days = sessions(date(2023, 1, 2), date(2024, 12, 31))
    return market([datetime(d.year, d.month, d.day, tzinfo=IST) for d in days], 1440)


@cache
def minutes() -> Bars:
    days = sessions(date(2023, 3, 1), date(2023, 3, 10))
    return market([t for day in days for t in bar_starts(day, 1, True)], 1)


def changed(bars: Bars, **columns: np.ndarray) -> Bars:
    arrays = {n: getattr(bars, n) for n in ("open", "high", "low", "close", "volume")} | columns
    return Bars(bars.index, bars.symbols, **arrays, interval_minutes=bars.interval_minutes)


def priced(bars: Bars, close: np.ndarray) -> Bars:
    "Bars with other closes, and highs and lows around them."
    high = np.fmax(np.fmax(bars.open, close), bars.high * (close == bars.close))
    low = np.fmin(np.fmin(bars.open, close), np.where(close == bars.close, bars.low, np.inf))
    return changed(bars, close=close, high=high, low=low)


def without(bars: Bars, rows: list[int], column: int) -> Bars:
    columns = {}
    for name in ("open", "high", "low", "close", "volume"):
        values = getattr(bars, name).copy()
        values[rows, column] = np.nan
        columns[name] = values
    return changed(bars, **columns)


def test_sound_prices_have_no_finding() -> None:
    for bars in (daily(), minutes()):
        found = check(bars)
        assert found.table.empty, found.table
        assert found.bars_checked == bars.present.sum() and found.symbols_checked == 12
        assert found.skipped == ("splits confirmed by corporate actions: no list was given",)


@given(st.integers(1, 480), st.integers(1, 10), st.integers(0, 11))
def test_a_missing_run_is_one_gap(start: int, count: int, column: int) -> None:
    bars = daily()
    rows = list(range(start, min(start + count, len(bars.index) - 1)))
    found = check(without(bars, rows, column)).table
    assert found["kind"].tolist() == ["gap"] and found["symbol"].tolist() == [SHARES[column]]
    assert found["value"].tolist() == [len(rows)] and found["time"].tolist() == [bars.index[start]]


@given(st.integers(1, 480))
def test_a_day_missing_for_all_is_told_once(row: int) -> None:
    bars = daily()
    rest = bars.rows(0, row).concat(bars.rows(row + 1, len(bars.index)))
    found = check(rest).table
    assert found["symbol"].tolist() == [ALL_SYMBOLS] and found["time"].tolist() == [bars.index[row]]


def test_before_listing_is_no_gap_and_an_early_end_is_said() -> None:
    bars = daily()
    young = without(bars, list(range(200)), 3)
    assert check(young).table.empty
    gone = without(bars, list(range(400, len(bars.index))), 3)
    found = check(gone).table
    assert found[["kind", "value"]].to_numpy().tolist() == [["ends early", len(bars.index) - 400]]


@pytest.mark.parametrize(
    ("day", "interval", "bars_of_day"),
    [
        (date(2021, 2, 24), 5, 29 + 15),  # outage from 11:40 to 15:45, hours until 17:00
        (date(2021, 11, 4), 5, 12),  # muhurat
        (date(2024, 3, 2), 15, 3 + 4),  # two short windows on a Saturday
        (date(2026, 9, 15), 15, 24),  # closing auction from 15:15 on
    ],
)
def test_what_is_missing_by_design_is_no_gap(day: date, interval: int, bars_of_day: int) -> None:
    starts = bar_starts(day, interval, True)
    outage = [datetime(2021, 2, 24, 11, 40, tzinfo=IST), datetime(2021, 2, 24, 15, 45, tzinfo=IST)]
    starts = [t for t in starts if not outage[0] <= t < outage[1]]
    assert len(starts) == bars_of_day
    bars = market(starts, interval, ("RELIANCE", "TCS"))
    assert check(bars).table.empty, check(bars).table
    lost = without(bars, [2], 0)
    assert check(lost).of("gap", "RELIANCE")["time"].tolist() == [bars.index[2]]


def test_the_auction_is_missing_for_some_shares_only() -> None:
    day = date(2026, 9, 15)
    with_, without_ = "RELIANCE", "NOSUCHSHARE"
    assert has_derivatives(with_, day) and not has_derivatives(without_, day)
    bars = market(bar_starts(day, 1, False), 1, (with_, without_))
    found = check(bars).table
    assert found[["kind", "symbol"]].to_numpy().tolist() == [["closed day", with_]]
    assert found["value"].tolist() == [15.0], "15:15 to 15:30 is an auction for this share"
    short = without(bars, list(range(360, 375)), 0)
    assert check(short).table.empty


def test_bars_where_nothing_trades() -> None:
    starts = [*bar_starts(date(2023, 3, 3), 1, True), datetime(2023, 3, 3, 15, 45, tzinfo=IST)]
    starts += [datetime(2023, 3, 4, 10, 0, tzinfo=IST), *bar_starts(date(2023, 3, 6), 1, True)]
    found = check(market(starts, 1, ("A", "B"))).table
    assert found["kind"].tolist() == ["closed day"] * 2 and found["value"].tolist() == [2, 2]
    assert "Saturday" in found["note"].iloc[1] and "hours" in found["note"].iloc[0]


def test_where_the_calendar_is_silent() -> None:
    days = [d.date() for d in pd.bdate_range("2010-01-04", "2010-03-31")]
    assert known_session(days[0]) is None
    bars = market([datetime(d.year, d.month, d.day, tzinfo=IST) for d in days], 1440)
    lost = without(bars, [5, 6], 2)
    found = check(lost)
    assert found.table[["kind", "symbol", "value"]].to_numpy().tolist() == [["gap", "S02", 2.0]]
    assert "not known" in found.skipped[0]
    told = check(bars.rows(0, 10).concat(bars.rows(11, len(days))), sessions=days).table
    assert told["symbol"].tolist() == [ALL_SYMBOLS] and told["time"].tolist() == [bars.index[10]]
    strange = check(bars, sessions=[day for day in days if day != days[10]]).table
    assert strange["kind"].tolist() == ["closed day"] and strange["value"].tolist() == [12]


@given(
    st.integers(10, 470),
    st.integers(0, 11),
    st.sampled_from([0.1, 0.5, 0.7, 1.4, 2.0, 10.0]),
    st.integers(1, 5),
)
def test_prices_that_come_back(row: int, column: int, factor: float, count: int) -> None:
    bars = daily()
    close = bars.close.copy()
    close[row : row + count, column] = np.round(close[row : row + count, column] * factor * 2) / 2
    found = check(priced(bars, close)).table
    first = found.iloc[0]
    assert first["kind"] == ("spike" if count == 1 else "wrong level")
    assert (first["symbol"], first["time"]) == (SHARES[column], bars.index[row])
    assert first["value"] == pytest.approx(factor - 1, abs=0.06 * factor)


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60), st.integers(1, 10))
def test_excursions_pair_what_cancels(moves: list[float], longest: int) -> None:
    values = np.array(moves)
    back, stayed = excursions(values, 0.2, longest)
    large = set(np.flatnonzero(np.abs(values) >= 0.2).tolist())
    starts = {start for start, _, _ in back}
    ends = {start + count for start, count, _ in back}
    assert starts | set(stayed) <= large and ends <= large and not starts & set(stayed)
    for start, count, move in back:
        assert 1 <= count <= longest and move == values[start]
        assert abs(values[start : start + count + 1].sum()) <= abs(move) / 3 + 1e-9


def test_a_crash_of_all_is_the_markets() -> None:
    bars = daily()
    close, open_ = bars.close.copy(), bars.open.copy()
    close[100:] *= np.linspace(0.7, 0.95, 12)
    close, open_ = np.round(close * 2) / 2, np.vstack([close[:1], close[:-1]])
    open_ = np.round(open_ * 2) / 2
    fallen = changed(
        bars, open=open_, close=close, high=np.fmax(open_, close), low=np.fmin(open_, close)
    )
    found = check(fallen)
    assert len(found.of("jump")) >= 3 and found.unexplained.empty
    assert "the market:" in found.of("jump")["note"].iloc[0]


@given(st.integers(2, 2500), st.integers(5, 80), st.integers(0, 11))
def test_a_feed_that_stands_still(row: int, count: int, column: int) -> None:
    bars = minutes()
    arrays = {n: getattr(bars, n).copy() for n in ("open", "high", "low", "close", "volume")}
    rows = slice(row, row + count)
    for name in ("open", "high", "low", "close"):
        arrays[name][rows, column] = arrays["close"][row, column]
    found = check(changed(bars, **arrays)).table
    length = bars.close[rows, column].size
    if length >= 30:
        assert found["kind"].tolist() == ["stale"] and found["value"].tolist() == [length]
        assert found["time"].tolist() == [bars.index[row]]
    else:
        assert found.empty


def test_copies_and_empty_volume() -> None:
    bars = minutes()
    arrays = {n: getattr(bars, n).copy() for n in ("open", "high", "low", "close", "volume")}
    for values in arrays.values():
        values[100, 4] = values[99, 4]
    arrays["volume"][200:203, 5] = 0.0
    found = check(changed(bars, **arrays)).table
    told = found[["kind", "symbol", "value"]].to_numpy().tolist()
    assert told == [["stale", "S04", 1.0], ["zero volume", "S05", 3.0]]
    index = changed(bars, volume=np.zeros_like(bars.volume))
    assert check(index).table.empty, "an index has no volume and no tick"


@given(st.integers(0, 480), st.integers(0, 11), st.sampled_from([0.01, 0.02, 0.03, 0.04]))
def test_off_the_tick(row: int, column: int, off: float) -> None:
    bars = daily()
    high = bars.high.copy()
    high[row, column] += off
    found = check(changed(bars, high=high)).table
    assert found["kind"].tolist() == ["off tick"] and "high off" in found["note"].iloc[0]
    assert found["value"].tolist() == [pytest.approx(high[row, column])]


@given(st.integers(0, 10**6), st.sampled_from([1, 5, 10, 50, 100, 500]))
def test_multiples_of_a_tick_are_on_it(count: int, paise: int) -> None:
    price = np.array([count * paise / 100, (count * paise + 1) / 100])
    expected = [False, paise > 1]
    assert off_tick(price, np.full(2, paise / 100)).tolist() == expected


def table_of(bars: Bars) -> pd.DataFrame:
    return bars.to_frame().reset_index(drop=True)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("close", np.nan, "a price is missing"),
        ("low", 0.0, "zero, negative"),
        ("open", -5.0, "zero, negative"),
        ("high", np.inf, "zero, negative or infinite"),
        ("high", 1.0, "below the low"),
        ("close", 1_000_000.0, "outside of low and high"),
        ("volume", -1.0, "volume is negative"),
        ("volume", np.nan, "volume is negative or missing"),
    ],
)
def test_rows_that_are_no_bars(column: str, value: float, why: str) -> None:
    table = table_of(daily())
    table.loc[777, column] = value
    found = check(table, interval_minutes=1440).table
    assert found["kind"].tolist() == ["false bar"] and why in found["note"].iloc[0]
    assert found["symbol"].tolist() == [table["symbol"][777]]
    assert found["time"].tolist() == [table["timestamp"][777]]


def test_a_row_twice() -> None:
    table = table_of(daily())
    twice = pd.concat([table, table.iloc[[5, 900]]], ignore_index=True)
    found = check(twice, interval_minutes=1440)
    assert found.table["kind"].tolist() == ["duplicate"] * 2
    assert found.bars_checked == len(twice)


def test_equal_rows_in_a_row_are_one_finding() -> None:
    table = table_of(daily())
    table.loc[10:60, ["open", "high", "low"]] = np.nan
    found = check(table, interval_minutes=1440).table
    assert len(found) == 1 and "51 rows until" in found["note"].iloc[0]


def test_rounding_of_adjusted_prices_is_explained() -> None:
    table = table_of(daily())
    table.loc[3, "close"] = table.loc[3, "high"] * 1.00005
    table.loc[9, "close"] = table.loc[9, "high"] * 1.01
    found = check(table, interval_minutes=1440, prices="adjusted").table
    assert found["explained"].tolist() == [True, False]
    assert not check(table, interval_minutes=1440).of("false bar")["explained"].any()


def halved(row: int, column: int) -> Bars:
    bars = daily()
    factor = np.ones_like(bars.close)
    factor[row:, column] = 0.5
    arrays = {n: np.round(getattr(bars, n) * factor * 20) / 20 for n in ("open", "high", "low")}
    close = np.round(bars.close * factor * 20) / 20
    open_ = arrays["open"].copy()
    open_[row, column] = close[row, column]
    return changed(
        bars,
        open=open_,
        close=close,
        high=np.fmax(np.fmax(open_, close), arrays["high"]),
        low=np.fmin(np.fmin(open_, close), arrays["low"]),
    )


def test_splits_and_their_explanation() -> None:
    bars = halved(150, 7)
    day = bars.index[150].date()
    listed = action_table(
        [{"symbol": "S07", "ex_date": day, "kind": "bonus", "numerator": 1, "denominator": 1}]
    )
    unknown = check(bars).table
    assert unknown["kind"].tolist() == ["split"] and not unknown["explained"].any()
    known = check(bars, actions=listed)
    assert known.unexplained.empty and known.of("split")["note"].str.contains("bonus of").all()
    sold = check(bars, actions=listed, prices="adjusted").table
    assert not sold["explained"].any() and sold["note"].str.contains("not adjusted").all()


def with_extra(bars: Bars, **extra: np.ndarray) -> Bars:
    return Bars(
        bars.index, bars.symbols, bars.open, bars.high, bars.low, bars.close, bars.volume,
        interval_minutes=bars.interval_minutes, extra=extra,
    )  # fmt: skip


def test_previous_close_and_delivery() -> None:
    bars = daily()
    previous = np.vstack([np.full((1, 12), np.nan), bars.close[:-1]])
    assert check(with_extra(bars, prev_close=previous, delivered=bars.volume / 2)).table.empty
    wrong = previous.copy()
    wrong[50, 3] *= 1.02
    delivered = bars.volume / 2
    delivered[60, 4] = bars.volume[60, 4] + 1
    found = check(with_extra(bars, prev_close=wrong, delivered=delivered)).table
    assert found[["kind", "symbol"]].to_numpy().tolist() == [
        ["broken chain", "S03"],
        ["delivery", "S04"],
    ]
    rest = with_extra(bars, prev_close=previous)
    cut = rest.rows(0, 80).concat(rest.rows(81, len(bars.index)))
    breaks = check(cut).of("broken chain")
    assert len(breaks) >= 11 and breaks["explained"].all(), "the day before is missing"


def test_completeness_and_follows_gap() -> None:
    bars = without(daily(), [40, 41], 6)
    share = completeness(Presence.of(bars))
    assert share.loc["S06"].min() < 1 and (share.drop(index="S06") == 1).all(axis=None)
    after = follows_gap(Presence.of(bars))
    assert np.argwhere(after).tolist() == [[42, 6]]


def test_findings_as_a_whole() -> None:
    found = check(without(daily(), [40], 6))
    both = joined([found, found])
    assert len(both.table) == 2 and both.bars_checked == 2 * found.bars_checked
    assert both.summary()["findings"].to_dict() == {"gap": 2}
    assert set(check(daily()).summary().columns) == set(found.summary().columns)
    with pytest.raises(DataError, match="choose one of"):
        found.of("holes")
    assert isinstance(found, Findings) and set(found.table["kind"]) <= set(KINDS)


def test_thresholds_come_from_the_settings() -> None:
    settings = load_settings(overrides={"quality.stale_days": "9"})
    assert Thresholds.of(settings).still(1440) == 9 and Thresholds.of(settings).still(1) == 30
    for wrong in ({"spike_fraction": 1.5}, {"stale_bars": 1}, {"stale_days": 0}):
        with pytest.raises(SettingsError):
            Thresholds(**wrong)  # type: ignore[arg-type]


def test_store_and_file_agree(tmp_path: Path) -> None:
    import pyarrow as pa

    bars = without(daily(), [40], 6)
    table = table_of(bars)
    table["date"] = table["timestamp"].dt.tz_localize(None).dt.date
    rows = table.drop(columns="timestamp").assign(series="EQ", source="test")
    rows["volume"] = rows["volume"].astype("int64")
    store = BarStore(tmp_path / "store")
    store.append_daily(pa.Table.from_pandas(rows, preserve_index=False))
    path = tmp_path / "days.parquet"
    rows.to_parquet(path)
    done: list[tuple[int, int]] = []
    stored = inspect(store.root, on_progress=lambda n, of: done.append((n, of)))
    filed = inspect(path)
    columns = ["kind", "symbol", "time", "value"]
    pd.testing.assert_frame_equal(stored.findings.table[columns], filed.findings.table[columns])
    assert done == [(12, 12)] and stored.worst(5) == ["S06"] == list(filed.closes)
    few = inspect(store.root, symbols=["S01"], start=date(2024, 1, 1))
    assert few.findings.table.empty and few.findings.symbols_checked == 1


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no such file"):
        inspect(tmp_path / "none.csv")
    with pytest.raises(MissingDataError, match="nifty data import"):
        (tmp_path / "empty").mkdir()
        inspect(tmp_path / "empty")
    path = tmp_path / "x.csv"
    path.write_text("symbol,timestamp,open,high,low,close\nA,2024-01-02 09:15,1,1,1,1\n")
    with pytest.raises(DataError, match="no time zone"):
        inspect_file(path, interval_minutes=1)
    path.write_bytes(b"PAR1 but no Parquet")
    with pytest.raises(DataError, match="cannot be read"):
        inspect_file(path.rename(tmp_path / "x.parquet"), interval_minutes=1)


# ---- real files: what the README of the data knows, and how many ordinary days are called faults


@cache
def real(folder: Path, name: str) -> pd.DataFrame:
    table = pd.read_parquet(folder / name).rename(columns={"deliverable_qty": "delivered"})
    if "timestamp" not in table:
        stamps = pd.to_datetime(table["date"]).dt.tz_localize(ZONE)
        table = table.assign(timestamp=stamps)
    if "delivered" in table:
        table["delivered"] = table["delivered"].astype(float)
    return table


def index_days(folder: Path) -> list[date]:
    table = real(folder, "daily/index_daily.parquet")
    return sorted(table.loc[table["symbol"] == "NIFTY 50", "date"])


def test_real_nifty50_raw(nifty_data: Path) -> None:
    actions = read_actions(nifty_data / "ref/corporate_actions.csv").actions
    found = check(
        real(nifty_data, "daily/nifty50_daily_raw.parquet"),
        interval_minutes=1440,
        actions=actions,
        sessions=index_days(nifty_data),
    )
    print(found, found.summary().to_string())
    lost = found.of("gap").groupby("symbol")["value"].sum()
    for symbol, at_least in {"BAJFINANCE": 70, "GAIL": 11, "DIVISLAB": 45, "VEDL": 7}.items():
        assert lost[symbol] >= at_least
    assert len(found.of("broken chain")) == 154 and len(found.of("delivery")) == 96
    assert found.of("false bar").empty and found.of("duplicate").empty
    assert found.of("zero volume").empty and found.of("off tick").empty
    assert len(found.of("split")) >= 85 and found.of("split")["explained"].sum() >= 80
    alarms = found.unexplained["kind"].isin(["spike", "wrong level", "jump", "stale"]).sum()
    print(f"{alarms} moves called faults among {found.bars_checked:,} bars")
    assert alarms <= 25, "one in ten thousand bars"


def test_real_vendors_false_spikes(nifty_data: Path) -> None:
    found = check(
        real(nifty_data, "daily/nifty50_daily_adjusted.parquet"),
        interval_minutes=1440,
        prices="adjusted",
        sessions=index_days(nifty_data),
    )
    print(found.summary().to_string())
    spikes = found.unexplained[found.unexplained["kind"].isin(["spike", "wrong level"])]
    at = {(s, f"{t:%Y-%m-%d}") for s, t in zip(spikes["symbol"], spikes["time"], strict=True)}
    for symbol in ("ADANIENT", "BAJFINANCE", "BPCL", "EICHERMOT", "GRASIM", "M&M", "ONGC", "TCS"):
        assert (symbol, "2005-07-28") in at
    assert {("DRREDDY", "2001-10-10"), ("CIPLA", "2004-05-11"), ("LT", "2006-09-27")} <= at
    assert {s for s, day in at if day == "2003-04-14"} & {"CIPLA", "KOTAKBANK", "TATASTEEL"}
    closed = set(found.of("closed day")["time"].dt.strftime("%Y-%m-%d"))
    assert {"2014-04-24", "2014-10-15"} <= closed
    whole = found.of("gap", ALL_SYMBOLS)["time"].dt.strftime("%Y-%m-%d")
    assert len(whole[whole >= "2011"]) >= 15, "18 special sessions since 2011 are not in the file"
    assert found.of("zero volume")["value"].sum() == 4138
    late = spikes[spikes["time"] >= "2011-01-01"]
    print(f"{len(late)} since 2011, when the file is reliable")
    assert len(late) <= 3, "falls and recoveries of 2019 and 2020 that did happen"


def test_real_other_shares(nifty_data: Path) -> None:
    found = check(
        real(nifty_data, "daily/nse_other100_daily_raw.parquet"),
        interval_minutes=1440,
        sessions=index_days(nifty_data),
    )
    print(found.summary().to_string())
    whole = found.of("gap", ALL_SYMBOLS)
    # 66 by the README; 2012-11-11 is in no file of the folder.
    assert whole[whole["time"] >= "2011"]["value"].sum() >= 65
    chain = found.of("broken chain")
    assert len(chain) == 9012 and chain["explained"].mean() > 0.98
    assert len(found.of("false bar")) == 2


def test_real_index_files(nifty_data: Path) -> None:
    daily_ = check(real(nifty_data, "daily/index_daily.parquet"), interval_minutes=1440)
    false = daily_.of("false bar")
    vix = false[false["symbol"] == "INDIA VIX"]["time"].dt.strftime("%Y-%m-%d")
    assert {"2021-02-12", "2021-03-30", "2013-08-22"} <= set(vix)
    assert daily_.of("split", "NIFTY IT")["time"].dt.strftime("%Y-%m-%d").tolist() == ["2004-05-28"]
    minute = check(
        real(nifty_data, "minute/index_1min.parquet"),
        interval_minutes=1,
        sessions=index_days(nifty_data),
    )
    print(minute.summary().to_string())
    wrong = minute.of("wrong level")
    assert wrong["time"].dt.strftime("%Y-%m-%d").tolist() == ["2015-03-30", "2015-06-24"]
    assert wrong["note"].str.extract(r"(\d+) bars$")[0].tolist() == ["295", "369"]
    gaps = minute.of("gap")
    months = gaps["time"].dt.strftime("%Y-%m")
    whole = gaps["symbol"] == ALL_SYMBOLS
    assert gaps[whole & (months == "2018-05")]["value"].sum() == 22 * 375
    assert (gaps["symbol"] == "NIFTY")[months == "2016-10"].any()
    assert (gaps["symbol"] == "BANKNIFTY")[months == "2016-09"].any()
    assert minute.of("spike").empty and minute.of("stale").empty and minute.of("jump").empty


def test_real_intraday_shares(nifty_data: Path) -> None:
    found = check(
        real(nifty_data, "minute/stocks_15min.parquet"), interval_minutes=15, prices="adjusted"
    )
    print(found.summary().to_string())
    false = found.of("false bar")
    assert len(false) == pytest.approx(3177, abs=60)
    assert (false["value"] > 1e-4).sum() == pytest.approx(667, abs=5)
    assert found.of("zero volume")["value"].sum() == 15
    jumps = found.unexplained[found.unexplained["kind"].isin(["jump", "split", "spike"])]
    assert {"YESBANK", "M&MFIN"} <= set(jumps["symbol"]) and len(jumps) <= 16
    ticks = check(real(nifty_data, "minute/stocks_1min_2021.parquet"), interval_minutes=1)
    holes = ticks.of("gap", ALL_SYMBOLS)
    day = holes[holes["time"].dt.strftime("%Y-%m-%d") == "2021-04-07"]
    assert day["value"].max() >= 290, "captured until 10:34 only"
    assert ticks.of("spike").empty and ticks.of("off tick").empty


def test_real_whole_market(nifty_data: Path) -> None:
    found = check(
        real(nifty_data, "daily/nse_full_market_2016_2017H1.parquet"), interval_minutes=1440
    )
    print(found, found.summary().to_string())
    whole = found.of("gap", ALL_SYMBOLS)["time"].dt.strftime("%Y-%m-%d").tolist()
    assert whole == ["2016-10-30", "2017-01-31"]
    moves = found.unexplained["kind"].isin(["spike", "wrong level", "jump", "stale"]).sum()
    print(f"{moves} moves called faults among {found.bars_checked:,} bars")
    assert moves <= 150
    splits = found.of("split")
    assert {"WIPRO", "WELSPUNIND"} <= set(splits["symbol"])


def test_span_is_kept() -> None:
    bars = daily()
    found = check(bars)
    assert (found.first, found.last) == (bars.index[0], bars.index[-1])
    assert found.last - found.first > timedelta(days=700)
