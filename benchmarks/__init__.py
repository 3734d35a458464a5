"""Measurements against the figures that callcount must reach; each module says how it is run."""
