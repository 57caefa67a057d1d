"""From the log-in page to a sealed token, at a real exchange; and what a dead token does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from live_exchange import Live, live_exchange

from nifty_research.broker.client import Broker
from nifty_research.broker.login import CallBack, log_in, log_out
from nifty_research.broker.tokens import AccessToken, TokenStore, renew_from
from nifty_research.core.clock import WallClock
from nifty_research.core.errors import AuthenticationError, StoreUnavailableError
from nifty_research.core.vault import Vault, VaultKey, key_file, make_key_file


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def live(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    address = f"http://127.0.0.1:{port}/"
    folder = tmp_path_factory.mktemp("exchange")
    with live_exchange(folder, exchange__redirect_url=address) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(Vault(tmp_path / "tokens.vault", make_key_file(tmp_path / "vault.key")))


def browse(page: str) -> None:
    "A person who logs in: the browser follows the page to the call-back."
    with requests.Session() as browser:
        browser.trust_env = False
        browser.get(page, timeout=5)


def logged_in(live: Live, store: TokenStore, port: int) -> tuple[Broker, AccessToken]:
    broker = Broker(live.addresses.rest, live.key)
    token = log_in(
        broker,
        f"{live.addresses.rest}/connect/login",
        live.secret,
        store,
        WallClock(0.0),
        port=port,
        patience_s=5.0,
        show=lambda page: threading.Thread(target=browse, args=(page,)).start(),
    )
    return broker, token


def test_log_in_by_the_page_seals_a_token_that_works(
    live: Live, store: TokenStore, port: int
) -> None:
    broker, token = logged_in(live, store, port)
    assert broker.profile()["user_id"] == token.user_id
    kept = store.living(live.addresses.rest, live.key, WallClock(0.0))
    assert kept == token
    other = Broker(live.addresses.rest, live.key)
    other.kite.set_access_token(kept.token)
    assert other.positions() == []
    log_out(broker, store)
    with pytest.raises(AuthenticationError, match="api_key"):
        other.positions()
    assert store.newest(live.addresses.rest, live.key) is None


def test_token_that_died_is_replaced_by_a_newer_log_in(
    live: Live, store: TokenStore, port: int
) -> None:
    broker, _ = logged_in(live, store, port)
    deaths: list[AuthenticationError] = []
    renew_from(broker, store, live.key, deaths.append)
    live.admin.fault(kind="token death")
    for _ in range(2):
        with pytest.raises(AuthenticationError):
            broker.positions()
    assert len(deaths) == 1 and "nifty login" in deaths[0].remedy
    logged_in(live, store, port)  # somebody logs in, elsewhere
    with pytest.raises(AuthenticationError):
        broker.positions()  # refused, and not sent again by itself
    assert broker.positions() == [] and len(deaths) == 1


def test_stranger_cannot_log_this_computer_in() -> None:
    with CallBack(0) as waiting, requests.Session() as browser:
        browser.trust_env = False
        at = f"http://127.0.0.1:{waiting.port}/"
        fields = {"status": "success", "request_token": "s" * 32}
        for word in ("", "guess", "ключ"):
            assert browser.get(at, params=fields | {"word": word}, timeout=5).status_code == 400
        with pytest.raises(AuthenticationError, match="nobody logged in"):
            waiting.request_token(0.05)


NAMES = st.text(min_size=1, max_size=20)


@given(entries=st.dictionaries(NAMES, st.text(max_size=60), max_size=4), flip=st.integers(0, 10**6))
def test_vault_gives_back_what_was_put_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, entries: dict[str, str], flip: int
) -> None:
    folder = tmp_path_factory.mktemp("vault")
    key = make_key_file(folder / "key")
    vault = Vault(folder / "vault", key)
    for name, secret in entries.items():
        vault.put(name, secret)
    assert vault.names() == tuple(sorted(entries))
    assert {name: vault.get(name) for name in entries} == entries
    for name, secret in entries.items():
        sealed = json.loads(vault.path.read_text())["entries"][name]
        place = flip % len(sealed)
        changed = sealed[:place] + ("B" if sealed[place] == "A" else "A") + sealed[place + 1 :]
        held = json.loads(vault.path.read_text())
        held["entries"][name] = changed
        other = folder / "changed"
        other.write_text(json.dumps(held))
        try:
            found = Vault(other, key).get(name)
        except AuthenticationError:
            continue
        assert found == secret  # the change was in the padding, which carries nothing


def test_broken_vault_and_open_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault"
    vault = Vault(path, VaultKey(password="x"))
    for text in ("", "{", "[]", '{"salt": 1, "entries": {}}', '{"salt": "", "entries": {"a": 1}}'):
        path.write_text(text)
        with pytest.raises(StoreUnavailableError):
            vault.get("a")
    key = tmp_path / "key"
    make_key_file(key)
    key.chmod(0o640)
    with pytest.raises(AuthenticationError, match="others may read"):
        key_file(key)


def test_order_path_loads_neither_pandas_nor_numba() -> None:
    names = "broker.client, broker.feed, broker.tokens, broker.quotas, broker.gaps"
    modules = "; ".join(f"import nifty_research.{name.strip()}" for name in names.split(","))
    heavy = "pandas numba pyarrow duckdb scipy matplotlib plotly".split()
    code = f"import sys; {modules}; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )
    assert found.stdout.strip() == "[]", found.stdout + found.stderr
