"""Chooses between classifiers of scikit-learn, each with hyperparameters of its own."""

import hydra
from hydra.utils import instantiate
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    features, classes = load_iris(return_X_y=True)
    scores = cross_val_score(instantiate(cfg.model), features, classes, cv=cfg.folds)
    print("accuracy", scores.mean())
    return scores.mean()


main()
