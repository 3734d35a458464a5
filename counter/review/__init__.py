"""A page on this machine to check calls on: events to see, hear and answer, and what came of it."""
