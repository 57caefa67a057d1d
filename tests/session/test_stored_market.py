"""A session and a backtest play the minutes of a market store as they would play a file."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from nifty_research.core.errors import MissingDataError
from nifty_research.core.settings import Settings, load_settings
from nifty_research.data.bars import Bars
from nifty_research.data.layout import MINUTE
from nifty_research.data.store import BarStore
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.session.decide import backtest_of
from nifty_research.session.market import prepare_bars, recorded_days

SYMBOLS = ("INFY", "ITC", "RELIANCE")
DAYS = (date(2026, 9, 14 - 3), date(2026, 9, 15))


@pytest.fixture(scope="module")
def bars() -> Bars:
    return synthetic_bars(SYMBOLS, DAYS, seed=7)


@pytest.fixture(scope="module")
def root(bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "store"
    frame = bars.to_frame().assign(open_interest=None)
    BarStore(folder).append_minutes(pa.Table.from_pandas(frame[MINUTE.names], MINUTE, False))
    return folder


@pytest.fixture
def settings() -> Settings:
    return load_settings(environ={})


def test_the_store_plays_the_bars_that_were_put_in(
    root: Path, bars: Bars, settings: Settings
) -> None:
    market = prepare_bars(settings, (DAYS[1],), bars=root)

    assert market.days == (DAYS[1],)
    assert market.bars.equals(bars)


def test_the_backtest_of_a_store_is_that_of_the_bars(
    root: Path, bars: Bars, settings: Settings
) -> None:
    market = prepare_bars(settings, (DAYS[1],), bars=root)
    result = backtest_of(market.bars, market.start, settings)

    assert len(result.fills) > 0
    assert result.fills.tobytes() == backtest_of(bars, market.start, settings).fills.tobytes()


def test_longer_bars_come_from_the_minutes(root: Path) -> None:
    settings = load_settings(environ={}, overrides={"market.interval_minutes": "15"})
    market = prepare_bars(settings, (), bars=root)

    assert market.bars.interval_minutes == 15
    assert market.days == (DAYS[1],)  # the day before warms up
    assert f"{market.bars.index[-1]:%H:%M}" == "15:00"  # shares with derivatives stop at 15:15


def test_days_that_are_not_there_are_named(root: Path, settings: Settings) -> None:
    assert recorded_days(settings, root) == list(DAYS)
    with pytest.raises(MissingDataError, match="2026-09-11"):
        prepare_bars(settings, (DAYS[1] + timedelta(days=1),), bars=root)


def test_a_store_without_the_universe_says_so(tmp_path: Path, settings: Settings) -> None:
    frame = synthetic_bars(("SUZLON",), DAYS, seed=7).to_frame().assign(open_interest=None)
    BarStore(tmp_path).append_minutes(pa.Table.from_pandas(frame[MINUTE.names], MINUTE, False))

    with pytest.raises(MissingDataError, match="NIFTY50"):
        prepare_bars(settings, (DAYS[1],), bars=tmp_path)
