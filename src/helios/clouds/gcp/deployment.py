"""The deployments of a project, and the one for a version of Helios.

A deployment is identified by its bucket, whose name combines the deployment's and the project's; the bucket's location
is the region.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from helios.clouds.gcp.errors import google_errors
from helios.clouds.gcp.project import Project
from helios.clouds.names import default_name
from helios.errors import UsageError

STORE = "store"
"""The bucket's folder for artifacts."""
LABEL = "helios-version"
CONNECT_TIMEOUT = 20.0
"""Seconds for which the first request is repeated while Google is unreachable."""
_MEMORY = re.compile(r"([\d.]+)([kMG]i?|Ki)?")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a deployment's resources."""

    project: str
    region: str
    name: str

    @property
    def bucket(self) -> str:
        """The bucket's name, which is globally unique."""
        return bucket_name(self.project, self.name)

    @property
    def worker(self) -> str:
        """The service account of the service."""
        return self._account(self.name)

    @property
    def builder(self) -> str:
        """The service account of the builds."""
        return self._account(f"{self.name}-build")

    @property
    def location(self) -> str:
        """The parent of services and repositories."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def service(self) -> str:
        """The service's full name."""
        return f"{self.location}/services/{self.name}"

    @property
    def repository(self) -> str:
        """The repository's full name."""
        return f"{self.location}/repositories/{self.name}"

    def image(self, tag: str) -> str:
        """Returns the URI of an image in the repository."""
        project = self.project.replace(":", "/")
        return f"{self.region}-docker.pkg.dev/{project}/{self.name}/worker:{tag}"

    def _account(self, name: str) -> str:
        domain, _, project = self.project.rpartition(":")
        return f"{name}@{project}{'.' if domain else ''}{domain}.iam.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Helios in a Google Cloud project. ``service`` is the URL for jobs, empty until the service exists.

    ``version`` is a label, with dashes for dots. ``store`` is the artifact store's URL, ``memory_mb`` (MiB) and
    ``cpus`` (vCPU) are those of an instance, ``timeout`` is in seconds, ``state`` is the service's condition.
    """

    name: str
    version: str
    service: str
    bucket: str
    store: str
    project: str
    region: str
    memory_mb: int
    cpus: float
    timeout: int
    max_instances: int
    image: str
    state: str

    @property
    def worker(self) -> str:
        """The service's URL."""
        return self.service

    @property
    def size(self) -> str:
        """What an instance has, and how many there can be."""
        return f"{self.cpus:g} vCPU, {self.memory_mb} MiB, {self.timeout} s, at most {self.max_instances} instances"


def make_label(version: str) -> str:
    """Returns a version with the characters that a label can have."""
    return re.sub(r"[^a-z0-9_-]+", "-", version.lower())


def bucket_name(project: str, name: str) -> str:
    """Returns the name of a deployment's bucket."""
    return f"{name}-{re.sub(r'[^a-z0-9-]+', '-', project)}"


def find_bucket(project: Project, name: str) -> Any:
    """Returns a deployment's bucket; None if there is none. Only the project's own buckets count: names are global, and
    the owner of a bucket elsewhere could replace the build's source and read the videos.
    """
    from google.cloud.storage.retry import DEFAULT_RETRY  # pyright: ignore[reportMissingTypeStubs]

    retry: Any = DEFAULT_RETRY
    full_name = bucket_name(project.id, name)
    found = project.storage.list_buckets(prefix=full_name, retry=retry.with_timeout(CONNECT_TIMEOUT))
    return next((bucket for bucket in found if bucket.name == full_name), None)


def read_deployment(project: Project, bucket: Any) -> Deployment:
    """Returns the deployment that a bucket belongs to."""
    from google.api_core.exceptions import NotFound

    name = bucket.name.removesuffix(bucket_name(project.id, ""))
    names = Names(project.id, bucket.location.lower(), name)
    try:
        service = project.services.get_service(name=names.service)
    except NotFound:
        service = None
    numbers = read_numbers(service) if service else {}
    return Deployment(
        name=name,
        # An interrupted update to another version has changed the label of the bucket only.
        version=(service or bucket).labels.get(LABEL, ""),
        service=service.uri if service else "",
        bucket=bucket.name,
        store=f"gs://{bucket.name}/{STORE}",
        project=project.id,
        region=names.region,
        memory_mb=numbers.get("memory", 0),
        cpus=numbers.get("cpus", 0),
        timeout=numbers.get("timeout", 0),
        max_instances=numbers.get("max_instances", 0),
        image=service.template.containers[0].image if service else "",
        state=_state(service),
    )


def read_numbers(service: Any) -> dict[str, int]:
    """Returns the numeric settings of an existing service, in any unit that Cloud Run accepts."""
    template = service.template
    limits = template.containers[0].resources.limits
    cpu = limits.get("cpu", "1")
    found = {
        "memory": _mebibytes(limits.get("memory", "512Mi")),
        "cpus": round(float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)) or 1,
        "timeout": int(template.timeout.total_seconds()),
        "max_instances": template.scaling.max_instance_count,
    }
    return {name: number for name, number in found.items() if number}


def read_commands(service: Any) -> tuple[str, ...]:
    """Returns the commands that a service's workers run besides Helios' own."""
    found = [each.value for each in service.template.containers[0].env if each.name == "HELIOS_COMMANDS"]
    return tuple(name for text in found for name in text.split(",") if name)


def _mebibytes(amount: str) -> int:
    match = _MEMORY.fullmatch(amount)
    return round(float(match[1]) * _UNITS[match[2] or ""] / 2**20) if match else 0


def deployments(project: Project) -> list[Deployment]:
    """Returns the deployments in a project, by name.

    Raises:
        UsageError: credentials or permissions are missing.
        DeployError: Google is unreachable.
    """
    with google_errors():
        found = [
            read_deployment(project, bucket)
            for bucket in project.storage.list_buckets()
            if LABEL in bucket.labels and bucket.name.endswith(bucket_name(project.id, ""))
        ]
    return sorted(found, key=lambda deployment: deployment.name)


def find_deployment(project: Project, version: str, name: str | None = None) -> Deployment:
    """Returns the deployment for a version of Helios that can run jobs: the one of that name, else the version's own.

    Raises:
        UsageError: there is none, it has another version, or it has no service yet; or credentials or permissions are
            missing.
        DeployError: Google is unreachable.
    """
    name = name or default_name(version)
    command = "helios deploy gcp" if name == default_name(version) else f"helios deploy gcp --name {name}"
    with google_errors():
        bucket = find_bucket(project, name)
        if bucket is None or LABEL not in bucket.labels:
            raise UsageError(f"Helios {version} is not deployed to {project.id} as {name}: run {command}")
        found = read_deployment(project, bucket)
    if found.version != make_label(version):
        raise UsageError(f"{name} is Helios {found.version}, this is {version}: run {command}")
    if not found.service:
        raise UsageError(f"the deployment {name} has no service yet: run {command}")
    return found


def _state(service: Any) -> str:
    if service is None:
        return "NO SERVICE"
    condition = service.terminal_condition
    return f"{condition.state.name}: {condition.message}" if condition.message else condition.state.name
