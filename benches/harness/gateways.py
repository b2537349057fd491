"""The sections that compare ways of answering the same document: behind nginx, behind Apache, and straight HTTP."""

import functools

from . import hearth, machine, peers, processes
from .load import Target
from .webserver import Apache, Nginx


PHP, UWSGI = "PHP-FPM, 64 children", "uWSGI, 2 processes"


def _tree(process):
    return functools.partial(processes.tree, process.pid)


def _responders(wanted):
    """Name and command of the responders that listen on the socket that they were handed, for those that are wanted."""
    every = {
        "minimal responder": peers.minimal,
        "hearth": None,
        "C libfcgi, 64 threads": functools.partial(peers.libfcgi, peers.THREADS),
        "C libfcgi, one thread": functools.partial(peers.libfcgi, 1),
        "crate fastcgi 1.0.0": peers.fastcgi_crate,
        "Go net/http/fcgi": peers.go,
    }
    return {name: command for name, command in every.items() if wanted(name)}


def _start(bench, name, command):
    """Starts a responder. Answers process ids, socket, and what to ask it and expect of it."""
    if command is None:
        process, path = hearth.start_responder(bench)
        return _tree(process), path, {"path": hearth.PATH, "check": hearth.right_versions}
    key = "".join(letter if letter.isalnum() else "-" for letter in name)
    process, path = bench.start_on_socket(key, command())
    return _tree(process), path, {"check": peers.right_document}


def nginx(bench, wanted, kept):
    """Through nginx with one worker, with kept connections to the responder or with one for each request."""
    server, targets = Nginx(bench), []

    def add(name, port, app, check=peers.right_document, path="/"):
        targets.append(Target(name, port, check, web=server.pids, app=app, path=path))

    if kept and wanted("nginx return"):
        add("nginx return", server.own_answer(machine.DOCUMENT), None)
    for number, (name, command) in enumerate(_responders(wanted).items()):
        # With kept connections one thread serves one of them for ever, and the other 31 wait.
        if kept and name == "C libfcgi, one thread":
            continue
        with bench.candidate(name):
            app, path, expected = _start(bench, name, command)
            add(name, server.fastcgi(f"responder{number}", path, kept), app, **expected)
    with bench.candidate(PHP):
        if wanted(PHP):
            process, path, extra = peers.start_php(bench)
            add(PHP, server.fastcgi("php", path, kept, extra), _tree(process))
    with bench.candidate(UWSGI):
        if wanted(UWSGI):
            process, path = peers.start_uwsgi(bench)
            add(UWSGI, server.uwsgi(path), _tree(process))
    if targets:
        server.start()
    return targets


def apache_proxy(bench, wanted, reuse):
    """Through Apache's mod_proxy_fcgi, with and without reuse of connections."""
    server, targets = Apache(bench), []
    for number, (name, command) in enumerate(_responders(wanted).items()):
        if reuse and name == "C libfcgi, one thread":
            continue
        with bench.candidate(name):
            app, path, expected = _start(bench, name, command)
            port = server.proxy(f"responder{number}", path, reuse)
            targets.append(Target(name, port, web=server.pids, app=app, **expected))
    if targets:
        server.start()
    return targets


def apache_fcgid(bench, wanted):
    """Through Apache's mod_fcgid, which starts the responders itself."""
    server, targets = Apache(bench), []
    for name, command in _responders(wanted).items():
        if name not in ("minimal responder", "hearth", "C libfcgi, one thread"):
            continue
        environment, expected = None, {"check": peers.right_document}
        with bench.candidate(name):
            if command is None:
                environment = hearth.installed(bench)
                expected = {"path": hearth.PATH, "check": hearth.right_versions}
            line = [machine.hearth()] if command is None else command()
            app = functools.partial(server.children, line)
            targets.append(Target(name, server.fcgid(line, environment), web=server.pids, app=app, **expected))
    if targets:
        server.start()
    return targets


def http(bench, wanted):
    """Straight HTTP/1.1 with kept connections, no web server between."""
    targets = []
    with bench.candidate("hearth serve"):
        if wanted("hearth serve"):
            process, port = hearth.start_http(bench)
            targets.append(Target("hearth serve", port, hearth.right_versions, app=_tree(process), path=hearth.PATH))
    for name in ("fastwsgi", "bjoern", "gunicorn", "uvicorn", "eventlet"):
        with bench.candidate(name):
            if wanted(name):
                process, port = peers.start_http(bench, name)
                targets.append(Target(name, port, peers.right_document, app=_tree(process)))
    return targets


# Key, title, what builds the candidates, and the candidate that the others are compared with first.
SECTIONS = (
    ("nginx-kept", "nginx, kept connections", functools.partial(nginx, kept=True)),
    ("nginx-each", "nginx, a connection for each request", functools.partial(nginx, kept=False)),
    ("apache-kept", "Apache mod_proxy_fcgi, enablereuse=on", functools.partial(apache_proxy, reuse=True)),
    ("apache-each", "Apache mod_proxy_fcgi, enablereuse=off", functools.partial(apache_proxy, reuse=False)),
    ("apache-fcgid", "Apache mod_fcgid", apache_fcgid),
    ("http", "straight HTTP", http),
)
