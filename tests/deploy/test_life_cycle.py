"""A deployment is created, updated, listed and removed, against moto: see docs/aws.md for its limits."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from helios.clouds.aws import Deployment, deployments, find_deployment
from helios.clouds.aws.destroy import destroy
from helios.clouds.aws.stack import VERSION_TAG
from helios.errors import UsageError
from support.aws_account import NAME, VERSION, Account, quotas

PARTS = {"Bucket", "BucketPolicy", "Repository", "BuildLog", "BuildRole", "Build", "FunctionLog", "FunctionRole"}


def all_of(account: Account) -> list[Deployment]:
    return account.run(deployments)


def test_a_dry_run_shows_all_changes_and_applies_none(account: Account) -> None:
    assert account.deploy(dry_run=True) is None
    lines = account.messages()
    assert {f"Add {part}" for part in PARTS | {"Function"}} <= set(lines)
    assert any("would build the image" in line for line in lines)
    assert account.aws("cloudformation").describe_stacks()["Stacks"] == []
    assert account.aws("cloudformation").list_change_sets(StackName=NAME)["Summaries"] == []
    assert account.aws("s3").list_buckets()["Buckets"] == []


def test_a_deployment_is_created_and_found(account: Account) -> None:
    deployment = account.deploy()
    assert deployment is not None
    assert (deployment.name, deployment.function, deployment.version, deployment.state) == (
        NAME,
        NAME,
        VERSION,
        "UPDATE_COMPLETE",
    )
    assert (deployment.region, deployment.account, deployment.partition) == ("eu-central-1", "123456789012", "aws")
    assert (deployment.memory_mb, deployment.timeout, deployment.disk_mb, deployment.architecture) == (
        3008,
        900,
        2048,
        "x86_64",
    )
    assert deployment.store == f"s3://{deployment.bucket}/store"
    assert deployment.image.endswith(f"/{NAME}:{account.tag}")
    assert account.run(lambda session: find_deployment(session, VERSION)) == deployment

    function = account.aws("lambda").get_function(FunctionName=NAME)
    assert function["Configuration"]["MemorySize"] == 3008
    assert function["Code"]["ImageUri"] == deployment.image
    context = account.aws("s3").list_objects_v2(Bucket=deployment.bucket)["Contents"]
    assert [item["Key"] for item in context] == [f"context/{account.tag}.zip"]


def test_a_second_deploy_changes_nothing_and_builds_nothing(account: Account) -> None:
    deployment = account.deploy()
    account.messages()
    again = account.deploy()
    assert account.messages() == [f"{NAME} is up to date: nothing to change"]
    assert again == deployment
    assert len(account.aws("codebuild").list_builds_for_project(projectName=NAME)["ids"]) == 1


def test_memory_is_updated_in_place(account: Account) -> None:
    first = account.deploy(timeout=600)
    second = account.deploy(memory=5307)
    assert first is not None
    assert second is not None
    assert (second.memory_mb, second.timeout, second.bucket) == (5307, 600, first.bucket)
    assert account.aws("lambda").get_function_configuration(FunctionName=NAME)["MemorySize"] == 5307
    assert len(account.aws("codebuild").list_builds_for_project(projectName=NAME)["ids"]) == 1


def test_other_code_gets_another_image(account: Account) -> None:
    account.deploy()
    second = account.deploy(digest="2" * 64)
    assert second is not None
    assert second.image.endswith("2" * 16)
    assert account.aws("lambda").get_function(FunctionName=NAME)["Code"]["ImageUri"] == second.image
    assert len(account.aws("ecr").list_images(repositoryName=NAME)["imageIds"]) == 2


def test_a_refreshed_image_stays_current(account: Account) -> None:
    first = account.deploy()
    account.messages()
    assert account.deploy(refresh=True, dry_run=True) is None
    assert any("would build the image" in line for line in account.messages())
    second = account.deploy(refresh=True)
    assert first is not None
    assert second is not None
    assert second.image.startswith(f"{first.image}-20")
    assert account.aws("lambda").get_function(FunctionName=NAME)["Code"]["ImageUri"] == second.image
    assert len(account.aws("ecr").list_images(repositoryName=NAME)["imageIds"]) == 2
    account.messages()
    assert account.deploy() == second
    assert account.messages() == [f"{NAME} is up to date: nothing to change"]
    with pytest.raises(UsageError, match="--refresh builds an image"):
        account.deploy(refresh=True, image=second.image)


def test_the_callers_own_image_is_not_built(account: Account) -> None:
    image = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/mine@sha256:{'0' * 64}"
    deployment = account.deploy(image=image)
    assert deployment is not None
    assert (deployment.image, deployment.function) == (image, NAME)
    assert account.aws("codebuild").list_builds_for_project(projectName=NAME)["ids"] == []


def test_two_versions_live_side_by_side(account: Account) -> None:
    old = account.deploy()
    new = account.deploy(name="helios-0-2-0", version="0.2.0")
    assert all_of(account) == [old, new]
    assert account.run(lambda session: find_deployment(session, "0.2.0")) == new
    account.run(lambda session: destroy(session, NAME, show=account.events.append, confirm=lambda line: True))
    assert all_of(account) == [new]


def test_destroy_shows_the_loss_and_asks(account: Account) -> None:
    deployment = account.deploy()
    assert deployment is not None
    account.aws("s3").put_object(Bucket=deployment.bucket, Key="store/segments/1", Body=b"x" * 2_000_000)
    with pytest.raises(UsageError, match="--yes"):
        account.run(lambda session: destroy(session, NAME, show=account.events.append, confirm=lambda line: False))
    line = account.messages()[-1]
    assert "1 images" in line
    assert "2 files (2.0 MB)" in line
    assert all_of(account) == [deployment]


def test_destroy_removes_all_versions_too(account: Account) -> None:
    deployment = account.deploy()
    assert deployment is not None
    s3 = account.aws("s3")
    s3.put_bucket_versioning(Bucket=deployment.bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"second"):
        s3.put_object(Bucket=deployment.bucket, Key="store/segments/1", Body=body)
    s3.delete_object(Bucket=deployment.bucket, Key="store/segments/1")
    account.run(lambda session: destroy(session, NAME, show=account.events.append, confirm=lambda line: True))
    assert all_of(account) == []
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=deployment.bucket)
    # moto forgets the stack but leaves some of its resources where they are; CloudFormation removes them all.
    assert account.aws("ecr").list_images(repositoryName=NAME)["imageIds"] == []


def test_a_stack_of_others_is_not_changed(account: Account) -> None:
    topic = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}'
    account.aws("cloudformation").create_stack(StackName="theirs", TemplateBody=topic)
    with pytest.raises(UsageError, match="does not belong to Helios"):
        account.deploy(name="theirs")
    with pytest.raises(UsageError, match="no deployment theirs"):
        account.run(lambda session: destroy(session, "theirs", show=account.events.append, confirm=lambda line: True))
    assert all_of(account) == []


def test_the_remains_of_an_interrupted_dry_run_are_removed(account: Account) -> None:
    account.aws("cloudformation").create_change_set(
        StackName=NAME,
        ChangeSetName="left",
        ChangeSetType="CREATE",
        TemplateBody='{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}',
        Tags=[{"Key": VERSION_TAG, "Value": VERSION}],
    )
    deployment = account.deploy()
    assert deployment is not None
    assert deployment.function == NAME
    assert any("removing its remains" in line for line in account.messages())


def test_a_deploy_interrupted_before_the_build_continues(account: Account) -> None:
    class Stop(Exception):
        pass

    account.events = Interrupting(Stop())
    with pytest.raises(Stop):
        account.deploy()
    with pytest.raises(UsageError, match=r"no function yet.*helios deploy aws"):
        account.run(lambda session: find_deployment(session, VERSION))
    account.events = []
    deployment = account.deploy()
    assert deployment is not None
    assert deployment.function == NAME
    assert not any(line.startswith("Add") and "Function" not in line for line in account.messages())


class Interrupting(list):  # type: ignore[type-arg]
    """Events until the image is built; there it stops."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def append(self, event: object) -> None:
        super().append(event)
        if "CodeBuild" in str(event) and "some minutes" in str(event):
            raise self.error


@pytest.mark.parametrize(
    ("version", "name", "words"),
    [
        ("0.1.0", None, "not deployed to eu-central-1.*run helios deploy aws"),
        ("0.1.0", "video", "run helios deploy aws --name video"),
        ("0.2.0", NAME, "is Helios 0.1.0, this is 0.2.0"),
    ],
)
def test_an_unusable_deployment_is_reported(account: Account, version: str, name: str | None, words: str) -> None:
    if name == NAME:
        account.deploy()
    with pytest.raises(UsageError, match=words):
        account.run(lambda session: find_deployment(session, version, name))


@pytest.mark.parametrize(
    ("concurrency", "memory", "line"),
    [
        (1000, 5307, "the account allows 1000 concurrent executions in this region"),
        (10, None, "10 concurrent executions in this region: use --workers 10 or less"),
        (10, 5307, "new accounts often allow no more than --memory 3008"),
    ],
)
def test_the_quota_is_shown_before_the_image_is_built(
    concurrency: int, memory: int | None, line: str, account: Account, moto: str
) -> None:
    with quotas(moto, concurrency):
        assert account.deploy(memory=memory, dry_run=True) is None
        lines = account.messages()
        assert any(line in each for each in lines)
        assert account.deploy(memory=memory)
        lines = account.messages()
        message = next(number for number, each in enumerate(lines) if line in each)
        assert message < next(number for number, each in enumerate(lines) if "CodeBuild builds" in each)


def test_unreadable_quotas_do_not_stop_a_deploy(account: Account) -> None:
    assert account.deploy()
    assert any("the account's quotas can't be read" in line for line in account.messages())


def test_allowed_commands_stay_allowed(account: Account) -> None:
    def variables(**options: Any) -> dict[str, str]:
        deployment = account.deploy(**options)
        assert deployment is not None
        function = account.aws("lambda").get_function_configuration(FunctionName=NAME)
        return function["Environment"]["Variables"] | {"HELIOS_STORE": ""}

    assert variables() == {"HELIOS_STORE": ""}
    assert variables(allow_commands=("ffmpeg", "/opt/tool", "ffmpeg"))["HELIOS_COMMANDS"] == "/opt/tool,ffmpeg"
    assert variables(timeout=600)["HELIOS_COMMANDS"] == "/opt/tool,ffmpeg"
    assert variables(allow_commands=("",)) == {"HELIOS_STORE": ""}
