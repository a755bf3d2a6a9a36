"""`helios.deploy`, `helios.deployments` and `helios.destroy`, and prompts: the same for both clouds."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import helios
from helios.clouds import DeployEvent
from helios.clouds.events import ChangesPlanned
from helios.clouds.names import default_name
from support.google_cloud import GoogleCloud
from support.terminal import on_terminal

IMAGES = {
    "aws": f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/mine@sha256:{'0' * 64}",
    "gcp": f"europe-docker.pkg.dev/other/images/worker@sha256:{'0' * 64}",
}


@pytest.fixture(params=["aws", "gcp"])
def name(request: pytest.FixtureRequest) -> str:
    """A cloud without deployments."""
    request.getfixturevalue({"aws": "account", "gcp": "cloud"}[request.param])
    return request.param


def test_a_deployment_is_created_listed_and_removed(name: str) -> None:
    events: list[DeployEvent] = []
    assert helios.deploy_sync(name, image=IMAGES[name], dry_run=True, on_event=events.append) is None
    assert any(isinstance(event, ChangesPlanned) for event in events)
    assert list(helios.deployments_sync(name)) == []

    created = helios.deploy_sync(name, image=IMAGES[name], timeout=600)
    assert created is not None
    assert created.name == default_name(helios.__version__)
    assert created.worker
    assert "600 s" in created.size
    assert list(helios.deployments_sync(name)) == [created]

    lines: list[str] = []
    with pytest.raises(helios.UsageError, match="was not removed"):
        helios.destroy_sync(name, confirm=lambda line: bool(lines.append(line)))
    (line,) = lines
    assert "would be removed permanently" in line
    assert list(helios.deployments_sync(name)) == [created]
    helios.destroy_sync(name, confirm=lambda line: True)
    assert list(helios.deployments_sync(name)) == []
    with pytest.raises(helios.UsageError, match="no deployment helios-mine"):
        helios.destroy_sync(name, "helios-mine", confirm=lambda line: True)


def test_callbacks_run_in_the_thread_of_the_caller(name: str) -> None:
    threads: list[int] = []

    def confirm(line: str) -> bool:
        threads.append(threading.get_ident())
        return True

    def on_event(event: DeployEvent) -> None:
        threads.append(threading.get_ident())

    helios.deploy_sync(name, image=IMAGES[name], on_event=on_event)
    helios.destroy_sync(name, confirm=confirm, on_event=on_event)
    assert set(threads) == {threading.get_ident()}


def test_an_exception_in_a_callback_ends_the_deploy(name: str) -> None:
    def on_event(event: DeployEvent) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        helios.deploy_sync(name, image=IMAGES[name], on_event=on_event)
    assert not any(deployment.worker for deployment in helios.deployments_sync(name))


def test_a_cancelled_deploy_changes_nothing_more(cloud: GoogleCloud) -> None:
    async def cancel_at_first_event() -> None:
        def on_event(event: DeployEvent) -> None:
            task.cancel()

        before = set(threading.enumerate())
        task = asyncio.create_task(helios.deploy("gcp", image=IMAGES["gcp"], on_event=on_event))
        with pytest.raises(asyncio.CancelledError):
            await task
        for thread in set(threading.enumerate()) - before:
            await asyncio.to_thread(thread.join)

    asyncio.run(cancel_at_first_event())
    assert cloud.changes == []


@pytest.mark.parametrize(("setting", "cloud_name"), [("architecture", "gcp"), ("cpus", "aws")])
def test_a_setting_of_another_cloud_is_refused(setting: str, cloud_name: str) -> None:
    settings: dict[str, Any] = {setting: 2}
    with pytest.raises(helios.UsageError, match=f"there is no setting '{setting}' for this cloud: choose from name"):
        helios.deploy_sync(cloud_name, **settings)


def test_an_unknown_cloud_is_refused() -> None:
    with pytest.raises(helios.UsageError, match="there is no cloud 'azure': choose aws or gcp"):
        helios.deploy_sync("azure")


def test_ctrl_c_at_the_prompt_removes_nothing(name: str, tmp_path: Path) -> None:
    deployment = helios.deploy_sync(name, image=IMAGES[name])
    keys = [b"\x03"]
    code, _, text = on_terminal(
        "deploy", "destroy", "--cloud", name, cwd=tmp_path, term="dumb",
        keys=lambda text: keys.pop() if keys and "to remove it" in text else b"",
    )  # fmt: skip
    assert code == 130, text
    assert "helios: stopped" in text
    assert list(helios.deployments_sync(name)) == [deployment]
