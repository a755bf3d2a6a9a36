"""The desired Cloud Run service."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import Any

from helios.clouds.gcp.deployment import LABEL, STORE, Names, make_label

COMMAND = ("python", "-m", "helios", "worker", "serve", "--behind-iam")
"""The command of an instance. Google's front end authenticates the callers."""


def make_service(
    names: Names, numbers: dict[str, int], image: str, version: str, commands: tuple[str, ...]
) -> dict[str, Any]:
    """Returns the service in the terms of Cloud Run's client. By default only authenticated callers have access."""
    return {
        "labels": {LABEL: make_label(version)},
        "template": {
            "service_account": names.worker,
            "timeout": f"{numbers['timeout']}s",
            "max_instance_request_concurrency": 1,
            "execution_environment": "EXECUTION_ENVIRONMENT_GEN2",
            "scaling": {"max_instance_count": numbers["max_instances"]},
            "containers": [
                {
                    "image": image,
                    "command": [COMMAND[0]],
                    "args": list(COMMAND[1:]),
                    "env": [{"name": name, "value": value} for name, value in _variables(names, commands).items()],
                    "resources": {
                        "limits": {"cpu": str(numbers["cpus"]), "memory": f"{numbers['memory']}Mi"},
                        "cpu_idle": True,
                        "startup_cpu_boost": True,
                    },
                    "startup_probe": {
                        "http_get": {"path": "/healthz"},
                        "period_seconds": 1,
                        "failure_threshold": 60,
                    },
                }
            ],
        },
    }


def knative(names: Names, numbers: dict[str, int], image: str, version: str, commands: tuple[str, ...]) -> str:
    """Returns the same service as YAML, for ``gcloud run services replace``."""
    variables = _variables(names, commands).items()
    text = (files("helios.clouds.gcp") / "service.yaml").read_text("utf-8")
    return Template(text).substitute(
        numbers,
        name=names.name,
        version=make_label(version),
        region=names.region,
        account=names.worker,
        image=image,
        variables="\n".join(f'{" " * 12}- name: {name}\n{" " * 14}value: "{value}"' for name, value in variables),
    )


def _variables(names: Names, commands: tuple[str, ...]) -> dict[str, str]:
    """Returns a worker's environment: the only store it uses, and the commands it runs besides Helios' own."""
    allowed = {"HELIOS_COMMANDS": ",".join(commands)} if commands else {}
    return {"HELIOS_STORE": f"gs://{names.bucket}/{STORE}", **allowed}


def contains(found: Any, wanted: Any) -> bool:
    """Returns whether ``found`` has all values of ``wanted``; it may have more."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(contains(found.get(name), value) for name, value in wanted.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)  # pyright: ignore[reportUnknownArgumentType]
            and all(contains(one, other) for one, other in zip(found, wanted, strict=True))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        )
    return found == wanted
