"""Scanning: one recording, many in a watched process or on a cluster, journal and run."""
