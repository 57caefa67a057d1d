"""What holds in any market, with any scores, under any limits.

Markets are random: jumps, gaps, runs of missing bars, prices that never move, several days, with
and without a closing auction. Limits are drawn tight, so that they bind.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from desk import (
    CAPITAL,
    Scene,
    Walk,
    assert_same,
    bars_from,
    rules,
    weekdays,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from nifty_research.engine.book import (
    LISTING,
    BarFlag,
    Denial,
    OrderKind,
    Purpose,
    Reason,
    Role,
    pack_state,
)
from nifty_research.engine.rules import DayRules
from nifty_research.market.charges import charge_rates, charges_of

TICK = 0.05
MANY = settings(max_examples=max(250, settings().max_examples))  # a market costs milliseconds


def prices(draw: np.random.Generator, rows: int, symbols: int, wild: float) -> np.ndarray:
    "(rows, symbols, 4) of open, high, low, close on the tick."
    jumps = np.where(draw.random((rows, symbols)) < 0.05, 12.0, 1.0)
    gaps = np.where(draw.random((rows, symbols)) < 0.1, 8.0, 0.3)
    close = 100.0 * np.exp(np.cumsum(wild * jumps * draw.standard_normal((rows, symbols)), axis=0))
    before = np.vstack([close[:1], close[:-1]])
    open_ = before * np.exp(wild * gaps * draw.standard_normal((rows, symbols)))
    reach = wild * np.abs(draw.standard_normal((2, rows, symbols)))
    high = np.maximum(open_, close) * (1.0 + reach[0])
    low = np.minimum(open_, close) * (1.0 - reach[1])
    table = np.stack([open_, high, low, close], axis=-1)
    return np.round(np.maximum(np.round(table / TICK), 1) * TICK, 2)


def holes(draw: np.random.Generator, rows: int, symbols: int, share: float) -> np.ndarray:
    "Where bars are missing: single ones, runs, and a halt of the whole market."
    missing = draw.random((rows, symbols)) < share
    for symbol in range(symbols):
        begin, length = draw.integers(0, rows), int(draw.integers(0, 1 + int(40 * share)))
        missing[begin : begin + length, symbol] = True
    if share and draw.random() < 0.5:
        begin = draw.integers(0, rows)
        missing[begin : begin + 3] = True
    return missing


def day_flags(rows: int, square_off: bool) -> list[int]:
    "A day that ends as real ones do: no entries, square-off, last bar, closing auction."
    end = [BarFlag.NO_ENTRY] * 2
    end += [BarFlag.NO_ENTRY | (BarFlag.SQUARE_OFF if square_off else 0)] * 2
    end += [BarFlag.NO_ENTRY | BarFlag.LAST_BAR]
    end += [BarFlag.NO_ENTRY | BarFlag.LAST_BAR | BarFlag.STOPS_PURGED]
    return [0] * (rows - len(end)) + [int(flag) for flag in end]


@st.composite
def further_rules(draw: st.DrawFn) -> dict[str, float]:
    "Rules that are asked in some scenes and not in others."
    asked = {
        "stop_atr": [2.0, 2.0, 0.0],
        "stop_fraction": [0.02],
        "target_fraction": [0.0, 0.04],
        "trail_by_atr": [0.8, 0.8, 0.0],
        "break_even_atr": [0.0, 1.0],
        "lock_atr": [0.0, 0.5, 2.0],
        "lock_share": [0.5, 0.3],
        "time_stop": [0, 5, 1440],
        "time_in_trading": [0, 1],
        "cool_down": [0, 3],
        "pause_stops": [0, 1, 2],
        "pause": [4],
        "volatility_target": [0.0, 0.5],
        "kelly_fraction": [0.0, 0.0, 0.5],
        "correlation_cut": [0.0, 0.5],
        "spread_ticks": [0.0, 1.0],
        "impact": [0.0, 1.0],
    }
    chosen = {name: draw(st.sampled_from(values)) for name, values in asked.items()}
    return chosen | {"bars_a_year": 90_000, "kelly_trades": 3, "correlation_days": 3}


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    "A market, scores and rules."
    seed = draw(st.integers(0, 2**32 - 1), label="seed")
    days, minutes = draw(st.integers(1, 3)), draw(st.integers(8, 22))
    symbols, wild = draw(st.integers(1, 5)), draw(st.sampled_from([0.0, 0.001, 0.004, 0.02]))
    intraday, missing = draw(st.booleans()), draw(st.sampled_from([0.0, 0.05, 0.3]))
    changes = draw(st.integers(2, 25))
    limits = rules(
        trades_per_day=draw(st.integers(1, 8)),
        open_positions=draw(st.integers(1, 4)),
        trades_per_symbol=draw(st.integers(1, 3)),
        positions_per_sector=draw(st.integers(1, 2)),
        maximum_share=draw(st.sampled_from([0.15, 0.6])),
        risk_per_trade=draw(st.sampled_from([0.005, 0.05])),
        margin_rate=draw(st.sampled_from([0.2, 1.0])),
        daily_loss=draw(st.sampled_from([0.002, 0.02])),
        drawdown=draw(st.sampled_from([0.01, 0.1])),
        slippage=draw(st.sampled_from([0.0, 0.0002, 0.005])),
        protection=draw(st.sampled_from([0.002, 0.02])),
        target_atr=draw(st.sampled_from([3.0, 30.0])),
        order_changes=changes,
        stop_moves=draw(st.integers(1, changes - 1)),
        shorting=int(intraday),
        intraday=int(intraday),
        **draw(further_rules()),
    )
    return random_scene(seed, days, minutes, symbols, wild, missing, limits)


def random_scene(
    seed: int, days: int, minutes: int, symbols: int, wild: float, missing: float, limits: Any
) -> Scene:
    random, rows = np.random.default_rng(seed), days * minutes
    table = prices(random, rows, symbols, wild)
    flags = np.tile(day_flags(minutes, bool(limits["intraday"][0])), days).astype(np.uint8)
    flags = np.repeat(flags[:, None], symbols, axis=1)
    if symbols > 1:
        flags[:, 0] &= ~np.uint8(BarFlag.STOPS_PURGED)  # a share without derivatives
    absent = holes(random, rows, symbols, missing) | (flags & BarFlag.STOPS_PURGED > 0)
    as_rows = [
        [None if absent[row, n] else tuple(table[row, n].tolist()) for n in range(symbols)]
        for row in range(rows)
    ]
    bars = bars_from([as_rows[day * minutes : (day + 1) * minutes] for day in range(days)])
    fires = random.random((rows, symbols)) < 0.35
    entry = np.where(fires, random.uniform(-1.3, 1.3, (rows, symbols)).clip(-1, 1), 0.0)
    exit_ = np.where(random.random((rows, symbols)) < 0.1, random.random((rows, symbols)), 0.0)
    atr = 100.0 * max(wild, 0.001) * random.uniform(0.5, 3.0, (rows, symbols))
    soft = np.where(
        random.random((rows, symbols)) < 0.3, random.uniform(-1, 1, (rows, symbols)), 0.0
    )
    lean = np.where(entry != 0.0, entry, soft)
    for array in (entry, exit_, lean, atr):
        array[(random.random((rows, symbols)) < 0.05) | np.isnan(bars.close)] = math.nan
    listings = np.zeros(symbols, LISTING)
    listings["tick"], listings["freeze"] = TICK, random.choice([700, 100_000])
    listings["lot"] = random.choice([1, 25])
    listings["sector"] = random.integers(0, 3, symbols)
    listings["daily_volume"], listings["daily_volatility"] = 1e5, 0.02
    listings["margin"] = random.choice([0.0, 0.5])
    product = "MIS" if limits["intraday"][0] else "CNC"
    charges = {d: charge_rates(d, product).as_array()[None] for d in weekdays(days)}
    common = random.normal(0.0, 0.01, (days + 4, 1))
    returns = common + random.normal(0.0, 0.01, (days + 4, symbols))
    every = [
        DayRules(day, listings, rates, returns, (place, place + 4))
        for place, (day, rates) in enumerate(charges.items())
    ]
    return Scene(bars, entry, exit_, atr, flags, limits, every, lean=lean)


# ---- one decision path --------------------------------------------------------------------------


@MANY
@given(scenes())
def test_driven_row_by_row_it_equals_the_compiled_loop(scene: Scene) -> None:
    """And the outside, which knows only the intents, believes at every bar what the engine does:
    never two orders of a symbol, never more changes than Kite takes."""

    def agree(walk: Walk, row: int) -> None:
        for symbol, position in enumerate(walk.positions):
            for role in Role:
                one = walk.outside.orders.get((symbol, role))
                side = role.name.lower()
                assert position[f"{side}_order"] == (one.quantity if one else 0)
                assert position[f"{side}_kind"] == (one.kind if one else OrderKind.NONE)
            if one := walk.outside.orders.get((symbol, Role.EXIT)):
                assert position["exit_price"] == one.price
                assert position["exit_changes"] == one.changes

    assert_same(scene.run(), Walk(scene, agree).run().result())


@MANY
@given(scenes())
def test_the_same_inputs_give_the_same_bits(scene: Scene) -> None:
    one, other = scene.run(), scene.run()
    assert one.fills.tobytes() == other.fills.tobytes()
    assert one.intents.tobytes() == other.intents.tobytes()
    assert one.denials.tobytes() == other.denials.tobytes()
    assert_same(one, other)


@MANY
@given(scenes(), st.floats(0, 0.999))
def test_resumed_from_its_packed_state_at_any_bar_it_goes_on_the_same(
    scene: Scene, where: float
) -> None:
    row = int(where * len(scene.bars.index))
    states: dict[int, bytes] = {}

    def remember(walk: Walk, row: int) -> None:
        states[row] = pack_state(walk.positions, walk.account)

    Walk(scene, remember).run()
    whole = scene.run()
    resumed = scene.run(start=row + 1, state=states[row])
    assert_same(whole, resumed, since=row + 1)


@MANY
@given(scenes(), st.floats(0, 0.999), st.integers(0, 99))
def test_what_comes_later_changes_nothing_before(scene: Scene, where: float, seed: int) -> None:
    row, random = int(where * len(scene.bars.index)), np.random.default_rng(seed)
    other = random_scene(
        seed, len(scene.days), len(scene.bars.index) // len(scene.days),
        len(scene.bars.symbols), 0.01, 0.1, scene.rules,
    )  # fmt: skip
    changed = replace(scene, bars=scene.bars.rows(0, row + 1).concat(
        other.bars.rows(row + 1, len(other.bars.index))))  # fmt: skip
    for name in ("entry", "exit", "atr"):
        array = getattr(scene, name).copy()
        array[row + 1 :] = random.permutation(array[row + 1 :])
        setattr(changed, name, array)
    one, two = scene.run(), changed.run()
    for name in ("fills", "intents", "denials"):
        left, right = getattr(one, name), getattr(two, name)
        np.testing.assert_array_equal(left[left["row"] <= row], right[right["row"] <= row])
    np.testing.assert_array_equal(one.equity[: row + 1], two.equity[: row + 1])


# ---- money --------------------------------------------------------------------------------------


@MANY
@given(scenes())
def test_cash_positions_and_charges_conserve_to_the_paisa(scene: Scene) -> None:
    result, rows = scene.run(), len(scene.bars.index)
    rates = {row: day.rates[0].tolist() for row, day in enumerate(scene.days)}
    minutes = rows // len(scene.days)
    cash, held = CAPITAL, Counter[int]()
    last = [math.nan] * len(scene.bars.symbols)
    fills = result.fills.tolist()
    for row in range(rows):
        while fills and fills[0][0] == row:
            _, _, symbol, quantity, price, value, _, _, heads = fills.pop(0)
            value_again = abs(quantity) * round(price * 100)
            out = [0] * 7
            charges = charges_of(value_again, quantity < 0, rates[row // minutes], out)  # type: ignore[arg-type]
            assert value == value_again and list(heads) == out and charges == sum(out)
            cash += (value if quantity < 0 else -value) - charges
            held[symbol] += quantity
        for symbol, close in enumerate(scene.bars.close[row].tolist()):
            last[symbol] = last[symbol] if math.isnan(close) else close
        assert result.cash[row] == cash
        worth = sum(n * round(last[symbol] * 100) for symbol, n in held.items() if n)
        assert result.equity[row] == cash + worth
    assert not fills
    assert result.positions["quantity"].tolist() == [held[n] for n in range(len(last))]


# ---- limits -------------------------------------------------------------------------------------


def check_book(walk: Walk, row: int) -> None:
    "No limit is exceeded after this bar, with working orders counted as filled."
    limit, positions = walk.scene.rules[0], walk.positions
    sectors = walk.day.listings["sector"]
    used = (positions["quantity"] != 0) | (positions["entry_order"] != 0)
    assert used.sum() <= limit["open_positions"]
    assert max(Counter(sectors[used].tolist()).values(), default=0) <= limit["positions_per_sector"]
    assert (positions["trades_today"] <= limit["trades_per_symbol"]).all()
    assert walk.account["trades_today"][0] <= limit["trades_per_day"]
    flat = positions["quantity"] == 0
    assert not ((positions["entry_order"] != 0) & ~flat).any()
    closing = positions["exit_order"] + positions["part_order"]
    whole = closing == -positions["quantity"]
    assert (whole | (positions["exit_order"] == 0)).all()  # never more than what is held
    assert (positions["exit_changes"] <= limit["order_changes"]).all()
    assert (positions["stop_moves"] <= limit["stop_moves"]).all()


def check_protected(walk: Walk, row: int) -> None:
    "What is held has its exit order, but for the closing auction and the night."
    last = row + 1 == len(walk.scene.bars.index) or (
        walk.scene.bars.index[row + 1].date() != walk.scene.bars.index[row].date()
    )
    purged = walk.scene.flags[row] & BarFlag.STOPS_PURGED > 0
    bare = (walk.positions["quantity"] != 0) & (walk.positions["exit_order"] == 0)
    assert last or not (bare & ~purged).any()


def check_entries(walk: Walk, row: int) -> None:
    "Every entry is of a legal size, sends no halted account to market and passes no flag."
    limit, account = walk.scene.rules[0], walk.account[0]
    for intent in walk.intents[walk.new_intents :]:
        if intent["purpose"] != Purpose.ENTRY:
            continue
        symbol, quantity = intent["symbol"], abs(int(intent["quantity"]))
        close = float(walk.scene.bars.close[row, symbol])
        share = quantity * close / (account["equity"] / 100.0)
        assert limit["minimum_share"] - 1e-9 <= share <= limit["maximum_share"] + 1e-9
        away = limit["stop_atr"] * walk.scene.atr[row, symbol] or limit["stop_fraction"] * close
        at_risk = quantity * away
        assert at_risk <= limit["risk_per_trade"] * account["equity"] / 100.0 + 1e-6
        listing = walk.day.listings[symbol]
        assert quantity <= listing["freeze"] and quantity % listing["lot"] == 0
        assert abs(intent["score"]) >= limit["minimum_confidence"]
        assert limit["shorting"] or intent["quantity"] > 0
        assert not account["halted"]
        minute = account["minute"]
        assert minute >= account["paused_until"] and minute >= walk.positions["cool_until"][symbol]
        assert not walk.scene.flags[row, symbol] & (BarFlag.NO_ENTRY | BarFlag.LAST_BAR)


@MANY
@given(scenes())
def test_no_limit_is_ever_exceeded(scene: Scene) -> None:
    def check(walk: Walk, row: int) -> None:
        check_book(walk, row)
        check_protected(walk, row)
        check_entries(walk, row)

    walk = Walk(scene, check).run()
    minutes = len(scene.bars.index) // len(scene.days)
    entries = [fill for fill in walk.fills if fill["reason"] == 0]
    by_day = Counter(int(fill["row"]) // minutes for fill in entries)
    by_symbol = Counter((int(fill["row"]) // minutes, int(fill["symbol"])) for fill in entries)
    assert max(by_day.values(), default=0) <= scene.rules["trades_per_day"][0]
    assert max(by_symbol.values(), default=0) <= scene.rules["trades_per_symbol"][0]


@MANY
@given(scenes())
def test_a_stop_never_moves_backwards(scene: Scene) -> None:
    result = scene.run()
    stops: dict[int, float] = {}
    events = [*result.intents, *result.fills]
    events.sort(key=lambda one: (one["row"], one["phase"], "purpose" in one.dtype.names))
    for event in events:
        symbol = int(event["symbol"])
        if "purpose" not in event.dtype.names:
            if event["reason"] not in (Reason.NONE, Reason.PROFIT_LOCK):
                stops.pop(symbol, None)
            continue
        if event["purpose"] not in (Purpose.STOP, Purpose.MOVE_STOP):
            continue
        side = -np.sign(event["quantity"])  # of what is held
        new, old = float(event["price"]), stops.get(symbol)
        if event["purpose"] == Purpose.STOP:
            assert old is None or old == new  # put back in the morning where it was
        else:
            assert old is not None and side * (new - old) >= TICK - 1e-9
        stops[symbol] = new


@MANY
@given(scenes())
def test_an_intraday_position_stays_overnight_only_where_its_exit_found_no_price(
    scene: Scene,
) -> None:
    "With all bars there, what is still held at the end has an exit that the last open gapped past."
    minutes, intraday = len(scene.bars.index) // len(scene.days), scene.rules["intraday"][0]
    full = ~np.isnan(scene.bars.close) | (scene.flags & BarFlag.STOPS_PURGED > 0)
    result = scene.run()
    for end in range(minutes, len(scene.bars.index) + 1, minutes):
        for symbol in np.flatnonzero(full[end - minutes : end].all(axis=0) & bool(intraday)):
            mine = result.fills[result.fills["symbol"] == symbol]
            held = mine["quantity"][mine["row"] < end].sum()
            if not held:
                continue
            told = result.intents[(result.intents["symbol"] == symbol)]
            told = told[(told["purpose"] == Purpose.EXIT) & (told["row"] < end)][-1]
            assert told["row"] == end - 3  # the last close with the square-off flag
            gap = scene.bars.open[end - 2, symbol] - told["price"]
            assert gap * np.sign(told["quantity"]) > 0


def test_the_markets_are_not_tame() -> None:
    "The scenes reach every purpose, reason, denial and phase that the properties speak of."
    seen: dict[str, set[int]] = {"purpose": set(), "reason": set(), "code": set(), "phase": set()}
    for seed in range(120):
        for intraday in (0, 1):
            limits = rules(
                trades_per_day=6, open_positions=2, trades_per_symbol=2, positions_per_sector=1,
                maximum_share=0.6, risk_per_trade=0.05, margin_rate=(0.2, 1.0)[seed % 2],
                daily_loss=0.01, drawdown=0.03, order_changes=(1, 4)[seed // 3 % 2],
                stop_moves=(1, 3)[seed // 3 % 2], protection=0.005,
                shorting=intraday, intraday=intraday, time_stop=(0, 7)[seed % 2], lock_atr=0.5,
                lock_share=0.5, cool_down=(0, 2)[seed // 7 % 2],
                pause_stops=(0, 2)[seed % 2], pause=5,
                kelly_fraction=(0.0, 0.5)[seed // 5 % 2], kelly_trades=3,
            )  # fmt: skip
            wild, missing = (0.001, 0.004, 0.02)[seed % 3], (0.0, 0.1)[seed % 2]
            result = random_scene(seed, 2, 20, 4, wild, missing, limits).run()
            seen["purpose"] |= set(result.intents["purpose"].tolist())
            seen["reason"] |= set(result.fills["reason"].tolist())
            seen["code"] |= set(result.denials["code"].tolist())
            seen["phase"] |= set(result.fills["phase"].tolist())
    assert seen["purpose"] == {int(one) for one in Purpose}
    assert seen["reason"] == {int(one) for one in Reason} - {Reason.FLATTEN, Reason.DELISTED}
    assert seen["code"] == {int(one) for one in Denial}
    assert seen["phase"] == {1, 2, 3, 4}


@pytest.mark.parametrize("profile", ["calm", "wild"])
def test_a_long_walk(profile: str) -> None:
    "One larger market each, row by row against the compiled loop."
    wild = {"calm": 0.001, "wild": 0.01}[profile]
    scene = random_scene(20260915, 3, 60, 12, wild, 0.05, rules(slippage=0.0002))
    assert_same(scene.run(), Walk(scene, check_book).run().result())
