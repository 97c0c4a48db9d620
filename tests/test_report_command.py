"""The command `rnnclf report`: its errors."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing",), "error: missing: no such folder in "),
        (("empty",), "error: no finished run below empty\n"),
    ],
)
def test_what_is_wrong_is_one_line_and_no_page(tmp_path, rnnclf, arguments, message):
    (tmp_path / "empty").mkdir()
    done = rnnclf("report", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert not (tmp_path / "report.html").exists()
