"""Errors of AWS are one clear line. Refusals are those of moto, with permissions enabled."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from helios.clouds.aws.errors import aws_errors, translate
from helios.errors import DeployError, HeliosError, Throttled, UsageError
from support.motoserver import moto_server

NOTHING = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
}
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "eu-central-1"}


def helios(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    without = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "helios", "deploy", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env=without | NOTHING | environment,
        stdin=subprocess.DEVNULL,
    )


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("helios: ")
    for word in words:
        assert word in line
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        (NOWHERE, 2, ["no AWS credentials", "aws sso login"]),
        (KEYS, 2, ["no AWS region", "AWS_REGION"]),
        (NOWHERE | {"AWS_PROFILE": "nemo"}, 2, ["no such AWS profile"]),
        (NOWHERE | {"AWS_ACCESS_KEY_ID": "a"}, 2, ["incomplete"]),
        (NOWHERE | KEYS, 1, ["can't be reached", "127.0.0.1:9"]),
        (NOWHERE | KEYS | {"AWS_REGION": "no where"}, 2, ["not a valid name", "AWS_REGION"]),
    ],
    ids=["credentials", "region", "profile", "half", "network", "name"],
)
def test_wrong_settings_are_one_line(environment: dict[str, str], code: int, words: list[str]) -> None:
    assert_one_line(helios("list", **environment), code, *words)


def test_an_expired_sign_in_is_reported(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nsso_session = videos\nsso_account_id = 123456789012\nsso_role_name = Videos\nregion = eu-central-1\n"
        "[sso-session videos]\nsso_start_url = https://videos.awsapps.com/start\nsso_region = eu-central-1\n"
    )
    done = helios("list", AWS_CONFIG_FILE=str(config), HOME=str(tmp_path))
    assert_one_line(done, 2, "sign-in has expired", "aws sso login")


def test_as_json_the_error_is_an_event() -> None:
    done = helios("list", "--json", **NOWHERE)
    assert json.loads(done.stdout)["code"] == "usage"


@pytest.fixture(scope="module")
def strict() -> Iterator[dict[str, str]]:
    """A user without any rights, where signatures and rights count."""
    with moto_server(INITIAL_NO_AUTH_ACTION_COUNT="2") as url:
        iam: Any = botocore.session.get_session().create_client("iam", region_name="eu-central-1")
        iam.create_user(UserName="nemo")
        key = iam.create_access_key(UserName="nemo")["AccessKey"]
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }


def test_a_missing_right_is_named(strict: dict[str, str]) -> None:
    assert_one_line(helios("list", **strict), 2, "may not do cloudformation:DescribeStacks", "docs/aws.md")


def test_an_unknown_key_is_reported(strict: dict[str, str]) -> None:
    assert_one_line(helios("list", **strict | KEYS), 2, "does not know this access key")


def test_a_wrong_secret_is_reported(strict: dict[str, str]) -> None:
    done = helios("list", **strict | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert_one_line(done, 2, "rejects the signature")


@pytest.mark.parametrize(
    ("code", "message", "kind", "words"),
    [
        (
            "AccessDeniedException",
            "User: arn:aws:iam::1:user/a is not authorized to perform: codebuild:StartBuild on resource: "
            "arn:aws:codebuild:eu-central-1:1:project/helios because no identity-based policy allows it",
            UsageError,
            "may not do codebuild:StartBuild on arn:aws:codebuild:eu-central-1:1:project/helios: docs",
        ),
        ("AccessDenied", "Access Denied", UsageError, "may not do PutObject"),
        ("ExpiredTokenException", "The security token included in the request is expired", UsageError, "have expired"),
        ("RequestExpired", "Request has expired.", UsageError, "clock"),
        ("Throttling", "Rate exceeded", Throttled, "throttles PutObject"),
        ("Weird.Thing", "It is\n  raining", DeployError, "AWS refuses PutObject: It is raining"),
    ],
)
def test_each_refusal_has_its_error(code: str, message: str, kind: type[HeliosError], words: str) -> None:
    error = translate(ClientError({"Error": {"Code": code, "Message": message}}, "PutObject"))
    assert type(error) is kind
    assert words in str(error)


def test_other_exceptions_pass_through() -> None:
    with pytest.raises(KeyError), aws_errors():
        raise KeyError
