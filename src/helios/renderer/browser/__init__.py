"""Chromium and the page in it: launch, DevTools, loading, its files, network and media."""
