"""Corners of data.files: every fault alone, every kind of request, and the real files."""

import os
import time
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError, UsageError
from nifty_research.data.bars import COLUMNS, ZONE, Bars
from nifty_research.data.files import file_days, read_bars

DAY = date(2021, 4, 5)
ROOT = Path(__file__).resolve().parents[2]
REAL = Path(os.environ.get("NIFTY_DATA") or ROOT.parent / "shared" / "data") / "minute"
needs_real_data = pytest.mark.skipif(
    not REAL.is_dir(), reason=f"no real data at {REAL}: set NIFTY_DATA to its folder"
)


def make_lines(
    symbols: tuple[str, ...] = ("INFY", "TCS"),
    times: tuple[str, ...] = ("09:15", "09:16", "09:17"),
    day: date = DAY,
) -> pd.DataFrame:
    "Sound lines, symbol by symbol."
    rows = [
        (symbol, pd.Timestamp(f"{day} {clock}", tz=ZONE), 1390.0, 1394.5, 1388.1, 1392.35, 4123)
        for symbol in symbols
        for clock in times
    ]
    return pd.DataFrame(rows, columns=["symbol", "timestamp", *COLUMNS])


def filed(lines: pd.DataFrame, folder: Path, name: str = "bars.parquet") -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        lines.to_parquet(path, index=False)
    else:
        lines.assign(timestamp=[str(t) for t in lines["timestamp"]]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv", "bars.csv.gz"])
def test_sound_file_is_read_whole(tmp_path: Path, name: str) -> None:
    bars, report = read_bars(filed(make_lines(), tmp_path, name), interval_minutes=1)
    assert bars.equals(Bars.from_frame(make_lines(), interval_minutes=1))
    assert (report.rows_read, report.rows_used, report.faults) == (6, 6, {})
    assert report.days == (DAY,)
    assert report.missing_bars == 2 * (375 - 3)
    assert "6 of 6 rows used" in report.summary()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"open": np.nan}, "not a number"),
        ({"volume": np.inf}, "not a number"),
        ({"low": 0.0}, "zero or negative"),
        ({"open": -1390.0}, "zero or negative"),
        ({"low": 0.004}, "zero or negative"),
        ({"volume": -1.0}, "volume is negative"),
        ({"high": 1380.0, "open": 1385.0, "close": 1385.0}, "high is below low"),
        ({"close": 1395.5}, "outside low and high"),
        ({"open": 1387.0}, "outside low and high"),
        ({"timestamp": pd.Timestamp("2021-04-05 15:30", tz=ZONE)}, "outside continuous trading"),
        ({"timestamp": pd.Timestamp("2021-04-05 09:14", tz=ZONE)}, "outside continuous trading"),
        ({"timestamp": pd.Timestamp("2021-04-02 10:00", tz=ZONE)}, "no session"),
        ({"timestamp": pd.Timestamp("2021-04-04 10:00", tz=ZONE)}, "no session"),
        ({"timestamp": pd.Timestamp("2021-04-05 10:00:30", tz=ZONE)}, "grid"),
        ({"timestamp": pd.Timestamp("2021-04-05 09:15", tz=ZONE)}, "second bar"),
    ],
)
def test_unfit_row_is_named_or_left_out(
    tmp_path: Path, change: dict[str, object], fault: str
) -> None:
    lines = make_lines().astype({"volume": float})
    for column, value in change.items():
        lines.loc[4, column] = value
    path = filed(lines, tmp_path)
    with pytest.raises(DataError, match=fault) as refused:
        read_bars(path, interval_minutes=1)
    assert "TCS 2021-04-0" in str(refused.value)
    bars, report = read_bars(path, interval_minutes=1, keep_good=True)
    assert len(report.dropped) == 1
    assert fault in report.dropped["fault"].iloc[0]
    assert int(bars.present.sum()) == report.rows_used == 5


@pytest.mark.parametrize(("column", "blank"), [("timestamp", pd.NaT), ("symbol", None)])
def test_row_without_time_or_symbol_is_left_out(tmp_path: Path, column: str, blank: object) -> None:
    lines = make_lines()
    lines.loc[1, column] = blank
    path = filed(lines, tmp_path)
    with pytest.raises(DataError, match="no symbol or no time"):
        read_bars(path, interval_minutes=1)
    assert read_bars(path, interval_minutes=1, keep_good=True)[1].rows_used == 5


def test_rows_out_of_order_are_refused_or_put_in_order(tmp_path: Path) -> None:
    lines = make_lines().iloc[[1, 0, 2, 3, 4, 5]]
    path = filed(lines, tmp_path)
    with pytest.raises(DataError, match="earlier than the line before it"):
        read_bars(path, interval_minutes=1)
    bars, report = read_bars(path, interval_minutes=1, keep_good=True)
    assert bars.equals(Bars.from_frame(make_lines(), interval_minutes=1))
    assert (report.unsorted, len(report.dropped)) == (1, 0)


def test_order_is_asked_within_a_file_and_a_symbol_only(tmp_path: Path) -> None:
    lines = make_lines().sort_values(["timestamp", "symbol"])
    filed(lines.iloc[3:], tmp_path, "a.parquet")
    filed(lines.iloc[:3], tmp_path, "b.parquet")
    bars, _ = read_bars(tmp_path, interval_minutes=1)
    assert bars.equals(Bars.from_frame(make_lines(), interval_minutes=1))


def test_a_bar_in_two_files_is_a_second_bar(tmp_path: Path) -> None:
    filed(make_lines(), tmp_path, "a.parquet")
    filed(make_lines(), tmp_path, "b.parquet")
    with pytest.raises(DataError, match="6 a second bar for this time"):
        read_bars(tmp_path, interval_minutes=1)


def test_of_two_bars_the_fit_one_is_kept(tmp_path: Path) -> None:
    lines = pd.concat([make_lines().iloc[[0]].assign(low=-1.0), make_lines()])
    bars, report = read_bars(filed(lines, tmp_path), interval_minutes=1, keep_good=True)
    assert bars.low[0, 0] == 1388.1
    assert list(report.faults.values()) == [1]


def test_error_names_ten_rows_and_counts_the_rest(tmp_path: Path) -> None:
    times = tuple(f"15:{minute}" for minute in range(30, 45))
    lines = pd.concat([make_lines(), make_lines(("WIPRO",), times)])
    with pytest.raises(DataError) as refused:
        read_bars(filed(lines, tmp_path), interval_minutes=1)
    assert str(refused.value).count("WIPRO 2021-04-05 15:") == 10
    assert "15 of 21 rows" in str(refused.value)
    assert "and 5 more" in str(refused.value)


def test_small_excess_widens_the_bar(tmp_path: Path) -> None:
    lines = make_lines()
    lines.loc[0, "close"] = 1394.6  # 0.10 over the high: 0.007 %
    lines.loc[3, "open"] = 1388.0  # 0.10 under the low
    bars, report = read_bars(filed(lines, tmp_path), interval_minutes=1)
    assert (bars.high[0, 0], bars.low[0, 1], report.widened) == (1394.6, 1388.0, 2)


def test_prices_are_brought_to_the_paisa_and_counted(tmp_path: Path) -> None:
    lines = make_lines()
    lines.loc[0, ["open", "close"]] = [1390.004999, 1392.3499999999]
    bars, report = read_bars(filed(lines, tmp_path), interval_minutes=1)
    assert (bars.open[0, 0], bars.close[0, 0], report.rounded) == (1390.0, 1392.35, 1)


@given(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=60))
def test_rounding_leaves_prices_on_the_grid_alone(paise: list[int]) -> None:
    from nifty_research.data.files import _rounded

    prices = {name: np.array(paise) / 100 for name in COLUMNS}
    frame, moved = _rounded(pd.DataFrame(prices))
    assert moved == 0
    assert np.array_equal(frame["close"], prices["close"])


def test_index_without_volume_is_listed_and_left_out(tmp_path: Path) -> None:
    lines = pd.concat([make_lines(), make_lines(("NIFTY",)).assign(volume=0)])
    path = filed(lines, tmp_path)
    bars, report = read_bars(path, interval_minutes=1)
    assert bars.symbols == ("INFY", "TCS")
    assert report.not_tradable == ("NIFTY",)
    with pytest.raises(MissingDataError, match="NIFTY: no volume at all"):
        read_bars(path, interval_minutes=1, symbols=["INFY", "NIFTY"])
    with pytest.raises(MissingDataError, match="nothing here can be traded"):
        read_bars(path, interval_minutes=1, symbols=["NIFTY"], keep_good=True)
    with pytest.raises(MissingDataError, match="ZZZ: nothing here can be traded"):
        read_bars(path, interval_minutes=1, symbols=["ZZZ"], keep_good=True)


def test_symbols_come_in_the_order_asked_for(tmp_path: Path) -> None:
    path = filed(make_lines(("A", "B", "C")), tmp_path)
    assert read_bars(path, interval_minutes=1, symbols=["C", "A"])[0].symbols == ("C", "A")
    with pytest.raises(MissingDataError, match="there are A"):
        read_bars(path, interval_minutes=1, symbols=["A", "Z"])
    bars, report = read_bars(path, interval_minutes=1, symbols=["Z", "A"], keep_good=True)
    assert (bars.symbols, report.absent) == (("A",), ("Z",))


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
def test_days_are_both_included(tmp_path: Path, name: str) -> None:
    days = [date(2021, 4, d) for d in (5, 6, 7, 8)]
    path = filed(pd.concat([make_lines(("TCS",), day=d) for d in days]), tmp_path, name)
    assert file_days(path) == days
    bars, report = read_bars(path, interval_minutes=1, days=(days[1], days[2]))
    assert tuple(bars.days()) == report.days == (days[1], days[2])


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
def test_day_that_is_not_there_names_the_nearest(tmp_path: Path, name: str) -> None:
    lines = pd.concat([make_lines(("TCS",), day=date(2021, 4, d)) for d in (12, 13, 15)])
    path = filed(lines, tmp_path, name)
    holiday, later = date(2021, 4, 14), date(2021, 4, 20)
    with pytest.raises(MissingDataError, match="Ambedkar") as refused:
        read_bars(path, interval_minutes=1, days=(holiday, holiday))
    assert "2021-04-12, 2021-04-13, 2021-04-15" in str(refused.value)
    with pytest.raises(MissingDataError, match="nearest are 2021-04-13, 2021-04-15"):
        read_bars(path, interval_minutes=1, days=(later, later))


def test_session_without_rows_is_reported(tmp_path: Path) -> None:
    lines = pd.concat([make_lines(day=date(2021, 4, 12)), make_lines(day=date(2021, 4, 15))])
    _, report = read_bars(
        filed(lines.sort_values("symbol", kind="stable"), tmp_path), interval_minutes=1
    )
    assert report.days_without_rows == (date(2021, 4, 13),)


@pytest.mark.parametrize("column", ["symbol", "timestamp", *COLUMNS])
@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
def test_missing_column_is_named(tmp_path: Path, column: str, name: str) -> None:
    lines = make_lines().assign(timestamp=lambda f: f["timestamp"].astype(str))
    lines.drop(columns=column).to_csv(tmp_path / "bars.csv", index=False)
    lines.drop(columns=column).to_parquet(tmp_path / "bars.parquet")
    with pytest.raises(DataError, match=f"no column {column} .there are"):
        read_bars(tmp_path / name, interval_minutes=1)


@pytest.mark.parametrize("name", ["bars.parquet", "bars.csv"])
def test_times_without_zone_are_refused_with_advice(tmp_path: Path, name: str) -> None:
    lines = make_lines().assign(timestamp=lambda f: f["timestamp"].dt.tz_localize(None))
    with pytest.raises(DataError, match="tz_localize"):
        read_bars(filed(lines, tmp_path, name), interval_minutes=1, days=(DAY, DAY))


def test_times_in_another_zone_are_the_same_moments(tmp_path: Path) -> None:
    lines = make_lines().assign(timestamp=lambda f: f["timestamp"].dt.tz_convert("UTC"))
    for name in ("bars.parquet", "bars.csv"):
        bars, _ = read_bars(filed(lines, tmp_path, name), interval_minutes=1, days=(DAY, DAY))
        assert bars.equals(Bars.from_frame(make_lines(), interval_minutes=1))


def test_mixed_and_unreadable_times_are_refused(tmp_path: Path) -> None:
    path = filed(make_lines(), tmp_path, "bars.csv")
    text = path.read_text()
    for wrong in (text.replace("+05:30", "", 1), text.replace("2021-04-05 09:15", "monday", 1)):
        path.write_text(wrong)
        with pytest.raises(DataError, match="column timestamp"):
            read_bars(path, interval_minutes=1)


def test_text_in_a_price_is_not_a_number(tmp_path: Path) -> None:
    path = filed(make_lines(), tmp_path, "bars.csv")
    path.write_text(path.read_text().replace("1394.5", "n/a", 1))
    with pytest.raises(DataError, match="1 a value is not a number"):
        read_bars(path, interval_minutes=1)


def test_symbol_named_like_a_missing_value_survives(tmp_path: Path) -> None:
    bars, _ = read_bars(filed(make_lines(("NA", "TCS")), tmp_path, "bars.csv"), interval_minutes=1)
    assert bars.symbols == ("NA", "TCS")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("symbol,timestamp")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "folder").mkdir()
    for name, message in (
        ("none.parquet", "no such file"),
        ("folder", "no Parquet files"),
        ("text.parquet", "cannot|can be read"),
        ("empty.csv", "can be read"),
    ):
        with pytest.raises(DataError, match=message):
            read_bars(tmp_path / name, interval_minutes=1)
    with pytest.raises(MissingDataError, match="no rows"):
        read_bars(filed(make_lines().iloc[:0], tmp_path), interval_minutes=1)


@pytest.mark.parametrize(
    "request_",
    [
        {"interval_minutes": 0},
        {"interval_minutes": 1440},
        {"interval_minutes": 1.0},
        {"interval_minutes": 1, "days": (DAY, DAY - timedelta(days=1))},
        {"interval_minutes": 1, "days": (datetime(2021, 4, 5), DAY)},  # noqa: DTZ001
        {"interval_minutes": 1, "symbols": "TCS"},
        {"interval_minutes": 1, "symbols": []},
    ],
)
def test_request_that_cannot_be_meant_is_refused(
    tmp_path: Path, request_: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        read_bars(filed(make_lines(), tmp_path), **request_)  # type: ignore[arg-type]


def test_closing_auction_of_2026_ends_the_bars_of_shares_with_derivatives(tmp_path: Path) -> None:
    day = date(2026, 9, 15)
    lines = make_lines(("RELIANCE", "SMALLSHARE"), ("15:14", "15:15", "15:29"), day)
    bars, report = read_bars(filed(lines, tmp_path), interval_minutes=1, keep_good=True)
    assert list(report.dropped["symbol"]) == ["RELIANCE", "RELIANCE"]
    assert int(bars.present.sum()) == 4
    assert report.missing_bars == 360 - 1 + 375 - 3


def test_evening_session_of_diwali_is_a_session(tmp_path: Path) -> None:
    lines = make_lines(("TCS",), ("18:15", "18:30"), date(2020, 11, 14))
    bars, report = read_bars(filed(lines, tmp_path), interval_minutes=15)
    assert bars.shape == (2, 1)
    assert report.missing_bars == 2


@needs_real_data
def test_a_month_of_real_minutes_is_read_fast() -> None:
    began = time.perf_counter()
    bars, report = read_bars(
        REAL / "stocks_1min_2021.parquet",
        interval_minutes=1,
        days=(date(2021, 4, 1), date(2021, 4, 30)),
    )
    assert time.perf_counter() - began < 5.0
    assert set(report.not_tradable) == {"NIFTY", "BANKNIFTY"}
    assert report.faults == {}
    assert bars.interval_minutes == 1
    assert not {"NIFTY", "BANKNIFTY"} & set(bars.symbols)


@needs_real_data
def test_real_quarters_are_refused_strictly_and_read_with_their_faults_listed() -> None:
    path = REAL / "stocks_15min.parquet"
    with pytest.raises(DataError, match="outside continuous trading"):
        read_bars(path, interval_minutes=15)
    bars, report = read_bars(path, interval_minutes=15, keep_good=True)
    assert len(bars.symbols) == 70
    assert len(report.days) == 743
    late = report.dropped[report.dropped["fault"] == "outside continuous trading"]
    assert (late["timestamp"].dt.strftime("%H:%M") >= "15:30").all()
    assert report.rows_used + len(report.dropped) == report.rows_read == 1_294_730


@needs_real_data
def test_real_index_file_has_no_volume_and_says_so() -> None:
    with pytest.raises(DataError, match="no column volume"):
        read_bars(REAL / "index_1min.parquet", interval_minutes=1)
