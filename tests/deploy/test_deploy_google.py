"""The command `helios deploy` for Google Cloud, against a project that checks requests by Google's API descriptions."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema
import pytest
import yaml
from google.auth._cloud_sdk import CLOUD_SDK_CLIENT_ID
from google.cloud.run_v2 import ExecutionEnvironment
from typer.testing import CliRunner, Result

import helios
from helios.adapters import CloudRunTarget, LocalTarget
from helios.api.targets import resolve_targets
from helios.cli import app
from helios.clouds.gcp import open_project
from helios.clouds.names import default_name
from helios.worker.openapi import document
from helios.worker.runtime import local_worker
from support.google_cloud import PROJECT, GoogleCloud, description, schema_of

OURS = default_name(helios.__version__)
IMAGE = "europe-docker.pkg.dev/other/images/worker@sha256:" + "0" * 64
BUCKET = f"{OURS}-{PROJECT}"


def call(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["deploy", *arguments], input=given)


def lines(outcome: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.stdout.splitlines()]


def service(cloud: GoogleCloud) -> dict[str, Any]:
    return cloud.resources[f"run/v2/projects/{PROJECT}/locations/us-central1/services/{OURS}"]


def test_from_nothing_to_nothing(cloud: GoogleCloud) -> None:
    empty = call("list", "--cloud", "gcp")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "no deployments in this project" in empty.stderr

    dry = call("gcp", "--dry-run", "--json")
    assert dry.exit_code == 0, dry.output
    quota, planned = lines(dry)
    assert quota["message"] == "the quota of us-central1 allows 100 instances with 2 vCPU and 4096 MiB"
    kinds = [change["kind"] for change in planned["changes"]]
    assert kinds == ["bucket", "service account", "service account", "image repository", "permissions", "permissions",
                     "image, built by Cloud Build", "service"]  # fmt: skip
    assert cloud.changes == [], "a dry run only reads"

    created = call("gcp")
    assert created.exit_code == 0, created.output
    assert f"+ {BUCKET} (bucket)" in created.stderr
    assert "image: build-0 WORKING" in created.stderr
    assert created.stdout.startswith(f"{OURS}  0-1-0  CONDITION_SUCCEEDED  https://{OURS}.a.run.app (2 vCPU, 4096 MiB")

    (listed,) = lines(call("list", "--cloud", "gcp", "--json"))
    assert (listed["name"], listed["store"], listed["region"]) == (OURS, f"gs://{BUCKET}/store", "us-central1")

    asked = len(cloud.changes)
    again = call("gcp")
    assert (again.exit_code, again.stdout) == (0, created.stdout)
    assert "nothing to change" in again.stderr
    assert len(cloud.changes) == asked

    image = service(cloud)["template"]["containers"][0]["image"]
    assert call("gcp", "--refresh").exit_code == 0
    refreshed = service(cloud)["template"]["containers"][0]["image"]
    assert refreshed.startswith(f"{image}-20"), "built again, with another tag"
    assert "nothing to change" in call("gcp").stderr

    checked = call("check", "--cloud", "gcp", "--json")
    findings = {each["name"]: each for each in lines(checked)}
    assert {name for name, each in findings.items() if each["ok"] is not True} == set()
    assert checked.exit_code == 0

    refused = call("destroy", "--cloud", "gcp")
    assert refused.exit_code == 2
    assert "would be removed permanently" in refused.stderr
    assert "--yes" in refused.stderr
    assert service(cloud)
    removed = call("destroy", "--cloud", "gcp", "--yes")
    assert removed.exit_code == 0, removed.output
    assert cloud.resources == {}
    assert call("destroy", "--cloud", "gcp", "--yes").exit_code == 2


def test_resources_are_private_and_have_least_privilege(cloud: GoogleCloud) -> None:
    assert call("gcp", "--memory", "8192", "--cpus", "4", "--keep-days", "3", "--max-instances", "7").exit_code == 0
    bucket = cloud.resources[f"storage/v1/b/{BUCKET}"]
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    assert {"action": {"type": "Delete"}, "condition": {"age": 3, "matchesPrefix": ["store/"]}} in bucket["lifecycle"][
        "rule"
    ]
    policy = cloud.resources[f"storage/v1/b/{BUCKET}/policy"]
    worker = f"serviceAccount:{OURS}@{PROJECT}.iam.gserviceaccount.com"
    builder = f"serviceAccount:{OURS}-build@{PROJECT}.iam.gserviceaccount.com"
    assert {binding["role"]: binding["members"] for binding in policy["bindings"]} == {
        "roles/storage.objectUser": [worker],
        "roles/storage.admin": [builder],
    }
    repository = cloud.resources[
        f"artifactregistry/v1/projects/{PROJECT}/locations/us-central1/repositories/{OURS}/policy"
    ]
    assert repository["bindings"] == [{"role": "roles/artifactregistry.writer", "members": [builder]}]
    template = service(cloud)["template"]
    assert template["serviceAccount"] == worker.partition(":")[2]
    assert (template["maxInstanceRequestConcurrency"], template["timeout"]) == (1, "3600s")
    assert template["scaling"]["maxInstanceCount"] == 7
    (container,) = template["containers"]
    assert container["resources"]["limits"] == {"cpu": "4", "memory": "8192Mi"}
    assert [*container["command"], *container["args"]] == ["python", "-m", "helios", "worker", "serve", "--behind-iam"]
    assert container["env"] == [{"name": "HELIOS_STORE", "value": f"gs://{BUCKET}/store"}]
    assert (
        container["startupProbe"]["httpGet"]["path"]
        in document(local_worker(helios.__version__), secured=False)["paths"]
    )
    (build,) = cloud.builds
    assert build["serviceAccount"].endswith(builder.partition(":")[2])
    assert container["image"] == build["images"][0]
    assert not any("allUsers" in str(value) for value in cloud.resources.values())


def test_settings_that_are_not_given_stay(cloud: GoogleCloud) -> None:
    assert (
        call("gcp", "--region", "europe-west1", "--image", IMAGE, "--memory", "2048", "--keep-days", "5").exit_code == 0
    )
    assert cloud.builds == []
    changed = call("gcp", "--image", IMAGE, "--timeout", "600")
    assert changed.exit_code == 0, changed.output
    assert f"{OURS}: 1 changes" in changed.stderr
    assert "2048 MiB, 600 s" in changed.stdout
    elsewhere = call("gcp", "--image", IMAGE, "--region", "us-east1")
    assert elsewhere.exit_code == 2
    assert "is in europe-west1" in elsewhere.stderr
    longer = call("gcp", "--image", IMAGE, "--keep-days", "6")
    assert f"~ {BUCKET} (bucket)" in longer.stderr


def test_an_interrupted_deploy_continues(cloud: GoogleCloud) -> None:
    cloud.denied["run.projects.locations.services.create"] = "Permission 'run.services.create' denied on resource"
    refused = call("gcp")
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1].startswith("helios: these Google credentials may not do run.services.create")
    (listed,) = lines(call("list", "--cloud", "gcp", "--json"))
    assert (listed["service"], listed["state"]) == ("", "NO SERVICE")
    cloud.denied.clear()
    cloud.unknown_accounts = 0
    done = call("gcp")
    assert done.exit_code == 0, done.output
    assert f"{OURS}: 1 changes" in done.stderr
    assert len(cloud.builds) == 1


def test_a_running_build_is_waited_for(cloud: GoogleCloud) -> None:
    cloud.denied["cloudbuild.projects.builds.get"] = "wait"
    assert call("gcp").exit_code == 2
    cloud.denied.clear()
    done = call("gcp")
    assert done.exit_code == 0, done.output
    assert "already in progress (build-0)" in done.stderr
    assert len(cloud.builds) == 1


def test_new_accounts_are_waited_for(cloud: GoogleCloud) -> None:
    cloud.unknown_accounts = 3
    assert call("gcp", "--image", IMAGE).exit_code == 0
    assert cloud.asked.count("storage.buckets.setIamPolicy") == 4


def test_a_failed_build_comes_with_the_end_of_its_log(cloud: GoogleCloud) -> None:
    cloud.failures = [{"status": "FAILURE", "statusDetail": "step 0 exited with 1"}]
    storage = f"{cloud.storage}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=logs/log-build-0.txt"
    log = "\n".join(f"line {number}" for number in range(40))
    cloud.before_build_ends = lambda: httpx.post(storage, content=log)
    failed = call("gcp")
    assert failed.exit_code == 1
    assert "the image build failed: step 0 exited with 1; its log ends with:" in failed.stderr
    assert failed.stderr.splitlines()[-15:] == [f"  line {number}" for number in range(25, 40)]
    assert call("gcp").exit_code == 0


def test_a_build_that_lacks_new_permissions_is_repeated(cloud: GoogleCloud) -> None:
    early = {"status": "FAILURE", "failureInfo": {"type": "FETCH_SOURCE_FAILED", "detail": "403"}}
    cloud.failures = [dict(early), dict(early)]
    created = call("gcp")
    assert created.exit_code == 0, created.output
    assert created.stderr.count("the build is repeated") == 2
    assert len(cloud.builds) == 3
    # A build with permissions that are not new is not repeated.
    cloud.builds.clear()
    cloud.failures = [dict(early)]
    failed = call("gcp")
    assert failed.exit_code == 1
    assert "the image build failed: 403" in failed.stderr


def test_the_build_uses_the_uploaded_context(cloud: GoogleCloud) -> None:
    assert call("gcp").exit_code == 0
    (build,) = cloud.builds
    source = build["source"]["storageSource"]
    url = f"{cloud.storage}/storage/v1/b/{BUCKET}/o/{quote(source['object'], safe='')}"
    assert httpx.get(url).json()["generation"] == source["generation"]


@pytest.mark.parametrize(
    ("held", "missing"),
    [(set[str](), "run.routes.invoke"), ({"run.routes.invoke"}, "storage.objects.create")],
)
def test_check_names_what_is_missing(held: set[str], missing: str, cloud: GoogleCloud) -> None:
    assert call("gcp", "--image", IMAGE, "--memory", "1024", "--max-instances", "10").exit_code == 0
    cloud.held = held
    checked = call("check", "--cloud", "gcp", "--workers", "50")
    assert checked.exit_code == 1
    assert missing in checked.stdout
    assert "--max-instances 50" in checked.stdout
    assert "--memory 4096" in checked.stdout


def test_check_finds_a_public_service(cloud: GoogleCloud) -> None:
    assert call("gcp", "--image", IMAGE).exit_code == 0
    cloud.resources[f"run/v2/projects/{PROJECT}/locations/us-central1/services/{OURS}/policy"] = {
        "bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]
    }
    checked = call("check", "--cloud", "gcp")
    assert checked.exit_code == 1
    assert "anyone may call the service" in checked.stdout


def test_the_knative_service_is_the_same_service(cloud: GoogleCloud) -> None:
    shown = call("gcp", "--image", IMAGE, "--memory", "8192", "--cpus", "4", "--knative")
    assert shown.exit_code == 0, shown.output
    assert cloud.changes == []
    found = yaml.safe_load(shown.stdout)
    jsonschema.validate(found, schema_of(description("run.v1"), "Service"))
    assert call("gcp", "--image", IMAGE, "--memory", "8192", "--cpus", "4").exit_code == 0
    template, spec = service(cloud)["template"], found["spec"]["template"]["spec"]
    (ours,), (its,) = template["containers"], spec["containers"]
    for name in ("image", "command", "args", "env"):
        assert its[name] == ours[name]
    assert its["resources"]["limits"] == ours["resources"]["limits"]
    assert its["startupProbe"]["httpGet"] == {"path": ours["startupProbe"]["httpGet"]["path"]}
    assert spec["serviceAccountName"] == template["serviceAccount"]
    assert f"{spec['timeoutSeconds']}s" == template["timeout"]
    assert spec["containerConcurrency"] == template["maxInstanceRequestConcurrency"]
    assert found["metadata"]["labels"].items() >= service(cloud)["labels"].items()
    # Fields that only one of the two APIs has.
    assert found["spec"]["template"]["metadata"]["annotations"] == {
        "autoscaling.knative.dev/maxScale": str(template["scaling"]["maxInstanceCount"]),
        "run.googleapis.com/execution-environment": "gen2",
        "run.googleapis.com/startup-cpu-boost": "true",
        "run.googleapis.com/cpu-throttling": "true",
    }
    assert template["executionEnvironment"] == ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN2
    assert (ours["resources"]["startupCpuBoost"], ours["resources"]["cpuIdle"]) == (True, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "x"], "is not a valid name"),
        (["--cpus", "3"], "--cpus must be one of"),
        (["--memory", "16384"], "use more --cpus"),
        (["--memory", "2048", "--cpus", "8"], "use more --memory"),
        (["--timeout", "4000"], "--timeout must be 60 to 3600 seconds"),
    ],
)
def test_impossible_settings_are_refused(options: list[str], words: str, cloud: GoogleCloud) -> None:
    refused = call("gcp", "--image", IMAGE, *options)
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert cloud.changes == []


def test_missing_credentials_come_with_the_next_step(cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("list", "--cloud", "azure").exit_code == 2
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nowhere")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    printed = refusal(2)
    assert printed == (
        "helios: no Google credentials found: run gcloud auth application-default login, or set "
        "GOOGLE_APPLICATION_CREDENTIALS"
    )


def refusal(code: int) -> str:
    """The error line of a deploy."""
    refused = call("gcp", "--image", IMAGE)
    assert refused.exit_code == code, refused.output
    *quota, line = refused.stderr.splitlines()
    assert all("the quota of" in each for each in quota)
    return line


def test_a_project_must_be_set(cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    key = json.loads((tmp_path / "key.json").read_text())
    del key["project_id"]
    (tmp_path / "key.json").write_text(json.dumps(key))
    assert "gcloud config set project" in refusal(2)


@pytest.mark.parametrize(
    ("method", "message", "reason", "words"),
    [
        (
            "run.projects.locations.services.get",
            "Cloud Run Admin API has not been used in project 1 before or it is disabled.",
            {"reason": "SERVICE_DISABLED", "metadata": {"service": "run.googleapis.com", "consumer": "projects/1"}},
            "run.googleapis.com is not enabled in this project: run gcloud services enable run.googleapis.com cloudbuild",
        ),
        (
            "storage.buckets.list",
            "me@example.com does not have storage.buckets.list access to the Google Cloud project.",
            {},
            "may not do storage.buckets.list: docs/gcp.md",
        ),
        (
            "iam.projects.serviceAccounts.get",
            "Permission 'iam.serviceAccounts.get' denied on resource (or it may not exist).",
            {
                "reason": "IAM_PERMISSION_DENIED",
                "metadata": {"permission": "iam.serviceAccounts.get", "resource": "projects/video-project"},
            },
            "may not do iam.serviceAccounts.get on projects/video-project: docs/gcp.md",
        ),
        ("storage.buckets.list", "no", {"reason": "BILLING_DISABLED"}, "gcloud billing projects link"),
        ("storage.buckets.list", "it is raining", {}, "Google refuses: 403 GET"),
    ],
)
def test_a_refusal_by_google_is_one_line(
    method: str, message: str, reason: dict[str, Any], words: str, cloud: GoogleCloud
) -> None:
    cloud.denied[method], cloud.reason = message, reason
    assert words in refusal(2)
    assert cloud.changes == []


def test_an_unreachable_google_is_one_line(cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helios.clouds.gcp.deployment.CONNECT_TIMEOUT", 0.1)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    assert "Google can't be reached" in refusal(1)


def test_requests_of_a_user_account_use_the_quota_of_the_project(
    cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = {"type": "authorized_user", "client_id": CLOUD_SDK_CLIENT_ID, "client_secret": "b", "refresh_token": "c"}
    (tmp_path / "own.json").write_text(json.dumps(own))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "own.json"))
    assert open_project()._credentials.quota_project_id == PROJECT


def test_a_render_finds_the_deployment(cloud: GoogleCloud) -> None:
    with pytest.raises(helios.UsageError, match=f"is not deployed to {PROJECT} as {OURS}: run helios deploy gcp"):
        asyncio.run(resolve_targets({"adapter": "gcp"}))
    assert call("gcp", "--image", IMAGE, "--memory", "8192").exit_code == 0
    targets, store = asyncio.run(resolve_targets({"adapter": "local,gcp"}))
    found = CloudRunTarget(service=f"https://{OURS}.a.run.app", store=f"gs://{BUCKET}/store", memory_mb=8192, cpus=2)
    assert (targets, store) == ((LocalTarget(), found), f"gs://{BUCKET}/store")


def test_a_bucket_of_others_is_not_changed(cloud: GoogleCloud) -> None:
    cloud.resources[f"storage/v1/b/{BUCKET}"] = {"name": BUCKET, "location": "EU"}
    refused = call("gcp", "--image", IMAGE)
    assert refused.exit_code == 2
    assert "does not belong to Helios" in refused.stderr


def test_a_bucket_in_another_project_is_not_used(cloud: GoogleCloud) -> None:
    cloud.buckets_of_others.add(BUCKET)
    with pytest.raises(helios.UsageError, match="is not deployed"):
        asyncio.run(resolve_targets({"adapter": "gcp"}))
    refused = call("gcp")
    assert refused.exit_code == 2
    assert f"the bucket {BUCKET} belongs to another project: choose another --name" in refused.stderr
    assert cloud.builds == []


@pytest.mark.parametrize(
    ("key", "there"),
    [
        (f"run/v2/projects/{PROJECT}/locations/us-central1/services/{OURS}", {"template": {"containers": [{}]}}),
        (f"artifactregistry/v1/projects/{PROJECT}/locations/us-central1/repositories/{OURS}", {"format": "DOCKER"}),
        (f"iam/v1/projects/{PROJECT}/serviceAccounts/{OURS}@{PROJECT}.iam.gserviceaccount.com", {"displayName": "it"}),
    ],
    ids=["service", "repository", "account"],
)
def test_resources_of_others_are_not_changed(key: str, there: dict[str, Any], cloud: GoogleCloud) -> None:
    cloud.resources[key] = there
    refused = call("gcp")
    assert refused.exit_code == 2
    assert "does not belong to Helios: choose another --name" in refused.stderr
    assert cloud.changes == []


def test_a_removal_leaves_resources_of_others(cloud: GoogleCloud) -> None:
    assert call("gcp", "--image", IMAGE).exit_code == 0
    repository = f"artifactregistry/v1/projects/{PROJECT}/locations/us-central1/repositories/{OURS}"
    cloud.resources[repository] = {"format": "DOCKER", "labels": {"team": "videos"}}
    assert call("destroy", "--cloud", "gcp", "--yes").exit_code == 0
    assert repository in cloud.resources


def test_a_service_changed_elsewhere_is_read_and_made_private_again(cloud: GoogleCloud) -> None:
    assert call("gcp", "--image", IMAGE).exit_code == 0
    limits = service(cloud)["template"]["containers"][0]["resources"]["limits"]
    limits |= {"cpu": "4000m", "memory": "8Gi"}
    service(cloud)["invokerIamDisabled"] = True
    checked = call("check", "--cloud", "gcp")
    assert checked.exit_code == 1
    assert "its IAM check is disabled" in checked.stdout
    changed = call("gcp", "--image", IMAGE)
    assert changed.exit_code == 0, changed.output
    assert f"{OURS}: 1 changes" in changed.stderr
    assert "4 vCPU, 8192 MiB" in changed.stdout
    assert "invokerIamDisabled" not in service(cloud)


def test_a_revision_that_did_not_start_is_retried(cloud: GoogleCloud) -> None:
    cloud.state = "CONDITION_FAILED"
    assert call("gcp", "--image", IMAGE).exit_code == 0
    assert call("check", "--cloud", "gcp").exit_code == 1
    cloud.state = "CONDITION_SUCCEEDED"
    assert "~ helios-0-1-0 (service)" in call("gcp", "--image", IMAGE).stderr
    assert service(cloud)["template"]["annotations"]
    assert "nothing to change" in call("gcp", "--image", IMAGE).stderr


def test_another_version_takes_the_place_of_one_with_the_same_name(
    cloud: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helios.release.__version__", "0.0.9")
    assert call("gcp", "--name", "helios-mine", "--image", IMAGE).exit_code == 0
    monkeypatch.undo()
    assert "is Helios 0-0-9" in call("check", "--cloud", "gcp", "--name", "helios-mine").stderr
    changed = call("gcp", "--name", "helios-mine", "--image", IMAGE)
    assert "helios-mine: 3 changes" in changed.stderr
    again = call("gcp", "--name", "helios-mine", "--image", IMAGE)
    assert "nothing to change" in again.stderr


NEW_PROJECT = {"CpuAllocPerProjectRegion": 20_000, "MemAllocPerProjectRegion": 40 * 2**30}


def instances(cloud: GoogleCloud) -> int:
    return service(cloud)["template"]["scaling"]["maxInstanceCount"]


@pytest.mark.parametrize(
    ("quotas", "options", "expected"),
    [
        (NEW_PROJECT, [], 10),
        (NEW_PROJECT, ["--cpus", "4"], 5),
        (NEW_PROJECT, ["--memory", "8192"], 5),
        ({**NEW_PROJECT, "CpuAllocPerProjectRegion": 6000}, [], 3),
        ({"CpuAllocPerProjectRegion": 2_000_000, "MemAllocPerProjectRegion": -1}, [], 100),
        ({"CpuAllocPerProjectRegion": -1, "MemAllocPerProjectRegion": -1}, [], 100),
        (NEW_PROJECT, ["--max-instances", "7"], 7),
    ],
)
def test_a_new_service_has_as_many_instances_as_the_quota_allows(
    quotas: dict[str, int], options: list[str], expected: int, cloud: GoogleCloud
) -> None:
    cloud.quotas = quotas
    cloud.held_instances = expected
    created = call("gcp", *options)
    assert created.exit_code == 0, created.output
    assert instances(cloud) == expected
    assert f"at most {expected} instances)" in created.stdout


def test_more_instances_than_the_quota_allows_are_refused_before_any_change(cloud: GoogleCloud) -> None:
    cloud.quotas = NEW_PROJECT
    refused = call("gcp", "--max-instances", "11")
    assert refused.exit_code == 2
    assert "--max-instances 11 exceeds the quota of us-central1, 10 with 2 vCPU" in refused.stderr
    assert "use --max-instances 10" in refused.stderr
    cloud.quotas = {**NEW_PROJECT, "CpuAllocPerProjectRegion": 1000}
    none = call("gcp")
    assert none.exit_code == 2
    assert "allows no instance with 2 vCPU" in none.stderr
    assert cloud.changes == []


def test_a_lowered_quota_lowers_the_instances(cloud: GoogleCloud) -> None:
    assert call("gcp", "--image", IMAGE, "--max-instances", "50").exit_code == 0
    cloud.quotas = NEW_PROJECT
    again = call("gcp", "--image", IMAGE)
    assert again.exit_code == 0, again.output
    assert "the maximum instances drop from 50 to 10" in again.stderr
    assert instances(cloud) == 10
    checked = call("check", "--cloud", "gcp", "--workers", "20")
    assert "allows 10 instances, for 20 workers" in checked.stdout
    assert "use --workers 10 or less" in checked.stdout


def test_an_unreadable_quota_means_that_of_a_new_project(cloud: GoogleCloud) -> None:
    cloud.denied["cloudquotas.projects.locations.services.quotaInfos.get"] = (
        "Permission 'cloudquotas.quotas.get' denied"
    )
    created = call("gcp")
    assert created.exit_code == 0, created.output
    assert "the quota of us-central1 can't be read (" in created.stderr
    assert "cloudquotas.quotas.get" in created.stderr
    assert "continuing with 10 instances" in created.stderr
    assert instances(cloud) == 10
    assert "can't be checked" in call("check", "--cloud", "gcp").stdout


def test_a_refused_number_of_instances_is_lowered(cloud: GoogleCloud) -> None:
    cloud.held_instances = 3
    refused = call("gcp", "--image", IMAGE, "--max-instances", "20")
    assert refused.exit_code == 2
    assert "--max-instances 20 exceeds the quota: use 3" in refused.stderr
    created = call("gcp", "--image", IMAGE)
    assert created.exit_code == 0, created.output
    assert "the maximum instances are 3: the quota allows no more" in created.stderr
    assert instances(cloud) == 3
    cloud.held_instances = 2
    changed = call("gcp", "--image", IMAGE, "--timeout", "600")
    assert changed.exit_code == 0, changed.output
    assert instances(cloud) == 2


def test_allowed_commands_stay_allowed(cloud: GoogleCloud) -> None:
    def variables(*options: str) -> dict[str, str]:
        created = call("gcp", "--image", IMAGE, *options)
        assert created.exit_code == 0, created.output
        (container,) = service(cloud)["template"]["containers"]
        return {each["name"]: each["value"] for each in container["env"]} | {"HELIOS_STORE": ""}

    assert variables() == {"HELIOS_STORE": ""}
    both = ["--allow-command", "ffmpeg", "--allow-command", "/opt/tool"]
    assert variables(*both)["HELIOS_COMMANDS"] == "/opt/tool,ffmpeg"
    assert variables("--timeout", "600")["HELIOS_COMMANDS"] == "/opt/tool,ffmpeg"
    (container,) = yaml.safe_load(call("gcp", "--image", IMAGE, "--knative").stdout)["spec"]["template"]["spec"][
        "containers"
    ]
    assert {"name": "HELIOS_COMMANDS", "value": "/opt/tool,ffmpeg"} in container["env"]
    assert variables("--allow-command", "") == {"HELIOS_STORE": ""}
    refused = call("gcp", "--allow-command", "a,b")
    assert refused.exit_code == 2
    assert "--allow-command needs a command's name or path, not 'a,b'" in refused.stderr
