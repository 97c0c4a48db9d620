"""How a worker travels to other processes.

Functions and classes travel by name, also those of the main module, which is restored at the other
end. What has no name there (a lambda, a closure, what a notebook defines) travels by value.
"""

import importlib
import io
import operator
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import cloudpickle
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton

from hydra_study_sweeper.errors import ConfigError
from hydra_study_sweeper.storage.heartbeat import process_identity
from hydra_study_sweeper.versions import resolvers, set_resolvers, trusting
from hydra_study_sweeper.workers.main_module import MAIN, MainModule, importing
from hydra_study_sweeper.workers.worker import Worker

RESOLVERS = "omegaconf_resolvers"  # in Hydra's state
MOST_WRAPPERS = 20

_left_out: dict[str, Any] = {}  # resolvers of this process that a launcher cannot send


@dataclass(frozen=True)
class Parcel:
    """A worker on its way.

    Attributes:
        main: The main module of the command.
        content: The worker, and Hydra's state.
        sender: The process of the command.
    """

    main: MainModule
    content: bytes
    sender: dict[str, Any]

    @property
    def has_arrived(self) -> bool:
        """Whether this is another process than that of the command."""
        return process_identity() != self.sender

    def unpack(self) -> Worker:
        """Makes this process like that of the command, and returns the worker.

        Raises:
            ConfigError: If the main module cannot be imported.
        """
        if self.has_arrived:
            with importing():
                self.main.restore()
                worker, state, has_callbacks = cloudpickle.loads(self.content)
            state[RESOLVERS] = {**resolvers(), **state[RESOLVERS]}
            state["instances"][Plugins] = Plugins.instance()  # which Hydra would look for again
            Singleton.set_state(state)
        else:
            worker, state, has_callbacks = cloudpickle.loads(self.content)
            set_resolvers({**_left_out, **resolvers(), **state[RESOLVERS]})
        if not has_callbacks:
            with trusting(worker.context):
                callbacks = type(worker.context.callbacks)(worker.composer.bases.master)
            worker = replace(worker, context=replace(worker.context, callbacks=callbacks))
        assert isinstance(worker, Worker), "it was packed"
        return worker


def pack(worker: Worker) -> Parcel:
    """Packs a worker.

    Callbacks that cannot travel, for example because they hold a lock, are created again from the
    configuration.

    Raises:
        ConfigError: If the task function cannot travel.
    """
    main = MainModule.of_this_process(getattr(worker.task_function, "__module__", ""))
    has_main = main.path is not None
    context = worker.context
    has_callbacks = _travels(context.callbacks, has_main=has_main)
    if not has_callbacks:
        worker = replace(worker, context=replace(context, callbacks=type(context.callbacks)()))
    state = Singleton.get_state()
    state[RESOLVERS] = {
        name: resolver
        for name, resolver in state[RESOLVERS].items()
        if _travels(resolver, has_main=has_main)
    }
    try:
        content = _dumps((worker, state, has_callbacks), has_main=has_main)
    except Exception as error:  # of whatever kind: it is about the application's objects
        raise ConfigError(
            f"the task function cannot be sent to worker processes ({error}); "
            "define it at the top level of a module, with what it needs"
        ) from error
    return Parcel(main, content, process_identity())


@contextmanager
def only_what_travels() -> Iterator[None]:
    """Leaves out of Hydra's state in the block what cannot be sent by value.

    Launchers send the state so. In a parcel it travels by name. A job that a launcher runs in this
    process finds here what was left out.
    """
    all_of_them = resolvers()
    travelling = {n: r for n, r in all_of_them.items() if _travels(r, has_main=False)}
    _left_out.update((n, r) for n, r in all_of_them.items() if n not in travelling)
    set_resolvers(travelling)
    try:
        yield
    finally:
        _left_out.clear()
        set_resolvers(all_of_them)


def _travels(value: Any, *, has_main: bool) -> bool:
    try:
        _dumps(value, has_main=has_main)
    except Exception:  # of whatever kind: some of them are the object's own
        return False
    return True


def _dumps(value: Any, *, has_main: bool) -> bytes:
    with io.BytesIO() as file:
        _Pickler(file, has_main=has_main).dump(value)
        return file.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles by name where cloudpickle would not: from the main module, and what was decorated.

    A decorator such as `hydra.main` leaves the function that it decorates without a name of its
    own, but reachable by `__wrapped__` of what has its name now.

    Args:
        file: What is written to.
        has_main: Whether the main module exists at the other end.
    """

    def __init__(self, file: io.BytesIO, *, has_main: bool) -> None:
        super().__init__(file)
        self._has_main = has_main

    def reducer_override(self, obj: Any) -> Any:
        """Returns how an object is made at the other end."""
        if isinstance(obj, type | FunctionType) and (self._has_main or obj.__module__ != MAIN):
            wrappers = _wrappers(obj)
            if wrappers or (wrappers == 0 and obj.__module__ == MAIN):
                return _found, (obj.__module__, obj.__qualname__, wrappers)
        return super().reducer_override(obj)


def _wrappers(sought: Any) -> int | None:
    """Returns how many decorators hide a function or class from its name; None if it has none."""
    try:
        found = operator.attrgetter(sought.__qualname__)(sys.modules[sought.__module__])
    except (AttributeError, KeyError):
        return None
    for wrappers in range(MOST_WRAPPERS):
        if found is sought:
            return wrappers
        found = getattr(found, "__wrapped__", None)
    return None


def _found(module: str, name: str, wrappers: int) -> Any:
    found = operator.attrgetter(name)(importlib.import_module(module))
    for _ in range(wrappers):
        found = found.__wrapped__
    return found
