"""What is kept is fresh or says that it is not, is asked for once, and can feed no decision."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from candle_exchange import SYMBOLS, candle_exchange
from hypothesis import given
from hypothesis import strategies as st
from moody_broker import DEAD_TOKEN, DOWN, Moody, moody_broker

from nifty_research.broker.cache import ReadCache, needs_of
from nifty_research.broker.quotas import Throttle, read_limits
from nifty_research.broker.reads import Reader
from nifty_research.broker.shelf import Cached, Shelf, frozen
from nifty_research.core.clock import IST, SimulatedClock
from nifty_research.core.errors import AuthenticationError, NetworkError
from nifty_research.core.metrics import Metrics
from nifty_research.core.settings import load_settings
from nifty_research.market.calendar import sessions
from nifty_research.market.phases import continuous_windows

OPEN = datetime(2026, 9, 15, 9, 15, tzinfo=IST)
PACKAGE = Path(__file__).resolve().parents[2] / "nifty_research"


def later(clock: SimulatedClock, seconds: float) -> None:
    clock.advance(clock.now() + timedelta(seconds=seconds))


# ---- the shelf ---------------------------------------------------------------------------------


@given(
    steps=st.lists(
        st.one_of(
            st.floats(0.0, 50.0),  # time passes
            st.lists(st.sampled_from("ABCDEFx"), min_size=1, max_size=4),  # somebody looks
            st.just("down"),  # the broker goes down or comes back
        ),
        max_size=40,
    ),
    items=st.integers(1, 6),
)
def test_a_shelf_never_passes_off_old_for_new(steps: list[object], items: int) -> None:
    clock, metrics, calls = SimulatedClock(OPEN), Metrics(), []
    shelf: Shelf[str, datetime] = Shelf("s", clock, items=items, lasts_s=60, metrics=metrics)
    is_down, looked = False, 0

    def fetch(keys: list[str]) -> dict[str, datetime]:
        if is_down:
            raise NetworkError("down")
        calls.append(keys)
        return {key: clock.now() for key in keys if key != "x"}

    for step in steps:
        if isinstance(step, float):
            later(clock, step)
        elif step == "down":
            is_down = not is_down
        else:
            assert isinstance(step, list)
            try:
                found = shelf.look(step, fetch)
            except NetworkError:
                assert is_down
                continue
            looked += len(set(step))
            assert set(found) == set(step) - {"x"}
            for one in found.values():
                assert one.value == one.as_of  # it is of the moment it says
                assert one.stale == (one.age_s(clock.now()) >= 60) and (not one.stale or is_down)
        assert len(shelf._kept) <= items
    counts = shelf.lookups()
    assert sum(counts.values()) == looked and counts["miss"] == sum(map(len, calls))
    assert counts["joined"] == 0
    rate = 1.0 if not looked else counts["hit"] / looked
    assert shelf.hit_rate() == rate


def test_the_least_used_goes_first() -> None:
    clock, asked = SimulatedClock(OPEN), []
    shelf: Shelf[str, int] = Shelf("s", clock, items=2, lasts_s=60, metrics=Metrics())

    def fetch(keys: list[str]) -> dict[str, int]:
        asked.extend(keys)
        return dict.fromkeys(keys, 1)

    for key in ("A", "B", "A", "C", "A", "B"):
        shelf.look([key], fetch)
    assert asked == ["A", "B", "C", "B"]


def test_that_there_is_no_answer_is_remembered_and_forgotten() -> None:
    clock, asked = SimulatedClock(OPEN), []
    shelf: Shelf[str, int] = Shelf("s", clock, items=9, lasts_s=60, metrics=Metrics())

    def fetch(keys: list[str]) -> dict[str, int]:
        asked.extend(keys)
        return {}

    for _ in range(3):
        assert shelf.look(["NOSUCH"], fetch) == {} and shelf.peek("NOSUCH") is None
    later(clock, 60)
    shelf.look(["NOSUCH"], fetch)
    assert asked == ["NOSUCH", "NOSUCH"]


def test_threads_that_look_at_once_fetch_each_key_once() -> None:
    clock, asked = SimulatedClock(OPEN), []
    shelf: Shelf[int, int] = Shelf("s", clock, items=1000, lasts_s=60, metrics=Metrics())
    ready = threading.Barrier(8)

    def fetch(keys: list[int]) -> dict[int, int]:
        asked.extend(keys)
        threading.Event().wait(0.02)
        return {key: key * key for key in keys}

    def look(number: int) -> bool:
        ready.wait()
        wanted = range(number, number + 50)
        return {k: v.value for k, v in shelf.look(wanted, fetch).items()} == {
            key: key * key for key in wanted
        }

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(look, range(8)))
    assert sorted(asked) == list(range(57))
    counts = shelf.lookups()
    assert counts["miss"] == 57 and counts["hit"] + counts["joined"] == 8 * 50 - 57


# ---- before a broker ---------------------------------------------------------------------------


class Desk:
    "A cache before a moody broker."

    def __init__(self, moody: Moody, broker: object) -> None:
        settings = load_settings()
        self.moody, self.metrics, self.clock = moody, Metrics(), SimulatedClock(OPEN)
        throttle = Throttle(read_limits(settings.quotas), self.clock, metrics=self.metrics)
        reader = Reader(broker, throttle, self.clock, settings.reads, metrics=self.metrics)  # type: ignore[arg-type]
        self.cache = ReadCache(reader, self.clock, settings.cache, metrics=self.metrics)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with moody_broker() as (moody, broker):
        yield Desk(moody, broker)


def test_a_silent_broker_is_replaced_by_what_is_known_marked_stale(desk: Desk) -> None:
    desk.cache.prices(["NSE:INFY", "NSE:TCS"])
    seen_at = desk.clock.now()
    desk.cache.candles(1, OPEN, None, "minute")
    later(desk.clock, 300)
    desk.moody.script = [DOWN] * 99

    price = desk.cache.prices(["NSE:INFY"])["NSE:INFY"]
    assert price.stale and price.as_of == seen_at and price.value["last_price"] == 100.0
    assert desk.cache.candles(1, OPEN, None, "minute").stale
    assert desk.cache.prices(["NSE:TCS"])["NSE:TCS"].stale  # the breaker is open: at once
    with pytest.raises(NetworkError):
        desk.cache.prices(["NSE:INFY", "NSE:NEVERSEEN"])

    desk.moody.script.clear()
    later(desk.clock, 61)
    assert not desk.cache.prices(["NSE:INFY"])["NSE:INFY"].stale


def test_a_dead_log_in_is_not_hidden_behind_old_prices(desk: Desk) -> None:
    desk.cache.prices(["NSE:INFY"])
    later(desk.clock, 300)
    desk.moody.script = [DEAD_TOKEN]
    with pytest.raises(AuthenticationError):
        desk.cache.prices(["NSE:INFY"])


def test_prices_of_six_hundred_symbols_take_two_calls_a_minute(desk: Desk) -> None:
    keys = [f"NSE:S{number}" for number in range(600)]
    for _ in range(4):
        assert len(desk.cache.prices(keys)) == 600
        later(desk.clock, 14)
    assert len(desk.moody.asked) == 2  # one would be longer than the gateway takes


def test_what_is_shared_cannot_be_changed() -> None:
    record = frozen({"ohlc": {"open": 1.0}, "depth": [{"price": 1.0}]})
    for change in (
        lambda: record.update(x=1),
        lambda: record["ohlc"].__setitem__("open", 2.0),
        lambda: record["depth"][0].__setitem__("price", 2.0),
        lambda: record["depth"].append(1),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()


def test_the_local_exchange_is_asked_once_a_minute(tmp_path: Path) -> None:
    with candle_exchange(tmp_path) as asked:
        metrics = Metrics()
        reader = asked.reader(metrics)
        clock = reader.clock
        assert isinstance(clock, SimulatedClock)
        cache = ReadCache(reader, clock, asked.settings.cache, metrics=metrics)
        needs = needs_of(SYMBOLS, 10, 1, clock.now().date())
        assert cache.warm_up(needs) == []

        def calls() -> float:
            sample = "nifty_broker_calls_total"
            names = {"quotes": "quote", "history": "candles", "other": "instruments"}
            return sum(
                metrics.value(sample, kind=kind, call=call, outcome="answered")
                for kind, call in names.items()
            )

        before, start = calls(), clock.now()
        token = cache.token("NSE:INFY")
        assert token and cache.token("NSE:NOSUCH") is None and cache.token("BSE:INFY") is None
        full = cache.prices(list(needs.keys), "quote")
        assert full["NSE:INFY"].value["ohlc"]["open"] >= 0.0
        assert full["NSE:INFY"].as_of <= start
        chart = cache.candles(token.value, needs.begin, None, "minute")
        known = asked.bars.rows(0, len(asked.bars.index) - 8)
        days = [row["date"] for row in chart.value]
        assert days == [s for s in known.index if s >= needs.begin] and len(days) >= 8
        assert calls() == before + 1  # the list of BSE, which was not warmed up

        later(clock, 61)
        asked.step(5)
        assert cache.refresh() == len(SYMBOLS)
        fresh = cache.prices(list(needs.keys))["NSE:INFY"]
        assert fresh.value["last_price"] == asked.bars.close[-8, 0]
        assert calls() == before + 2


def test_a_shorter_question_is_answered_from_a_longer_answer(desk: Desk) -> None:
    desk.cache.prices(["NSE:INFY"], "ltp")
    desk.cache.prices(["NSE:INFY"], "ltp")
    assert [path.split("?")[0] for path in desk.moody.asked] == ["/quote/ltp"]
    record = {"last_price": 1.0, "ohlc": {"open": 1.0}}
    desk.cache._prices.load(["NSE:INFY"], lambda keys: dict.fromkeys(keys, frozen(record)))
    assert desk.cache.prices(["NSE:INFY"], "ohlc")["NSE:INFY"].value["ohlc"]["open"] == 1.0
    assert len(desk.moody.asked) == 1
    later(desk.clock, 61)
    desk.cache.prices(["NSE:INFY"], "ltp")  # somebody wants the ohlc too: asked for at once
    assert desk.moody.asked[-1].startswith("/quote/ohlc?")


@given(
    st.integers(0, 2000),
    st.sampled_from([1, 5, 15, 60]),
    st.dates(date(2020, 1, 10), date(2026, 9, 15)),
)
def test_charts_reach_back_over_the_whole_warm_up(bars: int, minutes: int, day: date) -> None:
    needs = needs_of(["INFY"], bars, minutes, day)
    before = sessions(needs.begin.date(), day - timedelta(days=1)) if bars else []
    counts = [
        sum(
            (end - begin) // timedelta(minutes=minutes)
            for begin, end in continuous_windows(d, False)
        )
        for d in before
    ]
    assert sum(counts) >= bars and (not bars or sum(counts[1:]) < bars)


# ---- away from decisions -----------------------------------------------------------------------


def imports_of(path: Path) -> set[str]:
    "Modules of the package that a module imports, inside functions too, as room.module."
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name.removeprefix("nifty_research.") for a in node.names}
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level == 1:
                module = f"{path.parent.name}.{module}".rstrip(".")
            elif node.level == 2 or module.startswith("nifty_research"):
                module = module.removeprefix("nifty_research").removeprefix(".")
            else:
                continue
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def reaches(start: str, graph: dict[str, set[str]]) -> set[str]:
    "Everything a module imports, at any remove."
    seen, left = set(), [start]
    while left:
        for module in graph.get(left.pop(), set()) - seen:
            seen.add(module)
            left.append(module)
    return seen


def test_nothing_that_decides_or_trades_reaches_the_cache() -> None:
    graph = {
        f"{path.parent.name}.{path.stem}": imports_of(path)
        for path in PACKAGE.glob("*/*.py")
        if path.name != "__init__.py"
    }
    deciding = [
        module
        for module in graph
        if module.split(".")[0] in ("strategies", "engine", "risk", "execution", "session")
    ]
    assert {"session.decide", "session.trader", "execution.orders"} <= set(deciding)
    assert "broker.client" in reaches("session.trader", graph)  # the walk finds what is there
    assert "broker.shelf" in reaches("broker.cache", graph)
    for module in deciding:
        assert not {"broker.cache", "broker.shelf"} & reaches(module, graph), module


WRONG = """
from datetime import datetime
from nifty_research.broker.shelf import Cached
from nifty_research.core.clock import IST
from nifty_research.core.money import paise

price: Cached[float] = Cached(1402.5, datetime(2026, 9, 15, tzinfo=IST))
paise(price)
stop: float = price
total = price * 10
worth = 10.0 + price
is_high = price > 1400.0
"""


def test_a_kept_price_is_no_number_for_the_type_checker(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    told = subprocess.run(
        [*command, str(tmp_path / "wrong.py")],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    wrong = {int(line.split(":")[1]) for line in told.stdout.splitlines() if ": error:" in line}
    lines = WRONG.splitlines()
    expected = {
        lines.index(line) + 1 for line in lines if "price" in line and "Cached(" not in line
    }
    assert wrong == expected, told.stdout + told.stderr


def test_a_kept_price_is_no_number_when_the_program_runs() -> None:
    price = Cached(1402.5, OPEN)
    for use in (
        lambda: float(price),  # type: ignore[arg-type]
        lambda: price + 1.0,  # type: ignore[operator]
        lambda: price > 1400.0,  # type: ignore[operator]
        lambda: round(price),  # type: ignore[call-overload]
    ):
        with pytest.raises(TypeError):
            use()
