"""The storage of a study: a journal in its folder, or a database; and the study in it."""

import optuna
from optuna.storages import BaseStorage

from hydra_study_sweeper.errors import ConfigError, StudyError
from hydra_study_sweeper.options import StudySpec
from hydra_study_sweeper.paths import StudyPaths
from hydra_study_sweeper.storage.journal import open_journal
from hydra_study_sweeper.storage.locks import claim_lock


def open_storage(spec: StudySpec, *, begun: bool = False) -> BaseStorage:
    """Opens the database of a study, or its journal.

    Raises:
        StudyError: If the study has begun, and there is no journal.
    """
    if spec.storage is None:
        paths = StudyPaths(spec.folder)
        try:
            return open_journal(paths, begun=begun)
        except FileNotFoundError as error:
            raise StudyError(_gone(spec, str(paths.journal))) from error
    # SQLAlchemy takes a tenth of a second to import, for which other studies need not wait.
    from hydra_study_sweeper.storage.database import open_database

    return open_database(spec.storage)


def refuse_password(url: str | None) -> None:
    """Makes sure that the URL of a database has no password.

    Raises:
        ConfigError: If it has one, or is no such URL.
    """
    if url is not None:
        from hydra_study_sweeper.storage.database import has_password

        if has_password(url):
            raise ConfigError(
                "hydra.sweeper.storage has a password, which every trial would write to its files; "
                "leave it out, and put it into ~/.pgpass or PGPASSWORD for PostgreSQL, or "
                "name a file with it, as in mysql+pymysql://HOST/DATABASE?read_default_file=FILE"
            )


def check_storage(spec: StudySpec) -> None:
    """Makes sure that the database of a study can be opened.

    Raises:
        ConfigError: If its URL is wrong or its driver is not installed.
        StudyError: If it does not answer.
    """
    if spec.storage is not None:
        from hydra_study_sweeper.storage.database import check_database

        check_database(spec.storage)


def open_study(spec: StudySpec, storage: BaseStorage, *, begun: bool) -> optuna.Study:
    """Opens a study in its storage, which is made there unless it has begun.

    Raises:
        ConfigError: If another command begins another study in its folder at the same time.
        StudyError: If the study has begun, but its storage no longer has it.
    """
    pruner = optuna.pruners.NopPruner()
    if not begun:
        with claim_lock(spec):
            _refuse_others(spec, storage)
            return optuna.create_study(
                study_name=spec.name,
                storage=storage,
                directions=list(spec.directions),
                pruner=pruner,
                load_if_exists=True,
            )
    try:
        return optuna.load_study(study_name=spec.name, storage=storage, pruner=pruner)
    except KeyError as error:
        raise StudyError(_gone(spec, "its storage")) from error


def _refuse_others(spec: StudySpec, storage: BaseStorage) -> None:
    names = set() if spec.storage else set(optuna.get_all_study_names(storage))
    for other in names - {spec.name}:
        raise ConfigError(
            f"another command has just begun the study {other} in {spec.folder}; "
            "choose another hydra.sweep.dir"
        )


def _gone(spec: StudySpec, place: str) -> str:
    return f"the study {spec.name} is no longer in {place}; put it back, the same command continues"
