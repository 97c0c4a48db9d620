"""A database server as the storage of a study, for workers on several hosts.

A call that finds the server away is made again until it is back. The server keeps heartbeats and
locks, and only its clock counts, so that hosts need to share neither a folder nor the time.
"""

import abc
import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from typing import Any

import filelock
import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, SQLAlchemyError

from hydra_study_sweeper.errors import ConfigError, StudyError
from hydra_study_sweeper.storage.heartbeat import HEARTBEAT_SECONDS

log = logging.getLogger(__name__)

STALE_SECONDS = 60  # age of the last heartbeat from which a worker may be lost
SECOND_LOOK = 2 * HEARTBEAT_SECONDS  # so much later it is still stale if it is lost
PATIENCE_SECONDS = 300
SECRETS = {"password", "passwd", "pwd", "sslpassword", "odbc_connect"}  # of drivers' parameters
RETRY_SECONDS = 1.0


def has_password(url: str) -> bool:
    """Returns whether a URL has a password.

    Raises:
        ConfigError: If it is not the URL of a database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # what was typed may have a password in it
        raise ConfigError(
            "hydra.sweeper.storage is not the URL of a database, "
            "for example sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"
        ) from error
    return parsed.password is not None or bool(SECRETS & {key.lower() for key in parsed.query})


def keeps_locks(url: str) -> bool:
    """Returns whether a storage can keep the locks of its studies as well."""
    return make_url(url).get_backend_name() == "postgresql"


def check_database(url: str) -> None:
    """Makes sure that a database can be opened.

    Raises:
        ConfigError: If its driver is not installed.
        StudyError: If it does not answer, or not to this user.
    """
    shown = make_url(url).render_as_string()
    try:
        with _engine(url).connect() as connection:
            connection.detach()  # so that it is closed with the block
    except (ImportError, ArgumentError) as error:
        raise ConfigError(
            f"hydra.sweeper.storage={shown}: {error}; "
            "for PostgreSQL: pip install 'hydra-study-sweeper[postgres]' and postgresql+psycopg://..."
        ) from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error))
        raise StudyError(f"hydra.sweeper.storage={shown} cannot be used: {reason}") from error


def open_database(url: str) -> BaseStorage:
    """Opens a database; for a server it waits if need be."""
    if make_url(url).get_backend_name() == "sqlite":
        return optuna.storages.get_storage(url)
    # Two hosts that begin a study in an empty database would both make Optuna's tables.
    tables = ServerLock(url, "tables") if keeps_locks(url) else nullcontext()

    def open_it() -> RDBStorage:
        with tables, warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return RDBStorage(
                url,
                engine_kwargs=_engine_options(url),
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=STALE_SECONDS,
            )

    return ServerStorage(patiently(open_it))  # type: ignore[abstract]  # see _forward_all


def patiently(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Calls a function of the storage again and again while the server is away.

    Raises:
        StudyError: If it is unreachable for too long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    said = False
    while True:
        try:
            return call(*arguments, **options)
        except (SQLAlchemyError, StorageInternalError) as error:
            outage = _outage(error)
            if outage is None:
                raise
            if time.monotonic() > deadline:
                raise StudyError(
                    f"the database has been unreachable for {PATIENCE_SECONDS} s: {outage}; "
                    "what ended is kept, the same command continues"
                ) from error
            if not said:
                log.warning("waiting for the database: %s", outage)
                said = True
        time.sleep(RETRY_SECONDS)


def _outage(error: BaseException | None) -> str | None:
    """Says what the server or the connection to it had, if an error comes from that."""
    while error is not None:
        if isinstance(error, (OperationalError, InterfaceError)):
            return " ".join(str(error.orig).split())
        error = error.__cause__ or error.__context__
    return None


def _forwarding(method: str) -> Callable[..., Any]:
    def call(self: "ServerStorage", *arguments: Any, **options: Any) -> Any:
        return patiently(getattr(self.storage, method), *arguments, **options)

    return call


def _forward_all(cls: type[BaseStorage]) -> type[BaseStorage]:
    """Gives a class the methods of Optuna's storages that it has not, to hand them on."""
    for name in vars(BaseStorage):
        if not name.startswith("_") and name not in vars(cls):
            setattr(cls, name, _forwarding(name))
    return abc.update_abstractmethods(cls)


class ServerStorage(BaseStorage):
    """Optuna's storage in a database server, whose outages are waited out.

    Args:
        server: Optuna's own.
    """

    def __init__(self, server: RDBStorage) -> None:
        self._server = server
        self._stale_since: dict[int, float] = {}
        self.storage = optuna.storages.get_storage(server)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Does what Optuna's storages do; what a broken call had done already is no error."""
        calls = 0

        def call() -> bool:
            nonlocal calls
            calls += 1
            try:
                done = self.storage.set_trial_state_values(trial_id, state, values)
            except UpdateFinishedTrialError:
                if calls > 1 and self.storage.get_trial(trial_id).state is state:
                    return True
                raise
            # A waiting trial is taken under the study's lock, so that nobody else has taken it.
            return done or (calls > 1 and state is TrialState.RUNNING)

        return bool(patiently(call))

    def heartbeat(self, trial_id: int) -> None:
        """Records that the worker of a trial is alive."""
        patiently(self._server.record_heartbeat, trial_id)

    def stale_trials(self, study_id: int) -> set[int]:
        """Returns the running trials whose workers' heartbeats are too old, and stay so.

        After an outage of the server all are stale; living workers have time for another heartbeat.
        """
        now = time.monotonic()
        # Optuna's public fail_stale_trials would fail them at the first look, and by itself.
        stale = set(patiently(self._server._get_stale_trial_ids, study_id))
        self._stale_since = {n: self._stale_since.get(n, now) for n in stale}
        return {n for n, since in self._stale_since.items() if now - since >= SECOND_LOOK}


_forward_all(ServerStorage)  # type: ignore[type-abstract]


class ServerLock:
    """A lock that a PostgreSQL server keeps, and releases when its holder's connection ends.

    https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS

    Args:
        url: The database.
        name: What is locked.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        digest = hashlib.sha256(name.encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._connection: sqlalchemy.Connection | None = None

    def acquire(self, timeout: float = -1) -> None:
        """Waits for the lock, and for the server.

        Args:
            timeout: 0 not to wait for the lock, as `filelock.FileLock` has it.

        Raises:
            filelock.Timeout: If it is not free and not waited for.
        """
        if timeout == 0:
            if not patiently(self._ask, "pg_try_advisory_lock"):
                raise filelock.Timeout(self._name)
        else:
            patiently(self._ask, "pg_advisory_lock")

    def release(self) -> None:
        """Gives the lock back."""
        assert self._connection is not None, "it was acquired"
        connection, self._connection = self._connection, None
        try:
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_unlock({self._key})"))
            connection.commit()
        except SQLAlchemyError:  # a server that went away has released it
            connection.invalidate()
        connection.close()

    def _ask(self, function: str) -> Any:
        connection = _engine(self._url).connect()
        try:
            answer = connection.execute(sqlalchemy.text(f"SELECT {function}({self._key})")).scalar()
            connection.commit()
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        if answer is False:
            connection.close()
        else:
            self._connection = connection
        return answer

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *problem: object) -> None:
        self.release()


@cache
def _engine(url: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(url, **_engine_options(url))


def _engine_options(url: str) -> dict[str, Any]:
    """Has broken connections replaced, and both ends notice within a minute that one is broken."""
    options: dict[str, Any] = {"pool_pre_ping": True}
    if keeps_locks(url):
        kept_alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
        of_server = " ".join(f"-c tcp_{name}={value}" for name, value in kept_alive.items())
        options["connect_args"] = kept_alive | {"options": of_server}
    return options
