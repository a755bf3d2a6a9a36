"""Helios in an AWS account: one CloudFormation stack per version, with a function, its image and a bucket."""

from helios.clouds.aws.deployment import Deployment, deployments, find_deployment
from helios.clouds.aws.session import new_session
from helios.clouds.aws.settings import Settings

__all__ = ["Deployment", "Settings", "deployments", "find_deployment", "new_session"]
