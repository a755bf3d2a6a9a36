"""Creates a deployment or updates it in place: the stack, then the image, then the function."""

from __future__ import annotations

from aiobotocore.session import AioSession

from helios.clouds.aws.build import build, is_built, repository_uri, upload
from helios.clouds.aws.deployment import Deployment, read_deployment
from helios.clouds.aws.quota import describe_quota, explain_refusal
from helios.clouds.aws.settings import Settings
from helios.clouds.aws.stack import Stack, StackState, open_stack, template
from helios.clouds.events import ChangesPlanned, Confirm, MessageIssued, Show
from helios.clouds.names import image_tag
from helios.errors import DeployError, UsageError


async def deploy(
    session: AioSession,
    settings: Settings,
    *,
    version: str,
    context: bytes,
    digest: str,
    show: Show,
    confirm: Confirm,
    dry_run: bool = False,
) -> Deployment | None:
    """Applies ``settings`` to the stack and returns the deployment. ``show`` gets the changes before they are applied.

    If the repository has no image of it, or for ``settings.refresh``, CodeBuild builds the image from ``context``, a
    zip with that ``digest``. A deploy that was interrupted continues: CloudFormation and CodeBuild work independently,
    and this waits for them. A dry run only shows the changes and returns None.

    Raises:
        UsageError: permissions are missing, the name is taken, or ``confirm`` refused to lose data.
        DeployError: a resource or the image could not be created.
    """
    async with open_stack(session, settings.name, show) as stack:
        found = await _settle(stack, settings.name, show, dry_run=dry_run)
        before = dict(found.parameters) if found else {}
        parameters = settings.parameters(before) | {"HeliosVersion": version}
        architecture = parameters["Architecture"]
        content = f"{version}-{architecture}-{digest[:16]}"
        tag = image_tag(content, before.get("ImageUri", ""), refresh=settings.refresh)
        repository = found.resources.get("Repository") if found else None
        image = settings.image or (f"{await repository_uri(session, repository)}:{tag}" if repository else tag)
        final = parameters | {"BuildArchitecture": architecture, "ImageUri": image}

        if found and found.parameters == final and await stack.template() == template():
            show(MessageIssued(message=f"{settings.name} is up to date: nothing to change"))
            return None if dry_run else read_deployment(found)

        builds = not settings.image and not (repository and await is_built(session, repository, tag))
        if builds:
            show(MessageIssued(message=await describe_quota(session, int(parameters["MemorySize"]))))
        if dry_run:
            await _preview(stack, final, create=not found, show=show)
            if builds:
                show(MessageIssued(message=f"CodeBuild would build the image {tag}"))
            return None
        if builds:
            held = {"Architecture": before.get("Architecture", architecture), "ImageUri": before.get("ImageUri", "")}
            first = parameters | {"BuildArchitecture": architecture} | held
            found = await _change(stack, first, found, show, confirm)
            final["ImageUri"] = f"{await repository_uri(session, found.resources['Repository'])}:{tag}"
            location = await upload(session, found.resources["Bucket"], tag, context)
            await build(session, settings.name, tag, location, show)
        try:
            return read_deployment(await _change(stack, final, found, show, confirm))
        except DeployError as error:
            raise explain_refusal(error, parameters["MemorySize"]) from error


async def _settle(stack: Stack, name: str, show: Show, *, dry_run: bool) -> StackState | None:
    """Waits for a change in progress and returns the stack's state; None if the stack must be created."""
    found = await stack.read()
    if found is None:
        return None
    if not found.version:
        raise UsageError(f"the stack {name} does not belong to Helios: choose another --name")
    if dry_run and (found.is_changing or found.is_empty):
        raise UsageError(f"the stack {name} is in state {found.status}: run helios deploy aws without --dry-run")
    if found.is_changing:
        show(MessageIssued(message=f"{name} is changing ({found.status}): waiting for the end"))
        try:
            found = await stack.wait()
        except DeployError as error:
            show(MessageIssued(message=f"the change failed: {error}"))
            found = await stack.read()
    if found and found.is_empty:
        show(MessageIssued(message=f"the last attempt to create {name} failed ({found.status}): removing its remains"))
        await stack.delete()
        return None
    if found and found.status in ("UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"):
        raise DeployError(f"the stack {name} is in state {found.status}: run helios deploy destroy --name {name}")
    return found


async def _preview(stack: Stack, parameters: dict[str, str], *, create: bool, show: Show) -> None:
    proposed = await stack.propose(parameters, create=create)
    if proposed is None:
        show(MessageIssued(message="the stack would not change"))
        return
    change_set, changes = proposed
    show(changes)
    await stack.discard(change_set)


async def _change(
    stack: Stack, parameters: dict[str, str], found: StackState | None, show: Show, confirm: Confirm
) -> StackState:
    """Applies the parameters and returns the stack's state."""
    proposed = await stack.propose(parameters, create=found is None)
    if proposed is None:
        assert found is not None
        return found
    change_set, planned = proposed
    show(planned)
    if (lost := _describe_loss(planned)) and not confirm(lost):
        await stack.discard(change_set)
        raise UsageError(f"{lost}: confirm with --yes")
    return await stack.execute(change_set)


def _describe_loss(planned: ChangesPlanned) -> str:
    names = [change.resource for change in planned.changes if change.destroys_data]
    return f"{', '.join(names)} of {planned.name} would be replaced or removed, and the data lost" if names else ""
