"""One exit order a position (K3): stop, target, trailing, and how each trades inside a bar.

Worked by hand. A purchase at ₹100 with one rupee of average true range: stop 98, target 103,
trailing from 101.50 at a distance of 0.80. Tick 0.05.
"""

import math

import numpy as np
import pytest
from desk import Walk, fills_of, flat, play, reasons, said, scene

from nifty_research.engine.book import Closed, Role
from nifty_research.engine.events import apply_closed

HELD = [flat(100.0), flat(100.0)]  # decided in row 0, held from row 1
BUY, SHORT = {0: 0.9}, {0: -0.9}


def later(result: object) -> list[tuple[int, str, float]]:
    "Intents after the entry and the first stop."
    return said(result)[2:]  # type: ignore[arg-type]


# ---- stop and target ----------------------------------------------------------------------------


def test_the_stop_is_placed_with_the_fill() -> None:
    assert said(play(HELD, entries=BUY))[1] == (1, "STOP", 98.0)
    assert said(play(HELD, entries=SHORT))[1] == (1, "STOP", 102.0)


def test_a_stop_is_triggered_by_a_touch() -> None:
    missed = play([*HELD, (99.0, 99.5, 98.05, 98.5)], entries=BUY)
    assert len(missed.fills) == 1
    hit = play([*HELD, (99.0, 99.5, 98.0, 98.5)], entries=BUY)
    assert fills_of(hit)[1] == (2, "STOPS", -1500, 98.0) and reasons(hit) == ["STOP"]


def test_a_stop_of_a_short() -> None:
    result = play([*HELD, (101.0, 102.0, 100.5, 101.0)], entries=SHORT)
    assert fills_of(result)[1] == (2, "STOPS", 1500, 102.0)


def test_a_stop_pays_slippage_rounded_to_the_tick_against_it() -> None:
    result = play([*HELD, (99.0, 99.5, 97.0, 98.5)], entries=BUY, slippage=0.0002)
    entry = 100.05  # 100.02, up to the tick
    assert fills_of(result) == [(1, "OPEN", 1500, entry), (2, "STOPS", -1500, 98.0)]
    assert said(result)[1] == (1, "STOP", 98.05)  # 98.05 less 0.0196, down to the tick: 98.00


def test_a_gap_through_the_stop_fills_at_the_open() -> None:
    result = play([*HELD, (95.0, 99.0, 94.0, 98.5)], entries=BUY)
    assert fills_of(result)[1] == (2, "OPEN", -1500, 95.0) and reasons(result) == ["STOP"]


def test_a_target_has_to_be_traded_through() -> None:
    touched = play([*HELD, (100.0, 103.0, 100.0, 101.0)], entries=BUY)
    assert len(touched.fills) == 1 and not later(touched)
    through = play([*HELD, (100.0, 103.05, 100.0, 101.0)], entries=BUY)
    assert fills_of(through)[1] == (2, "LIMITS", -1500, 103.0)
    assert later(through) == [(2, "TARGET", 103.0)] and reasons(through) == ["TARGET"]


def test_a_target_of_a_short() -> None:
    result = play([*HELD, (100.0, 100.0, 96.95, 99.0)], entries=SHORT)
    assert fills_of(result)[1] == (2, "LIMITS", 1500, 97.0) and reasons(result) == ["TARGET"]


def test_a_gap_beyond_the_target_fills_at_the_target() -> None:
    "The stop became a limit after the open; that the open was better is not claimed."
    result = play([*HELD, (105.0, 106.0, 104.0, 105.0)], entries=BUY)
    assert fills_of(result)[1] == (2, "LIMITS", -1500, 103.0)


def test_the_stop_wins_where_one_bar_holds_both() -> None:
    result = play([*HELD, (100.0, 104.0, 97.0, 100.0)], entries=BUY)
    assert fills_of(result)[1] == (2, "STOPS", -1500, 98.0)


# ---- market protection --------------------------------------------------------------------------


def test_an_entry_beyond_its_protection_rests_as_a_limit() -> None:
    "Protected at 102: an open of 103 does not fill, a low of 101.95 is through the limit."
    touched = play([flat(100.0), (103.0, 103.0, 102.0, 103.0)], entries=BUY)
    assert not len(touched.fills)
    through = play([flat(100.0), (103.0, 103.0, 101.95, 103.0)], entries=BUY)
    assert fills_of(through) == [(1, "LIMITS", 1500, 102.0)]


def test_slippage_does_not_pass_the_protection() -> None:
    result = play([flat(100.0), flat(102.0)], entries=BUY, slippage=0.01)
    assert fills_of(result) == [(1, "OPEN", 1500, 102.0)]


def test_a_position_opened_inside_a_bar_may_be_stopped_in_it() -> None:
    "Filled at the limit 102, stop at 100, and the bar's low is 100: LATE_STOPS."
    result = play([flat(100.0), (103.0, 103.0, 100.0, 102.0)], entries=BUY)
    assert fills_of(result) == [(1, "LIMITS", 1500, 102.0), (1, "LATE_STOPS", -1500, 100.0)]


def test_an_entry_is_good_for_one_bar() -> None:
    result = play([flat(100.0), flat(103.0), flat(100.0), flat(100.0)], entries=BUY)
    assert not len(result.fills)
    assert said(result) == [(0, "ENTRY", 102.0), (1, "CANCEL_ENTRY", 0.0)]


def test_an_exit_beyond_its_protection_is_priced_anew_at_each_close() -> None:
    result = play(
        [*HELD, flat(100.0), flat(97.0), flat(94.0), flat(93.0)],
        entries=BUY, exits={2: 0.3}, stop_atr=10.0,
    )  # fmt: skip
    assert later(result) == [(2, "EXIT", 98.0), (3, "EXIT", 95.1), (4, "EXIT", 92.15)]
    assert fills_of(result)[1] == (5, "OPEN", -500, 93.0) and reasons(result) == ["SIGNAL"]


# ---- signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ({"exits": {2: 0.29}}, False),
        ({"exits": {2: 0.30}}, True),
        ({"entries": {0: 0.9, 2: -0.30}}, True),  # a score against what is held
        ({"entries": {0: 0.9, 2: 0.95}}, False),
        ({"entries": {0: -0.9, 2: 0.30}}, True),
    ],
)
def test_a_signal_leaves_from_the_exit_threshold(words: dict[str, object], left: bool) -> None:
    result = play([*HELD, flat(100.0), flat(100.0)], **({"entries": BUY} | words))
    assert reasons(result) == (["SIGNAL"] if left else [])


@pytest.mark.parametrize(
    ("entries", "lean", "left"),
    [(BUY, -0.30, True), (BUY, -0.29, False), (BUY, 0.95, False), (SHORT, 0.45, True)],
)
def test_who_holds_hears_what_is_too_soft_to_enter(
    entries: dict[int, float], lean: float, left: bool
) -> None:
    result = play([*HELD, flat(100.0), flat(100.0)], entries=entries, leans={1: lean})
    assert reasons(result) == (["SIGNAL"] if left else [])
    assert len(result.fills) == 1 + left and not len(result.denials)


def test_one_decision_never_turns_a_position_round() -> None:
    turned = {0: 0.9, 2: -0.9}  # an exit and an entry the other way on the same bar
    rows = [*HELD, *[flat(100.0)] * 4]
    result = play(rows, entries=turned, exits={2: 0.9})
    assert [row for row, *_ in fills_of(result)] == [1, 3] and not len(result.denials)
    again = play(rows, entries={**turned, 3: -0.9})
    assert [(row, quantity < 0) for row, _, quantity, _ in fills_of(again)] == [
        (1, False), (3, True), (4, True),
    ]  # fmt: skip
    assert fills_of(play(rows, entries={2: -0.9}, exits={2: 0.9}))[0][0] == 3  # flat: it enters


# ---- trailing -----------------------------------------------------------------------------------


def climb(*closes: float) -> list[object]:
    "Bars from one close to the next that reach no further."
    rows: list[object] = list(HELD)
    before = 100.0
    for close in closes:
        rows.append((before, max(before, close), min(before, close), close))
        before = close
    return rows


def test_trailing_begins_at_its_distance_and_moves_by_its_step() -> None:
    result = play(climb(101.45, 101.5, 101.7, 101.75, 101.0), entries=BUY)
    assert later(result) == [
        (3, "MOVE_STOP", 100.7),  # 101.50 - 0.80; at 101.45 not yet
        (5, "MOVE_STOP", 100.95),  # 0.20 at 101.70 was less than a quarter of a range
    ]
    assert result.positions["stop"][0] == 100.95  # and never back


def test_trailing_of_a_short() -> None:
    result = play(climb(98.55, 98.5, 98.3, 98.25, 99.0), entries=SHORT)
    assert later(result) == [(3, "MOVE_STOP", 99.3), (5, "MOVE_STOP", 99.05)]


def test_the_step_is_at_least_a_tick() -> None:
    "A tenth of a rupee of range: the step of 0.025 is less than the tick of 0.05."
    result = play(climb(100.15, 100.2, 100.2), entries=BUY, atr=0.1)
    assert later(result) == [(2, "MOVE_STOP", 100.05), (3, "MOVE_STOP", 100.1)]


def test_a_trailed_stop_stays_a_tick_beyond_the_market() -> None:
    result = play(climb(102.0), entries=BUY, trail_by_atr=0.001)
    assert later(result) == [(2, "MOVE_STOP", 101.95)]


def test_a_trailed_stop_is_left_by() -> None:
    result = play([*climb(102.0), (102.0, 102.0, 101.0, 101.5)], entries=BUY)
    assert fills_of(result)[1] == (3, "STOPS", -1500, 101.2) and reasons(result) == ["STOP"]


def test_the_24th_move_is_the_last_and_the_25th_change_is_the_exit() -> None:
    "When the exit that took the last change does not trade, it is cancelled and sent anew."
    closes = [102.0 + 0.5 * n for n in range(26)]  # the last is 114.50
    crash, out = (105.0, 105.0, 105.0, 105.0), (105.0, 105.0, 105.0, 105.0)
    rows = [*climb(*closes), crash, out]
    last = len(HELD) + len(closes) - 1
    result = play(rows, entries=BUY, exits={last: 1.0}, target_atr=100.0)
    moves = [price for _, purpose, price in later(result) if purpose == "MOVE_STOP"]
    assert len(moves) == 24 and moves[-1] == 112.7  # 113.50 - 0.80; nothing at 114.00
    assert later(result)[24:] == [
        (last, "EXIT", 112.25),  # 114.50 less 2 %, up to the tick: the 25th change
        (last + 1, "CANCEL_EXIT", 0.0),
        (last + 1, "EXIT", 102.9),
    ]
    assert fills_of(result)[1] == (last + 2, "OPEN", -1500, 105.0)
    assert reasons(result) == ["SIGNAL"]
    Walk(scene(rows, entries=BUY, exits={last: 1.0}, target_atr=100.0)).run()  # counts changes too


# ---- orders that others end ---------------------------------------------------------------------


@pytest.mark.parametrize("closed", [Closed.CANCELLED, Closed.REJECTED])
def test_a_position_that_loses_its_stop_is_left(closed: Closed) -> None:
    walk = Walk(scene([*HELD], entries=BUY, intraday=0))
    held: list[object] = []

    def lose(walk: Walk, row: int) -> None:
        if row == 1:
            apply_closed(walk.desk, 0, Role.EXIT.value, closed.value, 5)
            held.append(walk.desk.take()[0])

    walk.after_row = lose
    walk.run()
    (intents,) = held
    assert [int(i["quantity"]) for i in intents] == [-1500]  # type: ignore[attr-defined]
    position = walk.positions[0]
    assert position["leaving"] == 1 and position["exit_order"] == -1500


def test_a_stop_that_lies_below_nothing_is_one_tick() -> None:
    result = play([flat(1.0), flat(1.0)], entries=BUY, risk_per_trade=0.5)
    assert said(result)[1] == (1, "STOP", 0.05)
    short = play([flat(1.0), flat(1.0)], entries=SHORT, risk_per_trade=0.5)
    assert math.isclose(short.positions["target"][0], 0.05)
    assert np.all(short.positions["stop"] == 3.0)
