"""The deployments of a project, and the one that a version of Helios uses.

A deployment is found by its bucket, whose name is made of its own and the project's, and whose place is the region.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from helios.clouds.gcp.project import Project, told
from helios.clouds.names import default_name
from helios.errors import UsageError

STORE = "store"
"""The folder of the bucket that holds artifacts."""
LABEL = "helios-version"
PATIENCE = 20.0
"""Seconds for which the first request is tried again where Google can't be reached."""
_MEMORY = re.compile(r"([\d.]+)([kMG]i?|Ki)?")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True, slots=True)
class Names:
    """What a deployment's parts are called."""

    project: str
    region: str
    name: str

    @property
    def bucket(self) -> str:
        """Bucket names are the whole world's."""
        return bucket_name(self.project, self.name)

    @property
    def worker(self) -> str:
        """The account that the service runs as."""
        return self._account(self.name)

    @property
    def builder(self) -> str:
        """The account that images are built by."""
        return self._account(f"{self.name}-build")

    @property
    def place(self) -> str:
        """Where services and repositories are."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def service(self) -> str:
        """The service's full name."""
        return f"{self.place}/services/{self.name}"

    @property
    def repository(self) -> str:
        """The repository's full name."""
        return f"{self.place}/repositories/{self.name}"

    def image(self, tag: str) -> str:
        """The URI of an image in the repository."""
        project = self.project.replace(":", "/")
        return f"{self.region}-docker.pkg.dev/{project}/{self.name}/worker:{tag}"

    def _account(self, name: str) -> str:
        domain, _, project = self.project.rpartition(":")
        return f"{name}@{project}{'.' if domain else ''}{domain}.iam.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Helios as it is deployed. ``service`` is the address for jobs; it is empty until the service is there.

    ``version`` is a label, so it has dashes for dots. ``store`` is the artifact store's URL, ``memory_mb`` (MiB) and
    ``cpus`` are what an instance has, ``timeout`` is in seconds, ``state`` is what Cloud Run says of the service.
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


def make_label(version: str) -> str:
    """A version as labels may be written."""
    return re.sub(r"[^a-z0-9_-]+", "-", version.lower())


def bucket_name(project: str, name: str) -> str:
    """The name of a deployment's bucket."""
    return f"{name}-{re.sub(r'[^a-z0-9-]+', '-', project)}"


def own_bucket(project: Project, name: str) -> Any:
    """A deployment's bucket; None where there is none. It is looked for among the project's own: bucket names are the
    whole world's, and in a bucket of somebody else they could change what is built, and read what is made.
    """
    from google.cloud.storage.retry import DEFAULT_RETRY  # pyright: ignore[reportMissingTypeStubs]

    patience: Any = DEFAULT_RETRY
    wanted = bucket_name(project.id, name)
    found = project.storage.list_buckets(prefix=wanted, retry=patience.with_timeout(PATIENCE))
    return next((bucket for bucket in found if bucket.name == wanted), None)


def read_deployment(project: Project, bucket: Any) -> Deployment:
    """What belongs to a bucket."""
    from google.api_core.exceptions import NotFound

    name = bucket.name.removesuffix(bucket_name(project.id, ""))
    names = Names(project.id, bucket.location.lower(), name)
    try:
        service = project.services.get_service(name=names.service)
    except NotFound:
        service = None
    numbers = parse_scaling(service) if service else {}
    return Deployment(
        name=name,
        # While a new version is deployed over an old one, the bucket is the new one's already.
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


def parse_scaling(service: Any) -> dict[str, int]:
    """What was chosen for a service that is there, however it was written."""
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


def commands_of(service: Any) -> tuple[str, ...]:
    """The commands that a service's workers run besides Helios' own."""
    found = [each.value for each in service.template.containers[0].env if each.name == "HELIOS_COMMANDS"]
    return tuple(name for text in found for name in text.split(",") if name)


def _mebibytes(amount: str) -> int:
    match = _MEMORY.fullmatch(amount)
    return round(float(match[1]) * _UNITS[match[2] or ""] / 2**20) if match else 0


def deployments(project: Project) -> list[Deployment]:
    """All that Helios has deployed to a project, by name.

    Raises:
        UsageError: credentials or rights are missing.
        DeployError: Google can't be reached.
    """
    with told():
        found = [
            read_deployment(project, bucket)
            for bucket in project.storage.list_buckets()
            if LABEL in bucket.labels and bucket.name.endswith(bucket_name(project.id, ""))
        ]
    return sorted(found, key=lambda deployment: deployment.name)


def find_deployment(project: Project, version: str, name: str | None = None) -> Deployment:
    """The deployment of a version of Helios that can be worked with: of that name, else of the version's own.

    Raises:
        UsageError: there is none, it is of another version, or it has no service yet; or credentials or rights are
            missing.
        DeployError: Google can't be reached.
    """
    name = name or default_name(version)
    again = "helios deploy gcp" if name == default_name(version) else f"helios deploy gcp --name {name}"
    with told():
        bucket = own_bucket(project, name)
        if bucket is None or LABEL not in bucket.labels:
            raise UsageError(f"Helios {version} is not deployed to {project.id} as {name}: run {again}")
        found = read_deployment(project, bucket)
    if found.version != make_label(version):
        raise UsageError(f"{name} is Helios {found.version}, and this is {version}: run helios deploy gcp")
    if not found.service:
        raise UsageError(f"the deployment {name} has no service yet: run {again}")
    return found


def _state(service: Any) -> str:
    if service is None:
        return "NO SERVICE"
    condition = service.terminal_condition
    return f"{condition.state.name}: {condition.message}" if condition.message else condition.state.name
