"""The analysis of Shen+2025, whole: `analyse`."""

from simpost.pipeline.shen2025.run import AnalysisResult, analyse

__all__ = ["AnalysisResult", "analyse"]
