"""Bars and ticks as prices for books: whole volumes, whole ranges, the clock kept."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from book_kit import account
from hypothesis import given
from hypothesis import strategies as st
from live_exchange import WARM_UP, small_market

from nifty_research.cli.twin import TwinChoice, twin_of
from nifty_research.core.clock import IST
from nifty_research.core.errors import DataError
from nifty_research.core.settings import load_settings
from nifty_research.engine.book import BarPhase
from nifty_research.exchange.market import Market
from nifty_research.exchange.player import Paced
from nifty_research.exchange.sources import BarSource, Tape, TickSource, bar_path
from nifty_research.exchange.venue import Venue

PRICES = st.integers(100, 200).map(lambda price: price / 2)


@given(st.lists(PRICES, min_size=4, max_size=4), st.integers(4, 60))
def test_a_path_touches_all_four_prices_and_leaves_none_of_them(
    prices: list[float], count: int
) -> None:
    open_, close = prices[0], prices[1]
    high, low = max(prices), min(prices)
    path = bar_path(open_, high, low, close, count, 0.05)
    assert len(path) == count and path[0] == open_ and path[-1] == close
    assert max(path) == high and min(path) == low


@pytest.mark.parametrize("prints", [0, 4, 12, 60])
def test_bars_are_played_with_their_volume_and_range(prints: int) -> None:
    market = Market(small_market(), WARM_UP, load_settings(), matching="book")
    source = BarSource(market, prints=prints)
    bars, seen = market.bars, {}
    for played in source.day(source.days()[0]):
        for symbol, price, quantity in played.prices:
            key = (played.bar_start, symbol)
            seen.setdefault(key, []).append((price, quantity))
    for (start, symbol), found in seen.items():
        row, place = bars.index.get_loc(start), bars.symbols.index(symbol)
        assert sum(quantity for _, quantity in found) == bars.volume[row, place]
        assert max(price for price, _ in found) == bars.high[row, place]
        assert min(price for price, _ in found) == bars.low[row, place]
        assert found[0][0] == bars.open[row, place] and found[-1][0] == bars.close[row, place]


def played_day(venue: Venue) -> list[Any]:
    return list(venue.play())


def test_in_lock_step_a_book_has_the_phases_that_sessions_know() -> None:
    market = Market(small_market(), WARM_UP, load_settings(), matching="book")
    venue = Venue(market, [account("ME")], lambda order: None, source=BarSource(market))
    phases = [turn.phase.name for turn in played_day(venue)]
    assert phases[0] == "DAY_OPEN" and phases[-1] == "DAY_CLOSE"
    assert phases[1:5] == ["OPEN", "STOPS", "LIMITS", "CLOSE"] and len(phases) == 4 * WARM_UP + 2


def some_ticks() -> list[tuple[datetime, str, float, int]]:
    at = datetime(2025, 7, 31, 9, 15, 1, tzinfo=IST)
    return [
        (at + timedelta(seconds=second), symbol, base + second % 7 * 0.1, 10)
        for second in range(0, 200, 3)
        for symbol, base in (("INFY", 1500.0), ("NIFTY 50", 24_000.0))
    ]


@pytest.mark.parametrize("by_second", [True, False])
def test_ticks_become_candles_and_quotes(by_second: bool) -> None:
    ticks = some_ticks()
    tape = Tape(("INFY", "NIFTY 50"), (date(2025, 7, 31),))
    market = Market(tape.bars, 0, load_settings(), matching="book", reference={"INFY": 1499.0})
    source = TickSource(market, tape, ticks, by_second=by_second)
    venue = Venue(market, [account("ME")], lambda order: None, source=source)
    turns = played_day(venue)
    sent = sum(len(prices) for turn in turns for prices in turn.ticks)
    assert sent == len(ticks)
    candles = market.candles("INFY", ticks[0][0] - timedelta(hours=1), ticks[-1][0])
    assert sum(row[5] for row in candles) == 10 * len(ticks) // 2
    assert market.quotes["INFY"].close == 1499.0 and market.quotes["NIFTY 50"].is_index
    assert market.quotes["INFY"].volume == 10 * len(ticks) // 2
    if not by_second:
        names = [turn.phase for turn in turns[1:5]]
        assert names == [BarPhase.OPEN, BarPhase.STOPS, BarPhase.LIMITS, BarPhase.CLOSE]


def test_recorded_ticks_of_a_real_day(nifty_data: Path) -> None:
    file = nifty_data / "ticks" / "nifty_fno_ticks_20250731.parquet"
    names = ("NIFTY25AUGFUT", "NIFTY2580724800CE")
    choice = TwinChoice("ticks", file=file, symbols=names)
    mine = account("ME")
    twin = twin_of(choice, load_settings(), mine)
    turns = twin.venue.play()
    while next(turns).moment.strftime("%H:%M") < "09:30":
        pass
    quote, lot = twin.venue.market.quotes[names[1]], 75
    assert quote.volume > 0 and quote.volume % lot == 0 and quote.low <= quote.last_price
    form = {"exchange": "NFO", "tradingsymbol": names[1], "product": "NRML", "quantity": "75"}
    side = {"transaction_type": "BUY", "order_type": "MARKET", "market_protection": "2"}
    order = twin.venue.place(mine, "regular", form | side)
    assert order.status == "COMPLETE"  # type: ignore[union-attr]


class FakeHub:
    "Counts what would be sent."

    def __init__(self) -> None:
        self.turns: list[Any] = []

    async def broadcast(self, turn: Any) -> None:
        self.turns.append(turn)


def test_a_paced_play_keeps_its_clock_and_can_be_held_and_sought() -> None:
    market = Market(small_market(), WARM_UP, load_settings(), matching="book")
    source = BarSource(market, prints=4)
    venue = Venue(market, [account("ME")], lambda order: None, source=source)
    hub = FakeHub()
    player = Paced(venue, hub, speed=600.0)  # type: ignore[arg-type]

    async def drive() -> SimpleNamespace:
        task = asyncio.create_task(player.play())
        await asyncio.sleep(0.15)
        player.pause()
        await asyncio.sleep(0.1)
        held = (market.now, len(hub.turns))
        await asyncio.sleep(0.15)
        still = (market.now, len(hub.turns))
        with pytest.raises(DataError, match="cannot go back"):
            player.seek(market.now - timedelta(minutes=1))
        player.seek(market.now.replace(hour=9, minute=24))
        player.resume()
        await asyncio.sleep(0.1)
        sought = market.now
        await asyncio.wait_for(task, 20)
        return SimpleNamespace(held=held, still=still, sought=sought)

    seen = asyncio.run(drive())
    assert seen.held == seen.still and 0 < seen.held[1] < len(hub.turns)
    assert seen.sought >= seen.sought.replace(hour=9, minute=23, second=50)
    assert player.finished and hub.turns[-1].phase is BarPhase.DAY_CLOSE
    moments = np.array([turn.moment.timestamp() for turn in hub.turns])
    assert (np.diff(moments) >= 0).all()


def test_an_impossible_speed_is_refused() -> None:
    with pytest.raises(DataError, match="must be above 0"):
        Paced(None, None, 0.0)  # type: ignore[arg-type]
