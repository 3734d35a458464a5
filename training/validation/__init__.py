"""Validation: models tried on sources that they had not met; figures of clips."""
