"""Projections: what they add up to is what went through the cash account, to the paisa."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import CorruptStateError, UsageError
from nifty_research.ledger.events import KINDS, Event, check_event
from nifty_research.ledger.projections import (
    EquityPoint,
    charges_by_head,
    denials,
    equity_breaks,
    equity_curve,
    fills,
    fold,
    orders,
    positions,
    trades,
)
from nifty_research.ledger.summary import drawdown, session_summary, trades_fingerprint

SYMBOLS = ["INFY", "RELIANCE", "TCS"]
CAPITAL = 10_00_000_00
WHEN = "2026-09-15T09:16:00.000000+05:30"


class Story:
    "A maker of events."

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.add("session started", capital_paise=CAPITAL, symbols=SYMBOLS, mode="paper")

    def add(self, kind: str, **payload: Any) -> Story:
        number = len(self.events) + 1
        self.events.append(Event(number, WHEN, WHEN, "P", "s", 1, kind, payload, "", ""))
        return self

    def fill(self, side: str, quantity: int, price_paise: int, **other: Any) -> Story:
        number = len(self.events)
        usual = dict(
            tag="A1",
            order_id=f"O{number}",
            trade_id=f"T{number}",
            symbol="INFY",
            time=WHEN,
            charges={"stt": 10},
            purpose="entry",
        )
        value = dict(price=price_paise / 100, value_paise=quantity * price_paise)
        return self.add("fill", side=side, quantity=quantity, **{**usual, **value, **other})

    def intent(self, tag: str = "A1", purpose: str = "entry", side: str = "BUY") -> Story:
        order = dict(tag=tag, symbol="INFY", purpose=purpose, side=side, quantity=10, price=1500.0)
        return self.add("intent", score=0.8, reason="", time=WHEN, **order)

    def update(self, status: str, filled: int = 0, tag: str = "A1") -> Story:
        said = dict(tag=tag, order_id="O1", status=status, filled_quantity=filled)
        return self.add("order update", average_price=0, time=WHEN, **said)


# -- money


one_fill = st.tuples(
    st.sampled_from(SYMBOLS),
    st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 1000),
    st.integers(5, 9_000_000),  # paise
    st.dictionaries(st.sampled_from(["stt", "gst", "stamp"]), st.integers(0, 100_000)),
)
closes = st.lists(st.integers(5, 9_000_000), min_size=3, max_size=3)


@given(st.lists(one_fill, max_size=40), closes)
def test_paise_are_conserved(executions: list[tuple[Any, ...]], last: list[int]) -> None:
    story = Story()
    for symbol, side, quantity, price, charges in executions:
        story.fill(side, quantity, price, symbol=symbol, charges=charges)
    story.add("bar", time=WHEN, close=[paise / 100 for paise in last])

    state = fold(story.events)
    held = {symbol: 0 for symbol in SYMBOLS}
    flow = charged = 0
    for symbol, side, quantity, price, charges in executions:
        sign = 1 if side == "BUY" else -1
        held[symbol] += sign * quantity
        flow -= sign * quantity * price
        charged += sum(charges.values())
    worth = sum(held[symbol] * paise for symbol, paise in zip(SYMBOLS, last, strict=True))
    rows = state.positions()

    assert {symbol: row.quantity for symbol, row in rows.items()} == {
        s: q for s, q in held.items() if q
    }
    assert state.cash_paise == CAPITAL + flow - charged
    assert state.equity_paise == CAPITAL + flow - charged + worth
    gross = sum(t.gross_paise for t in state.trades)
    gross += sum(row.realised_paise + row.unrealised_paise for row in rows.values())
    assert gross == flow + worth
    paid = sum(t.charges_paise for t in state.trades) + sum(r.charges_paise for r in rows.values())
    assert paid == charged == sum(charges_by_head(story.events).values())
    summary = session_summary(story.events)
    assert summary.net_paise == summary.gross_paise - summary.charges_paise
    assert summary.gross_paise == flow + worth


@given(st.lists(one_fill, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_fills_told_again_change_nothing(executions: list[tuple[Any, ...]], chance: Any) -> None:
    once, again = Story(), Story()
    for number, (symbol, side, quantity, price, charges) in enumerate(executions):
        name = dict(symbol=symbol, charges=charges, order_id="O", trade_id=f"T{number}")
        once.fill(side, quantity, price, **name)
        for _ in range(chance.randint(1, 3)):
            again.fill(side, quantity, price, **name)

    assert fold(again.events).cash_paise == fold(once.events).cash_paise
    assert positions(again.events) == positions(once.events)
    assert trades(again.events) == trades(once.events)


@given(st.lists(one_fill, max_size=20))
def test_folding_on_from_the_middle_gives_the_same(executions: list[tuple[Any, ...]]) -> None:
    story = Story()
    for symbol, side, quantity, price, charges in executions:
        story.fill(side, quantity, price, symbol=symbol, charges=charges)
    middle = len(story.events) // 2 + 1

    state = fold(story.events[:middle])
    for event in story.events[middle:]:
        state.apply(event)

    assert (state.trades, state.positions()) == (trades(story.events), positions(story.events))


def test_a_fill_through_zero_closes_one_trade_and_opens_another() -> None:
    story = Story().fill("BUY", 100, 1500_00, charges={"stt": 7})
    story.fill("SELL", 150, 1510_00, charges={"stt": 10}, purpose="exit")

    (trade,) = trades(story.events)
    row = positions(story.events)["INFY"]

    assert (trade.side, trade.quantity, trade.gross_paise) == ("LONG", 100, 1000_00)
    assert trade.exit_purpose == "exit"
    assert (row.quantity, row.cost_paise) == (-50, 50 * 1510_00)
    assert trade.charges_paise + row.charges_paise == 17


def test_a_short_round_trip_gains_when_the_price_falls() -> None:
    story = Story().fill("SELL", 10, 1500_00).fill("BUY", 4, 1490_00).fill("BUY", 6, 1480_00)

    (trade,) = trades(story.events)

    assert trade.side == "SHORT" and trade.fills == 3
    assert trade.gross_paise == 4 * 10_00 + 6 * 20_00
    assert trade.net_paise == trade.gross_paise - 30


def test_one_trade_number_with_two_contents_is_damage() -> None:
    story = Story().fill("BUY", 10, 1500_00, order_id="O", trade_id="T")
    story.fill("BUY", 11, 1500_00, order_id="O", trade_id="T")

    with pytest.raises(CorruptStateError, match="two values of quantity"):
        fills(story.events)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 0},
        {"quantity": 1.5},
        {"value_paise": -1},
        {"side": "LONG"},
        {"charges": {"stt": -1}},
        {"charges": {"stt": 1.5}},
    ],
)
def test_bad_numbers_in_a_fill_stop_the_fold(wrong: dict[str, Any]) -> None:
    story = Story().fill("BUY", 10, 1500_00)
    story.add("fill", **{**story.events[-1].payload, "trade_id": "T9", **wrong})

    with pytest.raises(CorruptStateError, match="event 3"):
        fold(story.events)


# -- orders


def test_an_order_goes_from_intent_to_complete() -> None:
    story = Story().intent().add("order acknowledged", tag="A1", order_id="O1")
    story.update("OPEN").fill("BUY", 10, 1500_00).update("COMPLETE", filled=10)

    row = orders(story.events)["A1"]

    assert (row.status, row.order_id, row.filled_quantity) == ("COMPLETE", "O1", 10)
    assert row.average_price == 1500.0


def test_an_update_that_overtakes_the_reply_is_kept() -> None:
    story = Story().intent().update("OPEN").add("order acknowledged", tag="A1", order_id="O1")

    assert orders(story.events)["A1"].status == "OPEN"


def test_filled_quantity_never_falls_and_closed_orders_stay_closed() -> None:
    story = Story().intent().update("CANCELLED", filled=7).update("OPEN", filled=3)

    row = orders(story.events)["A1"]

    assert (row.status, row.filled_quantity) == ("CANCELLED", 7)


def test_a_late_fill_after_cancellation_is_booked() -> None:
    story = Story().intent().update("CANCELLED").fill("BUY", 4, 1500_00)

    assert orders(story.events)["A1"].filled_quantity == 4
    assert positions(story.events)["INFY"].quantity == 4


def test_a_refused_change_leaves_the_order_working() -> None:
    story = Story().intent(purpose="stop").update("TRIGGER PENDING").intent(purpose="move stop")
    story.add("order rejected", tag="A1", error_type="InputException", message="too many changes")

    row = orders(story.events)["A1"]

    assert (row.status, row.change_status, row.changes) == ("TRIGGER PENDING", "rejected", 1)
    assert row.message == "too many changes"
    assert session_summary(story.events).rejected == 0


def test_an_unknown_order_is_doubtful_until_it_is_found() -> None:
    story = Story().intent().add("order unknown", tag="A1", message="timed out")
    assert session_summary(story.events).doubtful == ("A1",)

    story.add("order found", tag="A1", order_id="O1")

    assert session_summary(story.events).doubtful == ()
    assert orders(story.events)["A1"].status == "accepted"


def test_a_rejected_order_is_counted() -> None:
    story = Story().intent()
    story.add("order rejected", tag="A1", error_type="MarginException", message="funds")

    assert session_summary(story.events).rejected == 1


def test_a_tag_is_used_for_one_order() -> None:
    with pytest.raises(CorruptStateError, match="A1"):
        orders(Story().intent().intent().events)


def test_an_answer_to_an_order_never_intended_is_damage() -> None:
    with pytest.raises(CorruptStateError, match="never intended"):
        orders(Story().add("order acknowledged", tag="A9", order_id="O9").events)


def test_updates_of_orders_placed_elsewhere_are_counted_apart() -> None:
    summary = session_summary(Story().update("OPEN", tag="").events)

    assert (summary.external_orders, summary.orders) == (1, 0)


# -- the rest


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_missing_key_is_named(kind: str) -> None:
    for key in KINDS[kind]:
        payload = {other: 0 for other in KINDS[kind] if other != key}
        with pytest.raises(CorruptStateError, match=key):
            check_event(Event(5, WHEN, WHEN, "P", "s", 1, kind, payload, "", ""))


def test_an_unknown_kind_names_the_nearest_and_the_event() -> None:
    with pytest.raises(CorruptStateError, match=r"event 2 .*Did you mean 'denial'"):
        fold(Story().add("denail").events)


def test_sessions_are_not_mixed() -> None:
    story = Story()
    story.events.append(Event(2, WHEN, WHEN, "P", "t", 1, "warm-up", {}, "", ""))

    with pytest.raises(UsageError, match="one session"):
        fold(story.events)


def test_events_out_of_order_are_refused() -> None:
    story = Story().add("warm-up").add("warm-up")

    with pytest.raises(CorruptStateError):
        fold([story.events[0], story.events[2], story.events[1]])


def test_a_missing_bar_keeps_the_last_close() -> None:
    story = Story().fill("BUY", 10, 1500_00, charges={})
    story.add("bar", time="t1", close=[1510.0, None, None])
    story.add("bar", time="t2", close=[None, None, None])

    assert positions(story.events)["INFY"].unrealised_paise == 100_00


def test_a_bar_of_another_width_is_damage() -> None:
    with pytest.raises(CorruptStateError, match="2 closes for 3 symbols"):
        fold(Story().add("bar", time="t", close=[1.0, 2.0]).events)


def test_the_curve_is_folded_and_compared_with_the_claim() -> None:
    story = Story().fill("BUY", 10, 1500_00, charges={"stt": 15})
    story.add("bar", time="t1", close=[1510.0, None, None])
    cash = CAPITAL - 15000_00 - 15
    story.add("decision", time="t1", equity_paise=cash + 15100_00, cash_paise=cash)
    story.add("day closed", day="2026-09-15", equity_paise=1, cash_paise=cash)

    assert equity_curve(story.events)[0] == ("t1", cash + 15100_00, cash)
    (found,) = equity_breaks(story.events)
    assert (found.sequence, found.claimed[0], found.folded[0]) == (5, 1, cash + 15100_00)
    assert session_summary(story.events).breaks == 1


def test_drawdown_starts_from_the_capital() -> None:
    curve = [EquityPoint("", equity, 0) for equity in (90, 120, 96, 130)]

    assert drawdown(100, curve) == (24, 0.2)
    assert drawdown(100, []) == (0, 0.0)


def test_denials_are_counted_by_code() -> None:
    story = Story()
    for code in ("MARGIN", "SECTOR", "MARGIN"):
        story.add("denial", symbol="TCS", code=code, limit=1, value=2, time=WHEN)

    assert denials(story.events).by_code == {"MARGIN": 2, "SECTOR": 1}
    assert len(denials(story.events).rows) == 3


def test_the_verdict_is_the_last_one_written() -> None:
    story = Story()
    assert session_summary(story.events).verdict == "unfinished"
    story.add("session ended", verdict="failed", reason="kernel died")
    assert session_summary(story.events).reason == "kernel died"

    story.add("session started", capital_paise=CAPITAL, symbols=SYMBOLS)
    assert session_summary(story.events).verdict == "unfinished"
    story.add("session ended", verdict="completed", reason="")
    assert session_summary(story.events).verdict == "completed"


def test_a_restart_with_another_capital_is_damage() -> None:
    with pytest.raises(CorruptStateError, match="capital"):
        fold(Story().add("session started", capital_paise=1, symbols=SYMBOLS).events)


def test_the_fingerprint_forgets_the_brokers_numbers_only() -> None:
    def told(**other: Any) -> str:
        story = Story().fill("BUY", 10, 1500_00, **other).fill("SELL", 10, 1510_00)
        return trades_fingerprint(trades(story.events))

    assert told(order_id="X", trade_id="Y") == told()
    assert told(charges={"stt": 11}) != told()


def test_the_summary_of_nothing_is_empty() -> None:
    summary = session_summary([])

    assert (summary.trades, summary.net_paise, summary.verdict) == (0, 0, "unfinished")
