"""The command `helios deploy`, against moto."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import helios
from helios.cli import app
from helios.clouds.aws import Settings
from helios.clouds.names import default_name
from support.aws_account import NAME, Account

OURS = default_name(helios.__version__)
IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/mine@sha256:{'0' * 64}"


def call(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["deploy", *arguments], input=given)


def lines(outcome: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def test_from_nothing_to_nothing(account: Account) -> None:
    empty = call("list")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "no deployments" in empty.stderr

    dry = call("aws", "--image", IMAGE, "--dry-run", "--json")
    assert dry.exit_code == 0
    (planned,) = lines(dry)
    assert planned["event"] == "changes-planned"
    assert {
        "action": "Add",
        "resource": "Function",
        "kind": "AWS::Lambda::Function",
        "destroys_data": False,
    } in planned["changes"]
    assert call("list").stdout == ""

    created = call("aws", "--image", IMAGE)
    assert created.exit_code == 0, created.stderr
    assert "+ Bucket (AWS::S3::Bucket)" in created.stderr
    assert created.stdout.startswith(f"{OURS}  {helios.__version__}  CREATE_COMPLETE")

    (listed,) = lines(call("list", "--json"))
    assert (listed["name"], listed["image"], listed["function"]) == (OURS, IMAGE, OURS)

    again = call("aws", "--image", IMAGE)
    assert (again.exit_code, again.stdout) == (0, created.stdout)
    assert "nothing to change" in again.stderr

    checked = call("check", "--json")
    findings = {each["name"]: each for each in lines(checked)}
    assert findings["bucket"]["ok"] is True
    assert checked.exit_code == 1, "moto's function has a small /tmp"

    refused = call("destroy")
    assert refused.exit_code == 2
    assert "would be removed permanently" in refused.stderr
    assert "--yes" in refused.stderr
    assert len(lines(call("list", "--json"))) == 1

    assert call("destroy", "--yes").exit_code == 0
    assert call("list").stdout == ""
    gone = call("destroy", "--yes")
    assert gone.exit_code == 2
    assert "no deployment" in gone.stderr


def test_a_check_without_a_deployment_names_the_command(account: Account) -> None:
    outcome = call("check")
    assert outcome.exit_code == 2
    assert "run helios deploy aws" in outcome.stderr


@pytest.mark.parametrize("option", [["--memory", "1"], ["--architecture", "pdp11"], ["--name", "No"]])
def test_wrong_options_are_refused(option: list[str]) -> None:
    outcome = call("aws", "--image", IMAGE, *option)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("helios: ")


def test_the_names_of_versions_can_be_used() -> None:
    assert Settings(OURS).name == OURS
    assert NAME.startswith("helios-")
