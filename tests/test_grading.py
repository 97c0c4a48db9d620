"""`rnnclf grade`: a table of submissions, whatever is in them, and nothing of theirs is run."""

import csv
import io
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from project import REPO

from rnnclf.bundles.pick import write_picks
from rnnclf.bundles.submission import unpack
from rnnclf.bundles.submission.archive import Group, choose_for
from rnnclf.bundles.submission.grading import Grade, grade_archive
from rnnclf.bundles.submission.page import report
from rnnclf.errors import DataError
from rnnclf.runs.find import find_runs

GROUP = Group(7, ("sample",), "gru")
NAME = "GROUP_7_PROJECT_PART2"


@pytest.fixture(scope="module")
def handed_in(outputs, tmp_path_factory) -> Path:
    """What a group hands in, unpacked; copy it before changing it."""
    folder = tmp_path_factory.mktemp("handed-in") / NAME
    picks = choose_for(GROUP, find_runs([outputs]).runs)
    write_picks(picks, folder / "models")
    (folder / "REPORT.md").write_text(report("Group 7", picks))
    (folder / "code").mkdir()
    (folder / "code" / "sitecustomize.py").write_text("raise SystemExit('run')")
    return folder


@pytest.fixture
def folder(handed_in, tmp_path) -> Path:
    return Path(shutil.copytree(handed_in, tmp_path / NAME))


def graded(folder: Path, group: Group = GROUP) -> Grade:
    packed = shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    return graded_zip(Path(packed), group)


def graded_zip(path: Path, group: Group = GROUP) -> Grade:
    (grade,) = grade_archive(path, {group.number: group}, None)
    return grade


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_an_honest_submission_is_as_reported(folder):
    grade = graded(folder)
    assert (grade.group, grade.dataset, grade.verdict) == (7, "sample", "as reported")
    assert grade.computed == pytest.approx(grade.reported, abs=0.00005)


def test_an_accuracy_that_the_model_does_not_have_is_found(folder):
    honest = graded(folder)
    claimed = honest.computed + 0.1
    replace(folder / "REPORT.md", f"{honest.reported:.4f}", f"{claimed:.4f}")
    assert graded(folder).verdict.startswith(f"accuracy: {claimed:.4f} in REPORT.md, ")
    replace(folder / "models/sample-gru/metrics.json", str(honest.computed), str(claimed))
    grade = graded(folder)
    assert (grade.verdict, grade.computed) == ("NOT AS REPORTED", honest.computed)


@pytest.mark.parametrize(
    ("file", "old", "new", "verdict"),
    [
        ("REPORT.md", "| sample |", "| spam |", "not in REPORT.md"),
        ("REPORT.md", " | 150 | ", " | 15 | ", "test texts: 15 in REPORT.md, 150 in models/sample"),
        ("models/sample-gru/config.yaml", "name: sample", "name: spam", "data set: sample in"),
        ("models/sample-gru/config.yaml", "split_seed: 0", "split_seed: 1", "another split of"),
        ("models/sample-gru/config.yaml", "cell: gru", "cell: ${oc.env:HOME}", "an interpolation"),
        (
            "models/sample-gru/labels.txt",
            "human",
            "\x1b[2J",
            "models/sample-gru/labels.txt",
        ),
    ],
)
def test_what_is_wrong_is_the_verdict(folder, file, old, new, verdict):
    replace(folder / file, old, new)
    assert graded(folder).verdict.startswith(verdict)


def test_another_cell_than_the_groups_is_named(folder):
    assert graded(folder, Group(7, ("sample",), "lstm")).verdict.startswith("a gru, where")


def test_only_the_report_and_the_models_are_unpacked(folder):
    (folder / "models/sample-gru/evil.py").touch()
    shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    with unpack.unpacked(folder.with_suffix(".zip")) as place:
        names = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    files = ("config.yaml", "labels.txt", "metrics.json", "model.safetensors", "vocabulary.txt")
    assert names == {"REPORT.md", *(f"models/sample-gru/{name}" for name in files)}
    assert not place.exists()


def member(name: str, kind: int = stat.S_IFREG) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"x/{name}")
    info.external_attr = (kind | 0o644) << 16
    return info


def zipped(
    *members: tuple[str | zipfile.ZipInfo, str | bytes], how: int = zipfile.ZIP_DEFLATED
) -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members:
                archive.writestr(name, content, how)
        return file.getvalue()


def changed(at: bytes, offset: int, new: bytes) -> bytes:
    """A sound archive with other bytes at an offset behind the last place of a signature."""
    content = bytearray(zipped((member("REPORT.md"), "a" * 9999)))
    place = content.rindex(at) + offset
    content[place : place + len(new)] = new
    return bytes(content)


OUTSIDE = ("../../outside", "/tmp/outside", "x/models/../../../outside")
LINKED = member("REPORT.md", stat.S_IFLNK)
HOSTILE = {
    "text": (b"nothing", "not a sound zip file"),
    "outside": (zipped(*((name, "theirs") for name in OUTSIDE)), "it has no REPORT.md"),
    "linked report": (zipped((LINKED, "/etc/passwd")), "REPORT.md is not a regular file"),
    "twice": (
        zipped((member("REPORT.md"), "one"), ("y/REPORT.md", "two")),
        "REPORT.md is there twice",
    ),
    "lzma": (
        zipped((member("REPORT.md"), "a" * 999), how=zipfile.ZIP_LZMA),
        "REPORT.md is compressed in a way",
    ),
    "bomb": (
        zipped((member("REPORT.md"), ""), (member("models/m/model.safetensors"), "0" * 2**22)),
        "its models are larger",
    ),
    "no models": (zipped((member("REPORT.md"), "nothing")), "not in REPORT.md"),
    "no report": (zipped((member("models/m/labels.txt"), "nothing")), "it has no REPORT.md"),
    "UTF-16": (
        zipped((member("REPORT.md"), "nothing".encode("utf-16"))),
        "REPORT.md is not in UTF-8",
    ),
    "encrypted": (changed(b"PK\1\2", 8, b"\1"), "not a sound zip file"),
    "truncated": (zipped((member("REPORT.md"), "a" * 9999))[:-10], "not a sound zip file"),
    "beheaded": (zipped((member("REPORT.md"), "a" * 9999))[5:], "REPORT.md would begin before"),
    "damaged": (changed(b"PK\1\2", -14, b"\xff\xff"), "not a sound zip file"),
    "many": (
        changed(unpack.END, 12, (2**30).to_bytes(4, "little")),
        "not a zip file of a submission",
    ),
}


@pytest.mark.parametrize("kind", ["pipe", "link", *HOSTILE])
def test_a_broken_submission_has_a_row_that_says_why(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "LARGEST_CONTENT", 2**20)
    path = tmp_path / "in" / f"{NAME}.zip"
    path.parent.mkdir()
    verdict = f"{path.name}: not a regular file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        verdict = f"{path.name}: a symbolic link"
        path.symlink_to("/dev/zero")
    else:
        content, verdict = HOSTILE[kind]
        path.write_bytes(content)
    grade = graded_zip(path)
    assert (grade.group, grade.computed) == (7, None)
    assert grade.verdict.startswith(verdict)
    assert [one.name for one in tmp_path.iterdir()] == ["in"]
    assert not Path("/tmp/outside").exists()
    if kind not in ("outside", "no models", "no report", "UTF-16"):
        refused = OSError if kind in ("pipe", "link") else DataError
        with pytest.raises(refused), unpack.unpacked(path):
            pass


@pytest.mark.parametrize(
    "content", [b"a" * 2**21, b"[" * 100_000, b"\xff", b'{"name": "\x1b]0;x\x07"}']
)
@pytest.mark.parametrize(
    "file", ["REPORT.md", "models/sample-gru/metrics.json", "models/sample-gru/config.yaml"]
)
def test_a_damaged_file_is_the_verdict(file, content, folder):
    (folder / file).write_bytes(content)
    grade = graded(folder)
    assert (grade.group, grade.computed) == (7, None)
    assert grade.verdict.isprintable()


@pytest.mark.parametrize(
    "renamed",
    [
        "{}",  # the files themselves
        "a/GROUP_7/{}",  # a folder that was zipped with its folder
        "./a/b/c/{}",
        "a\\GROUP_7\\{}",  # by a program that writes the names of Windows
    ],
)
def test_the_folders_around_a_submission_do_not_matter(renamed, handed_in, tmp_path):
    packed = tmp_path / f"{NAME}.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"__MACOSX/{NAME}/._REPORT.md", "of macOS")
        archive.writestr(renamed.format("code/REPORT.md"), "deeper than the report")
        for path in handed_in.rglob("*.*"):
            name = str(path.relative_to(handed_in))
            archive.write(path, renamed.format(name.replace("/", "\\" * ("\\" in renamed) or "/")))
    assert graded_zip(packed).verdict == "as reported"


def test_the_table_has_a_row_for_each_data_set(rnnclf, tmp_path):
    for name in ("late/GROUP_99_PROJECT_PART2.ZIP", "essay.zip", f"{NAME}/REPORT.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("nothing")
    done = rnnclf("grade", str(tmp_path), "--format", "csv", cwd=REPO)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert done.returncode == 1
    assert [(row["group"], row["archive"], row["verdict"]) for row in rows] == [
        ("7", NAME, f"{NAME}: not a regular file"),
        ("99", "late/GROUP_99_PROJECT_PART2.ZIP", "no group 99"),
        ("", "essay.zip", "its name has no GROUP_N_PROJECT_PART2"),
    ]
    done = rnnclf("grade", str(tmp_path), cwd=REPO)
    assert "late/GROUP_99_PROJECT_PART2.ZIP" in done.stdout


def test_without_the_raw_files_nothing_is_graded(rnnclf, folder, tmp_path):
    raw = tmp_path / "rt-polaritydata.tar.gz"
    raw.touch()  # a damaged one, so that nothing is downloaded
    (tmp_path / f"{NAME}.zip").touch()
    done = rnnclf("grade", f"{NAME}.zip", "--data", str(tmp_path), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")  # nothing of it can be graded anyway
    replace(folder / "REPORT.md", "| sample |", "| sentiment |")
    replace(folder / "models/sample-gru/config.yaml", "name: sample", "name: sentiment")
    shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    done = rnnclf("grade", f"{NAME}.zip", "--data", str(tmp_path), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    told = "error: sentiment is graded with its raw files, in the folder that --data or RNNCLF_DATA"
    assert done.stderr.startswith(f"{told} names: {raw}: not the published file")
    assert done.stderr.count("\n") == 1
