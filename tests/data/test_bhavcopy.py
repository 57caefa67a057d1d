"""The readers of the exchange's files: what each form says, every fault of a row, real files."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from bhavcopies import (
    OLD_HEAD,
    Share,
    make_day,
    old_line,
    old_name,
    write_full,
    write_old,
    write_udiff,
)
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError
from nifty_research.data.batches import Sorted
from nifty_research.data.checks import codes_of, repeats
from nifty_research.data.daytexts import day_of_text, days_of
from nifty_research.data.received import Received, Text, day_in_name, received
from nifty_research.data.recognition import Job, checked, recognised
from nifty_research.market.contracts import lot_size

DAY = date(2020, 1, 1)


def read(path: Path) -> tuple[Job, Sorted]:
    "The one table of a file."
    (job,) = recognised(received(path)).jobs
    return job, checked([job])


def read_text(content: str, name: str = old_name(DAY)) -> Sorted:
    text = Text(Path(name), "", content.encode())
    return checked(recognised(Received(text.path, "", (text,))).jobs)


def old_text(*lines: str) -> str:
    return "\n".join([OLD_HEAD, *lines, ""])


def test_three_forms_of_a_day_tell_the_same(tmp_path: Path) -> None:
    day = date(2024, 7, 5)
    tables = []
    for write in (write_old, write_udiff, write_full):
        _, found = read(write(tmp_path, day, make_day()))
        assert found.unfit.num_rows == 0
        assert sum(found.aside.values()) == 2  # The bonds
        names = ["date", "symbol", "series", "open", "high", "low", "close", "volume", "trades"]
        tables.append(found.rows.select(names))
    assert tables[0].equals(tables[1]) and tables[0].equals(tables[2])


def test_series_that_are_wanted_decide_what_is_put_aside(tmp_path: Path) -> None:
    path = write_old(tmp_path, DAY, make_day(3))
    (job,) = recognised(received(path)).jobs
    assert checked([job], ("EQ",)).rows.num_rows == 3
    assert dict(checked([job], ("EQ",)).aside) == {
        (0, "series GB"): 2,
        (0, "series SM"): 1,
        (0, "series ST"): 1,
    }
    assert checked([job], None).rows.num_rows == 7


GOOD = old_line(Share("INFY", 736.0), DAY)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("INFY,EQ", ",EQ"), "no symbol"),
        (("INFY,EQ", "INFY,"), "no series"),
        (("01-JAN-2020", "01-XXX-2020"), "no day that can be read"),
        (("738.0", "1e400"), "high is infinite"),
        (("738.0", "730.0"), "high is below low"),
        (("734.0", "737.0"), "open lies outside low and high"),
        (("734.0", "0"), "a price is zero or negative"),
        (("734.0", "-734.0"), "a price is zero or negative"),
        (("734.0", "-"), "no low"),
        (("734.0", ""), "no low"),
        (("734.0", "734.005"), "a price is not in whole paise: averaged or adjusted, not raw"),
        ((",1000,", ",,"), "no volume"),
        ((",1000,", ",-1000,"), "volume is negative"),
        ((",40,INE", ",1001,INE"), "more trades than shares"),
        ((",736000.0,", ",7.36,"), "turnover does not fit volume and prices"),
    ],
)
def test_unfit_row_is_put_off_with_its_reason(change: tuple[str, str], reason: str) -> None:
    bad = GOOD.replace(*change, 1)
    assert bad != GOOD
    others = [old_line(share, DAY) for share in make_day()]
    found = read_text(old_text(*others, bad))
    assert found.unfit.column("reason").to_pylist() == [reason]
    assert found.unfit.column("row").to_pylist() == [len(others)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("738.0", "x"), "HIGH is not a number"),
        ((",1000,", ",1000.5,"), "TOTTRDQTY is not a whole number"),
        ((",40,INE", ",40,7,INE"), "15 columns where the header has 14"),
        ((",40,INE", ",INE"), "13 columns where the header has 14"),
    ],
)
def test_line_that_is_no_row_is_named(change: tuple[str, str], reason: str) -> None:
    others = [old_line(share, DAY) for share in make_day()]
    text = Text(
        Path(old_name(DAY)), "", old_text(*others[:5], GOOD.replace(*change), *others[5:]).encode()
    )
    (job,) = recognised(Received(text.path, "", (text,))).jobs
    assert [(unfit.line, unfit.reason) for unfit in job.file.unfit] == [(7, reason)]
    assert job.file.read == len(others) + 1
    assert checked([job]).unfit.num_rows == 0


def test_number_with_indian_groups_is_a_number() -> None:
    grouped = GOOD.replace("736000.0", '"7,36,000.0"')
    assert read_text(old_text(grouped)).rows.column("turnover_inr").to_pylist() == [736_000.0]


def test_second_row_of_a_share_is_put_off_and_other_series_stay() -> None:
    second = GOOD.replace("736.0", "735.5")
    other = old_line(Share("INFY", 736.0, "BE"), DAY)
    found = read_text(old_text(GOOD, second, other))
    assert found.unfit.column("reason").to_pylist() == ["a second row of this symbol and series"]
    assert found.rows.column("series").to_pylist() == ["EQ", "BE"]


def test_row_of_another_day_is_put_off() -> None:
    others = [old_line(share, DAY) for share in make_day()]
    found = read_text(old_text(*others, old_line(Share("LATE", 10.0), date(2020, 1, 2))))
    assert found.unfit.column("reason").to_pylist() == ["of another day than the rest of the file"]


@given(
    st.dates(date(1994, 1, 1), date(2099, 12, 31)),
    st.sampled_from(
        ["cm{:%d%b%Y}bhav.csv", "sec_{:%d%m%Y}.csv", "B_{:%Y%m%d}_F.csv", "x {:%Y-%m-%d}"]
    ),
)
def test_day_in_any_name_is_found(day: date, form: str) -> None:
    assert day_in_name(form.format(day)) == day


@given(
    st.dates(date(1994, 1, 1), date(2099, 12, 31)),
    st.sampled_from(["%Y-%m-%d", "%d-%m-%Y", "%d/%m/%Y", "%d-%b-%Y", "%d %b %Y"]),
    st.booleans(),
)
def test_day_in_any_shape_is_read(day: date, form: str, upper: bool) -> None:
    text = day.strftime(form)
    assert day_of_text(text.upper() if upper else text)[0] == day


@given(st.lists(st.dates(date(2015, 1, 1), date(2026, 1, 1)), min_size=2, max_size=6))
def test_two_shapes_in_one_column_are_refused(days: list[date]) -> None:
    texts = [str(days[0]), *(f"{day:%d-%m-%Y}" for day in days[1:])]
    with pytest.raises(DataError, match="2 ways"):
        days_of(texts, "x.csv, column Date")


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 2)), max_size=30))
def test_repeats_are_those_a_set_would_find(rows: list[tuple[str, int]]) -> None:
    table = pd.DataFrame(rows, columns=["name", "number"])
    import pyarrow as pa

    built = pa.table(
        {"name": pa.array([r[0] for r in rows], pa.string()), "n": [r[1] for r in rows]}
    )
    if not rows:
        return
    again, first = repeats(codes_of(built, ("name", "n")))
    assert sorted(again.tolist()) == np.flatnonzero(table.duplicated().to_numpy()).tolist()
    assert all(rows[a] == rows[b] for a, b in zip(again, first, strict=True))


# Real files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "read_rows", "stored"),
    [
        ("cm03JAN2017bhav.csv", 1_700, 1_597),
        ("cm01JAN2020bhav.csv", 1_910, 1_728),
        ("cm23MAR2021bhav.csv", 2_033, 1_806),
        ("cm24MAR2021bhav.csv", 2_014, 1_804),
        ("BhavCopy_NSE_CM_0_0_0_20250829_F_0000.csv", 3_110, 2_826),
        ("BhavCopy_NSE_CM_0_0_0_20250901_F_0000.csv", 3_168, 2_862),
        ("sec_bhavdata_full_31072024.csv", 2_631, 2_511),
        ("sec_bhavdata_full_30122024.csv", 2_799, 2_685),
    ],
)
def test_real_equity_file_has_no_unfit_row(
    nifty_data: Path, name: str, read_rows: int, stored: int
) -> None:
    job, found = read(nifty_data / "eq/raw" / name)
    assert job.file.read == read_rows
    assert (found.rows.num_rows, found.unfit.num_rows, job.file.unfit) == (stored, 0, ())
    assert found.rows.num_rows + sum(found.aside.values()) == read_rows


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("BhavCopy_NSE_CM_0_0_0_20250829_F_0000.csv", "nse_full_market_2025H2"),
        ("BhavCopy_NSE_CM_0_0_0_20250901_F_0000.csv", "nse_full_market_2025H2"),
        ("cm03JAN2017bhav.csv", "nse_full_market_2016_2017H1"),
    ],
)
def test_real_equity_file_agrees_with_the_recorded_market(
    nifty_data: Path, name: str, recorded: str
) -> None:
    job, found = read(nifty_data / "eq/raw" / name)
    other = pd.read_parquet(nifty_data / f"daily/{recorded}.parquet")
    key = ["symbol", "series"]
    other = other[other["date"] == job.day].set_index(key).sort_index()
    mine = found.rows.to_pandas()
    mine = mine[mine["series"].isin(["EQ", "BE"])].set_index(key).sort_index()
    assert list(mine.index) == list(other.index)
    for column in ("prev_close", "open", "high", "low", "close", "last", "volume", "trades"):
        assert np.array_equal(mine[column].astype(float), other[column].astype(float)), column


def test_real_deliveries_are_read_and_dashes_are_none(nifty_data: Path) -> None:
    _, found = read(nifty_data / "eq/raw/sec_bhavdata_full_31072024.csv")
    rows = found.rows.to_pandas().set_index("symbol")
    assert rows.loc["20MICRONS", "delivered"] == 286_759
    assert np.isnan(rows.loc["21STCENMGM", "delivered"])  # Trade to trade: not published
    assert rows.loc["20MICRONS", "turnover_inr"] == 156_583_000.0


def test_real_old_derivatives_give_their_lots(nifty_data: Path) -> None:
    job, found = read(nifty_data / "fo/raw/fo01JAN2020bhav.csv")
    assert (job.file.read, found.rows.num_rows) == (31_809, 31_809)
    rows = found.rows.to_pandas()
    traded = rows[rows["contracts"] > 0]
    assert traded.groupby("underlying")["lot"].nunique().max() == 1
    lots = traded.groupby("underlying")["lot"].first()
    for index in ("NIFTY", "BANKNIFTY"):
        expiry = rows[(rows["underlying"] == index) & (rows["kind"] == "FUT")]["expiry"].min()
        assert lots[index] == lot_size(index, expiry, DAY)
    assert traded["lot"].isna().sum() == 0
    assert (traded["volume_units"] == traded["contracts"] * traded["lot"]).all()
    still = rows[rows["contracts"] == 0]
    assert len(still) == 27_841 and still[["open", "high", "low", "close"]].isna().all().all()
    assert still["settle"].notna().all()


def test_real_udiff_derivatives_are_in_contracts_and_units(nifty_data: Path) -> None:
    path = nifty_data / "fo/raw/BhavCopy_NSE_FO_0_0_0_20260813_F_0000.nifty_subset.csv"
    job, found = read(path)
    assert (job.file.read, found.rows.num_rows) == (1_736, 1_735)
    assert found.unfit.column("reason").to_pylist() == ["a second row of this contract"]
    rows = found.rows.to_pandas().set_index("symbol")
    future = rows.loc["NIFTY26SEPFUT"]
    assert (future["contracts"], future["volume_units"], future["lot"]) == (3_541, 230_165, 65)
    put = rows.loc["NIFTY26AUG26300PE"]
    units = 27 * 65
    assert put["premium_inr"] == pytest.approx(49_453_482.0 - 26_300.0 * units)
    options = rows[(rows["kind"] != "FUT") & (rows["contracts"] > 0)]
    mean = options["premium_inr"] / options["volume_units"]
    assert ((mean > options["low"] - 0.01) & (mean < options["high"] + 0.01)).all()


def test_real_daily_report_of_derivatives_is_read_from_its_archive(nifty_data: Path) -> None:
    found = recognised(received(nifty_data / "fo/raw/fo14112025.zip"))
    assert [job.day for job in found.jobs] == [date(2025, 11, 14)] * 2
    assert len(found.not_read) == 9
    by_kind = {job.title: checked([job]) for job in found.jobs}
    assert [one.unfit.num_rows for one in by_kind.values()] == [0, 0]
    rows = pd.concat([one.rows.to_pandas() for one in by_kind.values()])
    assert len(rows) == 632 + 15_130
    nifty = rows[rows["underlying"] == "NIFTY"]
    for expiry, lots in nifty.groupby("expiry")["lot"]:
        assert set(lots) == {lot_size("NIFTY", expiry, date(2025, 11, 14))}
    puts = nifty[nifty["kind"] == "PE"]
    assert len(puts) + len(nifty[nifty["kind"] == "CE"]) == 1_101
    assert puts["premium_inr"].gt(0).all()


def test_symbols_are_those_of_the_brokers_list(nifty_data: Path) -> None:
    listed = pd.read_csv(nifty_data / "ref/kite_instruments_nfo_2025-11.csv.gz")
    terms = listed.assign(
        expiry=pd.to_datetime(listed["expiry"]).dt.date,
        kind=listed["instrument_type"],
        underlying=listed["name"],
    )
    jobs = recognised(received(nifty_data / "fo/raw/fo14112025.zip")).jobs
    rows = pd.concat([checked([job]).rows.to_pandas() for job in jobs])
    both = rows.merge(terms, on=["underlying", "expiry", "strike", "kind"])
    assert len(both) > 15_000
    assert (both["symbol"] == both["tradingsymbol"]).all()


def test_bse_counts_units_where_nse_counts_contracts(tmp_path: Path) -> None:
    from bhavcopies import UDIFF_HEAD

    line = (
        "2026-08-13,2026-08-13,FO,{exchange},IDO,1,,{name},,2026-08-27,2026-08-27,{strike},CE,"
        "{name}26AUG{strike}CE,100,110,90,105,105,100,80000,105,2000,0,{volume},{value},7,F1,20,"
        ",,,,"
    )
    tables = []
    for exchange, name, volume in (("NSE", "NIFTY", 10), ("BSE", "SENSEX", 200)):
        value = (80_000 + 100) * 200
        content = line.format(
            exchange=exchange, name=name, strike=80_000, volume=volume, value=value
        )
        path = tmp_path / f"{exchange}.csv"
        path.write_text(f"{UDIFF_HEAD}\n{content}\n")
        tables.append(read(path)[1].rows.to_pylist()[0])
    nse, bse = tables
    assert (nse["exchange"], bse["exchange"]) == ("NFO", "BFO")
    for name in ("contracts", "volume_units", "notional_inr", "premium_inr", "lot"):
        assert nse[name] == bse[name]
    assert (nse["contracts"], nse["volume_units"], nse["premium_inr"]) == (10, 200, 20_000.0)


def test_quantity_in_the_wrong_unit_does_not_fit_the_value(tmp_path: Path) -> None:
    from bhavcopies import UDIFF_HEAD

    good = (
        "2026-08-13,2026-08-13,FO,NSE,IDO,1,,NIFTY,,2026-08-25,2026-08-25,{strike},CE,"
        "N{strike},100,110,90,105,105,100,24000,105,2000,0,{volume},{value},7,F1,65,,,,,"
    )
    lines = [
        good.format(strike=24_000 + n * 50, volume=10, value=(24_000 + n * 50 + 100) * 650)
        for n in range(30)
    ]
    in_units = good.format(strike=30_000, volume=650, value=(30_000 + 100) * 650)
    path = tmp_path / "fo.csv"
    path.write_text("\n".join([UDIFF_HEAD, *lines, in_units, ""]))
    found = read(path)[1]
    assert found.unfit.column("reason").to_pylist() == [
        "value does not fit contracts, lot and prices"
    ]


@pytest.fixture
def index_folder(tmp_path: Path) -> Callable[[str, str], Sorted]:
    def read_index(name: str, content: str) -> Sorted:
        path = tmp_path / name
        path.write_text(content)
        return read(path)[1]

    return read_index


def test_index_files_share_names_and_days(index_folder: Callable[[str, str], Sorted]) -> None:
    all_of_a_day = index_folder(
        "ind_close_all_10062025.csv",
        "Index Name,Index Date,Open Index Value,High Index Value,Low Index Value,"
        "Closing Index Value,Points Change,Change(%),Volume,Turnover (Rs. Cr.),P/E,P/B,Div Yield\n"
        "Nifty 50,10-06-2025,25196.05,25199.3,25055.45,25104.25,1.05,0,254879524,23543.32,23,3,1\n"
        "India VIX,10-06-2025,14.6925,14.74,13.9325,14.02,-.67,-4.58,-,-,-,-,-\n",
    )
    history = index_folder(
        "NIFTY 50-09-06-2025-to-10-06-2025.csv",
        "Date ,Open ,High ,Low ,Close ,Shares Traded ,Turnover (₹ Cr)\n"
        "10-JUN-2025,25196.05,25199.3,25055.45,25104.25,254879524,23543.32\n",
    )
    vix = index_folder(
        "hist_india_vix_-09-06-2025-to-10-06-2025.csv",
        "Date ,Open ,High ,Low ,Close ,Prev. Close ,Change ,% Change\n"
        "10-JUN-2025,14.6925,14.74,13.9325,14.02,14.6925,-0.67,-4.58\n"
        "08-JUN-2025,14.6925,14.74,13.9325,14.02,14.6925,-0.67,-4.58\n",
    )
    names = ["date", "symbol", "series", "open", "high", "low", "close", "volume", "turnover_inr"]
    assert all_of_a_day.rows.select(names).slice(0, 1).equals(history.rows.select(names))
    assert vix.rows.column("symbol").to_pylist() == ["INDIA VIX"]
    assert pc.sum(vix.rows.column("close")).as_py() == 14.02
    assert vix.unfit.column("reason").to_pylist() == ["the exchange was closed on this day"]
