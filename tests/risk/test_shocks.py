"""Shocks: the tables are what prices were, and each holding is struck by the nearest known."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import DataError, UsageError
from nifty_research.data.bars import Bars
from nifty_research.risk.holdings import History, history_of, read_holdings
from nifty_research.risk.reading import SYNTHETIC, read_history
from nifty_research.risk.shocks import (
    Shock,
    move_of_text,
    named_shocks,
    own_shock,
    read_shock,
    shock_of_text,
)
from nifty_research.risk.stress import sector_moves, strike

CRISES = "2008 taper demonetisation ilfs covid march election".split()


def holding(**values: float) -> History:
    "Holdings of so many rupees, with a history that moves."
    count = len(values)
    days = tuple(date.fromordinal(738_000 + n) for n in range(40))
    returns = np.random.default_rng(1).normal(0, 0.01, (40, count))
    quantities = np.array(list(values.values())) / 100.0
    return History(tuple(values), quantities, np.full(count, 100.0), days, returns)


def test_every_crisis_of_the_list_is_there() -> None:
    shocks = named_shocks()
    assert all(any(word in name for name in shocks) for word in CRISES)
    for shock in shocks.values():
        assert shock.market is not None and -0.6 < shock.market < -0.05
        assert all(-0.9 < move < 5.0 for move in shock.moves.values()) and shock.story
    # Published: 12.98 % on 2020-03-23, 5.93 % on 2024-06-04, 12.20 % on 2008-10-24.
    for name, move in (("march_23_2020", -0.1298), ("election_2024", -0.0593)):
        assert shocks[name].market == move
    assert shocks["october_2008"].market == -0.1220


def test_the_tables_are_what_the_prices_were(nifty_data: Path) -> None:
    daily = nifty_data / "daily"
    files = ("index_daily", "nifty50_daily_raw", "nse_other100_daily_raw")
    closes = [
        pd.read_parquet(daily / f"{name}.parquet").pivot_table(
            index="date", columns="symbol", values="close", aggfunc="last"
        )
        for name in files
    ]
    actions = pd.read_csv(nifty_data / "ref" / "corporate_actions.csv", parse_dates=["ex_date"])
    actions = actions[actions["kind"] == "price_factor_derived"]
    checked = 0
    for shock in named_shocks().values():
        for symbol, move in shock.moves.items():
            table = next((one for one in closes if symbol in one), None)
            if shock.name == "election_2024" or table is None:
                continue
            mine = actions[actions["symbol"] == symbol]
            within = mine["ex_date"].between(str(shock.first), str(shock.last), inclusive="right")
            factor = mine.loc[within, "value"].prod()
            true = factor * table.at[shock.last, symbol] / table.at[shock.first, symbol] - 1.0
            assert abs(true - move) < 6e-5, (shock.name, symbol)
            checked += 1
    assert checked > 1100


@given(st.dictionaries(st.sampled_from(("INFY", "TCS", "ITC")), st.floats(-0.99, 2.0), min_size=1))
def test_what_is_typed_is_what_strikes(moves: dict[str, float]) -> None:
    text = "; ".join(f"{symbol}={100 * move!r} %" for symbol, move in moves.items())
    shock = shock_of_text(text + ", others=-7%")
    told = strike(holding(INFY=1e5, TCS=-2e5, ITC=3e5, SBIN=1e5), shock)
    expected = {"INFY": 1e5, "TCS": -2e5, "ITC": 3e5, "SBIN": 1e5}
    total = sum(value * moves.get(symbol, -0.07) for symbol, value in expected.items())
    assert np.isclose(told.profit, total, atol=1e-6) and told.stated == 1.0


@given(st.floats(0.1, 10.0))
def test_losses_grow_with_the_holdings(factor: float) -> None:
    shock = named_shocks()["covid_2020"]
    one = strike(holding(INFY=1e5, TCS=-2e5, NEWCOMER=5e4), shock)
    more = strike(holding(INFY=1e5 * factor, TCS=-2e5 * factor, NEWCOMER=5e4 * factor), shock)
    assert np.isclose(more.profit, one.profit * factor) and np.isclose(more.share, one.share)


def test_the_nearest_that_is_known_is_taken() -> None:
    shock = own_shock({"NIFTY 50": -0.05, "sector:Healthcare": -0.02, "INFY": -0.09})
    rows = strike(
        holding(INFY=1, CIPLA=1, NEWCOMER=1, STRANGER=1), shock, betas={"NEWCOMER": 2.0}
    ).rows
    assert [(row.basis, round(row.move, 4)) for row in rows] == [
        ("own", -0.09),
        ("sector", -0.02),
        ("beta", -0.10),
        ("assumed", -0.05),
    ]


def test_a_sector_is_the_median_of_its_shares() -> None:
    shock = Shock("x", "x", {"TCS": -0.1, "INFY": -0.3, "WIPRO": -0.2, "CIPLA": -0.5})
    assert sector_moves(shock) == {"Information Technology": -0.2}


def test_a_share_that_was_renamed_keeps_its_move() -> None:
    told = strike(holding(TATAMOTORS=1.0), named_shocks()["covid_2020"])
    assert told.rows[0].basis == "own" and told.rows[0].move < -0.4
    assert strike(holding(TMPV=1.0), named_shocks()["covid_2020"]).profit == told.profit


def test_moves_are_read_as_people_write_them() -> None:
    for text, move in (("-10%", -0.1), (" -10 % ", -0.1), ("+3.5%", 0.035), ("-0.1", -0.1)):
        assert move_of_text(text, "x") == pytest.approx(move)
    for wrong in ("ten", "-150%", "nan", ""):
        with pytest.raises(DataError, match="a move is a number"):
            move_of_text(wrong, "x")


def test_bad_shocks_are_refused(tmp_path: Path) -> None:
    for text in ("INFY", "INFY=-5%; TCS", "=-5%; ;"):
        with pytest.raises((UsageError, DataError)):
            shock_of_text(text)
    path = tmp_path / "shock.csv"
    path.write_text("symbol,move\nINFY,-5%\nINFY,-6%\n")
    with pytest.raises(DataError, match="names each symbol once"):
        read_shock(path)
    path.write_text("share,fall\nINFY,-5%\n")
    with pytest.raises(DataError, match="no column symbol, move"):
        read_shock(path)


def test_bad_holdings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "holdings.csv"
    for text, words in (
        ("symbol,quantity\n", "nothing is held"),
        ("symbol,quantity\nINFY,\n", "not a number"),
        ("symbol,quantity\nINFY,nan\n", "other than zero"),
        ("symbol,quantity\n,5\n", "other than zero"),
        ("symbol,quantity\nINFY,5\nINFY,-5\n", "nothing is held"),
        ("INFY,5\n", "no column symbol, quantity"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            read_holdings(path)


def bars_of(closes: np.ndarray, symbols: tuple[str, ...]) -> Bars:
    index = pd.bdate_range("2024-01-01", periods=len(closes), tz="Asia/Kolkata")
    volume = np.where(np.isnan(closes), np.nan, 1.0)
    return Bars(pd.DatetimeIndex(index), symbols, closes, closes, closes, closes, volume, 1440)


def test_days_without_a_price_are_dropped_and_counted() -> None:
    closes = 100.0 * np.cumprod(np.full((60, 2), 1.01), axis=0)
    closes[:5, 1], closes[30:32, 0] = np.nan, np.nan
    history = history_of(bars_of(closes, ("A", "B")), {"B": 2.0, "A": 1.0})
    assert len(history.days) == 60 - 5 - 2 - 1 and history.dropped == 2
    # The return after the hole covers all of it.
    assert history.symbols == ("B", "A") and np.isclose(history.returns.max(), 1.01**3 - 1)


def test_a_move_that_looks_like_a_split_is_listed() -> None:
    closes = np.full((60, 1), 100.0) + np.arange(60)[:, None]
    closes[40:] /= 2
    history = history_of(bars_of(closes, ("A",)), {"A": 1.0})
    assert [(symbol, round(move, 2)) for symbol, _, move in history.doubtful] == [("A", -0.5)]
    assert history.last(10).doubtful == ()


def test_a_made_up_market_is_the_same_for_the_same_seed() -> None:
    one, same, other = (read_history({"INFY": 5}, SYNTHETIC, seed=s).history for s in (1, 1, 2))
    assert (one.returns == same.returns).all() and not np.array_equal(one.returns, other.returns)
