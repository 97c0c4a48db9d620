"""Runs the tests of Hydra's own Optuna sweeper, and Hydra's suites for launchers, with `study`.

    git clone --depth 1 https://github.com/facebookresearch/hydra HYDRA
    python sweeper/tests/peers/run.py HYDRA

Hydra, with its suites, and hydra-optuna-sweeper are those that are installed. The tests of the
latter are in its source distribution, which pip fetches, and the applications that they run in
Hydra's repository. Nothing of them is part of this one. Each suite runs with `hydra/sweeper=optuna`
as well, adapted in the same way where that is possible. What fails is listed, and below it the
cases that are left out, with the reason.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PEER = "hydra-optuna-sweeper"
TESTS = "test_optuna_sweeper_plugin.py"

# What is replaced in the peer's tests and applications, in this order, and why.
ADAPTATIONS = [
    (r"hydra/sweeper=optuna", "hydra/sweeper=study", "the sweeper"),
    (r"override hydra/sweeper: optuna", "override hydra/sweeper: study", "the sweeper"),
    (
        r"from hydra_plugins.hydra_optuna_sweeper import _impl",
        "import ours as _impl",
        "the peer's translation of overrides to distributions is called by its private name",
    ),
    (
        r"from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper",
        "from hydra_study_sweeper.plugin import StudySweeper as OptunaSweeper",
        "the class to discover",
    ),
]
# Cases that say nothing of a sweeper, and cases that `study` means otherwise.
# A name may be that of a function, or end in the parameters of one of its cases.
OF_THE_PEERS_SAMPLERS = "tests the configuration of a sampler that the peer registers"
PRIVATE = "tests a private function of the peer"
NOTHING = "searches nothing, which `study` refuses"
TWICE = "a choice that is there twice is refused"
RATE = "`study` takes a `max_failure_rate` of 0 or 1 alone: it has no batches"
LEFT_OUT = {
    "test_sampler_config_defaults": OF_THE_PEERS_SAMPLERS,
    "test_default_cmaes_config_has_no_restart_deprecation_warning": OF_THE_PEERS_SAMPLERS,
    "test_motpe_sampler_removed": OF_THE_PEERS_SAMPLERS,
    "test_nsga_sampler_mutation": OF_THE_PEERS_SAMPLERS,
    "test_nsgaiii_sampler_reference_points_converted_to_array": OF_THE_PEERS_SAMPLERS,
    "test_custom_search_space_is_resolved_through_instantiate": PRIVATE,
    "test_create_params_from_overrides": PRIVATE,
    "test_float_grid_choices_stay_within_precision_boundary": PRIVATE,
    "test_float_range_precision_boundary_uses_exact_categorical_values": (
        "steps that are smaller than the distance of two numbers"
    ),
    "test_range_distribution_values[int(range(0,1,0.25))-": TWICE,
    "test_range_distribution_values[float(int(range(0,1,0.25)))-": TWICE,
    "test_failure_rate": RATE,
    "test_launch_jobs": NOTHING,
    "test_rejected_result_marks_trial_failed": NOTHING,
    "test_sweep_1_job[": NOTHING,
    "test_sweep_1_job_strict[": NOTHING,
    "test_failure_preserves_task_traceback": NOTHING,
    "test_sweep_with_custom_resolver": NOTHING,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="of Hydra's repository")
    checkout = parser.parse_args().checkout
    for pattern, replacement, why in ADAPTATIONS:
        print(f"adapted: {pattern!r} becomes {replacement!r}: {why}")
    with tempfile.TemporaryDirectory() as folder:
        source = fetched(Path(folder), checkout)
        for sweeper in ("study", "optuna"):
            plugin = Path(folder, sweeper)
            shutil.copytree(source, plugin)
            if sweeper == "study":
                adapt(plugin)
            tests = [plugin / "tests" / TESTS, HERE / "suites.py"]
            for path in tests:
                report(sweeper, path.name, list(outcomes(path, sweeper, plugin)))
    for name, why in LEFT_OUT.items():
        print(f"left out: {name}: {why}")


def fetched(folder: Path, checkout: Path) -> Path:
    """Puts the peer's tests and its applications into one folder, as they are in its repository."""
    plugin = folder / "source"
    shutil.copytree(checkout / "plugins" / "hydra_optuna_sweeper", plugin)
    shutil.rmtree(plugin / "hydra_plugins")  # the installed one counts
    source = f"{PEER}=={version(PEER)}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "--dest", folder, source], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        (member,) = [m for m in tar.getmembers() if m.name.endswith(f"/tests/{TESTS}")]
        (plugin / "tests" / TESTS).write_bytes(tar.extractfile(member).read())
    return plugin


def adapt(plugin: Path) -> None:
    for path in [*plugin.rglob("*.py"), *plugin.rglob("*.yaml")]:
        text = path.read_text(encoding="utf-8")
        for pattern, replacement, _ in ADAPTATIONS:
            text = re.sub(pattern, replacement, text)
        path.write_text(text, encoding="utf-8")


def outcomes(path: Path, sweeper: str, plugin: Path) -> Iterator[tuple[str, str]]:
    """Runs a file of tests; yields the name of each case and what came of it."""
    record = plugin / f"{path.stem}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--import-mode=append"]
    options = [f"--junitxml={record}", f"--rootdir={plugin}", str(path)]
    environment = os.environ | {"SWEEPER": sweeper, "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [*command, *options],
        cwd=plugin,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if not record.exists():
        sys.exit(done.stdout + done.stderr)
    for case in ET.parse(record).getroot().iter("testcase"):
        if case.get("name").startswith(tuple(LEFT_OUT)):
            continue
        bad = next((one for one in case if one.tag in ("failure", "error", "skipped")), None)
        yield case.get("name"), "passed" if bad is None else bad.get("message").splitlines()[0]


def report(sweeper: str, tests: str, found: list[tuple[str, str]]) -> None:
    passed = sum(outcome == "passed" for _, outcome in found)
    print(f"{sweeper}: {tests}: {passed} of {len(found)}", flush=True)
    for name, outcome in found:
        if outcome != "passed":
            print(f"  {name}: {outcome[:150]}")


if __name__ == "__main__":
    main()
