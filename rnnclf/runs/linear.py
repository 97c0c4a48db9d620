"""What a recurrent model should beat: a linear support vector machine on TF-IDF features.

A bag of n-grams under a linear classifier is hard to beat where texts are few (Wang and Manning
2012, "Baselines and Bigrams").
"""

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rnnclf.configuration.schema import DatasetConfig
from rnnclf.data.corpus import Texts
from rnnclf.data.prepared import digest, load
from rnnclf.data.splits import hold_out
from rnnclf.errors import DataError, UserError
from rnnclf.files.result import TextCounts
from rnnclf.runs.baselines import Baseline, LinearModel

WORDS, WORDS_AND_CHARACTERS = "words 1-2", "words 1-2 + characters 2-5"


def measure_baselines(config: DatasetConfig, data_folder: Path) -> Baseline:
    """Trains and measures the two machines on a data set.

    For the validation accuracy a machine is trained without the validation part; for the test
    accuracy with it, like the final model of a study.

    Raises:
        UserError: If scikit-learn is not installed.
        DataError: If the data set cannot be had, or has no words.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise UserError("scikit-learn is not installed: pip install 'rnnclf[baseline]'") from error
    corpus = load(config, data_folder)
    training, validation = hold_out(corpus, config)
    models = []
    for features in (WORDS, WORDS_AND_CHARACTERS):
        start = time.perf_counter()
        machine = _trained(features, corpus.train)
        model = LinearModel(
            features=features,
            num_features=machine[-1].n_features_in_,
            val_accuracy=(
                _accuracy(_trained(features, training), validation) if len(validation) else None
            ),
            test_accuracy=_accuracy(machine, corpus.test),
            seconds=round(time.perf_counter() - start, 1),
        )
        models.append(model)
    return Baseline(
        dataset=config,
        digest=digest(corpus),
        texts=TextCounts(len(training), len(validation), len(corpus.test)),
        models=models,
        versions={"scikit-learn": version("scikit-learn")},
    )


def _trained(features: str, texts: Texts) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    vectorizers = [TfidfVectorizer(ngram_range=(1, 2))]
    if features == WORDS_AND_CHARACTERS:
        vectorizers.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)))
    try:
        return make_pipeline(make_union(*vectorizers), LinearSVC()).fit(texts.texts, texts.labels)
    except ValueError as error:  # scikit-learn's words have two letters at least
        raise DataError(f"no linear classifier can be trained on these texts: {error}") from error


def _accuracy(machine: Any, texts: Texts) -> float:
    return float(machine.score(texts.texts, texts.labels))
