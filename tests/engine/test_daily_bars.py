"""Bars of a whole day: decided at a close, traded at the next day's open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from desk import flat, reasons, said, scene

from nifty_research.core.settings import load_settings
from nifty_research.engine.book import BarFlag, Purpose
from nifty_research.engine.rules import bar_flags

HELD = [flat(100.0), (100.0, 101.0, 99.5, 100.5), (100.5, 102.5, 100.0, 102.4)]


def days(*rows: object, **words: object):  # type: ignore[no-untyped-def]
    "A scene in which each bar is a day of its own."
    made = scene(*[[row] for row in rows], interval=1440, intraday=0, margin_rate=1.0, **words)
    index = made.bars.index.normalize()
    return replace(made, bars=replace(made.bars, index=index, interval_minutes=1440))


def test_an_entry_waits_for_the_next_morning_and_its_stop_for_all_days() -> None:
    result = days(*HELD, flat(102.4), (101.0, 101.2, 96.0, 96.5), entries={0: 0.9}).run()
    assert [int(fill["row"]) for fill in result.fills] == [1, 4]
    assert reasons(result) == ["STOP"]
    moved = [(row, price) for row, purpose, price in said(result) if purpose == "MOVE_STOP"]
    assert moved == [(2, 101.6)]  # trailing from a gain of 1.5 ranges, by 0.8
    assert float(result.fills[1]["price"]) == 101.0  # gapped through at the open


def test_an_exit_that_is_wished_for_trades_at_the_next_open() -> None:
    result = days(*HELD, flat(102.4), entries={0: 0.9}, exits={2: 1.0}).run()
    assert [(int(f["row"]), float(f["price"])) for f in result.fills] == [(1, 100.0), (3, 102.4)]


def test_a_split_in_the_night_leaves_the_worth_of_what_is_held() -> None:
    case = days(*HELD, flat(51.2), flat(51.2), entries={0: 0.9}, trail_by_atr=0.0)
    listings = case.days[3].listings.copy()
    listings["ratio"] = 2.0
    case.days[3] = replace(case.days[3], listings=listings)
    result = case.run()
    assert len(result.fills) == 1 and len(result.actions) == 1
    bought = int(result.fills["quantity"][0])
    assert result.positions["quantity"][0] == 2 * bought
    assert result.actions[0][["before", "after", "paise"]].item() == (bought, 2 * bought, 0)
    assert result.equity[3] == result.equity[2]  # 102.40 before, 2 x 51.20 after
    assert result.positions["stop"][0] == 49.0 and result.positions["exit_price"][0] == 49.0


def test_an_entry_is_not_carried_into_another_share() -> None:
    case = days(flat(100.0), flat(50.0), flat(50.0), entries={0: 0.9})
    listings = case.days[1].listings.copy()
    listings["ratio"] = 2.0
    case.days[1] = replace(case.days[1], listings=listings)
    assert not len(case.run().fills)


def test_a_dividend_is_credited_to_who_held_it_overnight() -> None:
    case = days(*HELD, flat(101.0), entries={0: 0.9}, trail_by_atr=0.0)
    listings = case.days[3].listings.copy()
    listings["dividend"] = 1.25
    case.days[3] = replace(case.days[3], listings=listings)
    result = case.run()
    bought = int(result.fills["quantity"][0])
    assert int(result.account["credited"][0]) == bought * 125
    assert int(result.cash[3] - result.cash[2]) == bought * 125


def test_what_is_held_of_a_delisted_share_is_settled_at_its_last_close() -> None:
    flags = {2: int(BarFlag.DELISTED)}
    result = days(*HELD, None, entries={0: 0.9, 2: 0.9}, flags=flags).run()
    assert reasons(result) == ["DELISTED"] and float(result.fills[1]["price"]) == 102.4
    assert not result.positions["quantity"].any()
    assert Purpose.ENTRY not in result.intents["purpose"][result.intents["row"] >= 2]


def test_an_intraday_account_cannot_trade_daily_bars() -> None:
    settings = load_settings(overrides={"account.product": "MIS"}, environ={})
    index = pd.date_range("2026-09-14", periods=3, tz="Asia/Kolkata")
    assert (bar_flags(index, ["INFY"], 1440, settings) & BarFlag.NO_ENTRY).all()
    delivery = load_settings(overrides={"account.product": "CNC"}, environ={})
    assert not np.any(bar_flags(index, ["INFY"], 1440, delivery))
