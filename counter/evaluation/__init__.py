"""Evaluation of counts and events against the truth, and rules tuned by it."""
