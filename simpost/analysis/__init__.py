"""Analyses of papers: functions from plain arrays, tracks and map products to numbers with errors."""
