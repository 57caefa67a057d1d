"""What goes into the store comes out of it: every row once, under every name, in order."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError, UsageError
from nifty_research.data.adjustment import factors
from nifty_research.data.bars import ZONE, Bars
from nifty_research.data.layout import ACTIONS, DAILY, folder_of, symbol_of
from nifty_research.data.store import BarStore
from nifty_research.market.members import RENAMES

JANUARY = (dt.date(2025, 1, 1), dt.date(2025, 1, 31))
EVER = (dt.date(2000, 1, 1), dt.date(2026, 12, 31))


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "store")


def daily(day: dt.date, symbol: str = "TCS", close: float = 100.0, **more: Any) -> dict[str, Any]:
    "A daily row."
    bar = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 10}
    about = {"date": day, "symbol": symbol, "series": "EQ", "source": "test"}
    return about | bar | more


def minute(text: str, symbol: str = "TCS", close: float = 100.0, **more: Any) -> dict[str, Any]:
    "A minute row."
    bar = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 10}
    return {"timestamp": pd.Timestamp(text, tz=ZONE), "symbol": symbol} | bar | more


def table(*rows: dict[str, Any]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def days(count: int, first: dt.date = dt.date(2025, 1, 1)) -> list[dt.date]:
    return [first + dt.timedelta(days=n) for n in range(count)]


# ---- adding ---------------------------------------------------------------------------------


def test_rows_added_in_any_order_and_in_any_parts_make_the_same_files(tmp_path: Path) -> None:
    rows = [
        daily(day, symbol, 100.0 + at, series=series)
        for at, day in enumerate(days(20, dt.date(2024, 12, 22)))
        for symbol, series in [("TCS", "EQ"), ("M&M", "EQ"), ("M&M", "BE"), ("INFY", "EQ")]
    ]
    whole = BarStore(tmp_path / "whole")
    assert whole.append_daily(table(*rows)).years == (2024, 2025)
    chance = np.random.default_rng(5)
    for attempt in range(5):
        store = BarStore(tmp_path / str(attempt))
        mixed = [rows[at] for at in chance.permutation(len(rows))]
        cut = sorted(chance.integers(0, len(rows), 3))
        for part in np.split(np.arange(len(rows)), cut):
            if part.size:
                store.append_daily(table(*(mixed[at] for at in part)))
        query = "select * from daily order by symbol, series, date"
        assert store.query(query).equals(whole.query(query))
        assert store.manifest() == whole.manifest()


def test_what_is_there_already_is_identical_and_writes_nothing(store: BarStore) -> None:
    rows = table(*(daily(day) for day in days(5)))
    store.append_daily(rows)
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*.parquet")}
    became = store.append_daily(rows)
    assert (became.new, became.identical, became.years) == (0, 5, ())
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*.parquet")} == before


def test_an_empty_table_is_no_error(store: BarStore) -> None:
    assert store.append_daily(DAILY.empty_table()).stored == 0


def test_a_contradiction_in_one_year_leaves_all_years_as_they_were(store: BarStore) -> None:
    store.append_daily(table(daily(dt.date(2025, 1, 2)), daily(dt.date(2024, 12, 31))))
    before = store.manifest()
    rows = table(daily(dt.date(2024, 12, 30)), daily(dt.date(2025, 1, 2), close=101.0))
    with pytest.raises(DataError, match=r"daily, TCS, EQ, 2025-01-02 .*contradicts"):
        store.append_daily(rows)
    assert store.manifest() == before


def test_replacing_takes_the_new_row_as_it_is(store: BarStore) -> None:
    day = dt.date(2025, 1, 2)
    store.append_daily(table(daily(day, delivered=4, trades=3), daily(day, "INFY")))
    became = store.append_daily(table(daily(day, close=90.0)), replace=True)
    assert (became.replaced, became.new, became.stored) == (1, 0, 1)
    found = store.query("select close, delivered, trades from daily order by symbol").to_pylist()
    assert found[1] == {"close": 90.0, "delivered": None, "trades": None}


def test_holes_are_filled_by_a_row_that_knows_more_and_kept_from_one_that_knows_less(
    store: BarStore,
) -> None:
    day = dt.date(2025, 1, 2)
    store.append_daily(table(daily(day, trades=3)))
    assert store.append_daily(table(daily(day, delivered=4))).completed == 1
    assert store.append_daily(table(daily(day))).identical == 1
    (found,) = store.query("select trades, delivered from daily").to_pylist()
    assert found == {"trades": 3, "delivered": 4}


def test_repeated_rows_of_one_table_must_agree(store: BarStore) -> None:
    day = dt.date(2025, 1, 2)
    became = store.append_daily(table(daily(day), daily(day), daily(day, delivered=4)))
    assert (became.new, became.identical, became.completed) == (1, 1, 1)
    with pytest.raises(DataError, match="contradicts another of the new ones"):
        store.append_daily(table(daily(days(9)[8]), daily(days(9)[8], close=7.0)), replace=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high": 50.0}, "high is below the low"),
        ({"open": 150.0}, "open lies outside"),
        ({"close": 150.0}, "close lies outside"),
        ({"low": 0.0}, "zero, negative or infinite"),
        ({"high": float("inf")}, "zero, negative or infinite"),
        ({"volume": -1}, "volume is negative"),
        ({"close": float("nan")}, "no close"),
        ({"symbol": None}, "no symbol"),
        ({"volume": 1.5}, "does not fit the column"),
        ({"colour": "red"}, "unknown column colour"),
    ],
)
def test_a_row_that_is_no_bar_refuses_the_table(
    store: BarStore, change: dict[str, Any], message: str
) -> None:
    rows = [daily(day) for day in days(3)]
    rows[1] |= change
    with pytest.raises(DataError, match=message):
        store.append_daily(table(*rows))
    assert not store.coverage()


def test_minutes_start_on_the_minute_and_carry_their_zone(store: BarStore) -> None:
    with pytest.raises(DataError, match="whole minute"):
        store.append_minutes(table(minute("2025-01-02 09:15:30")))
    naive = table(minute("2025-01-02 09:15") | {"timestamp": dt.datetime(2025, 1, 2, 9, 15)})  # noqa: DTZ001
    with pytest.raises(DataError, match="no time zone"):
        store.append_minutes(naive)
    abroad = pd.Timestamp("2025-01-02 03:45", tz="UTC")
    store.append_minutes(table(minute("2025-01-02 09:15") | {"timestamp": abroad}))
    bars = store.bars(["TCS"], *JANUARY, 1)
    assert str(bars.index[0]) == "2025-01-02 09:15:00+05:30"


@given(st.text(min_size=1, max_size=12))
def test_every_symbol_has_a_folder_of_its_own(symbol: str) -> None:
    folder = folder_of(symbol)
    assert symbol_of(folder) == symbol
    assert "/" not in folder and not folder.startswith(".") and folder.isascii()


# ---- reading --------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_bars_are_the_rows_in_their_places(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    symbols = ["M&M", "TCS", "BAJAJ-AUTO", "NIFTY 50"]
    rows = [
        daily(day, symbol, float(chance.integers(2, 900)))
        for day in days(40, dt.date(2024, 12, 15))
        for symbol in symbols
        if chance.random() < 0.7
    ]
    store = BarStore(tmp_path_factory.mktemp("store"))
    store.append_daily(table(*rows))
    asked = [str(name) for name in chance.permutation(symbols)]
    first, last = dt.date(2024, 12, 20), dt.date(2025, 1, 10)
    frame = pd.DataFrame([row for row in rows if first <= row["date"] <= last])
    bars = store.bars(asked, first, last, "day")
    for name in ("open", "high", "low", "close", "volume"):
        slow = frame.pivot(index="date", columns="symbol", values=name).reindex(columns=asked)
        np.testing.assert_array_equal(getattr(bars, name), slow.to_numpy(np.float64))
    assert bars.days() == sorted(frame["date"].unique())
    assert bars.interval_minutes == 1440 and bars.index[0].hour == 0


def test_minutes_are_the_rows_in_their_places(store: BarStore) -> None:
    chance = np.random.default_rng(3)
    stamps = pd.date_range("2024-12-31 09:15", "2025-01-02 15:29", freq="min", tz=ZONE)
    symbols = [f"S{n}" for n in range(11)]  # More than are filled at once
    rows = [
        minute(str(stamp.tz_localize(None)), symbol, float(chance.integers(2, 900)))
        for stamp in stamps[chance.random(len(stamps)) < 0.02]
        for symbol in symbols
        if chance.random() < 0.6
    ]
    store.append_minutes(table(*rows))
    bars = store.bars(symbols, dt.date(2024, 12, 31), dt.date(2025, 1, 2), 1)
    assert bars.equals(Bars.from_frame(pd.DataFrame(rows), symbols, interval_minutes=1))
    tail = store.bars(symbols[3:5], *JANUARY, 1)
    assert {day.year for day in tail.days()} == {2025}


def test_the_ordinary_series_is_preferred(store: BarStore) -> None:
    first, second, third = days(3)
    store.append_daily(
        table(
            daily(first, close=10.0, series="BL"),
            daily(first, close=20.0, series="BE"),
            daily(first, close=30.0, series="EQ"),
            daily(second, close=40.0, series="BE"),
            daily(second, close=50.0, series="T0"),
            daily(third, close=60.0, series="T0"),
        )
    )
    assert store.bars(["TCS"], *JANUARY, "day").close[:, 0].tolist() == [30.0, 40.0, 60.0]


def test_a_share_is_found_under_every_name_it_had(store: BarStore) -> None:
    changed = RENAMES["ZOMATO"][1]
    before, after = changed - dt.timedelta(days=1), changed + dt.timedelta(days=1)
    store.append_daily(
        table(
            daily(before, "ZOMATO", 200.0),
            daily(changed, "ETERNAL", 201.0),
            daily(changed, "ZOMATO", 999.0),  # Both: the name of the day counts
            daily(after, "ZOMATO", 202.0),  # The old name a day too long: taken
            daily(after + dt.timedelta(days=90), "ZOMATO", 999.0),  # Months too long: another share
        )
    )
    whole = store.bars(["ETERNAL"], *EVER, "day")
    assert whole.close[:, 0].tolist() == [200.0, 201.0, 202.0]
    assert store.bars(["ZOMATO"], *EVER, "day").close.tolist() == whole.close.tolist()
    assert store.days("ETERNAL") == [before, changed, after]


def test_history_that_came_under_today_s_name_is_found(store: BarStore) -> None:
    changed = RENAMES["ZOMATO"][1]
    early = [changed - dt.timedelta(days=n) for n in (900, 800, 700)]
    store.append_daily(table(*(daily(day, "ETERNAL", 70.0) for day in early)))
    store.append_daily(table(daily(early[1], "ZOMATO", 60.0)))  # Under the name of the day: better
    store.append_minutes(table(minute(f"{early[0]} 09:15", "ETERNAL")))
    bars = store.bars(["ZOMATO"], early[0], early[-1], "day")
    assert bars.close[:, 0].tolist() == [70.0, 60.0, 70.0]
    assert store.bars(["ZOMATO"], early[0], early[-1], 1).shape == (1, 1)
    assert store.days("ZOMATO") == early


def test_minutes_of_both_names_meet_in_one_column(store: BarStore) -> None:
    changed = RENAMES["ZOMATO"][1]
    store.append_minutes(
        table(
            minute(f"{changed - dt.timedelta(days=1)} 15:29", "ZOMATO", 200.0),
            minute(f"{changed} 09:15", "ZOMATO", 999.0),
            minute(f"{changed} 09:15", "ETERNAL", 201.0),
            minute(f"{changed} 09:16", "ZOMATO", 202.0),
        )
    )
    bars = store.bars(["ZOMATO"], *EVER, 1)
    assert bars.close[:, 0].tolist() == [200.0, 201.0, 202.0]
    assert store.days("ETERNAL", 1) == [changed - dt.timedelta(days=1), changed]


def test_an_index_has_no_volume_and_a_row_without_a_price_is_no_bar(store: BarStore) -> None:
    first, second = days(2)
    store.append_daily(
        table(
            daily(first, "NIFTY 50", 24000.0, series="INDEX", volume=None),
            daily(second, "NIFTY 50", 24100.0, series="INDEX", open=None, volume=None),
            daily(second),
        )
    )
    bars = store.bars(["NIFTY 50", "TCS"], *JANUARY, "day")
    assert bars.volume[0, 0] == 0.0
    assert np.isnan(bars.close[1, 0]) and np.isnan(bars.volume[1, 0])


def test_further_columns_ride_along(store: BarStore) -> None:
    store.append_daily(table(daily(days(1)[0], delivered=7), daily(days(2)[1])))
    bars = store.bars(["TCS"], *JANUARY, "day", extra=["delivered", "prev_close"])
    np.testing.assert_array_equal(bars.extra["delivered"][:, 0], [7.0, np.nan])
    assert np.isnan(bars.extra["prev_close"]).all()


def test_a_share_that_was_not_listed_yet_is_a_column_of_holes(store: BarStore) -> None:
    store.append_daily(table(daily(days(1)[0]), daily(dt.date(2025, 6, 2), "NEWCO")))
    bars = store.bars(["TCS", "NEWCO"], *JANUARY, "day")
    assert bars.present.tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        ((["TCX"], *JANUARY, "day"), MissingDataError, "did you mean TCS"),
        ((["TCS"], *JANUARY, 1), MissingDataError, "no minutes of this symbol"),
        ((["TCS"], dt.date(2024, 1, 1), dt.date(2024, 2, 1), "day"), MissingDataError, "between"),
        ((["TCS"], *reversed(JANUARY), "day"), DataError, "not before it"),
        ((["TCS", "TCS"], *JANUARY, "day"), DataError, "different names"),
        (("TCS", *JANUARY, "day"), DataError, "different names"),
        ((["TCS"], *JANUARY, 0), DataError, "number of minutes"),
        ((["TCS"], *JANUARY, "week"), DataError, "number of minutes"),
        ((["TCS"], dt.datetime(2025, 1, 1), JANUARY[1], "day"), DataError, "from a day"),  # noqa: DTZ001
    ],
)
def test_a_question_without_an_answer_says_why(
    store: BarStore, ask: Any, error: type[Exception], message: str
) -> None:
    store.append_daily(table(daily(days(1)[0])))
    with pytest.raises(error, match=message):
        store.bars(*ask)


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "nowhere")
    assert not store.symbols() and not store.coverage() and not store.days("TCS")
    assert store.actions().empty and store.query("select 1 from daily").num_rows == 0
    with pytest.raises(MissingDataError):
        store.bars(["TCS"], *JANUARY, "day")
    assert not store.root.exists()


# ---- adjusting ------------------------------------------------------------------------------

BONUS = {
    "symbol": "TCS",
    "ex_date": dt.date(2025, 1, 3),
    "kind": "bonus",
    "numerator": 1.0,
    "denominator": 1.0,
    "source": "test",
    "verified": False,
}
DIVIDEND = BONUS | {"kind": "dividend", "numerator": None, "denominator": None, "amount_inr": 5.0}


def test_adjusted_days_are_raw_ones_times_the_factors(store: BarStore) -> None:
    rows = [daily(day, close=200.0 - 100.0 * (day >= BONUS["ex_date"])) for day in days(5)]
    store.append_daily(table(*rows))
    dividend = DIVIDEND | {"ex_date": dt.date(2025, 1, 5)}
    store.append_actions(table(BONUS | {"amount_inr": None}, dividend))
    raw = store.bars(["TCS"], *JANUARY, "day")
    for adjusted, dividends in (("splits", False), ("total", True)):
        price, volume = factors(
            store.actions(), ["TCS"], raw.days(), dividends=dividends, closes=np.asarray(raw.close)
        )
        bars = store.bars(["TCS"], *JANUARY, "day", adjusted=adjusted, extra=["last"])
        np.testing.assert_array_equal(bars.close, raw.close * price)
        np.testing.assert_array_equal(bars.volume, raw.volume * volume)
    assert price[0, 0] == 0.5 * 0.95 and raw.close[0, 0] == 200.0
    with pytest.raises(DataError, match="no such adjustment"):
        store.bars(["TCS"], *JANUARY, "day", adjusted="dividends")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="prev_close"):
        store.bars(["TCS"], *JANUARY, "day", adjusted="splits", extra=["prev_close"])


def test_adjusted_minutes_take_the_factor_of_their_day(store: BarStore) -> None:
    rows = [
        minute(f"2025-01-0{day} {clock}", close=200.0 - 100.0 * (day > 2))
        for day, clock in [(1, "09:15"), (1, "15:29"), (2, "09:20"), (3, "09:15"), (3, "09:16")]
    ]
    store.append_minutes(table(*rows, minute("2025-01-02 15:20", "INFY", 50.0)))
    store.append_actions(table(BONUS))
    bars = store.bars(["TCS", "INFY"], *JANUARY, 1, adjusted="splits")
    assert bars.close[:, 0][~np.isnan(bars.close[:, 0])].tolist() == [100.0] * 5
    assert np.nansum(bars.close[:, 1]) == 50.0
    store.append_actions(table(DIVIDEND | {"ex_date": dt.date(2025, 1, 2)}))
    total = store.bars(["TCS", "INFY"], *JANUARY, 1, adjusted="total")
    assert total.close[0, 0] == 100.0 * (1 - 5.0 / 200.0)


def test_adjusting_without_any_actions_is_refused(store: BarStore) -> None:
    store.append_daily(table(daily(days(1)[0])))
    with pytest.raises(MissingDataError, match="no corporate actions"):
        store.bars(["TCS"], *JANUARY, "day", adjusted="splits")
    store.append_actions(ACTIONS.empty_table())
    assert store.bars(["TCS"], *JANUARY, "day", adjusted="splits").close.tolist() == [[100.0]]


def test_two_dividends_of_a_day_are_two_and_a_correction_is_asked_for(store: BarStore) -> None:
    store.append_actions(table(DIVIDEND, DIVIDEND | {"amount_inr": 2.0}))
    assert len(store.actions()) == 2
    store.append_actions(table(BONUS))
    with pytest.raises(DataError, match="contradicts"):
        store.append_actions(table(BONUS | {"numerator": 2.0}))
    store.append_actions(table(BONUS | {"numerator": 2.0}), replace=True)
    assert store.actions()["numerator"].max() == 2.0


# ---- asking in other ways -------------------------------------------------------------------


def test_a_fingerprint_is_of_what_was_asked_for(store: BarStore) -> None:
    store.append_daily(
        table(*(daily(day, symbol) for day in days(3) for symbol in ("TCS", "INFY")))
    )
    mine = store.fingerprint(["TCS"], *JANUARY, "day")
    assert mine == store.bars(["TCS"], *JANUARY, "day").fingerprint()
    store.append_daily(table(daily(days(2)[1], "INFY", close=7.0)), replace=True)
    assert store.fingerprint(["TCS"], *JANUARY, "day") == mine
    store.append_daily(table(daily(days(2)[1], close=7.0)), replace=True)
    assert store.fingerprint(["TCS"], *JANUARY, "day") != mine


def test_coverage_counts_every_file(store: BarStore) -> None:
    store.append_daily(table(daily(dt.date(2024, 12, 31)), daily(days(1)[0], "INFY")))
    store.append_minutes(table(minute("2025-01-02 09:15", "M&M")))
    store.quarantine(table({"file": "cm.csv", "line": 7, "reason": "high below low", "raw": "x"}))
    held = [(h.table, h.symbol, h.year, h.rows, str(h.first or "")) for h in store.coverage()]
    assert held == [
        ("daily", "", 2024, 1, "2024-12-31"),
        ("daily", "", 2025, 1, "2025-01-01"),
        ("minute", "M&M", 2025, 1, "2025-01-02"),
        ("quarantine", "", 0, 1, ""),
    ]
    assert store.symbols() == ["INFY", "M&M", "TCS"]
    assert set(store.manifest()) == {str(h.path.relative_to(store.root)) for h in store.coverage()}


def test_rows_put_aside_twice_are_kept_once(store: BarStore) -> None:
    rows = table({"file": "cm.csv", "line": 7, "reason": "high below low", "raw": "TCS,EQ,1"})
    assert store.quarantine(rows) == store.quarantine(rows)
    assert store.query("select * from quarantined").num_rows == 1
    assert store.quarantine(rows.slice(0, 0)) is None


def test_a_contract_is_told_by_its_terms_and_its_day(store: BarStore) -> None:
    terms = {
        "exchange": "NFO",
        "underlying": "NIFTY",
        "expiry": dt.date(2025, 1, 30),
        "source": "t",
    }
    rows = [
        terms | {"date": day, "kind": kind, "strike": strike, "settle": 1.0}
        for day in days(2)
        for kind, strike in [("FUT", 0.0), ("CE", 24000.0), ("PE", 24000.0), ("CE", 24050.0)]
    ]
    assert store.append_contracts(table(*rows)).new == 8
    assert store.append_contracts(table(*reversed(rows))).identical == 8
    calls = store.query("select strike from contracts where kind = 'CE' and date = '2025-01-02'")
    assert calls["strike"].to_pylist() == [24000.0, 24050.0]


@pytest.mark.parametrize(
    "sql",
    [
        "insert into daily select * from daily",
        "select 1; select 2",
        "copy daily to 'stolen.parquet'",
        "copy (select 1) to '{root}/daily/2025.parquet'",
        "attach 'other.db'",
        "install httpfs",
        "select * from read_csv('/etc/hostname', header=false)",
        "select colour from daily",
        "selekt",
    ],
)
def test_sql_reads_the_store_and_nothing_else(store: BarStore, sql: str) -> None:
    store.append_daily(table(daily(days(1)[0])))
    before = store.manifest()
    with pytest.raises(UsageError):
        store.query(sql.format(root=store.root))
    assert store.manifest() == before


# ---- the real market ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory, nifty_data: Path) -> Iterator[BarStore]:
    "A year and a half of the whole market."
    rows = pq.read_table(nifty_data / "daily" / "nse_full_market_2016_2017H1.parquet")
    store = BarStore(tmp_path_factory.mktemp("market"))
    source = pa.array(["full market"] * rows.num_rows).dictionary_encode()
    store.append_daily(rows.append_column("source", source))
    yield store


def test_the_real_market_comes_back_as_it_was(market: BarStore, nifty_data: Path) -> None:
    rows = pq.read_table(nifty_data / "daily" / "nse_full_market_2016_2017H1.parquet").to_pandas()
    rows = rows[rows["series"] == "EQ"]
    often = rows["symbol"].value_counts()
    plain = [s for s in often.index[:200] if not store_knows_other_names(s)][:50]
    bars = market.bars(plain, dt.date(2016, 1, 1), dt.date(2017, 6, 30), "day")
    for name in ("open", "high", "low", "close", "volume"):
        slow = rows[rows["symbol"].isin(plain)].pivot(index="date", columns="symbol", values=name)
        np.testing.assert_array_equal(getattr(bars, name), slow[plain].to_numpy(np.float64))


def store_knows_other_names(symbol: str) -> bool:
    return symbol in RENAMES or symbol in {new for new, _ in RENAMES.values()}


def test_sql_over_the_real_market_counts_its_rows(market: BarStore) -> None:
    (counted,) = market.query(
        "select count(*) as n, count(distinct symbol) as s from daily"
    ).to_pylist()
    assert counted == {"n": 572_946, "s": 1_735}
    assert len(market.symbols()) == 1_735
    assert sum(held.rows for held in market.coverage()) == 572_946
