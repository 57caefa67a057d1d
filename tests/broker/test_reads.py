"""Reads are asked again when that may help, once when many want to know, and never too fast."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
from candle_exchange import TODAY, candle_exchange
from hypothesis import given
from hypothesis import strategies as st
from moody_broker import DEAD_TOKEN, DOWN, HANG_UP, HTML, NO_SUCH, TOO_MANY, Moody, moody_broker

from nifty_research.broker.breaker import Breaker, BrokerPausedError
from nifty_research.broker.client import Broker
from nifty_research.broker.inflight import InFlight
from nifty_research.broker.quotas import CallKind, Throttle, read_limits
from nifty_research.broker.reads import LONGEST_QUERY, Reader, batches
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.errors import (
    APIError,
    AuthenticationError,
    InvalidAnswerError,
    NetworkError,
    RateLimitError,
)
from nifty_research.core.metrics import Metrics
from nifty_research.core.settings import load_settings

OPEN = datetime(2026, 9, 15, 9, 15, tzinfo=IST)


class Desk:
    "A reader before a moody broker, on a clock that stands still."

    def __init__(self, moody: Moody, broker: Broker, **settings: str) -> None:
        overrides = {name.replace("__", "."): value for name, value in settings.items()}
        given = load_settings(overrides=overrides)
        self.moody, self.metrics, self.clock = moody, Metrics(), SimulatedClock(OPEN)
        throttle = Throttle(read_limits(given.quotas), self.clock, metrics=self.metrics)
        self.reader = Reader(broker, throttle, self.clock, given.reads, metrics=self.metrics)

    def seconds(self) -> float:
        "What has passed on the clock."
        return (self.clock.now() - OPEN).total_seconds()

    def calls(self, kind: str, call: str, outcome: str) -> float:
        "How many calls ended so."
        sample = "nifty_broker_calls_total"
        return self.metrics.value(sample, kind=kind, call=call, outcome=outcome)


@pytest.fixture
def moody() -> Iterator[tuple[Moody, Broker]]:
    with moody_broker() as both:
        yield both


@pytest.mark.parametrize("trouble", [TOO_MANY, DOWN, HTML, HANG_UP])
def test_trouble_that_passes_is_waited_out(
    moody: tuple[Moody, Broker], trouble: tuple[int, str, bytes]
) -> None:
    desk = Desk(*moody)
    desk.moody.script = [trouble] * 3

    answer = desk.reader.quotes(["NSE:INFY"])

    assert answer["NSE:INFY"]["last_price"] == 100.0
    assert len(desk.moody.asked) == 4
    assert 0.5 + 1.0 + 2.0 <= desk.seconds() <= 1.0 + 1.5 + 2.5 + 0.1  # the pauses, with chance
    assert desk.calls("quotes", "ltp", "answered") == 1


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (TOO_MANY, RateLimitError),
        (DOWN, NetworkError),
        (HTML, InvalidAnswerError),
        (HANG_UP, NetworkError),
    ],
)
def test_trouble_that_stays_ends_after_three_more_tries(
    moody: tuple[Moody, Broker], trouble: tuple[int, str, bytes], error: type[Exception]
) -> None:
    desk = Desk(*moody)
    desk.moody.script = [trouble] * 10

    with pytest.raises(error):
        desk.reader.candles(1, OPEN, OPEN, "minute")

    assert len(desk.moody.asked) == 4 and len(desk.moody.script) == 6
    assert desk.calls("history", "candles", error.__name__) == 4


@pytest.mark.parametrize(
    ("said", "error"), [(DEAD_TOKEN, AuthenticationError), (NO_SUCH, APIError)]
)
def test_a_refusal_is_not_asked_again(
    moody: tuple[Moody, Broker], said: tuple[int, str, bytes], error: type[Exception]
) -> None:
    desk = Desk(*moody)
    desk.moody.script = [said] * 10

    for _ in range(6):
        with pytest.raises(error):
            desk.reader.other("profile")

    assert len(desk.moody.asked) == 6 and not desk.reader.breaker.is_open


def test_an_operation_ends_before_its_time_is_over(moody: tuple[Moody, Broker]) -> None:
    desk = Desk(*moody, reads__retries="20", reads__operation_s="5", reads__failures="100")
    desk.moody.script = [DOWN] * 30

    with pytest.raises(NetworkError):
        desk.reader.quotes(["NSE:INFY"])

    assert 2 <= len(desk.moody.asked) <= 5 and desk.seconds() <= 5.0


def test_a_turn_that_comes_too_late_ends_the_operation(moody: tuple[Moody, Broker]) -> None:
    desk = Desk(*moody, reads__operation_s="0.5")
    desk.reader.quotes(["NSE:INFY"])

    with pytest.raises(RateLimitError, match="no turn"):
        desk.reader.quotes(["NSE:TCS"])

    assert len(desk.moody.asked) == 1


def test_a_broker_that_is_down_is_left_alone_then_tried(moody: tuple[Moody, Broker]) -> None:
    desk = Desk(*moody)
    desk.moody.script = [DOWN] * 5
    with pytest.raises(NetworkError):
        desk.reader.quotes(["NSE:INFY"])
    with pytest.raises(BrokerPausedError, match="5 times in a row"):
        desk.reader.quotes(["NSE:INFY"])
    assert len(desk.moody.asked) == 5

    with pytest.raises(BrokerPausedError):
        desk.reader.candles(1, OPEN, OPEN, "minute")
    assert len(desk.moody.asked) == 5

    desk.clock.advance(desk.clock.now() + timedelta(seconds=61))
    assert desk.reader.quotes(["NSE:INFY"]) and not desk.reader.breaker.is_open


def test_many_threads_make_one_call(moody: tuple[Moody, Broker]) -> None:
    desk = Desk(*moody)
    desk.moody.slow_s = 0.3
    ready = threading.Barrier(8)

    def ask(number: int) -> float:
        keys = ["NSE:INFY", "NSE:TCS"][:: 1 if number % 2 else -1]  # in either order
        ready.wait()
        return float(desk.reader.quotes(keys)["NSE:INFY"]["last_price"])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == [100.0] * 8

    assert len(desk.moody.asked) == 1
    assert desk.metrics.value("nifty_broker_joined_total", kind="quotes") == 7


def test_who_joined_a_call_that_failed_hears_so_too(moody: tuple[Moody, Broker]) -> None:
    desk = Desk(*moody)
    desk.moody.slow_s, desk.moody.script = 0.3, [NO_SUCH]
    ready = threading.Barrier(3)

    def ask(_: int) -> type[Exception]:
        ready.wait()
        try:
            desk.reader.candles(7, OPEN, OPEN, "minute")
        except APIError as error:
            return type(error)
        raise AssertionError("it was answered")

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(ask, range(3))) == [APIError] * 3
    assert len(desk.moody.asked) == 1
    assert desk.reader.candles(7, OPEN, OPEN, "minute")  # and the next one asks anew


def test_an_interrupted_call_leaves_nobody_waiting() -> None:
    flights: InFlight[str, int] = InFlight()
    begun, joined = threading.Event(), threading.Event()
    heard: list[str] = []

    def interrupted(keys: list[str]) -> dict[str, int]:
        begun.set()
        joined.wait(10)
        raise KeyboardInterrupt

    def join() -> None:
        begun.wait(10)
        threading.Timer(0.1, joined.set).start()
        try:
            flights.gather(["INFY"], lambda keys: {})
        except NetworkError as error:
            heard.append(error.what)

    thread = threading.Thread(target=join)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        flights.gather(["INFY"], interrupted)
    thread.join(10)

    assert heard == ["the call that was waited for was broken off"]
    assert flights.gather(["INFY"], lambda keys: {"INFY": 1}).values == {"INFY": 1}


KEYS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), max_size=200)


@given(KEYS, st.integers(1, 60), st.integers(50, 2000))
def test_batches_hold_every_key_once_and_fit_the_wire(
    keys: list[str], most: int, longest: int
) -> None:
    made = list(batches(keys, most, longest))

    assert [key for batch in made for key in batch] == list(dict.fromkeys(keys))
    for batch in made:
        length = sum(len(quote_plus(key)) + 3 for key in batch)
        assert 1 <= len(batch) <= most and (length <= longest or len(batch) == 1)


def test_a_whole_option_chain_goes_in_lines_that_the_gateway_takes(
    moody: tuple[Moody, Broker],
) -> None:
    desk = Desk(*moody)
    keys = [f"NFO:NIFTY26NOV{20000 + 50 * n}{side}" for n in range(300) for side in ("CE", "PE")]
    keys += ["NSE:M&M", "NSE:NIFTY 50"]

    answer = desk.reader.quotes(keys, "quote")

    assert set(answer) == set(keys)
    assert max(map(len, desk.moody.asked)) <= LONGEST_QUERY + len("/quote?")
    received = [parse_qs(urlsplit(path).query)["i"] for path in desk.moody.asked]
    assert [key for some in received for key in some] == keys
    assert desk.seconds() >= len(received) - 1  # one a second


def test_the_local_exchange_answers_every_question(tmp_path: Path) -> None:
    with candle_exchange(tmp_path) as asked:
        metrics = Metrics()
        reader = asked.reader(metrics)
        token = {i["tradingsymbol"]: i["instrument_token"] for i in reader.instruments("NSE")}
        keys = ["NSE:INFY", str(token["M&M"]), "NSE:NOSUCH"]
        for depth, field in (("ltp", "last_price"), ("ohlc", "ohlc"), ("quote", "depth")):
            answer = reader.quotes(keys, depth)  # type: ignore[arg-type]
            assert set(answer) == set(keys[:2]) and all(field in one for one in answer.values())
        day = datetime(2026, 9, 11, tzinfo=IST)
        rows = reader.candles(token["INFY"], day, day + timedelta(days=1), "minute")
        assert [row["date"].date() for row in rows] == [day.date()] * 8
        opened = reader.candles(token["INFY"], day, day, "day", open_interest=True)
        assert (
            len(opened) == 1
            and opened[0]["oi"] == 0
            and opened[0]["volume"] == sum(row["volume"] for row in rows)
        )
        assert reader.other("profile")["user_id"] == "PAPER01" and reader.other("orders") == []
        assert reader.other("margins")["equity"]["enabled"]
        with pytest.raises(APIError, match="maximum of 60 days"):
            begin = datetime(2026, 7, 1, tzinfo=IST)
            reader.candles(token["INFY"], begin, begin + timedelta(days=61), "minute")
        assert reader.clock.now().date() == TODAY
        assert metrics.value("nifty_broker_wait_s_count", kind="quotes") == 3
        quotes = metrics.value("nifty_broker_wait_s_sum", kind="quotes")
        assert quotes == pytest.approx(2.0, abs=0.01)  # three quote calls, a second apart


@given(st.lists(st.sampled_from(["answered", "failed", "later"]), max_size=60))
def test_the_breaker_opens_on_an_unbroken_row_only(steps: list[str]) -> None:
    clock = SimulatedClock(OPEN)
    breaker = Breaker(clock, failures=3, pause_s=60)
    row, until = 0, OPEN
    for step in steps:
        if step == "later":
            clock.advance(clock.now() + timedelta(seconds=25))
        elif row >= 3 and clock.now() < until:
            with pytest.raises(BrokerPausedError):
                breaker.check()
        else:
            breaker.check()
            (breaker.answered if step == "answered" else breaker.failed)()
            row = 0 if step == "answered" else row + 1
            until = clock.now() + timedelta(seconds=60)
        assert breaker.is_open == (row >= 3 and clock.now() < until)


def test_calls_of_all_kinds_are_named_in_the_metrics(moody: tuple[Moody, Broker]) -> None:
    desk = Desk(*moody)
    desk.reader.ask(CallKind.OTHER, "profile", (), lambda: 1)
    text = desk.metrics.text()
    assert 'nifty_broker_calls_total{call="profile",kind="other",outcome="answered"} 1.0' in text
    assert 'nifty_broker_call_s_count{kind="other"} 1.0' in text
