"""What the server of `processes` does once for the classifier's own configuration, see `warm`."""

from hydra import compose, initialize_config_dir
from project import REPO

from rnnclf.configuration.composed import register_schema

register_schema()
with initialize_config_dir(str(REPO / "conf")):
    for overrides in (
        ["sweeps=smoke", "optimizer=adamw", "cell=gru", "hydra.run.dir=a/b-1.c"],
        ["+experiment=questions-gru", "dataset=csv", "dataset.file=a.csv"],
    ):
        compose("config", overrides, return_hydra_config=True)
