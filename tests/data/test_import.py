"""Importing into a store: rows accounted for, forms that complete each other, repetition."""

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from bhavcopies import (
    UDIFF_HEAD,
    Share,
    changed,
    gzipped,
    make_day,
    old_name,
    write_full,
    write_old,
    write_udiff,
    zipped,
)
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.cli.bench_import import made_up_year, recorded_year
from nifty_research.cli.bench_import import write_old as write_old_year
from nifty_research.cli.bench_import import write_udiff as write_udiff_year
from nifty_research.core.errors import DataError
from nifty_research.data.columnmap import ColumnMap
from nifty_research.data.importing import ImportOptions, import_files
from nifty_research.data.importlog import StoreReport
from nifty_research.data.store import BarStore
from nifty_research.market.calendar import sessions

DAY = date(2024, 7, 1)
WEEK = sessions(DAY, date(2024, 7, 5))
EVERYTHING = "select * exclude source from daily order by all"


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "store")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    for number, day in enumerate(WEEK):
        write_old(folder, day, make_day(close=700.0 + number))
    return folder


def balanced(report: StoreReport) -> bool:
    "Whether each row that was read ended somewhere, by file and in all."
    ended = sum(report.quarantined.values()) + sum(report.aside.values())
    return (
        all(file.accounted for file in report.files)
        and report.read == report.stored + report.identical + ended
    )


def test_week_of_files_is_stored_and_read_as_bars(inbox: Path, store: BarStore) -> None:
    report = import_files([inbox], store)
    assert (report.stored, report.read, report.days) == (42 * 5, 44 * 5, (WEEK[0], WEEK[-1]))
    assert report.aside == {"series GB": 10} and balanced(report)
    bars = store.bars(["SHARE07", "SMALL"], WEEK[0], WEEK[-1], "day")
    assert bars.close[:, 0].tolist() == [707.0, 708.0, 709.0, 710.0, 711.0]
    assert bars.close[:, 1].tolist() == [55.0] * 5


def test_packed_files_are_taken_like_plain_ones(tmp_path: Path, inbox: Path) -> None:
    plain = BarStore(tmp_path / "plain")
    import_files([inbox], plain)
    for number, path in enumerate(sorted(inbox.iterdir())):
        (zipped if number % 2 else gzipped)(path)
    packed = BarStore(tmp_path / "packed")
    import_files([inbox], packed)
    assert packed.query(EVERYTHING).equals(plain.query(EVERYTHING))


def test_file_that_is_in_is_not_read_again(inbox: Path, store: BarStore) -> None:
    import_files([inbox], store)
    before = store.manifest()
    write_old(inbox, date(2024, 7, 8), make_day())
    report = import_files([inbox], store)
    assert [file.known for file in report.files] == [True] * 5 + [False]
    assert report.stored == 42 and store.manifest() != before
    again = import_files([inbox], store, ImportOptions(again=True))
    assert (again.stored, again.identical) == (0, 42 * 6)


def test_file_is_read_again_when_its_part_of_the_store_is_gone(
    inbox: Path, store: BarStore
) -> None:
    import_files([inbox], store)
    store.places.daily(2024).unlink()
    assert import_files([inbox], store).stored == 42 * 5


def test_other_series_are_another_import(inbox: Path, store: BarStore) -> None:
    import_files([inbox], store, ImportOptions(series=("EQ",)))
    report = import_files([inbox], store, ImportOptions(series=None))
    assert (report.new, report.identical) == (4 * 5, 40 * 5)


@pytest.mark.parametrize("full_first", [False, True])
def test_forms_of_one_day_complete_each_other(
    tmp_path: Path, store: BarStore, full_first: bool
) -> None:
    shares = [Share("INFY", 1575.35, volume=4_127_905), Share("TCS", 3901.15, volume=999)]
    writers = [write_full, write_udiff] if full_first else [write_udiff, write_full]
    first, second = (write(tmp_path / write.__name__, DAY, shares) for write in writers)
    assert import_files([first], store).new == 2
    report = import_files([second], store)
    assert (report.new, report.completed, report.replaced) == (0, 2, 0) and balanced(report)
    row = store.query("select * from daily where symbol = 'INFY'").to_pylist()[0]
    assert row["delivered"] == 4_127_905 // 2 and row["isin"] == "INE009A01021"
    exact, rounded = shares[0].turnover, round(shares[0].turnover / 1e5, 2) * 1e5
    assert row["turnover_inr"] == pytest.approx(rounded if full_first else exact)


def test_all_forms_of_a_day_at_once_give_one_row_each(tmp_path: Path, store: BarStore) -> None:
    for write in (write_old, write_udiff, write_full):
        write(tmp_path / "in", DAY, make_day())
    report = import_files([tmp_path / "in"], store)
    assert report.new == 42 and balanced(report)
    assert store.query("select count(*) as n from daily").to_pylist() == [{"n": 42}]


def test_unfit_rows_can_be_looked_at(tmp_path: Path, store: BarStore) -> None:
    shares = [*make_day(), Share("UPSIDE", 100.0, high=98.0, low=102.0)]
    path = write_old(tmp_path, DAY, shares)
    report = import_files([path], store)
    assert report.quarantined == {"high is below low": 1} and balanced(report)
    (row,) = store.query("select * from quarantined").to_pylist()
    assert row["file"] == old_name(DAY) and row["line"] == len(shares) + 1
    assert row["raw"].startswith("UPSIDE,EQ,100.0,98.0,102.0")
    assert row["raw"] == path.read_text().splitlines()[row["line"] - 1]
    import_files([path], store, ImportOptions(again=True))
    assert store.query("select * from quarantined").num_rows == 1


def test_far_smaller_file_is_warned_about(inbox: Path, store: BarStore) -> None:
    write_old(inbox, date(2024, 7, 8), make_day(4))
    (warning,) = import_files([inbox], store).warnings
    assert old_name(date(2024, 7, 8)) in warning and "cut off?" in warning


def test_contracts_of_an_archive_are_stored(nifty_data: Path, store: BarStore) -> None:
    report = import_files([nifty_data / "fo/raw/fo14112025.zip"], store)
    assert (report.stored, report.read) == (15_762, 15_764) and balanced(report)
    assert report.aside == {"footnotes": 2}
    sql = "select count(*) as n from contracts where underlying = 'NIFTY' and kind != 'FUT'"
    assert store.query(sql).to_pylist() == [{"n": 1_101}]


@pytest.mark.parametrize("old_first", [False, True])
def test_derivatives_of_both_forms_are_one_row(
    tmp_path: Path, store: BarStore, old_first: bool
) -> None:
    units, strike, mean = 27 * 25, 24_000.0, 104.15
    value = (strike + mean) * units
    old = tmp_path / "fo04JUL2024bhav.csv"
    old.write_text(
        "INSTRUMENT,SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,SETTLE_PR,CONTRACTS,"
        "VAL_INLAKH,OPEN_INT,CHG_IN_OI,TIMESTAMP,\n"
        "OPTIDX,NIFTY,25-Jul-2024,24000,CE,100,110,90,105,105,27,"
        f"{int(value / 1_000) / 100},77025,-1000,04-JUL-2024,\n"
    )
    new = tmp_path / "BhavCopy_NSE_FO_0_0_0_20240704_F_0000.csv"
    new.write_text(
        f"{UDIFF_HEAD}\n2024-07-04,2024-07-04,FO,NSE,IDO,62068,,NIFTY,,2024-07-25,2024-07-25,"
        "24000.00,CE,NIFTY24JUL24000CE,100,110,90,105,105,95,24300,105,77025,-1000,27,"
        f"{value:.2f},21,F1,25,,,,,\n"
    )
    first, second = (old, new) if old_first else (new, old)
    assert import_files([first], store).new == 1
    report = import_files([second], store)
    assert (report.new, report.replaced) == (0, 0) and balanced(report)
    (row,) = store.query("select * from contracts").to_pylist()
    assert (row["symbol"], row["lot"], row["contracts"]) == ("NIFTY24JUL24000CE", 25, 27)
    assert (row["trades"], row["token"], row["underlying_price"]) == (21, 62_068, 24_300.0)
    assert row["premium_inr"] == pytest.approx(mean * units, abs=1_001)
    if not old_first:
        assert row["notional_inr"] == pytest.approx(value, abs=0.01)


def test_real_files_of_all_forms_are_stored(nifty_data: Path, store: BarStore) -> None:
    paths = [nifty_data / "eq/raw", *(nifty_data / "fo/raw").glob("*bhav*")]
    paths += (nifty_data / "fo/raw").glob("BhavCopy*")
    report = import_files(paths, store)
    assert balanced(report) and sum(report.quarantined.values()) == 1
    bars = store.bars(["RELIANCE"], date(2017, 1, 3), date(2025, 9, 1), "day")
    assert len(bars.index) == 8


def test_recorded_market_contradicts_none_of_the_files(nifty_data: Path, store: BarStore) -> None:
    import_files([nifty_data / "eq/raw"], store)
    report = import_files([nifty_data / "daily/nse_full_market_2025H2.parquet"], store)
    assert (report.read, report.identical) == (160_087, 2_386 + 2_401) and balanced(report)
    assert report.quarantined == {} and report.replaced == 0


def test_year_in_both_forms_is_the_same_market(tmp_path: Path, nifty_data: Path) -> None:
    year = recorded_year(nifty_data)
    assert year is not None
    month = year[year["date"] <= date(2016, 4, 30)]
    assert_same_market(month, tmp_path)


def test_made_up_market_in_both_forms_is_the_same(tmp_path: Path) -> None:
    assert_same_market(made_up_year(50, days=10), tmp_path)


def assert_same_market(rows: pd.DataFrame, folder: Path) -> None:
    "Both forms of the rows are stored as they are."
    tables: list[pa.Table] = []
    for name, write in (("old", write_old_year), ("udiff", write_udiff_year)):
        write(rows, folder / name)
        store = BarStore(folder / f"{name}.store")
        report = import_files([folder / name], store)
        assert report.stored == len(rows) and not report.quarantined
        tables.append(store.query(EVERYTHING))
    assert tables[0].equals(tables[1])
    found = tables[0].to_pandas().set_index(["date", "symbol", "series"]).sort_index()
    asked = rows.set_index(["date", "symbol", "series"]).sort_index()
    for column in ("open", "high", "low", "close", "volume", "turnover_inr", "trades"):
        assert (found[column].to_numpy() == asked[column].to_numpy()).all(), column


# Vendors' files --------------------------------------------------------------------------------


def test_column_map_reads_a_vendor(tmp_path: Path, store: BarStore) -> None:
    path = tmp_path / "vendor.csv"
    path.write_text(
        "Ticker;Trade Date;Open;High;Low;Px Close;Volume (000);Value (Lacs)\n"
        "INFY;02/07/2024;1577;1590.05;1573.35;1587.6;4213;66748.1\n"
        "INFY;01/07/2024;1566.8;1590.4;1560;1577;5822;91702.15\n"
    )
    layout = ColumnMap(
        columns={
            "symbol": "Ticker",
            "date": "Trade Date",
            "close": "Px Close",
            "volume": "Volume (000)",
            "turnover_inr": "Value (Lacs)",
        },
        constants={"source": "vendor", "isin": "INE009A01021"},
        factors={"volume": 1000, "turnover_inr": 1e5},
        delimiter=";",
    )
    report = import_files([path], store, ImportOptions(layout=layout))
    assert (report.stored, report.quarantined) == (2, {})
    row = store.query("select * from daily order by date").to_pylist()[0]
    assert row["date"] == DAY and (row["close"], row["volume"]) == (1577.0, 5_822_000)
    assert (row["series"], row["source"], row["isin"]) == ("EQ", "vendor", "INE009A01021")


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d-%m-%Y", "%d-%b-%Y"])
def test_three_ways_of_writing_days_are_one_day(tmp_path: Path, store: BarStore, form: str) -> None:
    path = tmp_path / "prices.csv"
    day = date(2024, 7, 3).strftime(form).upper()
    path.write_text(f"symbol,date,open,high,low,close,volume\nINFY,{day},10,11,9,10,100\n")
    import_files([path], store)
    assert store.days("INFY") == [date(2024, 7, 3)]


def test_symbol_may_come_from_the_name_of_the_file(tmp_path: Path, store: BarStore) -> None:
    for name in ("INFY", "M&M"):
        (tmp_path / f"{name}.csv").write_text(
            "date,open,high,low,close,volume\n2024-07-01,10,11,9,10,100\n"
        )
    layout = ColumnMap(table="daily", constants={"symbol": "{file}"})
    import_files(list(tmp_path.glob("*.csv")), store, ImportOptions(layout=layout))
    assert store.symbols() == ["INFY", "M&M"]


def test_adjusted_prices_are_refused(tmp_path: Path, store: BarStore) -> None:
    path = tmp_path / "adjusted.parquet"
    days = sessions(DAY, DAY + timedelta(days=40))
    frame = pd.DataFrame({"date": days, "symbol": "INFY", "volume": 100})
    for name in ("open", "high", "low", "close"):
        frame[name] = [700.0 / 7 + 0.3 / 7 * n for n in range(len(days))]
    frame.to_parquet(path)
    with pytest.raises(DataError, match="adjusted, not raw"):
        import_files([path], store)


def test_minutes_go_to_their_table_with_hours_checked(tmp_path: Path, store: BarStore) -> None:
    times = pd.date_range("2024-07-01 09:15", periods=60, freq="1min", tz="Asia/Kolkata")
    frame = pd.DataFrame({"timestamp": times, "symbol": "INFY", "volume": 10})
    for name, price in (("open", 10.0), ("high", 10.5), ("low", 9.5), ("close", 10.0)):
        frame[name] = price
    late = frame.iloc[[0]].assign(timestamp=pd.Timestamp("2024-07-01 15:30", tz="Asia/Kolkata"))
    path = tmp_path / "minutes.parquet"
    pd.concat([frame, late]).to_parquet(path)
    report = import_files([path], store)
    assert (report.stored, report.quarantined) == (60, {"outside continuous trading": 1})
    assert store.bars(["INFY"], DAY, DAY, 15).shape == (4, 1)
    frame.iloc[::3].to_parquet(path)
    with pytest.raises(DataError, match="bars of 3 minutes"):
        import_files([path], store)


def test_real_minutes_and_days_are_stored_whole(nifty_data: Path, store: BarStore) -> None:
    report = import_files([nifty_data / "minute/stocks_1min_2021.parquet"], store)
    assert (report.stored, report.quarantined) == (307_470, {})
    layout = ColumnMap(columns={"delivered": "deliverable_qty"})
    report = import_files(
        [nifty_data / "daily/nifty50_daily_raw.parquet"], store, ImportOptions(layout=layout)
    )
    assert balanced(report) and report.quarantined == {"no series": 7_995}  # One of its sources
    assert report.notes["delivered above volume, left empty"] == 96


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["AAA", "BBB", "CCC"]),
            st.sampled_from(["EQ", "BE", "GB"]),
            st.integers(1, 30),
            st.integers(-5, 5),
        ),
        min_size=1,
        max_size=25,
    )
)
def test_whatever_rows_come_each_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    shares = [
        changed(Share(symbol, float(close), series), high=float(close + over))
        for symbol, series, close, over in rows
    ]
    write_old(folder, DAY, [*make_day(300), *shares])
    report = import_files([folder], BarStore(folder / "store"))
    assert balanced(report)
    assert report.read == len(rows) + 304


def test_command_reports_in_json(inbox: Path, tmp_path: Path) -> None:
    code = (
        "import nifty_research.cli.data_import\n"
        "from nifty_research.cli.groups import data_app\n"
        "data_app()"
    )
    command = [sys.executable, "-c", code]
    options = ["--store", str(tmp_path / "store"), "--json"]
    done = subprocess.run(
        [*command, "import", str(inbox), *options], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert (told["stored"], told["read"], len(told["files"])) == (210, 220, 5)
    done = subprocess.run(
        [*command, "quarantine", *options], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
