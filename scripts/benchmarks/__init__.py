"""Benchmarks of simpost: one module per benchmark, each with `records(options)`, and what they share."""
