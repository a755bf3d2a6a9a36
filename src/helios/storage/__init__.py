"""Artifacts by URL: bytes under keys, written whole or not at all."""

from helios.storage.bundle import Bundle, pack, unpack
from helios.storage.store import ArtifactStore

__all__ = ["ArtifactStore", "Bundle", "pack", "unpack"]
