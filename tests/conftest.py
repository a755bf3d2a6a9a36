"""What all tests share."""

import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
import pytest

# Whoever is started in the background of a shell ignores SIGINT, and so would all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _state_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the user's own jobs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELIOS_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test finds what another has made."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("HELIOS_STATE", str(folder))
    return folder


@pytest.fixture(scope="session", autouse=True)
def _descriptions_are_read_once() -> Iterator[None]:
    """botocore reads AWS' descriptions of its services anew for each session, which takes longer than what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(botocore.session.create_loader))
        yield
