"""The instruments archive: kept by day, refused when wrong, found by every term, unharmed."""

import gzip
import os
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError
from nifty_research.data.instruments import InstrumentArchive, Wanted
from nifty_research.data.listings import archive, file_of, instruments_of, instruments_table
from nifty_research.data.store import BarStore
from nifty_research.market.instruments import Instrument, instruments_csv, parse_instruments

DAY = date(2026, 10, 1)
SHARE = Instrument(738_561, 2_885, "RELIANCE", "RELIANCE INDUSTRIES", 0.10, 1)
INDEX = Instrument(256_265, 1_001, "NIFTY 50", "NIFTY 50", 0.0, 0, "EQ", "INDICES")


def contract(symbol: str, expiry: date, *, lot: int = 65, token: int = 41_000) -> Instrument:
    kind = "FUT" if symbol.endswith("FUT") else symbol[-2:]
    return Instrument(
        instrument_token=token * 256 + 2,
        exchange_token=token,
        tradingsymbol=symbol,
        name="NIFTY",
        tick_size=0.05,
        lot_size=lot,
        instrument_type=kind,
        segment="NFO-FUT" if kind == "FUT" else "NFO-OPT",
        exchange="NFO",
        expiry=expiry,
        strike=0.0 if kind == "FUT" else 24_000.0,
    )


FUTURE = contract("NIFTY26OCTFUT", date(2026, 10, 19), token=68_407)
CALL = contract("NIFTY26O0624000CE", date(2026, 10, 6))

# ---- filing ------------------------------------------------------------------------------------


@given(st.sets(st.sampled_from([SHARE, INDEX, FUTURE, CALL]), min_size=1))
def test_a_table_gives_its_instruments_back(some: set[Instrument]) -> None:
    assert set(instruments_of(instruments_table(some, DAY))) == some


def test_the_same_list_again_changes_nothing(tmp_path: Path) -> None:
    first = archive([SHARE, FUTURE], DAY, tmp_path)
    before = file_of(tmp_path, DAY).stat()
    again = archive([FUTURE, SHARE], DAY, tmp_path)
    after = file_of(tmp_path, DAY).stat()
    assert first.changed and first.added == 2
    assert not again.changed and again.identical == 2
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_exchanges_may_come_one_by_one(tmp_path: Path) -> None:
    archive([FUTURE, CALL], DAY, tmp_path)
    archive([SHARE, INDEX], DAY, tmp_path)
    listed = InstrumentArchive(tmp_path).on(DAY).instruments
    assert set(listed) == {FUTURE, CALL, SHARE, INDEX}


def test_another_list_of_the_day_needs_to_be_told_to_replace(tmp_path: Path) -> None:
    archive([SHARE, FUTURE, CALL], DAY, tmp_path)
    corrected = replace(FUTURE, lot_size=75)
    with pytest.raises(DataError, match=r"1 rows differ or are new, 2 are gone"):
        archive([corrected], DAY, tmp_path)
    done = archive([corrected], DAY, tmp_path, replace=True)
    assert (done.added, done.replaced, done.identical) == (1, 2, 0)
    assert set(InstrumentArchive(tmp_path).on(DAY).instruments) == {SHARE, corrected}


def test_a_last_price_alone_makes_no_other_list(tmp_path: Path) -> None:
    archive([SHARE], DAY, tmp_path)
    assert not archive([replace(SHARE, last_price=1_350.0)], DAY, tmp_path).changed


FALSE_LISTS = {
    "empty": ([], "empty"),
    "wrong day": ([replace(CALL, expiry=date(2026, 9, 22))], "expired 2026-09-22"),
    "twice": ([SHARE, replace(SHARE, lot_size=2)], "NSE:RELIANCE"),
}


@pytest.mark.parametrize("fault", FALSE_LISTS)
def test_a_list_that_cannot_be_is_refused_and_nothing_is_written(
    fault: str, tmp_path: Path
) -> None:
    rows, says = FALSE_LISTS[fault]
    with pytest.raises(DataError, match=says):
        archive(rows, DAY, tmp_path)
    assert not InstrumentArchive(tmp_path).days()


def test_the_same_row_twice_counts_once(tmp_path: Path) -> None:
    assert archive([SHARE, SHARE], DAY, tmp_path).added == 1


def test_the_text_of_the_broker_is_taken_as_it_is(tmp_path: Path) -> None:
    archive(instruments_csv([SHARE, FUTURE]), DAY, tmp_path)
    assert set(InstrumentArchive(tmp_path).on(DAY).instruments) == {SHARE, FUTURE}


# ---- faults ------------------------------------------------------------------------------------

CROWDED = """
import resource, sys
from datetime import date
from pathlib import Path
from nifty_research.core.errors import DataError
from nifty_research.data.listings import archive
from nifty_research.market.instruments import Instrument
numbers = range(1, 20_001)
rows = [Instrument(n * 256 + 1, n, f"S{n:06}", f"NAME {n * 7919}", 0.05, 1) for n in numbers]
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, resource.RLIM_INFINITY))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    archive(rows, date(2026, 10, 1), Path(sys.argv[1]), replace=True)
except DataError as error:
    print(error)
    sys.exit(4)
"""


def test_a_full_disk_leaves_the_old_list(tmp_path: Path) -> None:
    archive([SHARE], DAY, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", CROWDED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done.stderr
    assert "no room" in done.stdout and str(DAY) in done.stdout
    assert InstrumentArchive(tmp_path).on(DAY).instruments == (SHARE,)
    assert sorted(p.name for p in file_of(tmp_path, DAY).parent.iterdir()) == [f"{DAY}.parquet"]


KILLED = """
import os, sys
from datetime import date
from pathlib import Path
from nifty_research.data import listings, writing
from nifty_research.market.instruments import Instrument
writing.os.replace = lambda *names: os.kill(os.getpid(), 9)  # the moment before the new file counts
share = Instrument(1, 1, "OTHER", "OTHER", 0.05, 1)
listings.archive([share], date(2026, 10, 1), Path(sys.argv[1]), replace=True)
"""


def test_a_kill_in_mid_write_leaves_the_old_list_and_the_next_writer_tidies_up(
    tmp_path: Path,
) -> None:
    archive([SHARE], DAY, tmp_path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert InstrumentArchive(tmp_path).on(DAY).instruments == (SHARE,)
    assert InstrumentArchive(tmp_path).days() == [DAY]
    archive([SHARE], DAY + timedelta(days=1), tmp_path)
    assert len(list((tmp_path / "instruments").iterdir())) == 2


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    archive([SHARE], DAY, tmp_path)
    path = file_of(tmp_path, DAY)
    os.truncate(path, path.stat().st_size // 2)
    lists = InstrumentArchive(tmp_path)
    with pytest.raises(DataError, match=path.name):
        lists.on(DAY)
    with pytest.raises(DataError, match=path.name):
        lists.search(Wanted(text="REL"))


# ---- asking ------------------------------------------------------------------------------------


@pytest.fixture
def lists(tmp_path: Path) -> InstrumentArchive:
    "Two days: a weekly call expires, its token is given again, and the share's tick changes."
    later = contract("NIFTY26NOV24000CE", date(2026, 11, 23), lot=75)
    archive([SHARE, INDEX, FUTURE, CALL], DAY, tmp_path)
    archive([replace(SHARE, tick_size=0.5), INDEX, FUTURE, later], date(2026, 10, 9), tmp_path)
    return InstrumentArchive(tmp_path)


def symbols(lists: InstrumentArchive, day: date | None = None, **wanted: object) -> list[str]:
    found = lists.search(Wanted(**wanted), day=day)  # type: ignore[arg-type]
    return [known.instrument.tradingsymbol for known in found]


def test_an_expired_contract_stays_known(lists: InstrumentArchive) -> None:
    (known,) = lists.search(Wanted(symbol="nifty26o0624000ce"))
    assert known.instrument == CALL and known.first == known.last == DAY


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"text": "nifty26o"}, ["NIFTY26O0624000CE", "NIFTY26OCTFUT"]),
        ({"text": "Industries"}, ["RELIANCE", "RELIANCE"]),
        ({"underlying": "NIFTY", "kind": "FUT"}, ["NIFTY26OCTFUT"]),
        ({"underlying": "RELIANCE INDUSTRIES"}, []),
        ({"strike": 24_000.0, "expiry": date(2026, 11, 23)}, ["NIFTY26NOV24000CE"]),
        ({"token": 41_000}, ["NIFTY26O0624000CE", "NIFTY26NOV24000CE"]),
        ({"token": 738_561, "exchange": "nse"}, ["RELIANCE", "RELIANCE"]),
        ({"exchange": "NSE", "text": "NIFTY"}, ["NIFTY 50"]),
        ({"text": "100%"}, []),
        ({"text": "'; DROP TABLE x"}, []),
    ],
)
def test_it_is_found_by_all_its_terms(
    wanted: dict[str, object], found: list[str], lists: InstrumentArchive
) -> None:
    assert symbols(lists, **wanted) == found


def test_a_token_means_what_it_meant_on_the_day(lists: InstrumentArchive) -> None:
    assert symbols(lists, DAY, token=41_000) == ["NIFTY26O0624000CE"]
    assert symbols(lists, date(2026, 10, 9), token=41_000) == ["NIFTY26NOV24000CE"]


def test_a_changed_tick_shows_as_two_spans(lists: InstrumentArchive) -> None:
    spans = lists.search(Wanted(symbol="RELIANCE"))
    assert [(k.instrument.tick_size, k.first) for k in spans] == [
        (0.1, DAY),
        (0.5, date(2026, 10, 9)),
    ]


def test_lots_are_those_of_the_day(lists: InstrumentArchive) -> None:
    assert lists.lot_size("NIFTY26OCTFUT", DAY) == 65
    assert lists.lot_size("NIFTY26NOV24000CE", date(2026, 10, 9)) == 75
    with pytest.raises(MissingDataError, match="not in the list"):
        lists.lot_size("NIFTY26NOV24000CE", DAY)
    with pytest.raises(MissingDataError, match="2026-10-05"):
        lists.lot_size("NIFTY26OCTFUT", date(2026, 10, 5))
    assert lists.lot_size("NIFTY26OCTFUT", date(2026, 10, 5), nearest=True) == 65


def test_a_symbol_of_two_exchanges_needs_its_exchange(tmp_path: Path) -> None:
    at_bse = replace(SHARE, instrument_token=128_083_204, exchange="BSE", segment="BSE", lot_size=2)
    archive([SHARE, at_bse], DAY, tmp_path)
    lists = InstrumentArchive(tmp_path)
    with pytest.raises(MissingDataError, match="name the exchange"):
        lists.lot_size("RELIANCE", DAY)
    assert lists.lot_size("RELIANCE", DAY, exchange="BSE") == 2


def test_the_nearest_list_says_whose_day_it_is(lists: InstrumentArchive) -> None:
    for asked, answers in {
        "2026-09-01": 1,
        "2026-10-05": 1,
        "2026-10-06": 9,
        "2027-01-01": 9,
    }.items():
        listing = lists.on(date.fromisoformat(asked), nearest=True)
        assert listing.nearest and listing.day.day == answers
    assert not lists.on(DAY, nearest=True).nearest


def test_an_empty_archive_says_how_to_fill_it(tmp_path: Path) -> None:
    empty = InstrumentArchive(tmp_path)
    assert empty.days() == [] and empty.search(Wanted(text="NIFTY")) == []
    with pytest.raises(MissingDataError, match="nifty data instruments import"):
        empty.on(DAY)


def daily_row(symbol: str, series: str, isin: str) -> dict[str, object]:
    return {
        "date": DAY,
        "symbol": symbol,
        "series": series,
        "isin": isin,
        "open": 100.0,
        "high": 101.0,
        "low": 99.0,
        "close": 100.0,
        "volume": 10,
        "source": "a test",
    }


def test_an_isin_is_found_through_the_bhavcopies(tmp_path: Path) -> None:
    small = replace(SHARE, tradingsymbol="SMALL-BE", instrument_token=257, exchange_token=1)
    archive([SHARE, small, CALL], DAY, tmp_path)
    lists = InstrumentArchive(tmp_path)
    with pytest.raises(MissingDataError, match="nifty data import"):
        lists.by_isin("INE002A01018")
    rows = [daily_row("RELIANCE", "EQ", "INE002A01018"), daily_row("SMALL", "BE", "INE999A01011")]
    BarStore(tmp_path).append_daily(pa.Table.from_pylist(rows))
    assert [known.instrument for known in lists.by_isin("ine002a01018")] == [SHARE]
    assert [known.instrument for known in lists.by_isin("INE999A01011")] == [small]
    with pytest.raises(MissingDataError, match="no daily bar"):
        lists.by_isin("INE000A01000")


def test_the_store_sees_the_lists_as_a_table(lists: InstrumentArchive) -> None:
    counts = BarStore(lists.root).query("SELECT date, count(*) AS n FROM instruments GROUP BY date")
    assert sorted(row["n"] for row in counts.to_pylist()) == [4, 4]


# ---- the broker's own lists --------------------------------------------------------------------


def test_the_brokers_contracts_of_november_2025(nifty_data: Path, tmp_path: Path) -> None:
    with gzip.open(nifty_data / "ref/kite_instruments_nfo_2025-11.csv.gz", "rt") as file:
        text = file.read()
    day = date(2025, 11, 20)
    done = archive(text, day, tmp_path)
    assert done.exchanges == ("NFO",) and done.added == 38_752
    lists = InstrumentArchive(tmp_path)
    assert set(lists.on(day).instruments) == set(parse_instruments(text))
    assert lists.lot_size("NIFTY25DECFUT", day) == 75
    assert lists.lot_size("NIFTY26JANFUT", day) == 65
    chain = lists.search(Wanted(underlying="BANKNIFTY", expiry=date(2025, 12, 30), kind="PE"))
    assert len(chain) > 100 and {known.instrument.lot_size for known in chain} == {35}
    with pytest.raises(DataError, match="had expired"):
        archive(text, date(2025, 12, 31), tmp_path)
