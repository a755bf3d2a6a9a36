"""A test's AWS account: it records events, and adds features that moto lacks."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import botocore.session
import httpx
import pytest
from aiobotocore.session import AioSession

from helios.clouds.aws import Deployment, Settings, new_session
from helios.clouds.aws.deploy import deploy
from helios.clouds.events import BuildProgressed, ChangesPlanned, DeployEvent, MessageIssued, ResourceChanged

T = TypeVar("T")
VERSION = "0.1.0"
NAME = "helios-0-1-0"
_MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": "sha256:0"},
        "layers": [],
    }
)


@contextmanager
def quotas(moto: str, concurrency: int) -> Generator[None]:
    """Answers requests for Lambda's quotas, which moto lacks, within the block; forwards all others to moto."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path.rstrip("/") == "/2016-08-19/account-settings":
                status, body = 200, json.dumps({"AccountLimit": {"ConcurrentExecutions": concurrency}}).encode()
            else:
                passed = httpx.request(self.command, moto + self.path, content=data, headers=dict(self.headers.items()))
                status, body = passed.status_code, passed.content
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, pytest.MonkeyPatch.context() as patch:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        patch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


class Account:
    """Records all deployment events in ``events``; ``agreeing`` is the answer to confirmation prompts.

    moto's CloudFormation creates no CodeBuild projects, and its CodeBuild builds nothing: this class does both when the
    events report that it is due.
    """

    def __init__(self) -> None:
        self.events: list[DeployEvent] = []
        self.asked: list[str] = []
        self.agreeing = False
        self.tag = ""
        self._session = botocore.session.get_session()

    def aws(self, service: str) -> Any:
        return self._session.create_client(service, region_name="eu-central-1")

    def deploy(self, *, version: str = VERSION, digest: str = "1" * 64, **options: Any) -> Deployment | None:
        dry_run = options.pop("dry_run", False)
        settings = Settings(options.pop("name", NAME), **options)
        self.tag = f"{version}-{settings.architecture or 'x86_64'}-{digest[:16]}"

        def show(event: DeployEvent) -> None:
            self.events.append(event)
            self._complete(event, settings.name)

        def confirm(line: str) -> bool:
            self.asked.append(line)
            return self.agreeing

        return self.run(
            lambda session: deploy(
                session,
                settings,
                version=version,
                context=b"a zip",
                digest=digest,
                show=show,
                confirm=confirm,
                dry_run=dry_run,
            )
        )

    def run(self, work: Callable[[AioSession], Coroutine[Any, Any, T]]) -> T:
        """Returns the result of ``work`` with a session in this account."""
        return asyncio.run(work(new_session()))

    def messages(self) -> list[str]:
        """Returns and clears the lines shown since the last call, with the names of changed resources."""
        lines: list[str] = []
        for event in self.events:
            match event:
                case ChangesPlanned():
                    lines += [f"{change.action} {change.resource}" for change in event.changes]
                case MessageIssued():
                    lines.append(event.message)
                case _:
                    pass
        self.events.clear()
        return lines

    def _complete(self, event: DeployEvent, name: str) -> None:
        match event:
            case ResourceChanged(resource=resource, status="CREATE_COMPLETE") if resource == name:
                self.aws("codebuild").create_project(
                    name=name,
                    source={"type": "S3", "location": "bucket/key"},
                    artifacts={"type": "NO_ARTIFACTS"},
                    environment={"type": "LINUX_CONTAINER", "image": "any", "computeType": "BUILD_GENERAL1_SMALL"},
                    serviceRole="arn:aws:iam::123456789012:role/builds",
                )
            case BuildProgressed(phase="POST_BUILD", status="SUCCEEDED"):
                tag = self._context_without_image(name)
                manifest = _MANIFEST.replace("sha256:0", f"sha256:{tag}")
                self.aws("ecr").put_image(repositoryName=name, imageTag=tag, imageManifest=manifest)
            case _:
                pass

    def _context_without_image(self, name: str) -> str:
        """Returns the tag that an image is built for: the times of contexts, in whole seconds, are ambiguous."""
        parts = self.aws("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        bucket = next(part["PhysicalResourceId"] for part in parts if part["LogicalResourceId"] == "Bucket")
        found = self.aws("s3").list_objects_v2(Bucket=bucket, Prefix="context/")["Contents"]
        tags = {str(item["Key"]).removeprefix("context/").removesuffix(".zip") for item in found}
        images = self.aws("ecr").list_images(repositoryName=name)["imageIds"]
        (tag,) = tags - {image.get("imageTag") for image in images}
        return tag
