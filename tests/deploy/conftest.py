"""An AWS account of moto's, empty before each test."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache

import botocore.session
import pytest

from account import Account
from motoserver import moto_server


@pytest.fixture(scope="session", autouse=True)
def _descriptions_are_read_once() -> Iterator[None]:
    """botocore reads AWS' descriptions of its services anew for each session, which takes longer than what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(moto_server())


@pytest.fixture
def account(moto: str) -> Account:
    with urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST")) as answer:
        assert json.load(answer) == {"status": "ok"}
    return Account()
