"""Ticks by date, class and kind of instrument, against the broker's own lists."""

from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UnknownRuleError
from nifty_research.market.ticks import Kind, tick_size

KINDS: tuple[Kind, ...] = get_args(Kind)
DAYS = st.dates(date(2015, 1, 1), date(2026, 12, 31))
PRICES = st.floats(0.05, 200_000, allow_nan=False)


@given(DAYS, PRICES, PRICES, st.sampled_from(KINDS))
def test_a_dearer_instrument_never_has_a_finer_tick(
    day: date, one: float, other: float, kind: Kind
) -> None:
    assert tick_size(day, min(one, other), kind) <= tick_size(day, max(one, other), kind)


@given(st.dates(date(2025, 4, 15), date(2026, 12, 31)), PRICES)
def test_a_stock_future_has_the_tick_of_its_share(day: date, price: float) -> None:
    assert tick_size(day, price, "stock future") == tick_size(day, price)


@given(DAYS, PRICES, st.sampled_from(KINDS))
def test_a_tick_is_a_whole_number_of_paise(day: date, price: float, kind: Kind) -> None:
    paise = tick_size(day, price, kind) * 100
    assert paise == pytest.approx(round(paise)) and round(paise) >= 1


@pytest.mark.parametrize(
    ("day", "price", "kind", "tick"),
    [
        (date(2024, 6, 9), 100.0, "share", 0.05),
        (date(2024, 6, 10), 249.99, "share", 0.01),
        (date(2024, 6, 10), 250.0, "share", 0.05),
        (date(2025, 4, 14), 30_000.0, "share", 0.05),
        (date(2025, 4, 15), 5_000.0, "share", 0.10),
        (date(2025, 4, 15), 5_000.05, "share", 0.50),
        (date(2025, 4, 15), 20_000.0, "share", 1.00),
        (date(2025, 4, 15), 20_001.0, "share", 5.00),
        (date(2024, 7, 7), 100.0, "stock future", 0.05),
        (date(2025, 4, 14), 24_000.0, "index future", 0.05),
        (date(2025, 4, 15), 15_000.0, "index future", 0.05),
        (date(2025, 4, 15), 30_000.0, "index future", 0.10),
        (date(2025, 4, 15), 30_000.05, "index future", 0.20),
        (date(2026, 9, 15), 250.0, "stock option", 0.05),
        (date(2026, 9, 15), 249.0, "stock option", 0.01),
    ],
)
def test_ticks_at_the_edges(day: date, price: float, kind: Kind, tick: float) -> None:
    assert tick_size(day, price, kind) == tick


@pytest.mark.parametrize("price", [0.0, -1.0, float("inf"), float("nan")])
def test_a_price_that_is_none_is_refused(price: float) -> None:
    with pytest.raises(DataError, match="positive reference price"):
        tick_size(date(2026, 9, 15), price)


def test_an_instrument_that_was_not_listed_has_no_tick() -> None:
    with pytest.raises(UnknownRuleError, match="stock option on 2001-06-29"):
        tick_size(date(2001, 6, 29), 100.0, "stock option")
    with pytest.raises(UnknownRuleError, match="no such instrument"):
        tick_size(date(2026, 9, 15), 100.0, "bond")  # type: ignore[arg-type]


def test_the_contracts_of_november_2025_have_these_ticks(nifty_data: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(nifty_data / "ref/kite_instruments_nfo_2025-11.csv.gz")
    futures = frame[frame["instrument_type"] == "FUT"].drop_duplicates("name")
    ticks = dict(zip(futures["name"], futures["tick_size"], strict=True))
    day, levels = date(2025, 11, 14), {"NIFTY": 25_722.0, "BANKNIFTY": 57_776.0}
    for name, level in levels.items():  # Closes of 31 October 2025
        assert ticks.pop(name) == tick_size(day, level, "index future"), name
    closes = pd.read_parquet(
        nifty_data / "daily/nse_full_market_2025H2.parquet",
        columns=["date", "symbol", "series", "close"],
    )
    last = closes[(pd.to_datetime(closes["date"]).dt.date == date(2025, 10, 31))]
    last = last[last["series"] == "EQ"].set_index("symbol")["close"]
    compared = {
        name: (tick, tick_size(day, float(last[name]), "stock future"))
        for name, tick in ticks.items()
        if name in last.index
    }
    differing = {name: pair for name, pair in compared.items() if pair[0] != pair[1]}
    assert len(compared) > 190
    assert differing == {}


def test_options_of_an_index_move_in_five_paise(nifty_data: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(nifty_data / "ref/kite_instruments_nfo_2025-11.csv.gz")
    options = frame[frame["instrument_type"].isin(["CE", "PE"])]
    nifty = options[options["name"] == "NIFTY"]
    assert set(nifty["tick_size"]) == {tick_size(date(2025, 11, 14), 25_722.0, "index option")}
