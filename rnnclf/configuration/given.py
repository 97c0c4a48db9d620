"""`from=FOLDER`: the configuration of a run, a bundle or a study, taken over as data.

Hydra runs what a configuration tells it to: it sets environment variables, calls functions, opens
log files. A configuration from somebody else must therefore never reach Hydra as one.
"""

import re
from contextlib import suppress
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra_study_sweeper import read_study, read_trial
from hydra_study_sweeper.files import RecordError
from omegaconf import OmegaConf

from rnnclf.configuration.composed import CSV_NAME, csv_name, load
from rnnclf.configuration.identity import WITHOUT_EFFECT
from rnnclf.configuration.overrides import last_folder
from rnnclf.errors import ConfigError
from rnnclf.files.paths import RunPaths

_GROUP = re.compile(r"^\+?(dataset|cell|optimizer|group|experiment)=(.*)$")
_OWN_TEXTS = re.compile(r"^\+*dataset\.(file|folder)=")
_INSTEAD_OF = {"file": ["folder"], "folder": ["file", "validation_file", "test_file"]}
_KEYS = {"dataset": "dataset.name", "cell": "model.cell", "optimizer": "optimizer.name"}


def take_over(arguments: list[str]) -> list[str]:
    """Makes the values of `from=FOLDER` known to Hydra, under the other arguments.

    Folders, device, threads, and whether to read the test split stay those of this machine. A file
    or a folder of texts beside `from=` takes the place of the other, and gives the data set its
    name if that was made from one.

    Args:
        arguments: The program, and what comes after it.

    Returns:
        The arguments with the name under which Hydra knows the values.

    Raises:
        ConfigError: If there is no sound configuration in the folder, or if a file of `conf/` is
            chosen beside it.
    """
    folder = last_folder(arguments, "from")
    if folder is None:
        return arguments
    for argument in arguments:
        if chosen := _GROUP.match(argument):
            key = _KEYS.get(chosen[1])
            instead = f"set {key}={chosen[2]} and others" if key else "leave one of the two out"
            raise ConfigError(
                f"{argument} chooses a file of conf/, and from={folder} has these values "
                f"already; {instead}"
            )
    path = RunPaths(_run_of(Path(folder))).config
    if not path.exists():
        missing = "there is no config.yaml in it" if Path(folder).is_dir() else "no such folder"
        raise ConfigError(f"from={folder}: {missing}")
    config = load(path)
    values = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(values, dict), "a structured configuration is a mapping"
    kept = {key: value for key, value in values.items() if key not in WITHOUT_EFFECT}
    for place in filter(None, map(_OWN_TEXTS.match, arguments)):
        kept["dataset"] |= dict.fromkeys(_INSTEAD_OF[place[1]])
        if config.dataset.name.startswith(csv_name(None, None)):
            kept["dataset"]["name"] = CSV_NAME
    ConfigStore.instance().store(
        group="from", name="given", node=kept, package="_global_", replace=True
    )
    return [
        arguments[0],
        "+from=given",
        *(a for a in arguments[1:] if not re.match(r"\+*from=", a)),
    ]


def _run_of(folder: Path) -> Path:
    """Returns the folder of the run: of a study the trial it found, of a trial its first run."""
    with suppress(RecordError):
        folder = folder / (read_study(folder).chosen or "")
    with suppress(RecordError, IndexError):
        folder = folder / read_trial(folder).runs[0]
    return folder
