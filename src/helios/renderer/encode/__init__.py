"""Captured frames into the packets of a segment file."""
