"""A page that only this machine can open."""

from collections.abc import Iterable
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOOPBACK = "127.0.0.1"


class Server(ThreadingMixIn, WSGIServer):
    """Has a thread for each connection: browsers open some on which they say nothing at first."""

    daemon_threads = True


def for_this_machine(page: WSGIApplication, port: int) -> WSGIApplication:
    """Answers under this machine's own names alone.

    A page of somebody else, open in the same browser, could have a name of its own lead here and
    read what is answered (DNS rebinding).
    """

    def answer(request: WSGIEnvironment, respond: StartResponse) -> Iterable[bytes]:
        if request.get("HTTP_HOST", "").removesuffix(f":{port}") in (LOOPBACK, "localhost"):
            return page(request, respond)
        respond("403 Forbidden", [("Content-Type", "text/plain")])
        return [f"This page is at http://{LOOPBACK}:{port}/ only.\n".encode()]

    return answer
