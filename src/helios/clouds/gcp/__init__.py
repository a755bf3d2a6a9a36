"""Helios in a Google Cloud project: one Cloud Run service per version, with its image and a bucket."""

from helios.clouds.gcp.deployment import Deployment, deployments, find_deployment
from helios.clouds.gcp.project import Project, open_project
from helios.clouds.gcp.settings import Settings

__all__ = ["Deployment", "Project", "Settings", "deployments", "find_deployment", "open_project"]
