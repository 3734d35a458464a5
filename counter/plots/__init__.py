"""Pictures: of recordings, clips, seasons, evaluations."""
