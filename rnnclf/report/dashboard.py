"""optuna-dashboard on all studies below folders."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from optuna_dashboard import wsgi

from rnnclf.errors import SelectionError
from rnnclf.study.journals import find_journals, open_journals

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK = "127.0.0.1"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing of requests."""


def serve(folders: Sequence[Path], port: int, announce: Callable[[str], object]) -> None:
    """Serves the studies at and below folders until Ctrl-C, to this machine only.

    Args:
        folders: Where to look for journals of studies.
        port: The port; 0 for a free one.
        announce: Is called with the address.

    Raises:
        SelectionError: If a folder does not exist, no journal is there, or the port is taken.
        StudyError: If a journal is damaged.
    """
    for folder in folders:
        if not folder.is_dir():
            raise SelectionError(f"{folder}: no such folder")
    journals = find_journals(folders)
    if not journals:
        places = ", ".join(str(folder) for folder in folders)
        raise SelectionError(f"{places}: no study with a journal is there")
    with _bound(port) as server:
        server.set_app(_for_reading(wsgi(open_journals(journals))))
        announce(
            f"{len(journals)} studies on http://{LOOPBACK}:{server.server_port}/  (Ctrl-C ends it)"
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _for_reading(application: "WSGIApplication") -> "WSGIApplication":
    """Refuses requests that would change something, in the form that the dashboard shows."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "application/json")])
        return [b'{"reason": "The studies are shown for reading only."}']

    return answer


def _bound(port: int) -> _Server:
    try:
        return _Server((LOOPBACK, port), _QuietHandler)
    except OSError as error:
        raise SelectionError(
            f"port {port} of {LOOPBACK}: {error.strerror}; choose another with --port"
        ) from error
