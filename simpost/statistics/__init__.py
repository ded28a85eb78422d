"""Resampling and binning; nothing astronomical in here."""
