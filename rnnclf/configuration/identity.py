"""What tells one configuration from another."""

import hashlib
import json
from dataclasses import asdict

from rnnclf.configuration.schema import Config

# Sections and keys that do not change the result of a run. The studies of sweeps/ ignore them too.
WITHOUT_EFFECT = ("paths", "evaluate_test", "device", "threads")


def identity(config: Config) -> str:
    """Hashes what determines the result of a run.

    Folders, device, threads, and whether the test split is read are left out.

    Returns:
        12 hexadecimal digits of the SHA-256 of the canonical JSON.
    """
    determining = {k: v for k, v in asdict(config).items() if k not in WITHOUT_EFFECT}
    canonical = json.dumps(determining, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
