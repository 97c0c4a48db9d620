"""The main module of the application, which exists in a worker as it does in a single run.

What an application pickles, starts in processes of its own or registers at the top of its script
belongs to `__main__`. In a worker that is another module, so the script is imported once more, as
`multiprocessing` does for the processes that it spawns: under another name, so that what stands
below `if __name__ == "__main__":` does not run again.
"""

import importlib.util
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.utils import setup_globals
from omegaconf import OmegaConf

from hydra_study_sweeper.errors import ConfigError

IMPORTED = "__mp_main__"  # its name in a worker, as in multiprocessing
MAIN = "__main__"
_importing: set[Path] = set()  # the main module, while this process imports it


@dataclass(frozen=True)
class MainModule:
    """The main module of a process.

    Attributes:
        path: Its file; None if there is none that could be imported, as in a notebook.
        name: Its name, if it was run by `python -m`.
        package: The package that its relative imports start from.
        arguments: The command line.
        search_path: Where modules are imported from.
    """

    path: Path | None
    name: str | None
    package: str | None
    arguments: list[str]
    search_path: list[str]

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
        )

    @property
    def is_here(self) -> bool:
        """Whether this process has it, since it is that of the command, or it was restored."""
        return _file_of(sys.modules[MAIN]) == self.path

    def restore(self) -> None:
        """Makes it the main module of this process.

        Raises:
            ConfigError: If it cannot be imported, or begins a study when it is.
        """
        if self.is_here:
            return
        sys.argv = list(self.arguments)
        sys.path[:] = [*self.search_path, *(e for e in sys.path if e not in self.search_path)]
        if self.path is None:
            return
        self._import()

    def _import(self) -> None:
        assert self.path is not None, "there is something to import"
        _forget_registrations()
        module = ModuleType(IMPORTED)
        module.__file__ = str(self.path)
        module.__package__ = self.package
        module.__spec__ = importlib.util.find_spec(self.name) if self.name else None
        sys.modules[MAIN] = sys.modules[IMPORTED] = module
        _importing.add(self.path)
        try:
            code = compile(self.path.read_bytes(), self.path, "exec", dont_inherit=True)
            exec(code, module.__dict__)  # noqa: S102 -- as `import` does
        except BaseException as error:  # Hydra ends a process on an error
            if isinstance(error, KeyboardInterrupt):
                raise
            raise ConfigError(self._problem(error)) from error
        finally:
            _importing.clear()
        _name_main(vars(module).values())

    def _problem(self, error: BaseException) -> str:
        if _is_of_hydra(error):
            return (
                f"{self.path} calls its main function when a worker imports it; "
                'put the call below `if __name__ == "__main__":`'
            )
        said = " ".join(str(error).split())
        return f"{self.path} cannot be imported by a worker: {type(error).__name__}: {said}"


def refuse_study() -> None:
    """Refuses to begin a study in a worker that imports the main module.

    Raises:
        ConfigError: If this process does.
    """
    if _importing:
        raise ConfigError("a study begins while its worker imports the main module")


def _is_of_hydra(error: BaseException) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") == hydra.main.__module__ for frame, _ in frames)


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).absolute() if file else None


def _forget_registrations() -> None:
    """Forgets what a launcher has brought along, which the main module registers itself."""
    OmegaConf.clear_resolvers()
    setup_globals()
    store = ConfigStore.instance()
    store.repo = {name: node for name, node in store.repo.items() if name.startswith("hydra")}


def _name_main(values: Iterable[Any]) -> None:
    """Has classes and functions of the restored module pickled as those of a single run are."""
    for value in values:
        if isinstance(value, type | FunctionType) and value.__module__ == IMPORTED:
            value.__module__ = MAIN
            if isinstance(value, type):
                _name_main(vars(value).values())
