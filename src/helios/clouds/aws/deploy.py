"""Making a deployment, or changing it in place: the stack, then the image, then the function that it is for."""

from __future__ import annotations

from aiobotocore.session import AioSession

from helios.clouds.aws import quota
from helios.clouds.aws.build import build, image_address, is_built, upload
from helios.clouds.aws.deployment import Deployment, read_deployment
from helios.clouds.aws.settings import Settings
from helios.clouds.aws.stack import Found, Stack, open_stack, template
from helios.clouds.events import Change, Confirm, Proposed, Said, Show
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
    """Has a stack be as ``settings`` say. Each change is shown before it is made; what is so already is left alone.

    ``context`` is what the image is built of, a zip, and ``digest`` names it. A build in the account is only started if
    the repository has no image of it, or ``settings.refresh`` asks for a new one. A deploy that was interrupted goes
    on: CloudFormation and CodeBuild work by themselves, and are waited for. With ``dry_run`` changes are shown only,
    and None is returned.

    Raises:
        UsageError: rights are missing, the name is taken, or what would be lost was not agreed to.
        DeployError: a resource or the image could not be made.
    """
    async with open_stack(session, settings.name, show) as stack:
        found = await _ready(stack, settings.name, show, dry_run=dry_run)
        before = dict(found.parameters) if found else {}
        wanted = settings.parameters(before) | {"HeliosVersion": version}
        architecture = wanted["Architecture"]
        content = f"{version}-{architecture}-{digest[:16]}"
        tag = image_tag(content, before.get("ImageUri", ""), refresh=settings.refresh)
        repository = found.resources.get("Repository") if found else None
        image = settings.image or (f"{await image_address(session, repository)}:{tag}" if repository else tag)
        final = wanted | {"BuildArchitecture": architecture, "ImageUri": image}

        if found and found.parameters == final and await stack.template() == template():
            show(Said(message=f"{settings.name} is as it should be: nothing is changed"))
            return None if dry_run else read_deployment(found)

        builds = not settings.image and not (repository and await is_built(session, repository, tag))
        if builds:
            show(Said(message=await quota.found(session, int(wanted["MemorySize"]))))
        if dry_run:
            await _only_show(stack, final, create=not found, show=show)
            if builds:
                show(Said(message=f"an image would be built: {tag}"))
            return None
        if builds:
            held = {"Architecture": before.get("Architecture", architecture), "ImageUri": before.get("ImageUri", "")}
            first = wanted | {"BuildArchitecture": architecture} | held
            found = await _change(stack, first, found, show, confirm)
            final["ImageUri"] = f"{await image_address(session, found.resources['Repository'])}:{tag}"
            location = await upload(session, found.resources["Bucket"], tag, context)
            await build(session, settings.name, tag, location, show)
        try:
            return read_deployment(await _change(stack, final, found, show, confirm))
        except DeployError as error:
            raise quota.explained(error, wanted["MemorySize"]) from error


async def _ready(stack: Stack, name: str, show: Show, *, dry_run: bool) -> Found | None:
    """The stack when nothing is under way any more; None where it is to be created."""
    found = await stack.look()
    if found is None:
        return None
    if not found.version:
        raise UsageError(f"there is a stack {name} that isn't Helios': choose another --name")
    if dry_run and (found.busy or found.husk):
        raise UsageError(f"the stack {name} is in state {found.status}: helios deploy aws would go on from there")
    if found.busy:
        show(Said(message=f"{name} is being changed already ({found.status}): waiting"))
        try:
            found = await stack.wait()
        except DeployError as error:
            show(Said(message=f"that failed: {error}"))
            found = await stack.look()
    if found and found.husk:
        show(Said(message=f"{name} could not be created before ({found.status}): what is left of it is removed"))
        await stack.delete()
        return None
    if found and found.status in ("UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"):
        raise DeployError(f"the stack {name} is in state {found.status}: run helios deploy destroy --name {name}")
    return found


async def _only_show(stack: Stack, parameters: dict[str, str], *, create: bool, show: Show) -> None:
    proposed = await stack.propose(parameters, create=create)
    if proposed is None:
        show(Said(message="nothing would be changed in the stack"))
        return
    change_set, changes = proposed
    show(changes)
    await stack.discard(change_set)


async def _change(stack: Stack, parameters: dict[str, str], found: Found | None, show: Show, confirm: Confirm) -> Found:
    """The stack after it was changed, if there was anything to change."""
    proposed = await stack.propose(parameters, create=found is None)
    if proposed is None:
        assert found is not None
        return found
    change_set, changes = proposed
    show(changes)
    if lost := [change for change in changes.changes if change.loses]:
        await _agreed(stack, change_set, lost, changes, confirm)
    return await stack.execute(change_set)


async def _agreed(stack: Stack, change_set: str, lost: list[Change], changes: Proposed, confirm: Confirm) -> None:
    names = ", ".join(change.resource for change in lost)
    line = f"{names} of {changes.name} would be replaced or removed, with what is in it"
    if not confirm(line):
        await stack.discard(change_set)
        raise UsageError(f"{line}: agree to it with --yes")
