"""Rounding of prices and amounts: exact on the grid, never on the wrong side of it."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core import money
from nifty_research.core.compiled import kernel
from nifty_research.core.money import (
    ceil_to_tick,
    floor_to_tick,
    half_up,
    nearest_tick,
    paise,
    price_of,
    rupees,
    short_rupees,
)

TICKS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
PAISE = st.integers(0, 20_000_000)  # up to two lakh rupees a share
PRICES = st.floats(0.0, 200_000.0, allow_nan=False)


@given(PAISE)
def test_price_and_paise_are_inverse_on_the_grid(amount: int) -> None:
    assert paise(price_of(amount)) == amount


@given(PRICES)
def test_paise_is_within_half_a_paisa(price: float) -> None:
    assert abs(Fraction(price) * 100 - paise(price)) <= Fraction(1, 2) + Fraction(1, 10**6)


@given(PAISE, st.sampled_from(TICKS))
def test_price_on_the_grid_stays(steps: int, tick: float) -> None:
    step = paise(tick)
    price = steps // step * step / 100
    assert floor_to_tick(price, tick) == ceil_to_tick(price, tick) == price
    assert nearest_tick(price, tick) == price


@given(PAISE, st.sampled_from(TICKS))
def test_grid_price_with_noise_of_a_computation_stays(steps: int, tick: float) -> None:
    step = paise(tick)
    price = steps // step * step / 100
    noisy = (price / 3.0 + price / 1.5) + 0.1 - 0.1
    assert floor_to_tick(noisy, tick) == ceil_to_tick(noisy, tick) == price


@given(PRICES, st.sampled_from(TICKS))
def test_floor_and_ceiling_enclose_the_price(price: float, tick: float) -> None:
    low, high = floor_to_tick(price, tick), ceil_to_tick(price, tick)
    assert low - 1e-7 <= price <= high + 1e-7
    assert paise(high) - paise(low) in (0, paise(tick))
    assert nearest_tick(price, tick) in (low, high)


@given(PRICES, st.sampled_from(TICKS))
def test_rounded_price_is_exactly_a_number_of_paise(price: float, tick: float) -> None:
    for rounded in (
        floor_to_tick(price, tick),
        ceil_to_tick(price, tick),
        nearest_tick(price, tick),
    ):
        assert rounded == paise(rounded) / 100
        assert paise(rounded) % paise(tick) == 0


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**12))
def test_half_up_agrees_with_decimal(numerator: int, denominator: int) -> None:
    scale = Decimal(1).scaleb(0)
    exact = Fraction(numerator, denominator)
    whole = half_up(numerator, denominator)
    assert abs(whole - exact) <= Fraction(1, 2)
    if abs(whole - exact) == Fraction(1, 2):
        assert abs(whole) > abs(exact)
    if denominator in (1, 2, 4, 5, 10, 100, 1000):
        decimal = Decimal(numerator) / Decimal(denominator)
        assert whole == int(decimal.quantize(scale, ROUND_HALF_UP))


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**12))
def test_a_refund_rounds_as_the_charge_did(numerator: int, denominator: int) -> None:
    assert half_up(-numerator, denominator) == -half_up(numerator, denominator)


@given(st.integers(-(10**15), 10**15))
def test_rupees_can_be_read_back(amount: int) -> None:
    text = rupees(amount)
    assert int(text.replace("₹", "").replace(",", "").replace(".", "")) == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "₹0.00"),
        (99_99, "₹99.99"),
        (999_00, "₹999.00"),
        (1_000_00, "₹1,000.00"),
        (1_00_000_00, "₹1,00,000.00"),
        (-12_34_567_89, "-₹12,34,567.89"),
        (123_45_67_890_12, "₹1,23,45,67,890.12"),
    ],
)
def test_rupees_are_grouped_the_indian_way(amount: int, text: str) -> None:
    assert rupees(amount) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "₹0.00"),
        (-99_999_99, "-₹99,999.99"),
        (1_00_000_00, "₹1.00 lakh"),
        (99_99_499_99, "₹99.99 lakh"),
        (99_99_500_00, "₹1.00 crore"),
        (-3_20_00_000_00, "-₹3.20 crore"),
        (4_56_789 * 1_00_00_000_00, "₹4,56,789.00 crore"),
    ],
)
def test_short_rupees_pick_the_unit_people_say(amount: int, text: str) -> None:
    assert short_rupees(amount) == text


NAMES = ("paise", "price_of", "floor_to_tick", "ceil_to_tick", "nearest_tick", "half_up")
COMPILED = {name: kernel(getattr(money, name)) for name in NAMES}


@pytest.fixture(scope="module", autouse=True)
def compiled_once() -> None:
    """Compile before the examples, whose time is limited."""
    COMPILED["paise"](1.0)
    COMPILED["price_of"](1)
    COMPILED["half_up"](1, 1)
    for name in ("floor_to_tick", "ceil_to_tick", "nearest_tick"):
        COMPILED[name](1.0, 0.05)


@given(PRICES, st.sampled_from(TICKS))
def test_compiled_prices_equal_plain_ones_to_the_bit(price: float, tick: float) -> None:
    assert COMPILED["paise"](price) == paise(price)
    assert COMPILED["price_of"](paise(price)) == price_of(paise(price))
    for name in ("floor_to_tick", "ceil_to_tick", "nearest_tick"):
        assert COMPILED[name](price, tick) == getattr(money, name)(price, tick)


@given(st.integers(-(2**62), 2**62), st.integers(1, 2**62))
def test_compiled_half_up_neither_overflows_nor_differs(numerator: int, denominator: int) -> None:
    assert COMPILED["half_up"](numerator, denominator) == half_up(numerator, denominator)
