"""Files that are either whole or not there."""

import stat

import pytest
from hydra_study_sweeper.files import discard_unfinished, refuse_links, replacing, write_text


def test_while_a_file_is_written_the_old_one_stands_and_nothing_else_has_its_name(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert list(tmp_path.rglob("result.json")) == [path], "no reader takes it for a result"
        assert temporary.suffix == ".json"
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "result.json"
    write_text(path, "old")
    with pytest.raises(OSError, match="full"), replacing(path) as temporary:
        temporary.write_text("half")
        (temporary.parent / "of a library").write_text("half")
        raise OSError("full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_permissions_that_others_have(tmp_path):
    write_text(tmp_path / "ours", "")
    (tmp_path / "any").touch()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_what_a_killed_process_left_is_deleted(tmp_path):
    (tmp_path / "kept").touch()
    writing = replacing(tmp_path / "model.safetensors")
    writing.__enter__().write_text("half")  # and never left, like a process that is killed
    discard_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    with pytest.raises(FileNotFoundError):
        writing.__exit__(None, None, None)


@pytest.mark.parametrize(
    "name",
    [
        *("study.journal", "0", "worker-0.log", "0/.hydra", "0/.hydra/config.yaml", "0/app.log"),
        *("refit-of-2/1", "refit-of-2/study.journal", "tensorboard/trial-0/events.out.tfevents.1"),
    ],
)
def test_a_link_that_leads_elsewhere_from_where_files_are_written_is_refused(name, tmp_path):
    link = tmp_path / "study" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="a symbolic link that leads elsewhere"):
        refuse_links(tmp_path / "study")


def test_links_of_an_application_are_no_obstacle(tmp_path):
    study = tmp_path / "tensorboard" / "study"  # whatever the folder above it is called
    run = study / "0"
    run.mkdir(parents=True)
    (run / "data").symlink_to(tmp_path)
    (run / "latest.log").symlink_to(run / "app.log")
    refuse_links(study)
