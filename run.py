"""Trains a recurrent text classifier: `python run.py dataset=questions cell=gru`.

`-m` runs a grid or a study. `--cfg job` prints the composed configuration and runs nothing.
`--help` lists the groups, the short names, and the keys with their values.
"""

import sys
from pathlib import Path

try:
    from rnnclf.cli.application import start
except ModuleNotFoundError as error:
    sys.exit(f"error: {error.name} is not installed here; first type: . .venv/bin/activate")

# Hydra's shell completion looks for "@hydra.main" in this file.
if __name__ == "__main__":
    start(sys.argv, Path(__file__).absolute().parent / "conf")
