"""The schema of the configuration: types without values. The values are in `conf/`."""

from dataclasses import dataclass
from typing import Literal

from rnnclf.files.result import Metric


@dataclass
class DatasetConfig:
    """Which texts, how they are split, and how they become word indices.

    Attributes:
        name: The data set; `dataset=` chooses it.
        labels: The fine or the coarse classes of `questions`. Other data sets have no choice.
        folder: The folder of your own data, with a file `train`, and `validation` and `test` if
            you have them, such as `train.csv`.
        file: The file of your own data, or of its training split.
        validation_file: The validation part of your own data; null takes it from the training
            split.
        test_file: The test split of your own data; null takes it from `file`.
        text: The column of the texts, by name or by number from 1; `title+body` joins two. null
            finds it.
        label: The column of the labels. null finds it.
        encoding: The encoding of your own files, such as `windows-1252`; null is UTF-8, or UTF-16
            where the file begins with its mark.
        bad_rows: `refuse` skips rows that cannot be used while they are under 1 %, and refuses the
            file otherwise; `skip` skips any number.
        tokens: What the model reads: words, or characters for texts without blanks between words.
        train_fraction: Share of the texts in the training split. Not used if there is a test file.
        validation_fraction: Share of the training split that is held out for validation. With 0
            the last epoch counts as the best, unless training diverged before it.
        split_seed: Seed of the shuffles for both splits.
        validation_seed: Another seed for the choice of the validation part; null uses
            `split_seed`.
        max_length: Maximum length in words. Longer texts are truncated; null is 16384, for the
            sake of memory.
        truncation: What a truncated text keeps: its first words (`head`), or half from its start
            and half from its end (`head_tail`).
        min_frequency: Words rarer than this in the training part become `<unk>`.
    """

    name: str
    labels: Literal["fine", "coarse"] | None
    folder: str | None
    file: str | None
    validation_file: str | None
    test_file: str | None
    text: str | None
    label: str | None
    encoding: str | None
    bad_rows: Literal["refuse", "skip"]
    tokens: Literal["words", "characters"]
    train_fraction: float
    validation_fraction: float
    split_seed: int
    validation_seed: int | None
    max_length: int | None
    truncation: Literal["head", "head_tail"]
    min_frequency: int


@dataclass
class ModelConfig:
    """The network: embedding, recurrent layers, pooling, linear layer.

    Attributes:
        cell: The recurrent cell.
        embedding_size: Width of the word vectors.
        hidden_size: Width of the hidden state, for each direction.
        num_layers: Number of stacked recurrent layers.
        bidirectional: Whether a second layer reads each text backwards.
        pooling: How the states of a text become one vector: the `last` state, the `mean` or `max`
            over the words, a learned weighted mean (`attention`), or that mean and the maximum
            (`attention_max`).
        ngram_buckets: Number of vectors that the character n-grams of words share (3 to 5 letters,
            hashed); 0 for none. Their mean is added to the vector of the word, or to that of
            `<unk>` if the word is unknown.
        word_dropout: Probability that a training word is replaced by `<unk>`.
        embedding_dropout: Dropout on the word vectors.
        layer_dropout: Dropout between stacked recurrent layers.
        dropout: Dropout before the linear layer.
        wide_buckets: Number of buckets of the wide path, a linear classifier on hashed words, pairs
            of words and character n-grams of the whole text; 0 for none.
        wide_share: The share of the wide path's logits in the answer; the rest is that of the
            recurrent layers.
        vectors: A text file of pretrained word vectors (GloVe or word2vec format) of width
            `embedding_size`, or null for random vectors. Words that are not in the file, and
            character n-grams, begin with small random vectors.
        init_from: The folder of a run or a bundle of the same network, whose weights training
            begins with; null for random weights. Its words and classes are kept beside those of
            the training texts.
    """

    cell: Literal["rnn", "lstm", "gru"]
    embedding_size: int
    hidden_size: int
    num_layers: int
    bidirectional: bool
    pooling: Literal["last", "mean", "max", "attention", "attention_max"]
    ngram_buckets: int
    word_dropout: float
    embedding_dropout: float
    layer_dropout: float
    dropout: float
    wide_buckets: int
    wide_share: float
    vectors: str | None
    init_from: str | None


@dataclass
class OptimizerConfig:
    """The optimizer.

    Attributes:
        name: The algorithm.
        lr: Peak learning rate.
        weight_decay: L2 penalty (decoupled in `adamw`).
        momentum: Momentum of `sgd`. The others have none.
    """

    name: Literal["adam", "adamw", "sgd"]
    lr: float
    weight_decay: float
    momentum: float


@dataclass
class TrainingConfig:
    """The training loop.

    Attributes:
        pretrain_epochs: Epochs of pretraining as a language model: each direction of the recurrent
            layer learns to predict the next word.
        epochs: Maximum number of epochs.
        batch_size: Texts in a step.
        schedule: Learning rate over the steps: constant (`none`), or down to 0 along a line
            (`linear`) or half a cosine (`cosine`).
        warmup: Share of all steps during which the learning rate rises from 0.
        label_smoothing: Share of the target probability that is spread over all classes.
        ema_decay: Decay, for each step, of the exponential moving average of the weights, which
            is then the model that is evaluated and kept; 0 for no average.
        clip_norm: Gradients with a larger norm are scaled down to this norm; null scales none.
        metric: What counts on the validation part: it decides the best epoch, `patience`, the
            objective of a study, and which run `rnnclf compare` and `pick` take for the best.
            `macro_f1` gives each class the same weight, however rare it is.
        class_weights: Weights of the classes in the training loss: null gives each text the same
            weight, `balanced` each class (texts / (classes * texts of the class)).
        patience: Training stops after this many epochs without a better validation metric; null
            never stops it.
        calibrate: Whether the trained model's probabilities are calibrated on the validation part
            (temperature scaling). Without a validation part they stay as they are.
    """

    pretrain_epochs: int
    epochs: int
    batch_size: int
    schedule: Literal["none", "linear", "cosine"]
    warmup: float
    label_smoothing: float
    ema_decay: float
    clip_norm: float | None
    metric: Metric
    class_weights: Literal["balanced"] | None
    patience: int | None
    calibrate: bool


@dataclass
class PathsConfig:
    """Folders.

    Attributes:
        data: The raw files of the data sets. Missing files are downloaded. If `$RNNCLF_DATA` is
            set, it is the default.
        outputs: The folders of runs and studies are made here.
    """

    data: str
    outputs: str


@dataclass
class Config:
    """A training run.

    Attributes:
        dataset: See `DatasetConfig`.
        model: See `ModelConfig`.
        optimizer: See `OptimizerConfig`.
        training: See `TrainingConfig`.
        paths: See `PathsConfig`.
        seed: Seed of the weights, dropout and the order of the batches. 0 is a seed like any other.
        evaluate_test: Whether the run reads the test split, once, at its end; null means that
            a single run does and the runs of a sweep do not.
        precision: With `bf16`, torch autocasts the training of the network to bfloat16. Weights,
            optimizer and evaluation stay in float32.
        device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.
        threads: CPU threads of torch.
    """

    dataset: DatasetConfig
    model: ModelConfig
    optimizer: OptimizerConfig
    training: TrainingConfig
    paths: PathsConfig
    seed: int
    evaluate_test: bool | None
    precision: Literal["float32", "bf16"]
    device: str
    threads: int
