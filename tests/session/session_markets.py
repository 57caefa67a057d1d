"""Markets and settings that sessions are tested on: small, synthetic, the same every time."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from nifty_research.data.bars import Bars
from nifty_research.data.synthetic import synthetic_bars
from nifty_research.session.market import start_of, warmup_days

ROOT = Path(__file__).resolve().parents[2]
EIGHT = ("BHARTIARTL", "HDFCBANK", "ICICIBANK", "INFY", "ITC", "RELIANCE", "SBIN", "TCS")
WITHOUT_DERIVATIVES = "IRCON"  # trades on continuously until 15:30
LIVELY = {  # much happens in few bars
    "market.interval_minutes": "5",
    "strategy moving_average.fast": "2",
    "strategy moving_average.slow": "5",
    "strategy moving_average.threshold": "0.50",
    "risk.minimum_confidence": "0.50",
    "risk.open_positions": "4",
}


def small_market(
    *days: str,
    interval_minutes: int = 5,
    symbols: tuple[str, ...] = EIGHT,
) -> tuple[Bars, int]:
    "Bars of a few shares over some days and the day before, and the first row that is traded."
    wanted = [date.fromisoformat(day) for day in days]
    sessions = [*warmup_days(wanted[0], 1), *wanted]
    bars = synthetic_bars(symbols, sessions, interval_minutes=interval_minutes, seed=7)
    return bars, start_of(bars, wanted[0])
