"""safetensors files, written atomically."""

import errno
from collections.abc import Mapping
from pathlib import Path

from hydra_study_sweeper.files import replacing
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(
    tensors: Mapping[str, Tensor],
    path: Path,
    metadata: dict[str, str] | None = None,
    *,
    durable: bool = True,
) -> None:
    """Writes tensors; for `durable` see `replacing`.

    Raises:
        OSError: If the file cannot be written.
    """
    with replacing(path, durable=durable) as temporary:
        try:
            save_file({k: value.contiguous() for k, value in tensors.items()}, temporary, metadata)
        except SafetensorError as error:
            raise OSError(errno.EIO, f"cannot be written: {error}", str(path)) from error
