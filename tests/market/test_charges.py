"""Charges: published examples, exact rounding, every change of a rate, the forms in agreement."""

import csv
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UnknownRuleError
from nifty_research.market import rules
from nifty_research.market.charges import (
    HEADS,
    LARGEST_ORDER_PAISE,
    break_even_paise,
    charges_by_head,
    charges_of,
    charges_of_orders,
    dp_charge_paise,
)
from nifty_research.market.tariffs import (
    FIELDS,
    SEGMENTS,
    ChargeRates,
    Tariff,
    charge_rates,
    charge_timeline,
    products_of,
    whole_number,
)

FIRST_DAY = date(2015, 1, 1)
DAYS = st.dates(FIRST_DAY, date(2026, 12, 31))
LATE = st.dates(date(2018, 1, 1), date(2026, 12, 31))  # commodity options trade
VALUES = st.integers(0, LARGEST_ORDER_PAISE)
TRADED = [(product, segment) for segment in SEGMENTS for product in products_of(segment)]
KINDS = st.sampled_from(TRADED)


def exact(value_paise: int, is_sell: bool, rates: ChargeRates) -> dict[str, Fraction]:
    "Heads in paise, unrounded, computed another way than the code does."
    value = Fraction(value_paise, 10**9)
    flat = rates.brokerage_flat if value_paise else 0
    brokerage = min(value * rates.brokerage, Fraction(rates.brokerage_cap)) + flat
    exchange, sebi = value * rates.exchange, value * rates.sebi
    return {
        "brokerage": brokerage,
        "stt": value * (rates.stt_sell if is_sell else rates.stt_buy),
        "exchange": exchange,
        "sebi": sebi,
        "stamp": value * (rates.stamp_sell if is_sell else rates.stamp_buy),
        "ipft": value * rates.ipft,
        "gst": (brokerage + exchange + sebi * rates.gst_on_sebi) * Fraction(rates.gst, 10**9),
    }


def heads_of(
    value: int, is_sell: bool, day: date, product: str, segment: str = "equity"
) -> dict[str, int]:
    return charges_by_head(value, is_sell=is_sell, day=day, product=product, segment=segment)


# ---- one order ---------------------------------------------------------------------------------


@given(VALUES, st.booleans(), LATE, KINDS)
def test_each_head_is_the_exact_amount_rounded_half_up(
    value: int, is_sell: bool, day: date, kind: tuple[str, str]
) -> None:
    wanted = exact(value, is_sell, charge_rates(day, *kind))
    heads = heads_of(value, is_sell, day, *kind)
    assert heads == {head: int(amount + Fraction(1, 2)) for head, amount in wanted.items()}


@given(st.integers(0, 10**7), st.booleans(), st.dates(FIRST_DAY, date(2017, 6, 30)))
def test_service_tax_of_twelve_point_three_six_and_fourteen_and_a_half_per_cent_is_exact(
    value: int, is_sell: bool, day: date
) -> None:
    wanted = exact(value, is_sell, charge_rates(day, "MIS"))["gst"]
    assert heads_of(value, is_sell, day, "MIS")["gst"] == int(wanted + Fraction(1, 2))


@given(VALUES, st.booleans(), LATE, KINDS)
def test_the_sum_is_the_sum_of_the_heads(
    value: int, is_sell: bool, day: date, kind: tuple[str, str]
) -> None:
    out = np.full(len(HEADS), -1, dtype=np.int64)
    total = charges_of(value, is_sell, charge_rates(day, *kind).as_array(), out)
    assert total == out.sum() and (out >= 0).all()


@given(VALUES, VALUES, st.booleans(), LATE, KINDS)
def test_a_larger_order_never_costs_less_in_any_head(
    one: int, other: int, is_sell: bool, day: date, kind: tuple[str, str]
) -> None:
    small, large = (heads_of(value, is_sell, day, *kind) for value in sorted((one, other)))
    assert all(small[head] <= large[head] for head in HEADS)


@given(VALUES, LATE, KINDS)
def test_only_the_taxes_know_the_side(value: int, day: date, kind: tuple[str, str]) -> None:
    buy, sell = (heads_of(value, side, day, *kind) for side in (False, True))
    assert {head for head in HEADS if buy[head] != sell[head]} <= {"stt", "stamp"}


@given(VALUES, st.dates(FIRST_DAY, date(2020, 6, 30)))
def test_a_delivery_cost_the_same_on_both_sides_while_both_paid_stamp_duty(
    value: int, day: date
) -> None:
    assert heads_of(value, False, day, "CNC") == heads_of(value, True, day, "CNC")


@given(VALUES, st.booleans(), LATE, st.sampled_from(SEGMENTS[1:]))
def test_the_product_makes_no_difference_in_derivatives(
    value: int, is_sell: bool, day: date, segment: str
) -> None:
    intraday, carried = (heads_of(value, is_sell, day, p, segment) for p in ("MIS", "NRML"))
    assert intraday == carried


@given(VALUES, VALUES, st.booleans(), LATE, KINDS)
def test_two_orders_never_cost_less_than_one_of_their_size(
    one: int, other: int, is_sell: bool, day: date, kind: tuple[str, str]
) -> None:
    if one + other <= LARGEST_ORDER_PAISE:
        whole = sum(heads_of(one + other, is_sell, day, *kind).values())
        parts = [sum(heads_of(value, is_sell, day, *kind).values()) for value in (one, other)]
        assert sum(parts) >= whole - len(HEADS)  # each head is rounded once more


def test_an_order_that_was_not_executed_costs_nothing() -> None:
    for product, segment in TRADED:
        assert not any(heads_of(0, True, date(2026, 9, 15), product, segment).values())


@pytest.mark.parametrize("kind", TRADED)
def test_the_compiled_form_gives_the_same_numbers(kind: tuple[str, str]) -> None:
    numba = pytest.importorskip("numba")
    compiled = numba.njit(charges_of)
    mine, theirs = np.zeros(7, dtype=np.int64), np.zeros(7, dtype=np.int64)
    for day in (date(2018, 6, 1), date(2026, 9, 15)):
        rates = charge_rates(day, *kind).as_array()
        for value in (0, 1, 6_666_666, 6_666_667, 12_345_678, LARGEST_ORDER_PAISE):
            for is_sell in (False, True):
                total = charges_of(value, is_sell, rates, mine)
                assert total == compiled(value, is_sell, rates, theirs)
                assert mine.tolist() == theirs.tolist()


def test_the_dearest_group_of_bse_fits_into_64_bits() -> None:
    rates = charge_rates(date(2026, 9, 15), "MIS", exchange="BSE", variant="SS")
    out = np.zeros(7, dtype=np.int64)
    charges_of(LARGEST_ORDER_PAISE, True, rates.as_array(), out)
    wanted = exact(LARGEST_ORDER_PAISE, True, rates)
    assert out.tolist() == [int(amount + Fraction(1, 2)) for amount in wanted.values()]


# ---- many orders -------------------------------------------------------------------------------

ORDERS = st.lists(st.tuples(LATE, VALUES, st.booleans(), KINDS), min_size=1, max_size=30)


@given(ORDERS)
def test_many_orders_cost_what_each_of_them_costs(
    orders: list[tuple[date, int, bool, tuple[str, str]]],
) -> None:
    days, values, sides, kinds = zip(*orders, strict=True)
    products, segments = zip(*kinds, strict=True)
    many = charges_of_orders(days, values, sides, products, segments)
    for row, (day, value, side, kind) in zip(many.tolist(), orders, strict=True):
        assert row == list(heads_of(value, side, day, *kind).values())


def test_one_value_for_all_orders_and_arrays_of_days_are_taken() -> None:
    values = np.array([100_00, 250_000_00])
    day = date(2026, 9, 15)
    plain = charges_of_orders([day, day], values, [True, True], ["MIS", "MIS"])
    assert (plain == charges_of_orders(day, values, True, "MIS")).all()
    assert (plain == charges_of_orders(np.array([day, day], "M8[D]"), values, True, "MIS")).all()
    assert charges_of_orders(day, np.zeros(0, np.int64), True, "MIS").shape == (0, 7)


def test_orders_are_refused_by_name() -> None:
    day = date(2026, 9, 15)
    with pytest.raises(DataError, match=r"order 1.*-5"):
        charges_of_orders(day, [5, -5], True, "MIS")
    with pytest.raises(DataError, match="one length"):
        charges_of_orders([day] * 3, [5, 5], True, "MIS")
    with pytest.raises(DataError, match="one length"):
        charges_of_orders(day, [5, 5], True, ["MIS"])
    with pytest.raises(DataError, match="one length"):
        charges_of_orders(day, [5, 5], [True] * 3, "MIS")
    with pytest.raises(DataError, match="whole paise"):
        charges_of_orders(day, [5.5], True, "MIS")
    with pytest.raises(DataError, match="CNC"):
        charges_of_orders(day, [5, 5], True, ["MIS", "CNC"], "options")
    with pytest.raises(UnknownRuleError, match="2023-06-01"):
        charges_of_orders([day, date(2023, 6, 1)], [5, 5], True, "MIS", "options", "BSE")


# ---- published examples ------------------------------------------------------------------------

# Rupees, as computed and unrounded in the worked examples at the rates of April 2026.
WORKED = {
    ("CNC", "equity", 100, 1_000, 1_100): dict(
        brokerage=0, stt=210.0, exchange=6.4470, sebi=0.21, gst=1.1982, stamp=15, total=232.8552
    ),
    ("MIS", "equity", 400, 1_000, 1_100): dict(
        brokerage=40, stt=110.0, exchange=25.788, sebi=0.84, gst=11.9929, stamp=12, total=200.6209
    ),
    ("NRML", "options", 65, 100, 110): dict(
        brokerage=40,
        stt=10.725,
        exchange=4.8498,
        sebi=0.0137,
        gst=8.0752,
        stamp=0.195,
        total=63.8587,
    ),
    ("NRML", "futures", 65, 24_000, 24_100): dict(
        brokerage=40,
        stt=783.25,
        exchange=57.215,
        sebi=3.1265,
        gst=18.0609,
        stamp=31.2,
        total=932.8523,
    ),
}


@pytest.mark.parametrize("trade", list(WORKED))
def test_worked_examples_to_four_decimals(trade: tuple[str, str, int, int, int]) -> None:
    product, segment, quantity, bought, sold = trade
    rates = charge_rates(date(2026, 4, 1), product, segment)
    legs = [
        exact(quantity * bought * 100, False, rates),
        exact(quantity * sold * 100, True, rates),
    ]
    total = {head: sum(leg[head] for leg in legs) / 100 for head in HEADS}
    whole = sum(total.values())
    total["exchange"] += total.pop("ipft")  # the examples print them together
    for head, rupees in (WORKED[trade]).items():
        amount = whole if head == "total" else total[head]
        assert abs(float(amount) - rupees) <= 0.5001e-4, head


@pytest.mark.parametrize("trade", list(WORKED))
def test_the_rounded_round_trip_is_within_half_a_paisa_a_head(
    trade: tuple[str, str, int, int, int],
) -> None:
    product, segment, quantity, bought, sold = trade
    day = date(2026, 4, 1)
    buy = heads_of(quantity * bought * 100, False, day, product, segment)
    sell = heads_of(quantity * sold * 100, True, day, product, segment)
    paid = sum(buy.values()) + sum(sell.values())
    assert abs(paid - 100 * WORKED[trade]["total"]) <= 7


def test_one_nifty_lot_of_options_at_a_hundred_costs_what_the_broker_says() -> None:
    rates = charge_rates(date(2026, 4, 1), "NRML", "options")
    value = 65 * 100_00
    both = sum(sum(exact(value, side, rates).values()) for side in (False, True))
    assert round(float(both) / 100, 2) == 62.61  # "about 63 rupees"


def test_broker_answer_for_infosys_at_the_rate_of_2021_to_2023() -> None:
    # Its brokerage is the token paisa of a contract note of deliveries; left out with its GST.
    heads = exact(149_800, False, charge_rates(date(2022, 8, 1), "CNC"))
    assert heads["stt"] == Fraction("149.8")
    assert heads["exchange"] == Fraction("5.1681")
    assert heads["sebi"] == Fraction("0.1498")
    assert heads["gst"] == Fraction("1.137222") - Fraction("0.18")


def test_broker_answer_for_state_bank_of_july_2023() -> None:
    heads = exact(56_000, False, charge_rates(date(2023, 7, 13), "CNC"))
    assert heads["stt"] == 56
    assert heads["exchange"] + heads["ipft"] == Fraction("1.876")
    assert heads["sebi"] == Fraction("0.056")
    assert heads["gst"] == Fraction("0.33768")


# ---- the dated table ---------------------------------------------------------------------------

# First day of each change, as the acts and circulars give it: field, then (day, parts per 1e9).
CHANGES = {
    ("stt_sell", "NRML", "futures"): {
        "2015-01-01": 100_000,
        "2023-04-01": 125_000,
        "2024-10-01": 200_000,
        "2026-04-01": 500_000,
    },
    ("stt_sell", "NRML", "options"): {
        "2015-01-01": 170_000,
        "2016-06-01": 500_000,
        "2023-04-01": 625_000,
        "2024-10-01": 1_000_000,
        "2026-04-01": 1_500_000,
    },
    ("stt_sell", "MIS", "equity"): {"2015-01-01": 250_000},
    ("stt_buy", "CNC", "equity"): {"2015-01-01": 1_000_000},
    ("stt_sell", "CNC", "equity"): {"2015-01-01": 1_000_000},
    ("exchange", "MIS", "equity"): {
        "2015-01-01": 32_500,
        "2021-01-01": 34_500,
        "2023-04-01": 32_500,
        "2024-04-01": 32_200,
        "2024-10-01": 29_700,
        "2026-03-01": 30_699,
    },
    ("exchange", "NRML", "futures"): {
        "2015-01-01": 19_000,
        "2021-01-01": 20_000,
        "2023-04-01": 19_000,
        "2024-04-01": 18_800,
        "2024-10-01": 17_300,
        "2026-03-01": 18_299,
    },
    ("exchange", "NRML", "options"): {
        "2015-01-01": 500_000,
        "2021-01-01": 530_000,
        "2023-04-01": 500_000,
        "2024-04-01": 495_000,
        "2024-10-01": 350_300,
        "2026-03-01": 355_200,
    },
    ("ipft", "MIS", "equity"): {"2015-01-01": 0, "2023-04-01": 1_000, "2026-03-01": 1},
    ("ipft", "NRML", "options"): {"2015-01-01": 0, "2023-04-01": 5_000, "2026-03-01": 100},
    ("sebi", "MIS", "equity"): {
        "2015-01-01": 2_000,
        "2017-04-01": 1_500,
        "2019-04-01": 1_000,
        "2020-06-01": 500,
        "2021-04-01": 1_000,
    },
    ("gst", "MIS", "equity"): {
        "2015-01-01": 123_600_000,
        "2015-06-01": 140_000_000,
        "2015-11-15": 145_000_000,
        "2016-06-01": 150_000_000,
        "2017-07-01": 180_000_000,
    },
    ("gst_on_sebi", "MIS", "equity"): {"2015-01-01": 0, "2022-07-18": 1},
    ("stamp_buy", "CNC", "equity"): {"2015-01-01": 100_000, "2020-07-01": 150_000},
    ("stamp_buy", "MIS", "equity"): {"2015-01-01": 20_000, "2020-07-01": 30_000},
    ("stamp_buy", "NRML", "futures"): {"2015-01-01": 20_000},
    ("stamp_buy", "NRML", "options"): {"2015-01-01": 20_000, "2020-07-01": 30_000},
    ("stamp_sell", "CNC", "equity"): {"2015-01-01": 100_000, "2020-07-01": 0},
    ("brokerage", "MIS", "equity"): {"2015-01-01": 100_000, "2020-04-01": 300_000},
    ("brokerage", "CNC", "equity"): {"2015-01-01": 1_000_000, "2015-12-01": 0},
    ("brokerage_flat", "NRML", "options"): {"2015-01-01": 2_000},
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_a_rate_holds_from_its_day_until_the_day_before_the_next(
    what: tuple[str, str, str],
) -> None:
    field, product, segment = what
    changes = {date.fromisoformat(day): value for day, value in CHANGES[what].items()}
    ends = [*(day - timedelta(days=1) for day in list(changes)[1:]), date(2026, 12, 31)]
    for (since, value), until in zip(changes.items(), ends, strict=True):
        for day in (since, since + (until - since) // 2, until):
            assert getattr(charge_rates(day, product, segment), field) == value, day


@given(DAYS, KINDS)
def test_the_timeline_agrees_with_the_rows_of_the_day(day: date, kind: tuple[str, str]) -> None:
    tariff = Tariff(*kind)
    try:
        rates = charge_rates(day, *kind)
    except UnknownRuleError:
        assert kind[1] == "commodity-options" and day < date(2017, 10, 17)
        return
    for field, row in zip(FIELDS, rates.rules, strict=True):
        assert row.holds_on(day) and row.key.split()[0] == field
        assert whole_number(row) == getattr(rates, field)
    assert rates.tariff == tariff


def test_every_row_of_the_table_is_reached_by_some_tariff() -> None:
    reached = set()
    places = [("", ""), ("BSE", ""), ("BSE", "X"), ("BSE", "SS"), ("BSE", "other")]
    for product, segment in TRADED:
        for exchange, variant in places:
            if exchange and segment.startswith("commodity"):
                continue
            _, sets = charge_timeline(Tariff(product, segment, exchange, variant))
            reached |= {row.key for rates in sets if rates for row in rates.rules}
    of_no_order = {"stt_exercise options", "stt_delivered derivatives"}
    assert set(rules.keys("charges")) - reached == of_no_order


def test_rows_of_a_key_follow_each_other_without_a_gap() -> None:
    for subject in ("charges", "depository"):
        for key in rules.keys(subject):
            rows = rules.history(subject, key)
            for before, after in pairwise(rows):
                assert before.until is not None
                assert after.since - before.until == timedelta(days=1), key
            assert rows[-1].until is None


def test_the_exchange_total_did_not_change_in_march_2026() -> None:
    for (product, segment), total in {
        ("MIS", "equity"): 30_700,
        ("NRML", "futures"): 18_300,
        ("NRML", "options"): 355_300,
    }.items():
        for month in (2, 3):
            rates = charge_rates(date(2026, month, 1), product, segment)
            assert rates.exchange + rates.ipft == total


def test_stamp_duty_is_paid_by_the_buyer_only_since_july_2020() -> None:
    for product, segment in TRADED:
        rates = charge_rates(date(2020, 7, 1), product, segment)
        assert rates.stamp_buy > 0 == rates.stamp_sell
        assert not {"stamp_buy", "stamp_sell"} & set(rates.unverified)


def test_rates_say_which_of_them_have_no_primary_source() -> None:
    assert charge_rates(date(2026, 9, 15), "CNC").unverified == ()
    assert charge_rates(date(2024, 5, 2), "CNC").unverified == ("exchange",)
    assert "exchange NSE cash since 2024-04-01: broker notices" in (
        charge_rates(date(2024, 5, 2), "CNC").notes
    )


def test_bse_charges_by_group_and_by_underlying() -> None:
    day = date(2026, 9, 15)

    def at_bse(product: str, segment: str = "equity", variant: str = "") -> int:
        return charge_rates(day, product, segment, exchange="BSE", variant=variant).exchange

    assert (at_bse("CNC"), at_bse("CNC", variant="X"), at_bse("CNC", variant="SS")) == (
        37_500,
        1_000_000,
        10_000_000,
    )
    assert (at_bse("NRML", "options"), at_bse("NRML", "options", "other")) == (325_000, 50_000)
    assert at_bse("NRML", "futures") == 0


@pytest.mark.parametrize("value", [-1, LARGEST_ORDER_PAISE + 1])
def test_impossible_turnovers_are_refused(value: int) -> None:
    with pytest.raises(DataError, match=str(value)):
        charges_by_head(value, is_sell=True, day=date(2026, 9, 15), product="MIS")


def test_days_before_2015_and_unknown_products_and_segments_are_refused() -> None:
    before = date(2014, 12, 31)
    with pytest.raises(UnknownRuleError, match="2014-12-31"):
        charge_rates(before, "CNC")
    with pytest.raises(UnknownRuleError, match="2014-12-31"):
        dp_charge_paise(before)
    assert charge_rates(before, "CNC", nearest=True).nearest
    assert not charge_rates(date(2015, 1, 1), "CNC", nearest=True).nearest
    with pytest.raises(DataError, match="NRML"):
        charge_rates(date(2026, 9, 15), "NRML")
    with pytest.raises(DataError, match="crypto"):
        charge_rates(date(2026, 9, 15), "NRML", "crypto")
    with pytest.raises(DataError, match="calendar day"):
        charge_rates(datetime(2026, 9, 15, 10, 0), "MIS")  # noqa: DTZ001


def test_a_table_with_an_unknown_unit_or_too_fine_a_rate_is_refused(tmp_path: Path) -> None:
    subject = rules.about_subject("charges")

    def row(value: str, unit: str) -> rules.Rule:
        path = tmp_path / "charges.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(
                [
                    ["key", "from", "to", "value:decimal", "unit:text", "verified", "source"],
                    ["sebi", "2015-01-01", "", value, unit, "no", "a test"],
                ]
            )
        return rules.read_table(path, subject)["sebi"][0]

    assert whole_number(row("306.99", "rupees a crore")) == 30_699
    with pytest.raises(DataError, match="basis points"):
        whole_number(row("3", "basis points"))
    with pytest.raises(DataError, match="finer"):
        whole_number(row("0.00000001", "%"))


# ---- depository and break-even -----------------------------------------------------------------


def test_the_depository_charge_follows_its_tariff_and_the_tax_of_the_day() -> None:
    assert dp_charge_paise(date(2024, 10, 1)) == 1534
    assert dp_charge_paise(date(2024, 9, 30)) == 1593
    assert dp_charge_paise(date(2016, 1, 4)) == 1546  # 13.50 and 14.5 %


@given(st.integers(1, LARGEST_ORDER_PAISE // 2), LATE, KINDS)
def test_the_break_even_sale_is_the_smallest_that_pays_for_both_orders(
    bought: int, day: date, kind: tuple[str, str]
) -> None:
    product, segment = kind
    sold = break_even_paise(bought, day=day, product=product, segment=segment)
    fixed = sum(heads_of(bought, False, day, *kind).values())

    def left(sale: int) -> int:
        return sale - bought - fixed - sum(heads_of(sale, True, day, *kind).values())

    assert left(sold) == 0
    assert all(left(sold - less) < 0 for less in (1, 2, 3, 10, 100) if sold - less >= bought)


@pytest.mark.parametrize("bought", [0, -5, LARGEST_ORDER_PAISE])
def test_nothing_breaks_even_on_an_impossible_purchase(bought: int) -> None:
    with pytest.raises(DataError, match=str(bought)):
        break_even_paise(bought, day=date(2026, 9, 15), product="MIS")
