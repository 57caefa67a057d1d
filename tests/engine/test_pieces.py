"""Orders that trade in pieces, finer bars inside coarse ones, and prices at their band."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
from desk import CAPITAL, Scene, assert_same, fills_of, flat, reasons, scene
from hypothesis import given
from hypothesis import strategies as st
from test_random_markets import scenes

from nifty_research.data.bars import Bars
from nifty_research.engine.backtest import backtest
from nifty_research.market.charges import charges_of


def limited(case: Scene, share: float) -> Scene:
    "The scene where each bar lets at most a share of its volume be traded."
    rules = case.rules.copy()
    rules["volume_share"] = share
    volume = np.where(np.isnan(case.bars.close), np.nan, 2_000.0)
    bars = replace(case.bars, volume=volume)
    return replace(case, rules=rules, bars=bars)


@given(scenes(), st.sampled_from([0.02, 0.2, 0.6]))
def test_pieces_conserve_money_and_shares_to_the_paisa(case: Scene, share: float) -> None:
    case = limited(case, share)
    result = case.run()
    cash, held = CAPITAL, Counter[int]()
    per_bar: Counter[tuple[int, int]] = Counter()
    for fill in result.fills:
        symbol, quantity = int(fill["symbol"]), int(fill["quantity"])
        value = abs(quantity) * round(float(fill["price"]) * 100)
        assert value == fill["value"] and (fill["heads"] >= 0).all()
        cash += (value if quantity < 0 else -value) - int(fill["heads"].sum())
        held[symbol] += quantity
        per_bar[int(fill["row"]), symbol] += abs(quantity)
    assert result.account["cash"][0] == cash
    assert result.positions["quantity"].tolist() == [held[n] for n in range(case.bars.shape[1])]
    assert max(per_bar.values(), default=0) <= share * 2_000.0


@given(scenes(), st.sampled_from([0.02, 0.2]))
def test_the_charges_of_all_pieces_are_those_of_the_whole_order(case: Scene, share: float) -> None:
    "Entries are good for one bar, so the pieces of one are the entry fills of one bar."
    case = limited(case, share)
    rates = {row.day: row.rates[0].tolist() for row in case.days}
    dates = [stamp.date() for stamp in case.bars.index]
    pieces: dict[tuple[int, int], list[tuple[int, bool, int]]] = {}
    for fill in case.run().fills:
        if not fill["reason"]:
            piece = (int(fill["value"]), bool(fill["quantity"] < 0), int(fill["heads"].sum()))
            pieces.setdefault((int(fill["row"]), int(fill["symbol"])), []).append(piece)
    for (row, _), parts in pieces.items():
        out = [0] * 7
        value = sum(part[0] for part in parts)
        whole = charges_of(value, parts[0][1], rates[dates[row]], out)  # type: ignore[arg-type]
        assert sum(part[2] for part in parts) == whole


def test_the_rest_of_an_entry_is_not_chased() -> None:
    "1,500 are wanted, a bar lets 100 be ours: that is the position, and its stop covers it."
    case = limited(scene([flat(100.0)] * 4, entries={0: 0.9}), 0.05)
    result = case.run()
    assert fills_of(result) == [(1, "OPEN", 100, 100.0)]
    assert result.positions["quantity"][0] == 100 and not result.positions["entry_order"][0]


def test_a_stop_in_thin_bars_is_worked_off_over_several() -> None:
    day = [flat(100.0), flat(100.0), (99.0, 99.0, 97.0, 97.5), flat(97.4), flat(97.4), flat(97.4)]
    case = limited(scene(day, entries={0: 0.9}), 0.8)
    volume = case.bars.volume.copy()
    volume[2:, 0] = 500.0
    result = replace(case, bars=replace(case.bars, volume=volume)).run()
    assert [quantity for _, _, quantity, _ in fills_of(result)] == [1500, -400, -400, -400, -300]
    assert set(reasons(result)) == {"STOP"} and not result.positions["quantity"][0]


def test_a_buyer_is_not_served_at_the_upper_band() -> None:
    case = scene([flat(100.0), flat(105.0), (105.0, 105.0, 104.0, 104.5)], entries={0: 0.9},
                 protection=0.06)  # fmt: skip
    listings = case.days[0].listings
    listings["band_low"], listings["band_high"] = 95.0, 105.0
    assert fills_of(case.run()) == []  # wanted in a bar that lies at the band from end to end
    opened = scene([flat(100.0), (105.0, 105.0, 103.0, 104.0)], entries={0: 0.9}, protection=0.04)
    opened.days[0].listings["band_high"] = 105.0
    assert fills_of(opened.run()) == [(1, "LIMITS", 1500, 104.0)]  # once the band opened


# ---- finer bars ---------------------------------------------------------------------------------


def finer_run(case: Scene, finer: Bars):  # type: ignore[no-untyped-def]
    return backtest(
        case.bars, case.entry, case.exit, case.atr, case.rules, case.days, flags=case.flags,
        capital_paise=case.capital, lean=case.lean, finer=finer,
    )  # fmt: skip


@given(scenes())
def test_a_bar_is_its_own_finer_bar(case: Scene) -> None:
    assert_same(case.run(), finer_run(case, case.bars))


def test_finer_bars_tell_which_came_first() -> None:
    "A bar that holds both stop and target is a stop on its own; inside it the target came first."
    coarse = [flat(100.0), flat(100.0), (100.0, 104.0, 97.0, 98.0)]
    case = scene(coarse, entries={0: 0.9}, trail_by_atr=0.0)
    stamps = pd.date_range("2026-09-14 09:15", periods=3, freq="5min", tz="Asia/Kolkata")
    bars = replace(case.bars, index=pd.DatetimeIndex(stamps), interval_minutes=5)
    case = replace(case, bars=bars)
    assert reasons(case.run()) == ["STOP"]
    rows = [flat(100.0)] * 10 + [
        (100.0, 102.0, 100.0, 102.0), (102.0, 104.0, 102.0, 103.5), (103.0, 103.0, 99.0, 99.0),
        (99.0, 99.0, 97.0, 97.0), (97.0, 98.0, 97.0, 98.0),
    ]  # fmt: skip
    fine = scene(rows).bars
    result = finer_run(case, fine)
    assert reasons(result) == ["TARGET"] and float(result.fills[1]["price"]) == 103.0
    assert result.fills["fine"].tolist() == [5, 11] and result.fills["row"].tolist() == [1, 2]
