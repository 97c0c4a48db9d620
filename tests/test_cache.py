"""The cache of prepared data: found again, never torn, never stale, never in the way."""

import logging
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra_study_sweeper.paths import host_lock
from processes import FORKSERVER
from project import composed

from rnnclf.configuration.schema import DatasetConfig
from rnnclf.data.cache import Entry, kept
from rnnclf.data.prepared import load_test, prepare
from rnnclf.errors import DataError

STRINGS = ["", "naïve", "two\nlines", "🙂"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; what the process itself remembers of prepared data is forgotten."""
    from rnnclf.data import prepared

    prepared._prepare.cache_clear()
    monkeypatch.setenv("RNNCLF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build() -> Entry:
    return Entry({"numbers": np.arange(1000)}, {"words": STRINGS})


def never() -> Entry:
    raise AssertionError("it is there already")


def build_and_count(folder: Path) -> list[str]:
    def counted() -> Entry:
        (folder / f"built-{np.random.default_rng().integers(2**60)}").touch()
        return build()

    return list(kept("numbers", 1, counted).strings["words"])


def test_an_entry_is_made_anew_when_the_code_that_makes_entries_changed(tmp_path, monkeypatch):
    code = tmp_path / "code/cache.py"
    code.parent.mkdir()
    monkeypatch.setattr("rnnclf.data.cache.__file__", str(code))
    code.write_text("before")
    kept("entry", 1, build)
    kept("entry", 1, never)
    code.write_text("after")
    with pytest.raises(AssertionError, match="there already"):
        kept("entry", 1, never)


def test_what_was_made_once_is_found_again():
    made = kept("numbers", {"a": 1}, build)
    found = kept("numbers", {"a": 1}, never)
    for entry in (made, found):
        assert entry.arrays.keys() == {"numbers"}
        assert np.array_equal(entry.arrays["numbers"], np.arange(1000))
        assert list(entry.strings["words"]) == STRINGS


def test_arrays_of_any_layout_and_type_are_found_as_they_were():
    turned = np.arange(6, dtype=np.int32).reshape(2, 3).T
    arrays = {"turned": turned, "one": np.array(7), "none": np.empty((0, 2), np.float32)}
    kept("arrays", 1, lambda: Entry(arrays))
    found = kept("arrays", 1, never).arrays
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].tolist()) == (array.dtype, array.tolist())


def test_another_key_is_another_entry(cache):
    for key in (1, 2, {"a": 1}, {"a": 2}):
        kept("numbers", key, build)
    assert len(list(cache.glob("numbers-*.safetensors"))) == 4


ARRAY = '{"__metadata__": {"sha256": ""}, "a": {"dtype": %s, "shape": %s, "data_offsets": %s}}'
HEADERS = ["", "5", "[]", "{}", "[" * 100_000, '{"__metadata__": 5}']
HEADERS += [ARRAY % ('"F99"', "[1]", "[0, 1]"), ARRAY % ('"I64"', "[-9]", "[0, 8]")]
HEADERS += [ARRAY % ("[]", '"x"', "[8, 0]"), ARRAY % ('"U8"', "[1, 2]", '["0", 1e99]')]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:50],
        lambda content: b"",
        lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
        lambda content: content.replace(b"sha256", b"sha257"),
        lambda content: content.replace(b"I64", b"U64"),
        lambda content: b"\xff" * 8 + content[8:],
        *(
            lambda _, header=header: len(header).to_bytes(8, "little") + header.encode() + bytes(9)
            for header in HEADERS
        ),
    ],
)
def test_a_damaged_entry_is_made_anew(cache, damage, caplog):
    kept("numbers", 1, build)
    (path,) = cache.glob("*.safetensors")
    whole = path.read_bytes()
    path.unlink()  # the file that is mapped into memory stays as it is
    path.write_bytes(damage(whole))
    assert list(kept("numbers", 1, build).strings["words"]) == STRINGS
    assert list(kept("numbers", 1, never).strings["words"]) == STRINGS
    assert caplog.text.count("is damaged and is made again") == 1


def test_of_processes_that_start_at_once_one_makes_it(tmp_path):
    with ProcessPoolExecutor(4, FORKSERVER) as pool:
        results = list(pool.map(build_and_count, [tmp_path] * 4))
    assert results == [STRINGS] * 4
    assert len(list(tmp_path.glob("built-*"))) == 1


def test_a_cache_that_cannot_be_written_is_no_obstacle(cache, caplog):
    cache.write_text("a file where the folder would be")
    with caplog.at_level(logging.WARNING):
        assert list(kept("numbers", 1, build).strings["words"]) == STRINGS
    assert "nothing is kept in the cache" in caplog.text


def test_a_failure_to_build_leaves_nothing(cache):
    with pytest.raises(ZeroDivisionError):
        kept("numbers", 1, lambda: 1 / 0)
    assert not list(cache.glob("*.safetensors"))


def csv_data(folder: Path) -> DatasetConfig:
    folder.mkdir()
    rows = [f"text number {i} is {'good' if i % 2 else 'bad'},{i % 2}" for i in range(40)]
    (folder / "train.csv").write_text("\n".join(["sentence,label", *rows]) + "\n")
    (folder / "test.csv").write_text("sentence,label\nthe secret of the test,1\n")
    return composed("dataset=csv", f"dataset.folder={folder}").dataset


def same(first: object, second: object) -> bool:
    return np.array_equal(first.words, second.words) and np.array_equal(
        first.lengths, second.lengths
    )


def test_prepared_data_is_the_same_from_the_cache(cache, tmp_path):
    config = csv_data(tmp_path / "data")
    fresh = prepare(config, tmp_path)
    again = prepare(replace(config), Path(str(tmp_path) + "/"))
    assert len(list(cache.glob("*.safetensors"))) == 1
    assert same(again.training, fresh.training)
    assert again.vocabulary.words == fresh.vocabulary.words
    assert again.validation_texts == fresh.validation_texts
    assert (again.data, again.splits) == (fresh.data, fresh.splits)


def test_texts_of_any_length_come_from_the_same_entry(cache, tmp_path):
    config = csv_data(tmp_path / "data")
    whole = prepare(config, tmp_path).training
    short = prepare(replace(config, max_length=2), tmp_path).training
    assert len(list(cache.glob("*.safetensors"))) == 1
    assert (whole.lengths.max(), short.lengths.max()) == (5, 2)


def test_changed_files_and_settings_are_prepared_anew(cache, tmp_path):
    config = csv_data(tmp_path / "data")
    first = prepare(config, tmp_path)
    prepare(replace(config, min_frequency=2), tmp_path)
    shutil.copytree(tmp_path / "data", tmp_path / "moved")
    moved = prepare(replace(config, folder=str(tmp_path / "moved")), tmp_path)
    assert moved.splits == first.splits
    assert len(list(cache.glob("*.safetensors"))) == 2, "the same files in another place"
    with (tmp_path / "moved" / "train.csv").open("a") as file:
        file.write("one more,1\n")
    changed = prepare(replace(config, folder=f"{tmp_path}/moved/"), tmp_path)
    assert len(changed.training) + len(changed.validation) == 41
    assert changed.data != first.data


def test_training_data_are_kept_apart_from_the_test_texts(cache, tmp_path):
    config = csv_data(tmp_path / "data")
    splits = prepare(config, tmp_path).splits
    (path,) = cache.glob("*.safetensors")
    assert b"secret" not in path.read_bytes()
    assert load_test(config, tmp_path, splits).texts == ["the secret of the test"]


def test_texts_that_were_changed_during_a_run_are_not_its_test(cache, tmp_path):
    config = csv_data(tmp_path / "data")
    splits = prepare(config, tmp_path).splits
    with (tmp_path / "data" / "test.csv").open("a") as file:
        file.write("one more,1\n")
    with pytest.raises(DataError, match=r"data/test.csv: changed while the run was training"):
        load_test(config, tmp_path, splits)


def test_a_cache_in_which_others_can_write_is_neither_read_nor_written(cache, caplog):
    kept("entry", 1, build)
    for mode in (0o770, 0o707):
        cache.chmod(mode)
        with pytest.raises(AssertionError, match="there already"):
            kept("entry", 1, never)
        assert f"{cache}: others can write there; nothing is kept in the cache" in caplog.text
        kept("other", mode, build)
    assert len(list(cache.glob("*.safetensors"))) == 1
    cache.chmod(0o755)
    kept("entry", 1, never)


def test_without_a_home_nothing_is_kept(monkeypatch, caplog):
    """A container may have a user without a name."""
    for name in ("RNNCLF_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    assert list(kept("entry", 1, build).strings["words"]) == STRINGS
    assert (
        "there is no home folder; set XDG_CACHE_HOME; nothing is kept in the cache" in caplog.text
    )
    with pytest.raises(OSError, match="no home folder"):
        host_lock("gpu-0")
