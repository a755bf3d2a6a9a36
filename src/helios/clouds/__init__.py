"""The clouds that Helios can be deployed to, behind one protocol."""

from helios.clouds.cloud import CheckResult, Cloud, Deployment, open_cloud
from helios.clouds.events import Confirm, DeployEvent, Show

__all__ = ["CheckResult", "Cloud", "Confirm", "DeployEvent", "Deployment", "Show", "open_cloud"]
