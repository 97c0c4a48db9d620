"""What a stranger may put in place of a file, and how a stranger may name things."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

SECRET = "what only the victim may read"


def _pipe(path: Path, _victim: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path, _victim: Path) -> None:
    path.symlink_to("/dev/zero")


def _link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def _loop(path: Path, _victim: Path) -> None:
    path.symlink_to(path.name)


def _folder(path: Path, _victim: Path) -> None:
    path.mkdir()


def _huge(path: Path, _victim: Path) -> None:
    path.touch()
    os.truncate(path, 8 * 2**30)


def _containing(content: bytes) -> Callable[[Path, Path], None]:
    def make(path: Path, _victim: Path) -> None:
        path.write_bytes(content)

    return make


FILES: dict[str, Callable[[Path, Path], None]] = {
    "pipe": _pipe,
    "endless": _endless,
    "link": _link,
    "loop": _loop,
    "folder": _folder,
    "huge": _huge,
    "empty": _containing(b""),
    "binary": _containing(bytes(range(256)) * 16),
    "deep list": _containing(b"[" * 1_000_000),
    "deep mapping": _containing(b'{"a":' * 100_000),
    "number": _containing(b"5"),
    "null": _containing(b"null"),
    "escapes": _containing(b'"\x1b]52;c;ZXZpbA==\x07\x1b[2J"'),
    "surrogate": _containing(b'{"dataset": "\\ud800"}'),
    "long line": _containing(b"a" * 5_000_000),
}
"""By name, what makes a file that no reader should choke on, at a path; it may lead to a victim."""

NAMES = {
    "path up": "../../escaped",
    "absolute": "/tmp/escaped",
    "terminal": "\x1b]8;;http://evil\x07link\x1b]8;;\x07\x1b[2J",
    "rich": "[bold][link=http://evil]x[/link]",
    "rich broken": "[/nothing]",
    "markdown": "a|b\n# heading\n<img src=http://evil>",
    "html": "</script><script>document.title='owned'</script>",
    "spreadsheet": "=cmd|' /C calc'!A0",
    "right to left": "\u202egnp.exe",
    "line separators": "a\u2028b\x85c\rd",
    "shell": "$(touch owned); `touch owned` 'x",
    "dash": "-rf",
    "interpolation": "${oc.env:HOME}",
    "long": "x" * 200,
}
"""Names by what they attack."""


def copies(run: Path, into: Path, victim: Path) -> list[Path]:
    """Copies a run for each of its files and each kind of `FILES`, which takes its place."""
    made = []
    for name in sorted(path.name for path in run.iterdir() if path.is_file()):
        for kind, make in FILES.items():
            copy = into / f"{name} {kind}"
            shutil.copytree(run, copy, ignore=shutil.ignore_patterns(name))
            make(copy / name, victim)
            made.append(copy)
    return made
