"""Artifacts by URL: bytes under keys, written whole or not at all."""

from helios.storage.store import ArtifactStore

__all__ = ["ArtifactStore"]
