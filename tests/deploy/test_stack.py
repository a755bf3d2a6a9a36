"""What CloudFormation says that moto never does: failures, removals, what takes its time.

It is said by botocore's own Stubber, which checks both sides against AWS' service description.
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
from helios.clouds.events import DeployEvent, Proposed, ResourceChanged
from helios.errors import DeployError, UsageError

NAME = "helios-0-1-0"
ID = f"arn:aws:cloudformation:eu-central-1:123456789012:stack/{NAME}/1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEVER_THERE = "Stack with id helios-0-1-0 does not exist"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0)


class Script:
    """What CloudFormation answers, one after the other."""

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
        """All events so far and these, the newest first, as AWS gives them."""
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

    def say(self, operation: str) -> None:
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


def test_the_first_resource_that_failed_is_told_and_not_those_it_took_along() -> None:
    def script(say: Script) -> None:
        say.events((NAME, "REVIEW_IN_PROGRESS", ""))
        say.say("execute_change_set")
        say.stack("REVIEW_IN_PROGRESS")
        say.events()
        say.stack("CREATE_IN_PROGRESS")
        say.events((NAME, "CREATE_IN_PROGRESS", "User Initiated"), ("Repository", "CREATE_FAILED", "it exists already"))
        say.stack("ROLLBACK_COMPLETE")
        say.events(("Bucket", "CREATE_FAILED", "Resource creation cancelled"), (NAME, "ROLLBACK_COMPLETE", ""))

    with pytest.raises(DeployError) as failure:
        played(script, lambda stack: stack.execute("change-set"))
    assert str(failure.value) == f"the stack {NAME} is in state ROLLBACK_COMPLETE: Repository: it exists already"


def test_an_update_is_not_taken_for_done_before_it_has_started() -> None:
    def script(say: Script) -> None:
        say.events((NAME, "CREATE_COMPLETE", ""))
        say.say("execute_change_set")
        say.stack("CREATE_COMPLETE")
        say.events()
        say.stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        say.events((NAME, "UPDATE_IN_PROGRESS", ""))
        say.stack("UPDATE_COMPLETE")
        say.events((NAME, "UPDATE_COMPLETE", ""))

    found, shown = played(script, lambda stack: stack.execute("change-set"))
    assert found.status == "UPDATE_COMPLETE"
    assert [event.status for event in shown if isinstance(event, ResourceChanged)] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE",
    ]


def test_changes_that_lose_what_is_there_are_marked() -> None:
    def change(name: str, action: str, **more: str) -> dict[str, str]:
        return {"Action": action, "LogicalResourceId": name, "ResourceType": "AWS::S3::Bucket"} | more

    def script(say: Script) -> None:
        say.change_set(
            "CREATE_COMPLETE",
            change("New", "Add"),
            change("Same", "Modify", Replacement="False"),
            change("Other", "Modify", Replacement="True"),
            change("Perhaps", "Modify", Replacement="Conditional"),
            change("Old", "Remove"),
        )

    (_, proposed), _ = played(script, lambda stack: stack.propose({"HeliosVersion": "0.1.0"}, create=False))
    assert isinstance(proposed, Proposed)
    lost = {each.resource: each.loses for each in proposed.changes}
    assert lost == {"New": False, "Same": False, "Other": True, "Perhaps": True, "Old": True}


def test_a_change_set_without_changes_is_none_and_leaves_nothing() -> None:
    def script(say: Script) -> None:
        say.change_set(
            "FAILED", reason="The submitted information didn't contain changes. Submit different information."
        )
        say.say("delete_change_set")
        say.stack("UPDATE_COMPLETE")

    assert played(script, lambda stack: stack.propose({"HeliosVersion": "0.1.0"}, create=False))[0] is None


def test_a_change_set_that_can_not_be_made_says_why() -> None:
    def script(say: Script) -> None:
        say.change_set("FAILED", reason="Template error: no such thing")
        say.say("delete_change_set")
        say.stack("UPDATE_COMPLETE")

    with pytest.raises(DeployError, match="Template error: no such thing"):
        played(script, lambda stack: stack.propose({"HeliosVersion": "0.1.0"}, create=False))


def test_a_removal_waits_and_tells_what_holds_it() -> None:
    def script(say: Script) -> None:
        say.stack("UPDATE_COMPLETE")
        say.events((NAME, "UPDATE_COMPLETE", ""))
        say.say("delete_stack")
        say.stack("DELETE_IN_PROGRESS")
        say.events((NAME, "DELETE_IN_PROGRESS", "User Initiated"))
        say.stack("DELETE_FAILED")
        say.events(("Bucket", "DELETE_FAILED", "the bucket is not empty"))

    with pytest.raises(DeployError, match=r"can't be deleted: Bucket: the bucket is not empty"):
        played(script, lambda stack: stack.delete())


def test_a_removal_is_done_when_the_stack_is_gone() -> None:
    def script(say: Script) -> None:
        say.stack("ROLLBACK_COMPLETE")
        say.events((NAME, "ROLLBACK_COMPLETE", ""))
        say.say("delete_stack")
        say.stack("DELETE_IN_PROGRESS")
        say.events()
        say.stack("DELETE_COMPLETE")

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
    """A deploy of an image of one's own; what was asked."""
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


def replacing(say: Script) -> None:
    say.stack("UPDATE_COMPLETE")
    say.change_set("CREATE_COMPLETE", REMOVES)


def test_what_would_be_lost_needs_a_yes() -> None:
    def script(say: Script) -> None:
        replacing(say)
        say.say("delete_change_set")
        say.stack("UPDATE_COMPLETE")

    with pytest.raises(UsageError, match=r"Bucket of helios-0-1-0 would be replaced or removed.*--yes"):
        deployed(script)


def test_with_a_yes_it_is_done() -> None:
    def script(say: Script) -> None:
        replacing(say)
        say.events((NAME, "UPDATE_COMPLETE", ""))
        say.say("execute_change_set")
        say.stack("UPDATE_COMPLETE")
        say.events((NAME, "UPDATE_COMPLETE", ""))

    _, asked = deployed(script, agreeing=True)
    assert len(asked) == 1


def test_what_failed_before_is_removed_and_made_again() -> None:
    def script(say: Script) -> None:
        say.stack("ROLLBACK_COMPLETE")
        say.stack("ROLLBACK_COMPLETE")
        say.events((NAME, "ROLLBACK_COMPLETE", ""))
        say.say("delete_stack")
        say.stack("DELETE_COMPLETE")
        say.stubber.add_response(
            "create_change_set",
            {"Id": "arn:aws:cloudformation:::changeSet/c/1", "StackId": ID},
            {"ChangeSetType": "CREATE", **dict.fromkeys(CHANGE_SET, ANY)},
        )
        say.stubber.add_response("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": []})
        say.events()
        say.say("execute_change_set")
        say.stack("CREATE_COMPLETE")
        say.events((NAME, "CREATE_COMPLETE", ""))

    deployed(script)


CHANGE_SET = ("StackName", "ChangeSetName", "TemplateBody", "Parameters", "Capabilities", "Tags")


def test_what_another_has_started_is_waited_for() -> None:
    def script(say: Script) -> None:
        say.stack("UPDATE_IN_PROGRESS")
        say.events((NAME, "UPDATE_IN_PROGRESS", ""))
        say.stack("UPDATE_IN_PROGRESS")
        say.events()
        say.stack("UPDATE_COMPLETE")
        say.events((NAME, "UPDATE_COMPLETE", ""))
        say.change_set("FAILED", reason="No updates are to be performed.")
        say.say("delete_change_set")
        say.stack("UPDATE_COMPLETE")

    deployed(script)


def test_a_stack_that_is_stuck_is_told() -> None:
    with pytest.raises(DeployError, match=r"UPDATE_ROLLBACK_FAILED: run helios deploy destroy --name helios-0-1-0"):
        deployed(lambda say: say.stack("UPDATE_ROLLBACK_FAILED"))


def test_a_function_with_more_memory_than_the_account_may_have_is_told_with_the_limit() -> None:
    reason = (
        "Resource handler returned message: \"'MemorySize' value failed to satisfy constraint: Member must have value "
        'less than or equal to 3008 (Service: Lambda, Status Code: 400, Request ID: 0)" (HandlerErrorCode: InvalidRequest)'
    )

    def script(say: Script) -> None:
        say.stack("UPDATE_COMPLETE")
        say.change_set("CREATE_COMPLETE")
        say.events((NAME, "UPDATE_COMPLETE", ""))
        say.say("execute_change_set")
        say.stack("UPDATE_ROLLBACK_COMPLETE")
        say.events(("Function", "CREATE_FAILED", reason), (NAME, "UPDATE_ROLLBACK_COMPLETE", ""))

    with pytest.raises(UsageError, match=r"can have 3008 MB of memory at most, and not \d+: use --memory 3008"):
        deployed(script)
