"""Commands that take a trained model."""

import json
import sys
from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(file_okay=False, path_type=Path))
@click.argument("texts", nargs=-1)
@click.option("--top", default=1, type=click.IntRange(min=1), help="Classes to list for a text.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text.")
def predict(model: Path, texts: tuple[str, ...], top: int, as_json: bool) -> None:
    """Predicts the class of each of TEXTS, or of each line of standard input.

    MODEL is the folder of a run. A line of output has probability, class and text.
    """
    from rnnclf.classifier import load

    classifier = load(model)
    asked = list(texts) or [line.rstrip("\n") for line in sys.stdin]
    for text, row in zip(asked, classifier.predict_proba(asked), strict=True):
        ranked = [(classifier.classes[i], float(row[i])) for i in (-row).argsort()[:top]]
        if as_json:
            classes = [{"label": name, "probability": share} for name, share in ranked]
            click.echo(json.dumps({"text": text, "classes": classes}, ensure_ascii=False))
        else:
            shown = "  ".join(f"{share:.3f} {name}" for name, share in ranked)
            click.echo(f"{shown}\t{text}")
