"""Figures: every matplotlib call of simpost."""
