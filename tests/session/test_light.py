"""The process that trades imports no more than it needs, so that a restart is quick and small."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ("vectorbt", "sklearn", "duckdb", "plotly", "matplotlib", "nbconvert", "typer")
KERNEL = """
import json, sys
from nifty_research.core.settings import load_settings
from nifty_research.session.decide import Decider
from nifty_research.session.opening import open_session
from nifty_research.session.trader import Trader
Decider(load_settings())
print(json.dumps([one for one in sys.argv[1:] if one in sys.modules]))
"""


def test_kernel_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KERNEL, *HEAVY], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
