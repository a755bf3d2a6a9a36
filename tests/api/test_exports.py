"""``import helios`` is quick, and offers what adapters and embedders need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import helios


@pytest.mark.parametrize("name", helios.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    value = getattr(helios, name)
    assert name == "__version__" or value.__doc__


def test_importing_helios_loads_no_room() -> None:
    code = "import sys, helios; print([name for name in sys.modules if name.startswith('helios.')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['helios.errors', 'helios.release']"


@pytest.mark.parametrize(
    ("name", "missing", "extra"), [("AwsLambdaAdapter", "aiobotocore", "aws"), ("CloudRunAdapter", "httpx", "gcp")]
)
def test_an_adapter_without_its_extra_names_the_extra(name: str, missing: str, extra: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import helios; helios.{name}"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f'needs the extra "{extra}"' in found.stderr


def test_a_job_is_found_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOS_STATE", os.fspath(tmp_path))
    assert helios.list_jobs() == []
    with pytest.raises(helios.UsageError, match="1f2e"):
        helios.job("1f2e")
