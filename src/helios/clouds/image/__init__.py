"""The worker's container image: its Dockerfile and build context."""
