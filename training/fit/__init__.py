"""Fitting networks: loss, steps, cross-fitting."""
