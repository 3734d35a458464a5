"""Trained models as LiteRT files, SavedModels, phone models; compared and proven."""
