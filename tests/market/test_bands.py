"""Bands, protections and halts at their corners."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.clock import IST
from nifty_research.core.errors import DataError, UnknownRuleError
from nifty_research.market.bands import flexed_band, halt_after, price_band, protected_prices
from nifty_research.market.rules import history, keys

TODAY = date(2026, 9, 15)
PRICES = st.integers(1, 5_000_000).map(lambda paise: paise / 100)
TICKS = st.sampled_from([0.01, 0.05, 0.10, 0.50, 1.0, 5.0])


def on_tick(price: float, tick: float) -> bool:
    return abs(price / tick - round(price / tick)) < 1e-6


@given(PRICES, TICKS, st.sampled_from([0.02, 0.05, 0.10, 0.20]))
def test_limits_lie_on_the_tick_and_within_the_band(
    price: float, tick: float, fraction: float
) -> None:
    low, high = price_band("share without derivatives", price, TODAY, tick, fraction=fraction)
    assert on_tick(low, tick) and on_tick(high, tick)
    assert high <= price * (1 + fraction) + 1e-6
    assert low >= price * (1 - fraction) - 1e-6 or low == tick
    assert low >= tick


@given(PRICES.filter(lambda price: price > 100), st.integers(0, 8))
def test_a_band_slides_and_keeps_its_width(price: float, flexes: int) -> None:
    low, high = flexed_band(price, TODAY, 0.05, flexes)
    assert high - low == pytest.approx(0.2 * price, abs=0.11)
    if flexes:
        before = flexed_band(price, TODAY, 0.05, flexes - 1)
        assert high > before[1] and low > before[0]
        assert flexed_band(price, TODAY, 0.05, -flexes)[0] < before[0]


def test_before_november_2024_only_one_side_moved() -> None:
    assert flexed_band(1_000.0, date(2024, 11, 17), 0.05, 2) == (900.0, 1_200.0)
    assert flexed_band(1_000.0, date(2024, 11, 18), 0.05, 2) == (1_000.0, 1_200.0)
    with pytest.raises(UnknownRuleError):
        flexed_band(1_000.0, date(2024, 5, 31), 0.05, 1)


@given(st.sampled_from(["index option", "stock option", "index future", "stock future"]), PRICES)
def test_a_protection_holds_the_reference_price(kind: str, price: float) -> None:
    found = protected_prices(kind, price, TODAY, 0.01)
    assert found is not None
    assert found[0] <= max(price, 0.01) <= found[1]


@pytest.mark.parametrize(
    ("kind", "at", "above"),
    [
        ("index option", 50.0, 50.05),
        ("index future", 10_000.0, 10_000.05),
        ("stock future", 50.0, 50.05),
    ],
)
def test_the_threshold_itself_has_the_amount(kind: str, at: float, above: float) -> None:
    widths = {
        price: found[1] - price
        for price in (at, above)
        if (found := protected_prices(kind, price, TODAY, 0.05))
    }
    amount = {"index option": 20.0, "index future": 200.0, "stock future": 1.5}[kind]
    share = {"index option": 0.40, "index future": 0.02, "stock future": 0.03}[kind]
    assert widths[at] == pytest.approx(amount)
    assert widths[above] == pytest.approx(above * share, abs=0.051)


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(DataError, match="positive price"):
        price_band("index future", price, TODAY, 0.05)
    with pytest.raises(DataError, match="positive price"):
        protected_prices("index option", price, TODAY, 0.05)


def test_an_unknown_group_is_refused_with_names_like_it() -> None:
    with pytest.raises(UnknownRuleError, match="share with derivatives"):
        price_band("share with derivative", 100.0, TODAY, 0.05)


@given(
    st.floats(-0.4, 0.4),
    st.integers(9 * 60 + 15, 15 * 60 + 29),
    st.dates(date(2015, 1, 1), date(2026, 12, 31)),
)
def test_a_halt_needs_a_tenth_and_grows_with_the_move(move: float, minute: int, day: date) -> None:
    moment = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=IST)
    found = halt_after(move, moment)
    if abs(move) < 0.0999:
        assert found is None
    if found is not None:
        assert abs(move) >= found.level - 1e-9
        worse = halt_after(move * 1.5, moment)
        assert worse is not None and worse.level >= found.level
        assert worse.ends_the_day or (worse.minutes or 0) >= (found.minutes or 0)
    assert halt_after(-move, moment) == found


def test_the_hours_of_each_level_follow_one_another_without_a_gap() -> None:
    rows = [history("circuit_breakers", key)[0] for key in keys("circuit_breakers")]
    for level in {row["move"] for row in rows}:
        spans = sorted(
            (row["trigger_from"], row["trigger_before"]) for row in rows if row["move"] == level
        )
        assert spans[0][0].hour == 0 and spans[-1][1].hour == 23
        assert all(left[1] == right[0] for left, right in pairwise(spans))


def test_the_moment_is_read_in_indian_time() -> None:
    moment = datetime(2026, 9, 15, 7, 40, tzinfo=UTC)  # 13:10 in India
    found = halt_after(-0.10, moment)
    assert found is not None and found.minutes == 15
    assert halt_after(-0.10, moment + timedelta(hours=2)) is None
