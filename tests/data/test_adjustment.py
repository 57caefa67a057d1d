"""Adjusting can be undone, loses no rupee of turnover, and agrees with a vendor."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, MissingDataError
from nifty_research.data.action_factors import (
    ACTION_COLUMNS,
    ACTION_KINDS,
    bonus_factor,
    demerger_factor,
    dividend_factor,
    rights_factor,
    split_factor,
)
from nifty_research.data.action_lists import read_actions
from nifty_research.data.actions import action_table
from nifty_research.data.adjustment import factors
from nifty_research.data.bars import FloatArray
from nifty_research.data.contract_adjustment import (
    ContractTerms,
    bonus_contract_factor,
    by_dividend,
    by_factor,
    rights_contract_factor,
    split_contract_factor,
)

FIRST = date(2024, 1, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(40)]
SYMBOLS = ("INFY", "SBIN", "TCS")
small = st.integers(1, 20)


@st.composite
def share_actions(draw: st.DrawFn) -> pd.DataFrame:
    "Splits, bonuses and consolidations of three shares, one kind a day."
    keys = draw(
        st.lists(
            st.tuples(
                st.sampled_from(SYMBOLS),
                st.sampled_from(DAYS),
                st.sampled_from(["split", "bonus", "consolidation"]),
            ),
            max_size=8,
            unique=True,
        )
    )
    rows = [
        {"symbol": s, "ex_date": d, "kind": k, "numerator": draw(small), "denominator": draw(small)}
        for s, d, k in keys
    ]
    return action_table(rows)


def raw_market(seed: int) -> tuple[FloatArray, FloatArray]:
    chance = np.random.default_rng(seed)
    shape = (len(DAYS), len(SYMBOLS))
    return chance.uniform(10, 5000, shape), chance.integers(1, 10**7, shape).astype(float)


@given(share_actions(), st.integers(0, 99))
def test_round_trip_and_turnover(actions: pd.DataFrame, seed: int) -> None:
    raw, volume = raw_market(seed)
    price, shares = factors(actions, SYMBOLS, DAYS)
    np.testing.assert_allclose(raw * price / price, raw, rtol=1e-12)
    np.testing.assert_allclose((raw * price) * (volume * shares), raw * volume, rtol=1e-9)
    np.testing.assert_allclose(price * shares, 1.0, rtol=1e-12)


@given(share_actions())
def test_factors_change_on_ex_dates_only_and_end_at_one(actions: pd.DataFrame) -> None:
    price, _ = factors(actions, SYMBOLS, DAYS)
    assert (price[-1] == 1.0).all()
    changed = {
        (SYMBOLS[column], DAYS[row + 1])
        for row, column in zip(*np.nonzero(np.diff(price, axis=0)), strict=True)
    }
    assert changed <= set(zip(actions["symbol"], actions["ex_date"], strict=True))


@given(share_actions(), st.integers(1, len(DAYS)))
def test_a_shorter_question_gives_the_same_returns(actions: pd.DataFrame, end: int) -> None:
    raw, _ = raw_market(3)
    whole, part = factors(actions, SYMBOLS, DAYS)[0], factors(actions, SYMBOLS, DAYS[:end])[0]
    adjusted, earlier = raw * whole, raw[:end] * part
    np.testing.assert_allclose(
        adjusted[1:end] / adjusted[: end - 1], earlier[1:] / earlier[:-1], rtol=1e-9
    )
    assert (part[-1] == 1.0).all(), "what comes after the last day asked for is not known on it"


@given(share_actions(), st.randoms(use_true_random=False))
def test_order_of_rows_and_further_shares_change_nothing(actions: pd.DataFrame, chance) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(actions)))
    chance.shuffle(order)
    others = actions.assign(symbol="WIPRO")
    mixed = pd.concat([actions.iloc[order], others], ignore_index=True)
    for mine, theirs in zip(
        factors(actions, SYMBOLS, DAYS), factors(mixed, SYMBOLS, DAYS), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


@given(share_actions())
def test_a_day_may_have_many_rows(actions: pd.DataFrame) -> None:
    price, volume = factors(actions, SYMBOLS, DAYS)
    each = np.repeat(np.array(DAYS, dtype="datetime64[D]"), 3)
    minutes, shares = factors(actions, SYMBOLS, each)
    np.testing.assert_array_equal(minutes, np.repeat(price, 3, axis=0))
    np.testing.assert_array_equal(shares, np.repeat(volume, 3, axis=0))


@given(st.floats(0.01, 9.0), st.integers(1, len(DAYS) - 1), st.integers(0, 99))
def test_dividends_make_a_total_return(amount: float, row: int, seed: int) -> None:
    raw, volume = raw_market(seed)
    raw, volume = raw[:, :1], volume[:, :1]
    paid = action_table(
        [{"symbol": "INFY", "ex_date": DAYS[row], "kind": "dividend", "amount_inr": amount}]
    )
    price, shares = factors(paid, ["INFY"], DAYS, dividends=True, closes=raw)
    before, after = raw[row - 1, 0], raw[row, 0]
    total = (raw * price)[row, 0] / (raw * price)[row - 1, 0]
    assert total == pytest.approx(after / (before - amount))
    assert (shares == 1.0).all() and (factors(paid, ["INFY"], DAYS)[0] == 1.0).all()
    assert volume.shape == shares.shape


def one(kind: str, **fields: object) -> pd.DataFrame:
    return action_table([{"symbol": "INFY", "ex_date": DAYS[2], "kind": kind} | fields])


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (one("bonus", numerator=1, denominator=1), 1 / 2),
        (one("bonus", numerator=3, denominator=2), 2 / 5),
        (one("split", numerator=10, denominator=2), 1 / 5),
        (one("consolidation", numerator=1, denominator=10), 10.0),
        (one("rights", numerator=1, denominator=4, amount_inr=50.0), (4 * 110 + 50) / 5 / 110),
        (one("demerger", amount_inr=88.0), 0.8),
        (one("demerger"), 99 / 110),  # its price is the open of the ex-date
        (one("demerger", price_factor=0.7), 0.7),  # the announced split wins
        (one("other", price_factor=0.625), 0.625),
        (one("merger"), 1.0),
        (one("rename"), 1.0),
    ],
)
def test_each_kind(actions: pd.DataFrame, expected: float) -> None:
    closes = np.array([[100.0], [110.0], [99.0], [101.0]])
    price, volume = factors(actions, ["INFY"], DAYS[:4], closes=closes, opens=closes)
    assert price[:, 0].tolist() == pytest.approx([expected, expected, 1.0, 1.0])
    assert (price * volume).tolist() == [[pytest.approx(1.0)]] * 4


def test_a_halted_share_keeps_its_last_price() -> None:
    closes = np.array([[100.0], [np.nan], [np.nan], [95.0]])
    paid = one("dividend", amount_inr=5.0)
    price, _ = factors(paid, ["INFY"], DAYS[:4], dividends=True, closes=closes)
    assert price[:, 0].tolist() == [0.95, 0.95, 1.0, 1.0]
    unborn = np.array([[np.nan], [np.nan], [90.0], [95.0]])
    price, _ = factors(paid, ["INFY"], DAYS[:4], dividends=True, closes=unborn)
    assert (price == 1.0).all()


def test_old_names_reach_the_share() -> None:
    actions = action_table(
        [
            {
                "symbol": "INFRATEL",
                "ex_date": DAYS[2],
                "kind": "split",
                "numerator": 10,
                "denominator": 5,
            }
        ]
    )
    price, _ = factors(actions, ["INDUSTOWER", "INFRATEL", "TCS"], DAYS[:4])
    assert price[0].tolist() == [0.5, 0.5, 1.0]


def test_ex_dates_as_people_keep_them() -> None:
    actions = one("bonus", numerator=1, denominator=1)
    for dates in (
        pd.to_datetime(actions["ex_date"]),
        pd.to_datetime(actions["ex_date"]).astype("datetime64[s]"),
        actions["ex_date"].astype(str),
    ):
        assert factors(actions.assign(ex_date=dates), ["INFY"], DAYS[:4])[0][0, 0] == 0.5


def test_no_actions_no_days() -> None:
    empty = action_table([])
    assert factors(empty, SYMBOLS, DAYS)[0].shape == (40, 3)
    assert factors(empty, SYMBOLS, [])[1].shape == (0, 3)


@pytest.mark.parametrize(
    ("actions", "error", "said"),
    [
        (one("split", numerator=10), DataError, "does not say by how much"),
        (one("split", numerator=10, denominator=0), DataError, "does not say by how much"),
        (one("other"), DataError, "does not say by how much"),
        (one("rights", numerator=1, denominator=4), DataError, "issue price"),
        (one("bonus", price_factor=-0.5), DataError, "does not say by how much"),
        (one("dividend", amount_inr=200.0), DataError, "per cent of face value"),
        (one("split", numerator=2, denominator=1).drop(columns="kind"), DataError, "column kind"),
        (one("bonus").assign(kind="gift"), DataError, "no known kind"),
        (
            pd.concat([one("bonus", numerator=1, denominator=1)] * 2),
            DataError,
            "listed twice",
        ),
    ],
)
def test_bad_tables(actions: pd.DataFrame, error: type[Exception], said: str) -> None:
    closes = np.full((4, 1), 100.0)
    with pytest.raises(error, match=said):
        factors(actions, ["INFY"], DAYS[:4], dividends=True, closes=closes)


def test_bad_questions() -> None:
    paid = one("dividend", amount_inr=5.0)
    with pytest.raises(MissingDataError, match="closes="):
        factors(paid, ["INFY"], DAYS, dividends=True)
    with pytest.raises(MissingDataError, match="opens="):
        factors(one("demerger"), ["INFY"], DAYS, closes=np.ones((40, 1)))
    with pytest.raises(DataError, match="must not fall"):
        factors(paid, ["INFY"], DAYS[::-1])
    with pytest.raises(DataError, match="a row a day"):
        factors(paid, ["INFY"], DAYS, closes=np.ones((3, 1)))


@given(small, small, st.floats(1, 1e4), st.floats(1, 1e4))
def test_formulas(new: int, held: int, price: float, close: float) -> None:
    assert bonus_factor(new, held) == pytest.approx(1 / bonus_contract_factor(new, held))
    assert split_factor(new, held) == pytest.approx(1 / split_contract_factor(new, held))
    rights = rights_factor(new, held, price, close)
    assert rights == pytest.approx(1 / rights_contract_factor(new, held, price, close))
    assert min(price / close, 1) - 1e-12 <= rights <= max(price / close, 1) + 1e-12
    assert 0 < dividend_factor(close / 2, close) < 1 == demerger_factor(close, close)


@given(
    st.integers(1, 2000),
    st.integers(1, 5000),
    st.integers(-50, 50).filter(bool),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_contracts_keep_their_worth(strike: int, lot: int, lots: int, new: int, held: int) -> None:
    terms = ContractTerms(strike * 5.0, lot, lots * lot)
    factor = bonus_contract_factor(new, held)
    after = by_factor(terms, factor)
    # The strike is rounded to ₹0.05, so the worth moves by half a step a share at most.
    assert abs(after.worth - terms.worth) <= 0.0251 * abs(after.position)
    assert after.lot == pytest.approx(lot * factor)
    assert after.position == pytest.approx(lots * lot * factor)
    assert round(after.price / 0.05) * 0.05 == pytest.approx(after.price)


def test_contract_vectors() -> None:
    assert by_factor(ContractTerms(1500.0, 400, 400), 2.0) == ContractTerms(750.0, 800, 800)
    # The Indian Oil dividend of ₹3 in July 2023, on a price near ₹98, was above two hundredths.
    assert by_dividend(ContractTerms(97.5, 9750, 9750), 3.0, 98.0).price == 94.5
    assert by_dividend(ContractTerms(97.5, 9750, 9750), 1.9, 98.0).price == 97.5


# Rights issues too small for the list of derived factors; terms as announced by the companies.
RIGHTS = (
    ("BAJAJFINSV", date(2012, 9, 6), 1, 10, 650.0),
    ("TATAMOTORS", date(2015, 4, 6), 6, 109, 450.0),
    ("RELIANCE", date(2020, 5, 13), 1, 15, 1257.0),
    ("BHARTIARTL", date(2021, 9, 27), 1, 14, 535.0),
)


def test_real_prices_agree_with_a_vendors(nifty_data: Path) -> None:
    "Raw closes times our factors are the vendor's split-adjusted closes, from 2011 on."
    raw = pd.read_parquet(nifty_data / "daily/nifty50_daily_raw.parquet")
    theirs = pd.read_parquet(nifty_data / "daily/nifty50_daily_adjusted.parquet")
    listed = read_actions(nifty_data / "ref/corporate_actions.csv").actions
    rights = [
        {"symbol": s, "ex_date": d, "kind": "rights", "numerator": a, "denominator": b}
        | {"amount_inr": price, "source": "company", "verified": True}
        for s, d, a, b, price in RIGHTS
    ]
    actions = pd.concat([listed, action_table(rights)], ignore_index=True)
    raw = raw[raw["date"] >= date(2011, 1, 1)].pivot(index="date", columns="symbol", values="close")
    theirs = theirs.pivot(index="date", columns="symbol", values="close")
    days = raw.index.intersection(theirs.index)
    symbols = list(raw.columns.intersection(theirs.columns))
    closes = raw.loc[days, symbols].to_numpy()
    price, _ = factors(actions, symbols, list(days), closes=closes)
    # The vendor also divided by what came after the last raw day: a constant a share.
    ratio = theirs.loc[days, symbols].to_numpy() / (closes * price)
    ratio = ratio / np.nanmedian(ratio[-30:], axis=0)
    there = ~np.isnan(ratio)
    agree = np.abs(ratio - 1) < 1e-3
    worst = min(agree[there[:, n], n].mean() for n in range(len(symbols)))
    print(f"{there.sum():,} closes, {agree[there].mean():.3%} agree to 0.1 %, worst {worst:.2%}")
    assert there.sum() > 120_000 and agree[there].mean() > 0.998 and worst > 0.99
    without, _ = factors(listed, symbols, list(days), closes=closes)
    differ = {s for n, s in enumerate(symbols) if (without[:, n] != price[:, n]).any()}
    assert differ == {s for s, *_ in RIGHTS}


def test_columns_are_those_of_the_store() -> None:
    from nifty_research.data.layout import ACTIONS

    assert set(ACTION_COLUMNS) == set(ACTIONS.names)
    assert {"split", "bonus", "rights", "dividend", "demerger"} <= set(ACTION_KINDS)
