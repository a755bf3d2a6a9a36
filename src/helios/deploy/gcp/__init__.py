"""Helios in a Google Cloud project: for each version a Cloud Run service, its image and a bucket."""

from helios.deploy.gcp.deployment import Deployment, deployments, find_deployment
from helios.deploy.gcp.project import Project, open_project
from helios.deploy.gcp.settings import Settings

__all__ = ["Deployment", "Project", "Settings", "deployments", "find_deployment", "open_project"]
