"""History arrives whole: no gap or double at the seams, nothing unfinished, whatever interrupts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from candle_exchange import BARS_A_DAY, FIRST, SYMBOLS, TODAY, Asked, candle_exchange, environment
from hypothesis import given
from hypothesis import strategies as st
from kiteconnect import exceptions as kite

from nifty_research.broker.download import Download, Progress, Wanted, as_traded_from, wanted_of
from nifty_research.broker.history import (
    LONGEST_DAYS,
    Span,
    candles_of_span,
    is_finished,
    minutes_of,
    spans,
    without,
)
from nifty_research.broker.reads import Reader
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.errors import (
    APIError,
    DataError,
    InvalidAnswerError,
    MissingDataError,
    UsageError,
)
from nifty_research.core.metrics import Metrics
from nifty_research.data.layout import ACTIONS
from nifty_research.data.store import BarStore
from nifty_research.exchange.candles import INTERVALS

DAYS = st.dates(date(2019, 1, 1), date(2026, 12, 31))
SPANS = st.tuples(DAYS, DAYS).map(lambda pair: Span(min(pair), max(pair)))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with candle_exchange(tmp_path_factory.mktemp("exchange")) as running:
        running.step(5 * 2)  # two minutes of today have closed
        yield running


def days_in(some: list[Span]) -> list[date]:
    return [span.first + timedelta(days=n) for span in some for n in range(span.days)]


def minutes_stored(store: BarStore, symbol: str) -> dict[str, Any]:
    rows = store.query(f"select * from minutes where symbol = '{symbol}' order by timestamp")
    return rows.to_pydict()


# ---- spans -------------------------------------------------------------------------------------


@given(SPANS, st.sampled_from(sorted(LONGEST_DAYS)))
def test_calls_cover_every_day_once_and_are_as_long_as_they_may_be(
    wanted: Span, interval: str
) -> None:
    calls = list(spans(wanted, interval))
    assert days_in(calls) == days_in([wanted])
    assert all(call.days == LONGEST_DAYS[interval] for call in calls[:-1])
    assert calls[-1].days <= LONGEST_DAYS[interval]


@given(SPANS, st.lists(SPANS, max_size=6))
def test_what_is_left_and_what_is_done_are_the_whole(wanted: Span, done: list[Span]) -> None:
    left, over = days_in(without(wanted, done)), set(days_in(done))
    assert left == [day for day in days_in([wanted]) if day not in over]


@given(st.lists(SPANS, min_size=1, max_size=8))
def test_progress_is_the_union_of_what_was_added(
    tmp_path_factory: pytest.TempPathFactory, added: list[Span]
) -> None:
    progress = Progress(tmp_path_factory.mktemp("store"), "minute", "M&M")
    for span in added:
        progress.add(span)
    merged = progress.done()
    assert days_in(merged) == sorted(set(days_in(added)))
    for one, later in pairwise(merged):
        assert later.first > one.last + timedelta(days=1)


def test_both_sides_know_the_same_limits() -> None:
    assert {name: days for name, (_, days) in INTERVALS.items()} == LONGEST_DAYS
    assert {name: minutes for name, (minutes, _) in INTERVALS.items()} == {
        name: minutes_of(name) for name in LONGEST_DAYS
    }


# ---- over sockets ------------------------------------------------------------------------------


@pytest.mark.parametrize("interval", ["minute", "5minute", "15minute", "60minute", "day"])
def test_kites_longest_span_is_taken_and_a_day_more_refused(asked: Asked, interval: str) -> None:
    reader = asked.reader(Metrics())
    token = wanted_of(reader, ["INFY"])[0].token
    end = datetime(2026, 9, 15, 12, tzinfo=IST)
    longest = timedelta(days=LONGEST_DAYS[interval])
    assert reader.candles(token, end - longest, end, interval)
    with pytest.raises(APIError, match=f"maximum of {longest.days} days"):
        reader.candles(token, end - longest - timedelta(seconds=1), end, interval)
    with pytest.raises(kite.InputException) as refused:
        reader.broker.kite.historical_data(token, "2010-01-01", "2026-09-15", interval)
    assert refused.value.code == 400


def test_half_a_year_of_minutes_has_no_gap_and_no_double(asked: Asked, tmp_path: Path) -> None:
    metrics, store = Metrics(), BarStore(tmp_path / "store")
    reader = asked.reader(metrics)
    download = Download(reader, store, "minute")
    span = Span(FIRST, TODAY + timedelta(days=30))
    wanted = wanted_of(reader, [f"NSE:{symbol}" for symbol in SYMBOLS])
    told: list[tuple[int, int, str]] = []
    assert len(download.plan(wanted, span)) == 2 * 4  # 198 days, 60 a call

    reports = download.run(wanted, span, tell=lambda *what: told.append(what))

    closed = len(asked.bars.index) - BARS_A_DAY + 2
    for place, symbol in enumerate(SYMBOLS):
        assert (reports[place].calls, reports[place].stored) == (4, closed)
        rows = minutes_stored(store, symbol)
        assert rows["timestamp"] == [stamp.to_pydatetime() for stamp in asked.bars.index[:closed]]
        for name in ("open", "high", "low", "close", "volume"):
            assert np.array_equal(rows[name], getattr(asked.bars, name)[:closed, place])
    assert told[0] == (0, 8, f"INFY {FIRST} to 2026-04-30") and told[-1][:2] == (8, 8)
    assert metrics.value("nifty_broker_wait_s_count", kind="history") == 8
    assert metrics.value("nifty_broker_wait_s_sum", kind="history") >= 2  # three a second

    again = download.run(wanted, span)  # only today is asked for again
    assert [(one.calls, one.stored, one.known) for one in again] == [(1, 0, 2), (1, 0, 2)]


def test_a_day_that_is_not_over_is_not_stored(asked: Asked, tmp_path: Path) -> None:
    store, reader = BarStore(tmp_path / "store"), asked.reader(Metrics())
    report = Download(reader, store, "day").run(wanted_of(reader, ["INFY"]), Span(FIRST, TODAY))[0]
    days = sorted({stamp.date() for stamp in asked.bars.index} - {TODAY})
    assert (report.forming, report.stored, report.calls) == (1, len(days), 1)
    rows = store.query("select * from daily order by date").to_pydict()
    assert rows["date"] == days and set(rows["source"]) == {"kite day candle"}
    first = asked.bars.rows(0, BARS_A_DAY)
    assert rows["open"][0] == first.open[0, 0] and rows["close"][0] == first.close[-1, 0]
    assert (
        rows["high"][0] == first.high[:, 0].max() and rows["volume"][0] == first.volume[:, 0].sum()
    )


def test_a_minute_that_is_not_over_is_not_stored(asked: Asked, tmp_path: Path) -> None:
    now = asked.now()
    early = SimulatedClock(now - timedelta(seconds=1))  # our clock is a little behind theirs
    reader = asked.reader(Metrics(), early)
    token = wanted_of(reader, ["INFY"])[0].token
    finished, forming = candles_of_span(reader, token, Span(TODAY, TODAY), "minute")
    assert forming == 1 and len(finished) == 1
    assert finished[0]["date"] + timedelta(minutes=2) == now
    five, _ = candles_of_span(asked.reader(Metrics()), token, Span(TODAY, TODAY), "5minute")
    assert five == []  # 09:15 to 09:20 is still forming at 09:17


CHILD = """
import sys
from datetime import date
from pathlib import Path
from nifty_research.broker.client import Broker, paper_request_token
from nifty_research.broker.download import Download, wanted_of
from nifty_research.broker.history import Span
from nifty_research.broker.quotas import Throttle, read_limits
from nifty_research.broker.reads import Reader
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.settings import load_settings
from nifty_research.data.store import BarStore
from datetime import datetime
import os

settings, clock = load_settings(), SimulatedClock(datetime(2026, 9, 15, 9, 17, tzinfo=IST))
root = settings.kite.root
key, secret = (os.environ[f"NIFTY_PAPER_{name}"] for name in ("KEY", "SECRET"))
broker = Broker(root, key)
broker.kite.set_access_token(broker.log_in(paper_request_token(root, key, 7.0), secret))
reader = Reader(broker, Throttle(read_limits(settings.quotas), clock), clock, settings.reads)
if sys.argv[2] == "between":  # the candles are in the store, the record does not know it yet
    from nifty_research.broker import download
    add = download.Progress.add

    def slowly(self, span):
        print("stored", flush=True)
        sys.stdin.readline()
        add(self, span)

    download.Progress.add = slowly

def tell(done, calls, what):
    print("at", done, flush=True)
    sys.stdin.readline()

span = Span(date(2026, 3, 2), date(2026, 9, 15))
download = Download(reader, BarStore(Path(sys.argv[1])), "minute")
download.run(wanted_of(reader, ["INFY"]), span, tell=tell)
"""


@pytest.mark.parametrize(
    ("where", "steps", "left"),
    [
        ("calls", 0, 4),  # before the first call
        ("calls", 2, 2),  # two of four are through
        ("between", 1, 4),  # the first is stored and not yet written down
        ("between", 5, 2),  # the third, likewise
    ],
)
def test_killed_at_any_point_it_goes_on_where_it_was(
    asked: Asked, tmp_path: Path, where: str, steps: int, left: int
) -> None:
    root = tmp_path / "store"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(root), where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(asked),
    )
    assert child.stdin and child.stdout
    for _ in range(steps):
        assert child.stdout.readline()
        child.stdin.write("go\n")
        child.stdin.flush()
    last = child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -9 and last.split()[0] == ("stored" if where == "between" else "at")

    metrics, store = Metrics(), BarStore(root)
    reader = asked.reader(metrics)
    download = Download(reader, store, "minute")
    wanted, span = wanted_of(reader, ["INFY"]), Span(FIRST, TODAY)
    assert len(download.plan(wanted, span)) == left
    report = download.run(wanted, span)[0]

    closed = len(asked.bars.index) - BARS_A_DAY + 2
    rows = minutes_stored(store, "INFY")
    assert rows["timestamp"] == [stamp.to_pydatetime() for stamp in asked.bars.index[:closed]]
    assert np.array_equal(rows["close"], asked.bars.close[:closed, 0])
    assert report.calls == left and not list(root.rglob("*.draft"))


def test_a_symbol_that_is_not_listed_is_named_with_its_neighbour(asked: Asked) -> None:
    reader = asked.reader(Metrics())
    with pytest.raises(MissingDataError, match=r"'INFYS'.*Did you mean INFY"):
        wanted_of(reader, ["M&M", "INFYS"])
    assert [one.symbol for one in wanted_of(reader, ["M&M", "NSE:INFY"])] == ["M&M", "INFY"]


# ---- what an answer may hold -------------------------------------------------------------------


class Told(Reader):
    "A reader whose broker answers with given candles."

    def __init__(self, now: datetime, rows: list[dict[str, Any]]) -> None:
        self.clock, self.rows = SimulatedClock(now), rows

    def candles(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return self.rows


def candle(day: date, minute: int = 0, price: float = 100.0, **more: Any) -> dict[str, Any]:
    at = datetime(day.year, day.month, day.day, 9, 15, tzinfo=IST) + timedelta(minutes=minute)
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return {"date": at, **prices, "volume": 10} | more


EVENING = datetime(2026, 9, 15, 20, 0, tzinfo=IST)
DAY = date(2026, 9, 11)


def test_prices_that_kite_adjusted_are_left_out(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "store")
    action = {"symbol": "INFY", "ex_date": date(2026, 9, 10), "kind": "bonus", "numerator": 1.0}
    action |= {"denominator": 1.0, "source": "test", "verified": True}
    dividend = action | {"kind": "dividend", "ex_date": DAY, "amount_inr": 10.0}
    coming = action | {"ex_date": date(2026, 12, 1)}
    store.append_actions(pa.Table.from_pylist([action, dividend, coming], schema=ACTIONS))
    rows = [candle(date(2026, 9, day), minute) for day in (8, 9, 10, 11) for minute in (0, 1)]
    reader = Told(EVENING, rows)
    span = Span(date(2026, 9, 7), DAY)

    report = Download(reader, store, "minute").run([Wanted("INFY", 1)], span)[0]

    assert (report.adjusted, report.stored) == (4, 4)
    assert store.days("INFY", 1) == [date(2026, 9, 10), DAY]
    for free in (Wanted("INFY", 1, is_contract=True), Wanted("NIFTY 50", 2, series="INDEX")):
        assert as_traded_from(store, free, TODAY) == date.min


def test_candles_that_cannot_be_are_put_aside_with_the_reason(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "store")
    rows = [
        candle(DAY, 0),
        candle(DAY, 1, high=99.0, low=101.0),
        candle(DAY, 2, open=0.0, low=0.0),
        candle(DAY, 3, volume=-5),
    ]
    report = Download(Told(EVENING, rows), store, "minute").run(
        [Wanted("INFY", 1)], Span(DAY, DAY)
    )[0]
    assert (report.stored, report.quarantined) == (1, 3)
    assert set(report.reasons.values()) == {1} and len(report.reasons) == 3
    aside = store.query("select * from quarantined order by reason").to_pylist()
    assert [row["reason"] for row in aside] == sorted(report.reasons)
    assert all(json.loads(row["raw"])["volume"] in (10, -5) for row in aside)
    assert {row["file"] for row in aside} == {"kite minute INFY"}


@pytest.mark.parametrize(
    "rows",
    [
        [candle(DAY, 1), candle(DAY, 0)],
        [candle(DAY, 0), candle(DAY, 0)],
        [candle(DAY - timedelta(days=1))],
        [candle(DAY), candle(DAY + timedelta(days=1))],
    ],
)
def test_an_answer_out_of_order_or_of_other_days_is_not_stored(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    store = BarStore(tmp_path / "store")
    with pytest.raises(InvalidAnswerError, match="Nothing of this answer was stored"):
        Download(Told(EVENING, rows), store, "minute").run([Wanted("INFY", 1)], Span(DAY, DAY))
    assert not store.days("INFY", 1) and not (store.root / "history").exists()


def test_a_changed_past_is_refused_and_nothing_overwritten(tmp_path: Path) -> None:
    store, span = BarStore(tmp_path / "store"), Span(DAY, DAY)
    today = EVENING.replace(day=11, hour=12)  # asked for on the day itself, so asked for again
    for price, refused in ((100.0, False), (50.0, True)):
        download = Download(Told(today, [candle(DAY, 0, price)]), store, "minute")
        if refused:
            with pytest.raises(DataError, match="INFY"):
                download.run([Wanted("INFY", 1)], span)
        else:
            download.run([Wanted("INFY", 1)], span)
    assert minutes_stored(store, "INFY")["close"] == [100.0]


def test_the_exchanges_own_day_is_kept(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "store")
    midnight = {"date": datetime(2026, 9, 11, tzinfo=IST)}
    row = {"date": DAY, "symbol": "INFY", "series": "EQ", "close": 101.0, "source": "bhavcopy"}
    store.append_daily(pa.Table.from_pylist([row]))
    download = Download(Told(EVENING, [candle(DAY, 0, 100.0) | midnight]), store, "day")
    report = download.run([Wanted("INFY", 1)], Span(DAY, DAY))[0]
    assert (report.stored, report.known) == (0, 1)
    assert store.query("select close, source from daily").to_pylist() == [
        {"close": 101.0, "source": "bhavcopy"}
    ]


def test_a_store_that_lost_its_bars_is_filled_again(tmp_path: Path) -> None:
    store, wanted = BarStore(tmp_path / "store"), [Wanted("INFY", 1)]
    reader = Told(EVENING, [candle(DAY)])
    Download(reader, store, "minute").run(wanted, Span(DAY, DAY))
    assert Download(reader, store, "minute").plan(wanted, Span(DAY, DAY)) == []
    for path in store.places.minute_years("INFY").values():
        path.unlink()
    assert len(Download(reader, store, "minute").plan(wanted, Span(DAY, DAY))) == 1


def test_lengths_that_the_store_does_not_keep_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Fetch minute"):
        Download(Told(EVENING, []), BarStore(tmp_path), "5minute")


@given(st.integers(0, 1439), st.integers(0, 59), st.sampled_from(sorted(LONGEST_DAYS)))
def test_a_candle_is_finished_when_its_end_has_come(
    minute: int, second: int, interval: str
) -> None:
    start = datetime(2026, 9, 15, 9, 15, tzinfo=IST)
    now = datetime(2026, 9, 15, tzinfo=IST) + timedelta(minutes=minute, seconds=second)
    if interval == "day":
        assert not is_finished(start, interval, now)
        assert is_finished(start, interval, now + timedelta(days=1))
    else:
        ended = (now - start).total_seconds() >= 60 * minutes_of(interval)
        assert is_finished(start, interval, now) == ended
