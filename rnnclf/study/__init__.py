"""Studies: a Hydra sweeper that launches workers instead of trials."""

from rnnclf.study.reporting import in_refit, report

__all__ = ["in_refit", "report"]
