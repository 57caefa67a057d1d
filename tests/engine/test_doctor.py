"""Every symptom of the doctor is forced once, and a healthy patient has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from patients import (
    account,
    bars_of,
    closes_of,
    fill,
    healthy,
    sheet_of,
    trips,
    wave,
)

from nifty_research.engine.book import BarPhase, Reason
from nifty_research.engine.doctor import SYMPTOMS, examine, measured
from nifty_research.engine.tear_sheet import Order, Origin, TearSheet, Tried
from nifty_research.statistics.permutation import Permutation


def test_a_healthy_patient_is_sent_home() -> None:
    assert examine(healthy()) == ()


def losing() -> TearSheet:
    opens = wave()
    bars = bars_of(opens, closes_of(opens))
    return sheet_of(bars, account(bars, trips(opens, side=-1)))


def much_tried() -> TearSheet:
    return healthy(tried=Tried(trials=100_000, deviation=4.0))


def noisy() -> TearSheet:
    opens = wave(rows=120, gain=0.0002, noise=0.01, seed=3)
    bars = bars_of(opens, closes_of(opens))
    return sheet_of(bars, account(bars, trips(opens)))


def overfitted() -> TearSheet:
    variants = np.random.default_rng(0).normal(0.0, 0.01, (500, 30))
    return healthy(tried=Tried(trials=30, variants=variants))


def snooped() -> TearSheet:
    variants = np.random.default_rng(1).normal(0.0, 0.01, (500, 8))
    return healthy(tried=Tried(trials=8, variants=variants))


def disordered() -> TearSheet:
    return healthy(order=Order(Permutation(1.0, np.linspace(0.0, 2.0, 39))))


def untimed() -> TearSheet:
    rng = np.random.default_rng(2)
    opens = np.round(1000 * np.exp(np.cumsum(rng.normal(0.003, 0.004, (500, 6)), axis=0)), 2)
    bars = bars_of(opens, closes_of(opens))
    return sheet_of(bars, account(bars, trips(opens)))


def seldom() -> TearSheet:
    opens = wave()
    bars = bars_of(opens, closes_of(opens))
    return sheet_of(bars, account(bars, trips(opens, rows=range(100, 108, 2))[:40]))


def overgrown() -> TearSheet:
    return healthy(parameters={f"knob_{number}": number + 1 for number in range(200)})


def one_month() -> TearSheet:
    opens = wave()
    bars = bars_of(opens, closes_of(opens))
    sizes = {(row, symbol): 1600 for row in range(110, 130, 2) for symbol in range(6)}
    return sheet_of(bars, account(bars, trips(opens, size=20, sizes=sizes)))


def one_trade() -> TearSheet:
    opens = wave()
    opens[201, 0] *= 1.5
    bars = bars_of(opens, closes_of(opens))
    return sheet_of(bars, account(bars, trips(opens, size=20, sizes={(200, 0): 1000})))


def one_symbol() -> TearSheet:
    opens = wave()
    bars = bars_of(opens, closes_of(opens))
    sizes = {(row, 2): 3000 for row in range(2, 498, 2)}
    return sheet_of(bars, account(bars, trips(opens, size=100, sizes=sizes)))


def dear() -> TearSheet:
    opens = wave()
    bars = bars_of(opens, closes_of(opens))
    return sheet_of(bars, account(bars, trips(opens, charge=450_00)))


def stale() -> TearSheet:
    opens = wave()
    volume = np.full(opens.shape, 1e7)
    volume[::20] = 0.0
    bars = bars_of(opens, closes_of(opens), volume)
    return sheet_of(bars, account(bars, trips(opens)))


def hungry() -> TearSheet:
    opens = wave()
    bars = bars_of(opens, closes_of(opens), 1500.0)
    return sheet_of(bars, account(bars, trips(opens)))


def locked() -> TearSheet:
    opens = wave()
    closes = closes_of(opens)
    closes[9::40] = np.round(opens[10::40] / 1.05, 2)  # the next open is 5 % above
    closes[10::40] = opens[10::40]  # and stays there
    bars = bars_of(opens, closes)
    bars = replace(bars, high=np.maximum(bars.open, bars.close))
    return sheet_of(bars, account(bars, trips(opens)))


def hasty() -> TearSheet:
    opens = wave()
    bars = bars_of(opens, closes_of(opens))
    made = trips(opens)
    for row in range(3, 497, 4):
        words = {"phase": BarPhase.STOPS, "reason": Reason.STOP}
        for symbol in range(3):
            price = opens[row, symbol]
            entry = fill(row, symbol, 10, price)
            made += [entry, fill(row, symbol, -10, round(price * 1.001, 2), **words)]
    made.sort(key=lambda one: (int(one["row"][0]), int(one["reason"][0] == 0)))
    return sheet_of(bars, account(bars, made))


def unfinished() -> TearSheet:
    opens = wave()
    bars = bars_of(opens, closes_of(opens))
    cheap = fill(497, 0, 6_000, opens[497, 0] * 0.9)
    return sheet_of(bars, account(bars, [*trips(opens), cheap]))


def hindsight() -> TearSheet:
    sheet = healthy()
    return replace(sheet, origin=Origin("by hand", universe_on=sheet.days[-1] + timedelta(1)))


def halted() -> TearSheet:
    opens = wave()
    bars = bars_of(opens, closes_of(opens))
    result = account(bars, trips(opens, rows=range(2, 300, 2)))
    result.account["halted"] = Reason.DRAWDOWN
    return sheet_of(bars, result)


PATIENTS: dict[str, Callable[[], TearSheet]] = {
    "loss": losing,
    "deflated": much_tried,
    "interval": noisy,
    "record": noisy,
    "overfit": overfitted,
    "timing": untimed,
    "order": disordered,
    "snooping": snooped,
    "few trades": seldom,
    "parameters": overgrown,
    "one month": one_month,
    "one trade": one_trade,
    "one symbol": one_symbol,
    "charges": dear,
    "stale fills": stale,
    "volume": hungry,
    "band": locked,
    "same bar": hasty,
    "open positions": unfinished,
    "survivors": hindsight,
    "halted": halted,
}


def test_each_symptom_has_a_patient() -> None:
    assert PATIENTS.keys() == SYMPTOMS.keys()


@pytest.mark.parametrize("code", list(PATIENTS))
def test_each_symptom_is_found(code: str) -> None:
    sheet = PATIENTS[code]()
    found = {finding.code: finding for finding in examine(sheet)}
    assert code in found, measured(sheet)[code]
    assert found[code].remedy and "{" not in found[code].what
    assert found[code].limit == SYMPTOMS[code].limit


def test_an_unknown_universe_is_said_to_be_unknown() -> None:
    sheet = replace(healthy(), origin=Origin("by hand"))
    assert [one.what for one in examine(sheet)] == [
        "it is not known on which day the symbols were chosen"
    ]
