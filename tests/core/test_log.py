"""Log lines: valid JSON, no secret at any depth, rotated, and cheap to import."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nifty_research.core.errors import SettingsError
from nifty_research.core.log import HIDDEN, bound, configure, get_logger, redact

SECRET = "kXq7s3cr3t"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "logs" / "nifty.log"
    configure(path)
    yield path
    configure(None)


def lines(path: Path) -> list[dict[str, Any]]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    text = path.read_text("utf-8")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


# --- secrets --------------------------------------------------------------------------------

NAMES = "access_token API_KEY apikey api-secret password checksum totp Authorization refreshToken"
SECRET_KEYS = st.sampled_from([*NAMES.split(), "enctoken", "request_token", "PASSWD"])
NESTED = st.recursive(
    st.builds(lambda key: {key: SECRET}, SECRET_KEYS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from(["order", "headers", "answer"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(NESTED)
def test_secret_is_hidden_at_any_depth(value: object) -> None:
    assert SECRET not in str(redact(value))


@given(
    st.sampled_from(["access_token", "api_key", "password", "X-Api-Secret", "totp"]),
    st.sampled_from(["=", ": ", '": "', "='", " = "]),
)
def test_secret_is_hidden_in_running_text(name: str, between: str) -> None:
    text = str(redact(f"GET /orders?{name}{between}{SECRET}&limit=5 failed"))
    assert SECRET not in text
    assert text.endswith("limit=5 failed") and HIDDEN in text


@pytest.mark.parametrize("key", ["instrument_token", "exchange_token", "instrument_tokens"])
def test_numbers_of_shares_stay_readable(key: str) -> None:
    assert redact({key: 738561}) == {key: 738561}
    assert redact(f"{key}=738561") == f"{key}=738561"


def test_object_that_prints_its_key_is_hidden() -> None:
    @dataclass
    class Login:
        api_key: str

    assert SECRET not in str(redact([Login(SECRET)]))


def test_container_that_holds_itself_ends() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert "[too deep]" in str(redact(endless))


def test_traceback_of_ours_and_of_libraries_is_hidden(file: Path) -> None:
    for log in (get_logger("broker.client"), logging.getLogger("urllib3")):
        try:
            raise ValueError(f"bad answer to ?access_token={SECRET}")
        except ValueError:
            log.exception("call failed")
    first, second = lines(file)
    for entry in (first, second):
        assert "ValueError" in entry["exception"]
        assert SECRET not in str(entry)


# --- lines ----------------------------------------------------------------------------------


def test_every_value_becomes_json(file: Path) -> None:
    get_logger("session.loop").info(
        "odd values",
        day=date(2026, 9, 15),
        price=np.float64(2894.35),
        quantity=np.int64(37),
        missing=float("nan"),
        folder=Path("runs"),
        raw=b"abc",
        kinds={"b"},
    )
    entry = lines(file)[0]
    assert (entry["day"], entry["folder"], entry["raw"]) == ("2026-09-15", "runs", "abc")
    assert (entry["price"], entry["quantity"], entry["kinds"]) == (2894.35, 37, ["b"])
    assert entry["missing"] == "nan"


def test_line_names_level_logger_and_time_with_zone(file: Path) -> None:
    get_logger("risk.limits").warning("limit %s reached", "K1", used=150)
    entry = lines(file)[0]
    assert entry["event"] == "limit K1 reached"
    assert entry["level"] == "warning"
    assert entry["logger"] == "nifty_research.risk.limits"
    assert entry["wall_time"].endswith("+05:30")


def test_ids_end_with_their_block_and_nest(file: Path) -> None:
    log = get_logger("x")
    with bound(session="a"):
        with bound(bar="10:31"):
            log.info("inner")
        log.info("outer")
    log.info("after")
    assert [(e.get("session"), e.get("bar")) for e in lines(file)] == [
        ("a", "10:31"),
        ("a", None),
        (None, None),
    ]


def test_new_thread_starts_without_ids(file: Path) -> None:
    with bound(session="a"):
        thread = threading.Thread(target=lambda: get_logger("x").info("from a thread"))
        thread.start()
        thread.join()
    assert "session" not in lines(file)[0]


def test_level_is_respected_and_libraries_are_heard_from_warnings(file: Path) -> None:
    configure(file, "DEBUG")
    get_logger("x").debug("ours")
    logging.getLogger("papermill").info("chatter")
    logging.getLogger("papermill").warning("trouble")
    assert [entry["event"] for entry in lines(file)] == ["ours", "trouble"]


# --- set-up ---------------------------------------------------------------------------------


def test_file_is_rotated_and_old_ones_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "nifty.log"
    configure(path, maximum_bytes=2_000, backups=2)
    for number in range(100):
        get_logger("x").info("line", number=number)
    configure(None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["nifty.log", "nifty.log.1", "nifty.log.2"]
    assert all(p.stat().st_size <= 2_000 for p in tmp_path.iterdir())


def test_configuring_again_replaces_the_former_file(tmp_path: Path) -> None:
    configure(tmp_path / "first.log")
    configure(tmp_path / "second.log")
    get_logger("x").info("once")
    configure(None)
    assert (tmp_path / "first.log").read_text() == ""
    assert len(lines(tmp_path / "second.log")) == 1


def test_console_writes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None, console=True)
    get_logger("x").info("hello", api_key=SECRET)
    configure(None)
    shown = capsys.readouterr()
    assert "hello" in shown.err and SECRET not in shown.err
    assert shown.out == ""


def test_file_in_an_impossible_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(SettingsError, match=r"paths\.log"):
        configure(tmp_path / "plain" / "nifty.log")


def test_order_path_of_core_imports_neither_pandas_nor_numba() -> None:
    code = (
        "import sys, nifty_research.core.log, nifty_research.core.settings\n"
        "import nifty_research.core.money\n"
        "print(sorted({'pandas', 'numba', 'plotly', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
