"""An AWS account of moto's, empty before each test."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from account import Account
from motoserver import moto_server


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(moto_server())


@pytest.fixture
def account(moto: str) -> Account:
    with urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST")) as answer:
        assert json.load(answer) == {"status": "ok"}
    return Account()
