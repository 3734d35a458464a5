"""Counts with their interval: what to check, what the checks say, calibrated scores; numpy only."""
