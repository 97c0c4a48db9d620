"""The texts of a data set as the hand-out has them: CSV files, with our validation part."""

import csv
from pathlib import Path

from hydra import compose, initialize_config_dir

from rnnclf.configuration.composed import from_omegaconf, register_schema
from rnnclf.data.corpus import Texts
from rnnclf.data.prepared import load
from rnnclf.data.splits import stratified_split

REPO = Path(__file__).resolve().parents[1]


def write_csv_folder(dataset: str, folder: Path) -> None:
    """Writes `train.csv` and `validation.csv` of a data set."""
    register_schema()
    with initialize_config_dir(str(REPO / "conf")):
        config = from_omegaconf(compose("config", [f"dataset={dataset}"]))
    texts = load(config.dataset, Path(config.paths.data)).train
    own = config.dataset
    parts = stratified_split(texts, own.validation_fraction, own.split_seed, dataset)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(("train.csv", "validation.csv"), parts, strict=True):
        _write(part, folder / name)


def _write(texts: Texts, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sentence", "label"])
        writer.writerows(zip(texts.texts, texts.labels, strict=True))
