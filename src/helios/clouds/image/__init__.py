"""The container image of the worker: its Dockerfile, and what it is built from."""
