"""One galaxy through all stages, and a run over many: snapshots to products, figures and a summary."""

from simpost.pipeline.run import RunResult, run

__all__ = ["RunResult", "run"]
