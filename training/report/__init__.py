"""What is said about a model: figures, pictures, report, card."""
