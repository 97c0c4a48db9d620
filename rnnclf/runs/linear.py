"""What a recurrent model should beat: a linear support vector machine on TF-IDF features.

A bag of n-grams under a linear classifier is hard to beat where texts are few (Wang and Manning
2012, "Baselines and Bigrams").
"""

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rnnclf.configuration.schema import Config
from rnnclf.data.corpus import Texts
from rnnclf.data.prepared import data_digest, load
from rnnclf.data.splits import hold_out
from rnnclf.errors import DataError, UserError
from rnnclf.files.result import TextCounts
from rnnclf.runs.baselines import Baseline, LinearModel

WORDS, WORDS_AND_CHARACTERS = "words 1-2", "words 1-2 + characters 2-5"


def measure_baselines(config: Config, data_folder: Path) -> Baseline:
    """Trains and measures the two machines on the data set of a configuration.

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
    corpus = load(config.dataset, data_folder)
    training, validation = hold_out(corpus, config.dataset)
    class_weights = config.training.class_weights
    models = []
    for features in (WORDS, WORDS_AND_CHARACTERS):
        start = time.perf_counter()
        machine = _trained(features, corpus.train, class_weights)
        of_test = _scores(machine, corpus.test)
        of_validation: tuple[float | None, float | None] = (None, None)
        if len(validation):
            of_validation = _scores(_trained(features, training, class_weights), validation)
        model = LinearModel(
            features=features,
            num_features=machine[-1].n_features_in_,
            val_accuracy=of_validation[0],
            val_macro_f1=of_validation[1],
            test_accuracy=of_test[0],
            test_macro_f1=of_test[1],
            seconds=round(time.perf_counter() - start, 1),
        )
        models.append(model)
    return Baseline(
        dataset=config.dataset,
        class_weights=class_weights,
        data=data_digest(corpus),
        texts=TextCounts(len(training), len(validation), len(corpus.test)),
        models=models,
        versions={"scikit-learn": version("scikit-learn")},
    )


def _trained(features: str, texts: Texts, class_weights: str | None = None) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    vectorizers = [TfidfVectorizer(ngram_range=(1, 2))]
    if features == WORDS_AND_CHARACTERS:
        vectorizers.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)))
    try:
        machine = make_pipeline(make_union(*vectorizers), LinearSVC(class_weight=class_weights))
        return machine.fit(texts.texts, texts.labels)
    except ValueError as error:  # scikit-learn's words have two letters at least
        raise DataError(f"no linear classifier can be trained on these texts: {error}") from error


def _scores(machine: Any, texts: Texts) -> tuple[float, float]:
    """Returns accuracy and macro-F1."""
    from sklearn.metrics import accuracy_score, f1_score

    predicted = machine.predict(texts.texts)
    macro_f1 = f1_score(texts.labels, predicted, average="macro", zero_division=0)
    return float(accuracy_score(texts.labels, predicted)), float(macro_f1)
