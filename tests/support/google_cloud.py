"""A local Google Cloud project for the official clients.

Each request is checked against Google's own descriptions of its APIs, from google-api-python-client: an unknown path,
parameter or field, or a value of another type, fails the test. Resources are in memory, objects in a real storage
server. That package has no description of Cloud Quotas: its responses follow its reference
(https://cloud.google.com/docs/quotas/reference/rest/v1/projects.locations.services.quotaInfos).
"""

import json
import re
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import jsonschema
import pytest

from support.gcs_server import gcs_server
from support.google_identity import google

PROJECT = "video-project"
_APIS = {"run": "run.v2", "cloudbuild": "cloudbuild.v1", "artifactregistry": "artifactregistry.v1", "iam": "iam.v1",
         "storage": "storage.v1"}  # fmt: skip
_SYSTEM = {"$alt", "alt", "prettyPrint", "projection"}
_KINDS = {"run": "google.cloud.run.v2.Service", "artifactregistry": "google.devtools.artifactregistry.v1.Repository"}


def description(name: str) -> dict[str, Any]:
    """Returns Google's description of an API, such as ``run.v2``."""
    text = (files("googleapiclient") / f"discovery_cache/documents/{name}.json").read_text("utf-8")
    return json.loads(text)


def schema_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Returns the JSON Schema of a message; it forbids fields that are not described."""
    return {"$ref": f"#/$defs/{name}", "$defs": {key: _schema(value) for key, value in document["schemas"].items()}}


def _schema(described: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in described:
        return {"$ref": f"#/$defs/{described['$ref']}"}
    kind = described.get("type", "any")
    if kind == "any":
        return {}
    if kind == "object":
        extra = described.get("additionalProperties")
        fields = {name: _schema(value) for name, value in described.get("properties", {}).items()}
        return {"type": "object", "properties": fields, "additionalProperties": _schema(extra) if extra else False}
    if kind == "array":
        return {"type": "array", "items": _schema(described["items"])}
    if "enum" in described:  # by name, or as the official clients send them, by number
        return {"anyOf": [{"enum": described["enum"]}, {"type": "integer", "maximum": len(described["enum"])}]}
    if described.get("format", "").endswith("duration"):
        return {"type": "string", "pattern": r"^\d+(\.\d+)?s$"}
    return {"type": ["string", "integer"] if described.get("format") in ("int64", "uint64") else kind}


def path_pattern(path: str) -> str:
    """Returns a regular expression for a path such as ``b/{bucket}/o``."""
    return re.sub(r"\\\{\+?(\w+)\\\}", lambda match: f"(?P<{match[1]}>[^/:]+)", re.escape(path))


class Api:
    """One API's methods."""

    def __init__(self, name: str) -> None:
        self.document = description(name)
        self._methods = list(self._found(self.document))

    def _found(self, resource: dict[str, Any]) -> Generator[tuple[str, re.Pattern[str], dict[str, Any]]]:
        for method in resource.get("methods", {}).values():
            path = self.document["servicePath"] + method.get("flatPath", method["path"])
            pattern = path_pattern(path)
            yield method["httpMethod"], re.compile(pattern), method
            for upload in method.get("mediaUpload", {}).get("protocols", {}).values():
                yield method["httpMethod"], re.compile(path_pattern(upload["path"].lstrip("/"))), method
            if method.get("useMediaDownloadService"):
                yield method["httpMethod"], re.compile(f"download/{path_pattern(path)}"), method
        for part in resource.get("resources", {}).values():
            yield from self._found(part)

    @cache  # noqa: B019  there are five of them
    def _schema(self, name: str) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator(schema_of(self.document, name))

    def method(self, verb: str, path: str) -> dict[str, Any]:
        """Returns the method of a request."""
        for known, pattern, method in self._methods:
            if known == verb and pattern.fullmatch(path.lstrip("/")):
                return method
        raise AssertionError(f"there is no {verb} {path}")

    def check(self, method: dict[str, Any], query: dict[str, list[str]], body: Any) -> None:
        """Checks a request against the description."""
        known = method.get("parameters", {})
        unknown = set(query) - set(known) - set(self.document["parameters"]) - _SYSTEM
        assert not unknown, f"{method['id']} has no parameters {unknown}"
        for name in set(query) & set(known):
            form = {"integer": r"-?\d+", "boolean": "(?i:true|false)"}.get(known[name]["type"], ".*")
            assert all(re.fullmatch(form, value) for value in query[name]), f"{name} is {query[name]}"
        if "request" in method:
            self._schema(method["request"]["$ref"]).validate(_without_nulls(body))
        else:
            assert not body, f"{method['id']} takes no body"


@cache
def _api(name: str) -> Api:
    return Api(name)


@dataclass
class GoogleCloud:
    """The project. ``asked`` lists the ids of the called methods; ``wrong`` lists the faults in requests.

    Failures: methods in ``denied`` are refused with that message and ``reason``; builds fail with each of ``failures``
    before one succeeds; ``buckets_of_others`` belong to another account, and are open; ``state`` is the final state of
    services. ``before_build_ends`` is called before a build finishes. Cloud Run accepts services of up to
    ``held_instances``, regardless of ``quotas``.
    """

    url: str = ""
    storage: str = ""
    asked: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    denied: dict[str, str] = field(default_factory=dict[str, str])
    unknown_accounts: int = 0
    reason: dict[str, Any] = field(default_factory=dict[str, Any])
    failures: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    buckets_of_others: set[str] = field(default_factory=set[str])
    state: str = "CONDITION_SUCCEEDED"
    before_build_ends: Callable[[], object] = field(default=lambda: None)
    held: set[str] | None = None
    quotas: dict[str, int] = field(
        default_factory=lambda: {"CpuAllocPerProjectRegion": 200_000, "MemAllocPerProjectRegion": 400 * 2**30}
    )
    held_instances: int = 1000
    resources: dict[str, Any] = field(default_factory=dict[str, Any])
    builds: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __post_init__(self) -> None:
        self.apis = {name: _api(api) for name, api in _APIS.items()}
        self._lock = threading.Lock()

    @property
    def changes(self) -> list[str]:
        """The called methods that change something."""
        return [one for one in self.asked if one.rpartition(".")[2] not in ("get", "list", "getIamPolicy")]

    def answer(self, verb: str, target: str, data: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Returns the status and body of the response to a request."""
        split = urlsplit(target)
        service, _, rest = split.path.lstrip("/").partition("/")
        if service == "cloudquotas":
            return self._quota(verb, rest)
        if service in ("storage", "upload", "download"):
            service, rest = "storage", split.path.lstrip("/")
        try:
            body = _body(data, headers.get("Content-Type") or headers.get("content-type", ""))
            method = self.apis[service].method(verb, rest)
            self.apis[service].check(method, parse_qs(split.query), body)
        except (AssertionError, jsonschema.ValidationError) as error:
            self.wrong.append(f"{verb} {target}: {str(error)[:500]}")
            return 400, _error(400, f"it is not as described: {str(error)[:200]}")
        with self._lock:
            self.asked.append(method["id"])
            if method["id"] in self.denied:
                return 403, _error(403, self.denied[method["id"]], self.reason)
            if method["id"].startswith("storage.objects."):
                return self._passed_on(verb, target, data, headers)
            status, found = self._do(method["id"], unquote(rest), parse_qs(split.query), body)
        return status, json.dumps(found).encode()

    def _do(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        api, action = method.split(".")[0], method.rpartition(".")[2]
        key = f"{api}/{path.partition(':')[0]}" if api != "storage" else path.partition("/iam")[0]
        match action:
            case "getIamPolicy":
                found = self.resources.get(f"{key}/policy", {"bindings": []})
                return (200, found) if self._is_there(key) else _not_found()
            case "setIamPolicy":
                if self.unknown_accounts:
                    self.unknown_accounts -= 1
                    return 400, json.loads(_error(400, "Service account helios does not exist."))
                self.resources[f"{key}/policy"] = body.get("policy", body)
                return 200, self.resources[f"{key}/policy"]
            case "testIamPermissions":
                asked = query.get("permissions") or body["permissions"]
                return 200, {"permissions": [one for one in asked if self.held is None or one in self.held]}
            case _:
                pass
        if api == "cloudbuild":
            return self._build(action, path, body)
        if api == "storage":
            return self._bucket(action, key, query, body)
        if api == "iam" and action == "create":
            key += f"/{body['accountId']}@{PROJECT}.iam.gserviceaccount.com"
            if key in self.resources:
                return 409, json.loads(_error(409, "it is there already"))
            self.resources[key] = body["serviceAccount"]
            return 200, body["serviceAccount"]
        if api == "artifactregistry" and action == "patch":
            self.resources[key] |= body
            return 200, self.resources[key]
        if action in ("create", "patch"):
            if api == "run" and body["template"]["scaling"]["maxInstanceCount"] > self.held_instances:
                message = (
                    f"Max instances must be set to {self.held_instances} or fewer to set the requested total CPU. "
                    "Quota violated: CpuAllocPerProjectRegion requested: 200000 allowed: 6000"
                )
                return 400, json.loads(_error(400, message))
            if action == "create":
                key += "/" + (query.get("serviceId") or query["repositoryId"])[0]
            self.resources[key] = {**body, "name": key.partition("/v")[2][2:]} | self._service_status(api, key)
            kind = {"@type": f"type.googleapis.com/{_KINDS[api]}"}
            return 200, {"name": f"{path}/operations/1", "done": True, "response": kind | self.resources[key]}
        if not self._is_there(key):
            return _not_found()
        if action == "delete":
            for each in [each for each in self.resources if each.startswith(key)]:
                del self.resources[each]
            done = {"name": f"{path}/operations/2", "done": True}
            empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
            return 200, {} if api == "iam" else done | {
                "response": empty if api != "run" else {"@type": f"type.googleapis.com/{_KINDS[api]}"}
            }
        return 200, self.resources.get(key, {"name": path})

    def _quota(self, verb: str, path: str) -> tuple[int, bytes]:
        method = "cloudquotas.projects.locations.services.quotaInfos.get"
        self.asked.append(method)
        below = f"v1/projects/{PROJECT}/locations/global/services/run.googleapis.com/quotaInfos/"
        assert verb == "GET"
        assert path.startswith(below), path
        if method in self.denied:
            return 403, _error(403, self.denied[method], self.reason)
        name = path.removeprefix(below)
        others = {
            "dimensions": {"region": "asia-east1"},
            "details": {"value": "1"},
            "applicableLocations": ["asia-east1"],
        }
        default = {"details": {"value": str(self.quotas[name])}, "applicableLocations": ["us-central1", "europe-west1"]}
        info = {
            "quotaId": name,
            "service": "run.googleapis.com",
            "dimensions": ["region"],
            "dimensionsInfos": [others, default],
        }
        return 200, json.dumps(info).encode()

    def _service_status(self, api: str, key: str) -> dict[str, Any]:
        """Returns the status of a Cloud Run service."""
        if api != "run":
            return {}
        name = key.rpartition("/")[2]
        return {
            "uri": f"https://{name}.a.run.app",
            "terminalCondition": {"type": "Ready", "state": self.state},
        }

    def _is_there(self, key: str) -> bool:
        if "/packages/worker/tags/" in key:
            tag = key.rpartition("/")[2]
            return any(build["tags"] == [tag] and build["status"] == "SUCCESS" for build in self.builds)
        return key in self.resources

    def _build(self, action: str, path: str, body: Any) -> tuple[int, Any]:
        if action == "create":
            self.builds.append({**body, "id": f"build-{len(self.builds)}", "status": "QUEUED"})
            meta = {
                "@type": "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata",
                "build": self.builds[-1],
            }
            return 200, {"name": "operations/3", "metadata": meta}
        if action == "list":
            return 200, {"builds": self.builds[::-1]}
        build = next(build for build in self.builds if build["id"] == path.rpartition("/")[2])
        found = dict(build)
        if build["status"] == "WORKING":
            self.before_build_ends()
            build |= self.failures.pop(0) if self.failures else {"status": "SUCCESS"}
        elif build["status"] == "QUEUED":
            build["status"] = "WORKING"
        return 200, found

    def _bucket(self, action: str, key: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if key.rpartition("/")[2] in self.buckets_of_others:
            return 200, {"name": key.rpartition("/")[2], "location": "EU", "labels": {"helios-version": "0-1-0"}}
        if action == "insert":
            name = body["name"]
            if name in self.buckets_of_others:
                return 409, json.loads(_error(409, "The requested bucket name is not available."))
            self.resources[f"storage/v1/b/{name}"] = {**body, "location": body["location"].upper()}
            httpx.post(f"{self.storage}/storage/v1/b", json={"name": name}).raise_for_status()
            return 200, self.resources[f"storage/v1/b/{name}"]
        if action == "list":
            assert query["project"] == [PROJECT]
            below = re.escape(query.get("prefix", [""])[0])
            form = re.compile(rf"storage/v1/b/{below}[^/]*")
            return 200, {"items": [value for name, value in self.resources.items() if form.fullmatch(name)]}
        if key not in self.resources:
            return _not_found()
        if action == "delete":
            httpx.delete(f"{self.storage}/{key}").raise_for_status()
            for each in [each for each in self.resources if each.startswith(key)]:
                del self.resources[each]
        elif action == "patch":
            self.resources[key] |= body
        return 200, self.resources.get(key, {})

    def _passed_on(self, verb: str, target: str, data: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if self.held is not None and "storage.objects.create" not in self.held:
            return 403, _error(403, "storage.objects.create is denied")
        forwarded = {name: value for name, value in headers.items() if name.lower() in ("content-type", "range")}
        found = httpx.request(verb, f"{self.storage}{target}", content=data, headers=forwarded)
        return found.status_code, found.content


def _without_nulls(body: Any) -> Any:
    """Returns a body without nulls, which stand for absent fields (https://protobuf.dev/programming-guides/json/)."""
    if isinstance(body, dict):
        return {name: _without_nulls(value) for name, value in body.items() if value is not None}
    return [_without_nulls(value) for value in body] if isinstance(body, list) else body


def _not_found() -> tuple[int, Any]:
    return 404, json.loads(_error(404, "it was not found"))


def _error(status: int, message: str, reason: dict[str, Any] | None = None) -> bytes:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "domain": "googleapis.com", **(reason or {})}
    return json.dumps({"error": {"code": status, "message": message, "details": [info] if reason else []}}).encode()


def _body(data: bytes, kind: str) -> Any:
    """Returns the JSON of a request: the whole body, or its first part if a file is uploaded with it."""
    if kind.startswith("multipart/related"):
        parts = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + data).get_payload()
        return json.loads(parts[0].get_payload())  # type: ignore[union-attr,index]
    return json.loads(data) if data else None


@contextmanager
def google_cloud(folder: Path) -> Generator[GoogleCloud]:
    """Yields an empty project. Within the block, environment variables point Google's clients to it, with a key file."""
    found = GoogleCloud()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = found.answer(self.command, self.path, data, dict(self.headers.items()))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with ExitStack() as stack:
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        found.storage = stack.enter_context(gcs_server())
        signer = stack.enter_context(google())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("STORAGE_EMULATOR_HOST", found.url)
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(signer.key_file(folder / "key.json")))
        patch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        patch.delenv("CLOUDSDK_RUN_REGION", raising=False)
        # All other requests fail, such as google-auth's lookup of an account's trust boundary.
        patch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        for name in ("run", "cloudbuild", "artifactregistry", "iam", "cloudquotas"):
            patch.setenv(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name.upper()}", f"{found.url}/{name}/")
        yield found
    assert found.wrong == []
