"""The document as a WSGI application: for uWSGI, FastWSGI, bjoern, gunicorn and eventlet."""

import pathlib

DOCUMENT = (pathlib.Path(__file__).parent.parent / "document.json").read_bytes()
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(DOCUMENT)))]


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [DOCUMENT]
