"""Frame scores to events: the rules, their decoding at once and while scores come, and matching."""
