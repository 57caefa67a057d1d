"""Run one session through papermill, as `nifty paper` does: `python paper.py REQUEST.json`.

The request holds run, days, bars (a path or null), overrides and resume. What came of it is printed
as one line of JSON; the exit code is the session's own.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

from nifty_research.core.errors import ExitCode, TradingSystemError
from nifty_research.core.settings import load_settings
from nifty_research.session.request import SessionRequest
from nifty_research.session.runner import run_session


def main(asked: dict) -> int:  # type: ignore[type-arg]
    "Run what is asked for; the exit code."
    try:
        settings = load_settings(overrides=asked["overrides"])
        request = SessionRequest(
            run=asked["run"],
            days=tuple(date.fromisoformat(day) for day in asked["days"]),
            bars=Path(asked["bars"]) if asked["bars"] else None,
            overrides=asked["overrides"],
            resume=asked["resume"],
        )
        outcome = run_session(request, settings)
    except TradingSystemError as error:
        print(json.dumps({"error": type(error).__name__, "reason": str(error)}))
        return int(error.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    print(json.dumps(outcome.record()))
    return outcome.exit_code


if __name__ == "__main__":
    raise SystemExit(main(json.loads(Path(sys.argv[1]).read_text())))
