"""The sweeper where Hydra 1.3 looks for plugins; Hydra 1.4 is told of it by an entry point."""

from hydra_study_sweeper import plugin
from hydra_study_sweeper.versions import SWEEPER

if SWEEPER.startswith(__name__):

    class StudySweeper(plugin.StudySweeper):
        """The same, in the namespace that Hydra 1.3 requires."""
