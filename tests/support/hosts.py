"""An adapter of each kind with real workers behind it, for the contract suite. All of them run on this machine."""

import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from helios.adapters import LocalWorkerAdapter, WorkerAdapter
from helios.adapters.aws.adapter import AwsLambdaAdapter, open_lambda
from helios.adapters.faults import FaultInjectingAdapter, Faults
from helios.adapters.gcp.adapter import Instance, open_cloud_run
from helios.storage import ArtifactStore
from support.balancer import cloud_run
from support.clouds import SETTINGS
from support.google_identity import google
from support.http_worker import served
from support.lambda_front import lambda_front

SHELL = "/bin/sh"
MISSING = "no-such-command"
COMMANDS = f"{SHELL},{MISSING}"
"""The commands that remote workers allow: the second is not there."""


@dataclass(frozen=True)
class Host:
    """``open`` opens an adapter with a store (which those on this disk don't use).

    Remote workers refuse other versions than ``release`` says, and ``kill`` kills the one that runs a job.
    """

    open: Callable[[ArtifactStore], AbstractAsyncContextManager[WorkerAdapter]]
    release: str | None = None
    kill: Callable[[], None] | None = None


@contextmanager
def local_host(folder: Path) -> Generator[Host]:
    @asynccontextmanager
    async def opened(store: ArtifactStore) -> AsyncGenerator[WorkerAdapter]:
        yield LocalWorkerAdapter()

    yield Host(opened)


@contextmanager
def faults_host(folder: Path) -> Generator[Host]:
    @asynccontextmanager
    async def opened(store: ArtifactStore) -> AsyncGenerator[WorkerAdapter]:
        yield FaultInjectingAdapter(Faults())

    yield Host(opened)


@contextmanager
def lambda_host(folder: Path) -> Generator[Host]:
    handler = "helios.worker.lambda_handler.handler"
    with (
        pytest.MonkeyPatch.context() as patch,
        lambda_front(folder, handler, env={"HELIOS_COMMANDS": COMMANDS}) as front,
    ):
        for name, value in {**SETTINGS, "AWS_ENDPOINT_URL_LAMBDA": front.url}.items():
            patch.setenv(name, value)

        @asynccontextmanager
        async def opened(store: ArtifactStore) -> AsyncGenerator[WorkerAdapter]:
            async with open_lambda() as client:
                yield AwsLambdaAdapter(client, "helios", store)

        yield Host(opened, "helios.adapters.aws.adapter.__version__", lambda: front.kill(front.busy()[0]))


@contextmanager
def cloud_run_host(folder: Path) -> Generator[Host]:
    """Two instances: a killed one does not come back."""
    one = served("--behind-iam", HELIOS_COMMANDS=COMMANDS)
    other = served("--behind-iam", HELIOS_COMMANDS=COMMANDS)
    with pytest.MonkeyPatch.context() as patch, google() as signer, one as first, other as second:
        patch.setenv("CLOUDSDK_CONFIG", os.devnull)
        patch.setenv("NO_GCE_CHECK", "true")
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(signer.key_file(folder / "key.json")))
        with cloud_run([first, second], signer) as front:

            @asynccontextmanager
            async def opened(store: ArtifactStore) -> AsyncGenerator[WorkerAdapter]:
                async with open_cloud_run(front.url, store, Instance()) as adapter:
                    yield adapter

            yield Host(opened, "helios.adapters.gcp.adapter.__version__", lambda: front.busy()[0].process.kill())


HOSTS = {"local": local_host, "faults": faults_host, "lambda": lambda_host, "cloud-run": cloud_run_host}
