"""The OpenAPI document of the worker's HTTP service. Source: https://spec.openapis.org/oas/v3.1.0"""

from __future__ import annotations

import re
from typing import Any

from pydantic.json_schema import models_json_schema

from helios.release import __version__
from helios.worker.commands import OWN, RENDERER, STITCHER, Draw, Join
from helios.worker.message import HeartbeatEvent, JobFinished, OutputLine, Payload
from helios.worker.runtime import ALLOWED_VARIABLES, LOADING, Worker
from helios.worker.workspace import INSIDE, KEY

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One line that says what is wrong."},
    },
}
_HEALTH: dict[str, Any] = {
    "type": "object",
    "required": ["release", "busy"],
    "properties": {"release": {"type": "string"}, "busy": {"type": "boolean"}},
}


def document(worker: Worker, *, secured: bool) -> dict[str, Any]:
    """The OpenAPI document of a worker, with the commands that it runs; ``secured`` if it checks ID tokens."""
    _, found = models_json_schema(
        [
            (Payload, "validation"),
            (OutputLine, "serialization"),
            (HeartbeatEvent, "serialization"),
            (JobFinished, "serialization"),
        ],
        ref_template="#/components/schemas/{model}",
    )
    schemas: dict[str, Any] = found["$defs"]
    fields = schemas["Payload"]["properties"]
    fields["release"]["const"] = worker.release
    fields["command"]["enum"] = sorted({*OWN, *worker.commands})
    if worker.store:
        fields["store"]["pattern"] = f"^{re.escape(worker.store.rstrip('/'))}(/.*)?$"
    for files in ("inputs", "outputs"):
        fields[files]["propertyNames"] = {"pattern": f"^{INSIDE}$"}
    key = {"type": "string", "pattern": f"^{KEY}$"}
    schemas["ArtifactRef"]["properties"]["key"] |= key
    fields["outputs"]["additionalProperties"] = key
    fields["progress"]["anyOf"] = [key, {"type": "null"}]
    fields["env"]["propertyNames"] = {"pattern": f"^(?!({LOADING.pattern})$)"}
    draw, join = Draw.model_json_schema()["properties"], Join.model_json_schema()["properties"]
    drawing = [draw["kind"], draw["spec"], draw["output"]]
    schemas["Payload"]["allOf"] = [
        _taking(RENDERER, {"prefixItems": drawing, "minItems": 3, "maxItems": 3}),
        _taking(STITCHER, {"prefixItems": [join["output"]], "items": join["segments"]["items"], "minItems": 2}),
    ]
    events = [{"$ref": f"#/components/schemas/{kind}"} for kind in ("OutputLine", "HeartbeatEvent", "JobFinished")]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Helios worker",
            "version": __version__,
            "description": "Runs one job at a time; nothing of it stays.",
        },
        "paths": {
            "/jobs": {
                "post": {
                    "operationId": "run",
                    "summary": "Run a job, and stream its events.",
                    "security": [{"token": []}] if secured else [],
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Payload"}}},
                    },
                    "responses": {
                        "200": {
                            "description": "One event on each line; the last has the result of the job.",
                            "content": {"application/x-ndjson": {"schema": {"oneOf": events}}},
                        },
                        **_problems(
                            {
                                "400": "The body is no JSON.",
                                "401": "There is no valid ID token.",
                                "403": "The caller may not send jobs.",
                                "413": "The job is too large.",
                                "415": "The body is of another type.",
                                "422": "The worker runs no such job: of another version, command, store or path.",
                                "429": "The worker has a job already.",
                                "500": "The worker failed.",
                                "503": "The worker is being shut down, or can't check ID tokens now.",
                            }
                        ),
                    },
                }
            },
            "/healthz": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the worker accepts jobs.",
                    "responses": {
                        status: {"description": message, "content": {"application/json": {"schema": _HEALTH}}}
                        for status, message in (("200", "It accepts jobs."), ("503", "The worker is being shut down."))
                    },
                }
            },
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This document.",
                    "responses": {
                        "200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object"}}}}
                    },
                }
            },
        },
        "components": {
            "schemas": {**schemas, "Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _taking(command: str, args: dict[str, Any]) -> dict[str, Any]:
    """That one of Helios' own commands takes those arguments, and few variables."""
    return {
        "if": {"properties": {"command": {"const": command}}},
        "then": {
            "properties": {"args": args, "env": {"propertyNames": {"pattern": f"^({ALLOWED_VARIABLES.pattern})$"}}}
        },
    }


def _problems(message: dict[str, str]) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": text, "content": content} for status, text in message.items()}
