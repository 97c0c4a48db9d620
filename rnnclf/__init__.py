"""Recurrent text classifiers, their training and their hyperparameters."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnclf.data.torchtext_adapter import load_dataset as load_dataset
    from rnnclf.model.store import load as load

__version__ = "0.1.0"
__all__ = ["__version__", "load", "load_dataset"]


def __getattr__(name: str) -> Any:
    """Imports torch only when a name is used that needs it."""
    if name == "load":
        from rnnclf.model.store import load

        return load
    if name == "load_dataset":
        from rnnclf.data.torchtext_adapter import load_dataset

        return load_dataset
    raise AttributeError(f"module 'rnnclf' has no attribute {name!r}")
