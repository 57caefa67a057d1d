"""Run one session without papermill: `python drive.py FOLDER RUN [PROFILE]`.

FOLDER holds `market.parquet` (bars), `plan.json` (start row, overrides, warm-up days) and takes the
ledger. The exchange runs in its own process and is talked to over real sockets; only the notebook
around the loop is left out.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from nifty_research.core.clock import WallClock
from nifty_research.core.settings import load_settings
from nifty_research.data.bars import Bars
from nifty_research.ledger.journal import Journal
from nifty_research.session.opening import open_session
from nifty_research.session.parity import compare_run
from nifty_research.session.processes import ExchangeProcess, effective_values, new_keys


def drive(folder: Path, run: str) -> dict[str, object]:
    "The verdict and the parity of one session."
    plan = json.loads((folder / "plan.json").read_text())
    settings = load_settings(profile=plan["profile"], overrides=plan["overrides"])
    bars = Bars.load(folder / "market.parquet")
    start, ledger = plan["start"], folder / "ledger.sqlite"
    days = [str(day) for day in bars.rows(start, len(bars.index)).days()]
    warmup = [str(day) for day in bars.rows(0, start).days()] if start else []
    started = {
        "run": run,
        "mode": "paper",
        "market": "recorded",
        "profile": plan["profile"],
        "strategy": settings.strategy.name,
        "settings": effective_values(settings),
        "symbols": list(bars.symbols),
        "interval_minutes": bars.interval_minutes,
        "product": settings.account.product,
        "capital_paise": settings.account.capital_paise,
        "days": days,
        "warmup_days": warmup,
    }
    with Journal.open(ledger, settings.account.id, clock=WallClock()) as journal:
        epoch = journal.acquire(run, 600)
        journal.append("session started", started, session=run)
        keys = new_keys()
        os.environ.update(keys)
        with ExchangeProcess(
            settings, folder / "market.parquet", start, keys, folder / "exchange.log"
        ) as exchange:
            session = open_session(run, settings.account.id, epoch, ledger, exchange.addresses)
            verdict = session.trade()
        journal.release()
    report = compare_run(ledger, run)
    latencies = sorted(session.trader.latencies_us)
    return report.record() | {
        "verdict": verdict,
        "line": report.line(),
        "latencies_us": latencies[:: max(1, len(latencies) // 100)],
    }


if __name__ == "__main__":
    told = drive(Path(sys.argv[1]), sys.argv[2])
    (Path(sys.argv[1]) / "result.json").write_text(json.dumps(told))
