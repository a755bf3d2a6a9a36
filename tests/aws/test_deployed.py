"""From nothing to a video: deployed once, then drawn by what is deployed, without a name of anything."""

from fractions import Fraction
from pathlib import Path

import pytest

import helios
from helios.clouds.aws import find_deployment
from support.aws_account import Account
from support.clouds import SETTINGS
from support.lambda_front import lambda_front
from support.motoserver import moto_server
from support.processes import wait_until
from support.videos import assert_exact

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mine:1"
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "captions"
FILM = {"width": 640, "height": 360, "frame_range": "60:96", "chunk_frames": 6, "preset": "ultrafast"}


def test_what_is_deployed_draws_an_example_as_this_machine_does(tmp_path: Path) -> None:
    here = helios.render_sync(EXAMPLE, tmp_path / "here.mp4", **FILM)  # type: ignore[arg-type]
    with moto_server() as url, pytest.MonkeyPatch.context() as patch:
        with pytest.raises(helios.UsageError, match=r"is not deployed to .*: run helios deploy aws"):
            helios.render_sync(EXAMPLE, tmp_path / "there.mp4", adapter="aws", **FILM)  # type: ignore[arg-type]
        account = Account()
        account.deploy(image=IMAGE)
        deployed = account.run(lambda session: find_deployment(session, helios.__version__))
        env = {**SETTINGS, "AWS_REGION": deployed.region, "AWS_ENDPOINT_URL": url, "HELIOS_STORE": deployed.store}
        with lambda_front(
            tmp_path / "front", "helios.worker.lambda_handler.handler", environments=3, env=env, name=deployed.function,
            memory_mb=deployed.memory_mb,
        ) as front:  # fmt: skip
            patch.setenv("AWS_ENDPOINT_URL_LAMBDA", front.url)
            there = helios.render_sync(EXAMPLE, tmp_path / "there.mp4", adapter="aws", workers=3, **FILM)  # type: ignore[arg-type]
            wait_until(lambda: not front.under_way, "the workers")
            assert front.invokes >= 7
    assert there.hashes == here.hashes
    assert_exact(tmp_path / "there.mp4", 36, Fraction(30))
    assert there.cost
