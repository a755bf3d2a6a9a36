"""Capture methods: the page's pixels, frame by frame."""
