"""Events beside the truth: pairs, counts, errors, intervals, thresholds."""
