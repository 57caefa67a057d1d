"""Rates, margins, position limits and bans at their corners."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UnknownRuleError
from nifty_research.market.calendar import previous_session
from nifty_research.market.expiries import monthly_expiry
from nifty_research.market.limits import (
    delivery_margin_rate,
    exposure_rate,
    is_banned_after,
    margin_rate,
    market_wide_limit,
    may_trade_in_ban,
    order_limit,
    position_limit_inr,
    position_limit_share,
)

TODAY = date(2026, 9, 15)


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        ("2020-12-01", "0.05"),
        ("2021-02-28", "0.05"),
        ("2021-03-01", "0.10"),
        ("2021-05-31", "0.10"),
        ("2021-06-01", "0.15"),
        ("2021-08-31", "0.15"),
        ("2021-09-01", "0.20"),
        ("2026-11-20", "0.20"),
    ],
)
def test_intraday_margin_was_phased_in_by_quarters(day: str, rate: str) -> None:
    assert margin_rate("equity intraday", date.fromisoformat(day)) == Decimal(rate)


def test_before_peak_margins_no_rate_is_made_up() -> None:
    with pytest.raises(UnknownRuleError, match="set the rate that the broker gave"):
        margin_rate("equity intraday", date(2020, 11, 30))
    with pytest.raises(UnknownRuleError, match="index exposure"):
        exposure_rate("index", date(2015, 6, 1))
    assert exposure_rate("index", date(2015, 6, 1), nearest=True) == Decimal("0.02")


def test_no_calendar_benefit_on_the_day_a_leg_expires() -> None:
    name = "stock calendar benefit on expiry day"
    assert margin_rate(name, date(2026, 5, 4)) == 1 and margin_rate(name, date(2026, 5, 5)) == 0
    name = "index calendar benefit on expiry day"
    assert margin_rate(name, date(2025, 2, 9)) == 1 and margin_rate(name, date(2025, 2, 10)) == 0


@given(st.integers(2020, 2026), st.integers(1, 12))
def test_delivery_margin_grows_over_the_last_four_sessions(year: int, month: int) -> None:
    expiry = monthly_expiry("INFY", year, month)
    day, rates = expiry, []
    for _ in range(5):
        day = previous_session(day)
        rates.append(delivery_margin_rate(expiry, day))
    assert rates == [Decimal(rate) for rate in ("0.70", "0.45", "0.25", "0.10", "0")]
    assert delivery_margin_rate(expiry, expiry) == 0
    assert delivery_margin_rate(expiry, expiry + timedelta(days=1)) == 0


@given(st.integers(1, 10**10), st.floats(0, 1e9), st.dates(date(2015, 1, 1), date(2026, 12, 31)))
def test_market_wide_limit_lies_within_the_free_float(
    free_float: int, delivery: float, day: date
) -> None:
    found = market_wide_limit(day, free_float=free_float, average_daily_delivery=delivery)
    most = position_limit_share("market-wide limit by free float", day)
    least = position_limit_share("market-wide limit at least", day)
    assert int(least * free_float) <= found <= int(max(most, least) * free_float)


@given(st.floats(0, 2), st.booleans(), st.dates(date(2015, 1, 1), date(2026, 12, 31)))
def test_a_ban_begins_above_95_and_ends_at_80_per_cent(
    share: float, banned: bool, day: date
) -> None:
    found = is_banned_after(share, day, banned=banned)
    assert found == (share > (0.80 if banned else 0.95))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_since_october_2025_the_future_equivalent_must_shrink(before: float, after: float) -> None:
    allowed = may_trade_in_ban(
        TODAY, equivalent_before=before, equivalent_after=after, offsets=True
    )
    assert allowed == (abs(after) < abs(before) and before * after >= 0)


@pytest.mark.parametrize("offsets", [True, False])
def test_until_september_2025_only_offsetting_trades_passed(offsets: bool) -> None:
    day = date(2025, 9, 30)
    position = {"equivalent_before": 100.0, "equivalent_after": 50.0}
    assert may_trade_in_ban(day, **position, offsets=offsets) == offsets


@pytest.mark.parametrize("share", [-0.1, float("nan"), float("inf")])
def test_an_impossible_open_interest_is_refused(share: float) -> None:
    with pytest.raises(DataError, match="share of the market-wide limit"):
        is_banned_after(share, TODAY, banned=False)


def test_a_limit_is_asked_for_in_its_own_unit() -> None:
    with pytest.raises(DataError, match="own unit"):
        position_limit_share("index options net end of day", TODAY)
    with pytest.raises(UnknownRuleError, match="2025-07-01 to open"):
        position_limit_inr("index options net end of day", date(2025, 6, 30))


def test_rates_before_the_framework_are_not_made_up() -> None:
    assert order_limit("exchange orders per second", date(2026, 4, 1)) == 10
    with pytest.raises(UnknownRuleError):
        order_limit("exchange orders per second", date(2026, 3, 31))
    with pytest.raises(UnknownRuleError, match="there is no rule for this key"):
        order_limit("kite orders per hour", TODAY)
