"""CloudFormation's responses that moto lacks: failures, removals, slow changes.

botocore's own Stubber gives them, and checks both sides against AWS' service description.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiobotocore.session import get_session
from aiobotocore.stub import AioStubber
from botocore.stub import ANY

from helios.clouds.aws import stack as module
from helios.clouds.aws.deploy import deploy
from helios.clouds.aws.settings import Settings
from helios.clouds.aws.stack import Stack
from helios.clouds.events import ChangesPlanned, DeployEvent, ResourceChanged
from helios.errors import DeployError, UsageError

NAME = "helios-0-1-0"
ID = f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{NAME}/1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEVER_THERE = "Stack with id helios-0-1-0 does not exist"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0)


class Script:
    """CloudFormation's responses, in order."""

    def __init__(self, stubber: AioStubber) -> None:
        self.stubber = stubber
        self._events: list[dict[str, Any]] = []

    def stack(self, status: str, *, version: str = "0.1.0") -> None:
        tags = [{"Key": "helios:version", "Value": version}] if version else []
        stack = {"StackId": ID, "StackName": NAME, "StackStatus": status, "CreationTime": NOW, "Tags": tags}
        self.stubber.add_response("describe_stacks", {"Stacks": [stack]})
        self.stubber.add_response("describe_stack_resources", {"StackResources": []}, {"StackName": ID})

    def gone(self) -> None:
        self.stubber.add_client_error("describe_stacks", "ValidationError", NEVER_THERE)

    def events(self, *happened: tuple[str, str, str]) -> None:
        """All events so far and these, the newest first, as AWS orders them."""
        for resource, status, reason in happened:
            event = {"StackId": ID, "StackName": NAME, "EventId": str(len(self._events)), "Timestamp": NOW}
            event |= {"LogicalResourceId": resource, "ResourceStatus": status, "ResourceStatusReason": reason}
            self._events.insert(0, event)
        self.stubber.add_response("describe_stack_events", {"StackEvents": list(self._events)})

    def change_set(self, status: str, *changes: dict[str, Any], reason: str = "") -> None:
        self.stubber.add_response("create_change_set", {"Id": "arn:aws:cloudformation:::changeSet/c/1", "StackId": ID})
        listed = [{"Type": "Resource", "ResourceChange": change} for change in changes]
        self.stubber.add_response("describe_change_set", {"Status": "CREATE_IN_PROGRESS"})
        self.stubber.add_response("describe_change_set", {"Status": status, "StatusReason": reason, "Changes": listed})

    def empty(self, operation: str) -> None:
        self.stubber.add_response(operation, {})


def played(script: Callable[[Script], None], act: Callable[[Stack], Any]) -> tuple[Any, list[DeployEvent]]:
    shown: list[DeployEvent] = []

    async def all_of_it() -> Any:
        options: Any = {"region_name": "eu-central-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        async with get_session().create_client("cloudformation", **options) as client:
            with AioStubber(client) as stubber:
                script(Script(stubber))
                done = await act(Stack(client, NAME, shown.append))
                stubber.assert_no_pending_responses()
                return done

    return asyncio.run(all_of_it()), shown


def test_only_the_first_failed_resource_is_reported() -> None:
    def script(cf: Script) -> None:
        cf.events((NAME, "REVIEW_IN_PROGRESS", ""))
        cf.empty("execute_change_set")
        cf.stack("REVIEW_IN_PROGRESS")
        cf.events()
        cf.stack("CREATE_IN_PROGRESS")
        cf.events((NAME, "CREATE_IN_PROGRESS", "User Initiated"), ("Repository", "CREATE_FAILED", "it exists already"))
        cf.stack("ROLLBACK_COMPLETE")
        cf.events(("Bucket", "CREATE_FAILED", "Resource creation cancelled"), (NAME, "ROLLBACK_COMPLETE", ""))

    with pytest.raises(DeployError) as failure:
        played(script, lambda stack: stack.execute("change-set"))
    assert str(failure.value) == f"the stack {NAME} is in state ROLLBACK_COMPLETE: Repository: it exists already"


def test_an_update_is_not_finished_before_it_has_started() -> None:
    def script(cf: Script) -> None:
        cf.events((NAME, "CREATE_COMPLETE", ""))
        cf.empty("execute_change_set")
        cf.stack("CREATE_COMPLETE")
        cf.events()
        cf.stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        cf.events((NAME, "UPDATE_IN_PROGRESS", ""))
        cf.stack("UPDATE_COMPLETE")
        cf.events((NAME, "UPDATE_COMPLETE", ""))

    found, shown = played(script, lambda stack: stack.execute("change-set"))
    assert found.status == "UPDATE_COMPLETE"
    assert [event.status for event in shown if isinstance(event, ResourceChanged)] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
    ]


def test_changes_that_destroy_data_are_marked() -> None:
    def change(name: str, action: str, **more: str) -> dict[str, str]:
        return {"Action": action, "LogicalResourceId": name, "ResourceType": "AWS::S3::Bucket"} | more

    def script(cf: Script) -> None:
        cf.change_set(
            "CREATE_COMPLETE",
            change("New", "Add"),
            change("Same", "Modify", Replacement="False"),
            change("Other", "Modify", Replacement="True"),
            change("Perhaps", "Modify", Replacement="Conditional"),
            change("Old", "Remove"),
        )

    (_, proposed), _ = played(script, lambda stack: stack.propose({"HeliosVersion": "0.1.0"}, create=False))
    assert isinstance(proposed, ChangesPlanned)
    lost = {each.resource: each.destroys_data for each in proposed.changes}
    assert lost == {"New": False, "Same": False, "Other": True, "Perhaps": True, "Old": True}


def test_an_empty_change_set_is_deleted() -> None:
    def script(cf: Script) -> None:
        cf.change_set(
            "FAILED", reason="The submitted information didn't contain changes. Submit different information."
        )
        cf.empty("delete_change_set")
        cf.stack("UPDATE_COMPLETE")

    assert played(script, lambda stack: stack.propose({"HeliosVersion": "0.1.0"}, create=False))[0] is None


def test_a_failed_change_set_has_its_reason() -> None:
    def script(cf: Script) -> None:
        cf.change_set("FAILED", reason="Template error: no such thing")
        cf.empty("delete_change_set")
        cf.stack("UPDATE_COMPLETE")

    with pytest.raises(DeployError, match="Template error: no such thing"):
        played(script, lambda stack: stack.propose({"HeliosVersion": "0.1.0"}, create=False))


def test_a_failed_removal_has_its_reason() -> None:
    def script(cf: Script) -> None:
        cf.stack("UPDATE_COMPLETE")
        cf.events((NAME, "UPDATE_COMPLETE", ""))
        cf.empty("delete_stack")
        cf.stack("DELETE_IN_PROGRESS")
        cf.events((NAME, "DELETE_IN_PROGRESS", "User Initiated"))
        cf.stack("DELETE_FAILED")
        cf.events(("Bucket", "DELETE_FAILED", "the bucket is not empty"))

    with pytest.raises(DeployError, match=r"can't be deleted: Bucket: the bucket is not empty"):
        played(script, lambda stack: stack.delete())


def test_a_removal_ends_when_the_stack_is_gone() -> None:
    def script(cf: Script) -> None:
        cf.stack("ROLLBACK_COMPLETE")
        cf.events((NAME, "ROLLBACK_COMPLETE", ""))
        cf.empty("delete_stack")
        cf.stack("DELETE_IN_PROGRESS")
        cf.events()
        cf.stack("DELETE_COMPLETE")

    played(script, lambda stack: stack.delete())


class OneClient:
    """A session whose only client is a scripted one of CloudFormation."""

    def __init__(self, script: Callable[[Script], None]) -> None:
        self._script = script

    def create_client(self, service: str) -> Any:
        assert service == "cloudformation"
        options: Any = {"region_name": "eu-central-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        self._context = get_session().create_client(service, **options)
        return self

    async def __aenter__(self) -> Any:
        client = await self._context.__aenter__()
        self.stubber = AioStubber(client)
        self._script(Script(self.stubber))
        self.stubber.activate()
        return client

    async def __aexit__(self, *error: Any) -> None:
        await self._context.__aexit__(*error)


def deployed(script: Callable[[Script], None], *, agreeing: bool = False) -> tuple[OneClient, list[str]]:
    """Deploys the caller's own image; returns the questions to ``confirm``."""
    asked: list[str] = []
    session: Any = OneClient(script)

    def confirm(line: str) -> bool:
        asked.append(line)
        return agreeing

    def show(_event: DeployEvent) -> None:
        return

    work = deploy(
        session, Settings(NAME, image="uri"), version="0.1.0", context=b"", digest="", show=show, confirm=confirm
    )
    asyncio.run(work)
    session.stubber.assert_no_pending_responses()
    return session, asked


REMOVES = {"Action": "Remove", "LogicalResourceId": "Bucket", "ResourceType": "AWS::S3::Bucket"}


def replacing(cf: Script) -> None:
    cf.stack("UPDATE_COMPLETE")
    cf.change_set("CREATE_COMPLETE", REMOVES)


def test_loss_of_data_needs_a_confirmation() -> None:
    def script(cf: Script) -> None:
        replacing(cf)
        cf.empty("delete_change_set")
        cf.stack("UPDATE_COMPLETE")

    with pytest.raises(
        UsageError, match=r"Bucket of helios-0-1-0 would be replaced or removed, and the data lost: confirm with --yes"
    ):
        deployed(script)


def test_a_confirmed_change_is_applied() -> None:
    def script(cf: Script) -> None:
        replacing(cf)
        cf.events((NAME, "UPDATE_COMPLETE", ""))
        cf.empty("execute_change_set")
        cf.stack("UPDATE_COMPLETE")
        cf.events((NAME, "UPDATE_COMPLETE", ""))

    _, asked = deployed(script, agreeing=True)
    assert len(asked) == 1


def test_a_failed_stack_is_deleted_and_created_again() -> None:
    def script(cf: Script) -> None:
        cf.stack("ROLLBACK_COMPLETE")
        cf.stack("ROLLBACK_COMPLETE")
        cf.events((NAME, "ROLLBACK_COMPLETE", ""))
        cf.empty("delete_stack")
        cf.stack("DELETE_COMPLETE")
        cf.stubber.add_response(
            "create_change_set",
            {"Id": "arn:aws:cloudformation:::changeSet/c/1", "StackId": ID},
            {"ChangeSetType": "CREATE", **dict.fromkeys(CHANGE_SET, ANY)},
        )
        cf.stubber.add_response("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": []})
        cf.events()
        cf.empty("execute_change_set")
        cf.stack("CREATE_COMPLETE")
        cf.events((NAME, "CREATE_COMPLETE", ""))

    deployed(script)


CHANGE_SET = ("StackName", "ChangeSetName", "TemplateBody", "Parameters", "Capabilities", "Tags")


def test_a_change_in_progress_is_waited_for() -> None:
    def script(cf: Script) -> None:
        cf.stack("UPDATE_IN_PROGRESS")
        cf.events((NAME, "UPDATE_IN_PROGRESS", ""))
        cf.stack("UPDATE_IN_PROGRESS")
        cf.events()
        cf.stack("UPDATE_COMPLETE")
        cf.events((NAME, "UPDATE_COMPLETE", ""))
        cf.change_set("FAILED", reason="No updates are to be performed.")
        cf.empty("delete_change_set")
        cf.stack("UPDATE_COMPLETE")

    deployed(script)


def test_a_stuck_stack_is_reported() -> None:
    with pytest.raises(DeployError, match=r"UPDATE_ROLLBACK_FAILED: run helios deploy destroy --name helios-0-1-0"):
        deployed(lambda cf: cf.stack("UPDATE_ROLLBACK_FAILED"))


def test_too_much_memory_for_the_account_is_reported_with_the_limit() -> None:
    reason = (
        "Resource handler returned message: \"'MemorySize' value failed to satisfy constraint: Member must have value "
        'less than or equal to 3008 (Service: Lambda, Status Code: 400, Request ID: 0)" (HandlerErrorCode: InvalidRequest)'
    )

    def script(cf: Script) -> None:
        cf.stack("UPDATE_COMPLETE")
        cf.change_set("CREATE_COMPLETE")
        cf.events((NAME, "UPDATE_COMPLETE", ""))
        cf.empty("execute_change_set")
        cf.stack("UPDATE_ROLLBACK_COMPLETE")
        cf.events(("Function", "CREATE_FAILED", reason), (NAME, "UPDATE_ROLLBACK_COMPLETE", ""))

    with pytest.raises(UsageError, match=r"allows functions at most 3008 MB of memory, not \d+: use --memory 3008"):
        deployed(script)
