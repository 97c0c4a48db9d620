"""The main module of the application, which exists in a worker as it does in a single run.

What an application pickles, starts in processes of its own or registers at the top of its script
belongs to `__main__`. In a worker that is another module, so the script is imported once more, as
`multiprocessing` does for the processes that it spawns: under another name, so that what stands
below `if __name__ == "__main__":` does not run again. Where the main function is called without
that line, the import ends at the call: that is how far the script has come when its task runs.
"""

import importlib.util
import multiprocessing
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from hydra.core.utils import setup_globals
from omegaconf import OmegaConf

from hydra_study_sweeper.errors import ConfigError, describe_error
from hydra_study_sweeper.versions import MainCalled, no_main_begins, resolvers, set_resolvers

IMPORTED = "__mp_main__"  # its name in a worker, as in multiprocessing
MAIN = "__main__"


@dataclass(frozen=True)
class MainModule:
    """The main module of a process.

    Attributes:
        path: Its file; None if there is none that could be imported, as in a notebook.
        name: Its name, if it was run by `python -m`.
        package: The package that its relative imports start from.
        arguments: The command line.
        search_path: Where modules are imported from.
        start_method: How `multiprocessing` starts processes; None for the default.
    """

    path: Path | None
    name: str | None
    package: str | None
    arguments: list[str]
    search_path: list[str]
    start_method: str | None

    @classmethod
    def of_this_process(cls, task_module: str) -> "MainModule":
        """Describes the main module of this process.

        Args:
            task_module: The module of the application's task function.
        """
        main = sys.modules[MAIN]
        spec = getattr(main, "__spec__", None)
        path = _file_of(main)
        if path and not path.is_file():  # it was typed, or comes from an archive
            path = None
        # `python -m package` runs `package/__main__.py`, of which nobody expects that it can be
        # imported. It is, only where the task function is in it.
        if path and path.name == "__main__.py" and task_module != MAIN:
            path = None
        return cls(
            path=path,
            name=spec.name if spec and spec.name != MAIN else None,
            package=main.__package__,
            arguments=list(sys.argv),
            search_path=[entry or str(Path.cwd()) for entry in sys.path],
            start_method=multiprocessing.get_start_method(allow_none=True),
        )

    def restore(self) -> None:
        """Makes it the main module of this process.

        Raises:
            ConfigError: If it cannot be imported.
        """
        sys.argv = list(self.arguments)
        sys.path[:] = [*self.search_path, *(e for e in sys.path if e not in self.search_path)]
        # This process may be that of the command, or have restored it before.
        if self.path not in (None, _file_of(sys.modules[MAIN])):
            multiprocessing.set_start_method(None, force=True)  # the module may set it itself
            self._import(self.path)
        # A launcher's own, such as loky's, may start processes that lack the main module.
        multiprocessing.set_start_method(self.start_method, force=True)

    def _import(self, path: Path) -> None:
        module = ModuleType(IMPORTED)
        module.__file__ = str(path)
        module.__package__ = self.package
        module.__spec__ = importlib.util.find_spec(self.name) if self.name else None
        sys.modules[MAIN] = sys.modules[IMPORTED] = module
        try:
            code = compile(path.read_bytes(), path, "exec", dont_inherit=True)
            with suppress(MainCalled):
                exec(code, module.__dict__)  # noqa: S102 -- as `import` does
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"{path} cannot be imported by a worker: {describe_error(error)}"
            ) from error
        _name_main(vars(module).values())


@contextmanager
def importing() -> Iterator[None]:
    """Lets the block import modules of the application, as a single run does.

    What they register, a launcher may have brought along already. What they do not register since
    they were imported before is kept.

    Raises:
        ConfigError: If a module other than the main one begins a run.
    """
    before = resolvers()
    OmegaConf.clear_resolvers()
    setup_globals()
    try:
        with no_main_begins():
            yield
    except MainCalled as error:
        raise ConfigError(
            "a module calls its main function when a worker imports it; "
            'put the call below `if __name__ == "__main__":`'
        ) from error
    finally:
        set_resolvers({**before, **resolvers()})


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).absolute() if file else None


def _name_main(values: Iterable[Any]) -> None:
    """Has classes and functions of the restored module pickled as those of a single run are."""
    for value in values:
        if isinstance(value, type | FunctionType) and value.__module__ == IMPORTED:
            value.__module__ = MAIN
            if isinstance(value, type):
                _name_main(vars(value).values())
