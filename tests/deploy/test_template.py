"""The template is valid for CloudFormation and grants only the permissions needed."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helios.clouds.aws import stack
from helios.clouds.aws.settings import LOG_DAYS, Settings
from helios.clouds.names import default_name
from helios.errors import UsageError

TEMPLATE = Path(stack.__file__).with_name("template.yaml")
NEEDS_STAR = {"ecr:GetAuthorizationToken"}


@pytest.fixture(scope="module")
def resources() -> dict[str, dict[str, Any]]:
    """The resources, with !Ref and its like in their long form, as cfn-lint reads them."""
    script = "import json, sys; from cfnlint.decode.cfn_yaml import load; json.dump(load(sys.argv[1]), sys.stdout)"
    read = subprocess.run([sys.executable, "-c", script, str(TEMPLATE)], capture_output=True, text=True, check=True)
    return json.loads(read.stdout)["Resources"]


def statements(resource: dict[str, Any]) -> list[dict[str, Any]]:
    return [given for policy in resource["Properties"]["Policies"] for given in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def lint(architecture: str) -> subprocess.CompletedProcess[str]:
    """cfn-lint's result for the parameters of a deploy."""
    given = Settings("helios", architecture=architecture, image="an-image").parameters({})
    given |= {"HeliosVersion": "1", "BuildArchitecture": architecture, "ImageUri": "an-image"}
    command = [Path(sys.executable).with_name("cfn-lint"), TEMPLATE, "--format", "parseable"]
    command += ["--parameters", *(f"{key}={value}" for key, value in given.items())]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_cfn_lint_finds_nothing(architecture: str) -> None:
    linted = lint(architecture)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_cfn_lint_checks_parameters_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: the same call finds a wrong value."""
    monkeypatch.setattr("helios.clouds.aws.settings.ARCHITECTURES", ("pdp11",))
    linted = lint("pdp11")
    assert linted.returncode
    assert "'pdp11' is not one of ['x86_64', 'arm64']" in linted.stdout


def test_no_role_may_do_more_than_it_names(resources: dict[str, dict[str, Any]]) -> None:
    roles = {name: each for name, each in resources.items() if each["Type"] == "AWS::IAM::Role"}
    assert set(roles) == {"BuildRole", "FunctionRole"}
    for role in roles.values():
        assert "ManagedPolicyArns" not in role["Properties"]
        for given in statements(role):
            actions = set(listed(given["Action"]))
            assert not any("*" in action for action in actions)
            assert given["Resource"] != "*" or actions <= NEEDS_STAR


def test_the_function_reaches_its_part_of_the_bucket_and_its_log_only(resources: dict[str, dict[str, Any]]) -> None:
    reach = {json.dumps(given["Resource"]): given for given in statements(resources["FunctionRole"])}
    assert set(reach) == {
        json.dumps({"Fn::Sub": "${Bucket.Arn}/store/*"}),
        json.dumps({"Fn::GetAtt": ["Bucket", "Arn"]}),
        json.dumps({"Fn::GetAtt": ["FunctionLog", "Arn"]}),
    }
    lists = reach[json.dumps({"Fn::GetAtt": ["Bucket", "Arn"]})]
    assert lists["Action"] == "s3:ListBucket"
    assert lists["Condition"] == {"StringLikeIfExists": {"s3:prefix": "store/*"}}


def test_the_bucket_is_private_and_encrypted_and_deletes_old_objects(resources: dict[str, dict[str, Any]]) -> None:
    bucket = resources["Bucket"]["Properties"]
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "AES256" in json.dumps(bucket["BucketEncryption"])
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["store"] == {
        "Id": "store",
        "Status": "Enabled",
        "Prefix": "store/",
        "ExpirationInDays": {"Ref": "KeepDays"},
    }
    assert rules["context"]["Prefix"] == "context/"
    assert rules["unfinished-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    (denied,) = resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_repository_retains_three_images(resources: dict[str, dict[str, Any]]) -> None:
    repository = resources["Repository"]["Properties"]
    (rule,) = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert rule["selection"]["countNumber"] == 3
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_only_the_function_waits_for_an_image(resources: dict[str, dict[str, Any]]) -> None:
    assert {name for name, each in resources.items() if "Condition" in each} == {"Function"}


def test_the_choices_match_the_template() -> None:
    assert re.search(rf"AllowedValues: \[{', '.join(map(str, LOG_DAYS))}\]", TEMPLATE.read_text("utf-8"))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "Helios"}, "is not a valid name"),
    ({"name": "a" * 41}, "at most 40 lower-case"),
    ({"name": "a--b"}, "single dashes"),
    ({"architecture": "pdp11"}, "x86_64, arm64"),
    ({"memory": 128}, "512 to 10240 MB"),
    ({"timeout": 901}, "30 to 900 seconds"),
    ({"disk": 511}, "512 to 10240 MB"),
    ({"keep_days": 0}, "1 to 3650 days"),
    ({"log_days": 2}, "--log-days must be one of 1, 3"),
    ({"allow_commands": ("ffmpeg,sh",)}, "--allow-command needs a command's name or path, not 'ffmpeg,sh'"),
    ({"allow_commands": ("-x",)}, "--allow-command needs a command's name"),
]


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_wrong_settings_are_refused_without_a_request(options: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"name": "helios", **options}
    with pytest.raises(UsageError, match=words):
        Settings(**given)


@pytest.mark.parametrize(
    ("version", "name"),
    [("0.1.0", "helios-0-1-0"), ("1.0.0rc1", "helios-1-0-0rc1"), ("0.2.dev3+g1F2", "helios-0-2-dev3-g1f2")],
)
def test_names_contain_the_version(version: str, name: str) -> None:
    assert default_name(version) == name
    assert Settings(default_name(version)).name == name
