"""How each peer is started. A function takes the `Bench`, and answers the process and where it listens."""

import pathlib

from . import machine, processes

THREADS = 64
PROCESSES = 2


def right_document(status, body):
    """Whether a peer answered with the document, byte for byte."""
    return status == 200 and body.decode(errors="replace") == machine.DOCUMENT


def minimal():
    """The command of the minimal responder."""
    return [machine.OUT / "peers" / "release" / "minimal"]


def bare_rows():
    """The command of the responder that does one statement of the bare MariaDB driver a request."""
    return [machine.OUT / "peers" / "release" / "bare_rows"]


def libfcgi(threads):
    """The command of the responder in C."""
    return [machine.OUT / "libfcgi", threads, machine.PEERS / "document.json", machine.PEERS / "head.txt"]


def fastcgi_crate():
    """The command of the responder on the crate `fastcgi`."""
    return [machine.OUT / "peers" / "release" / "fastcgi_crate"]


def go():
    """The command of the responder in Go."""
    return [machine.OUT / "go", machine.PEERS / "document.json", machine.PEERS / "head.txt"]


def start_php(bench):
    """PHP-FPM with 64 children and the distribution's php.ini."""
    binary = sorted(pathlib.Path("/usr/sbin").glob("php-fpm*"))[-1]
    path, conf = bench.folder / "php.sock", bench.folder / "php-fpm.conf"
    root = processes.os.geteuid() == 0
    user = "user = www-data\ngroup = www-data\nlisten.mode = 0666\n" if root else ""
    conf.write_text(
        f"[global]\nerror_log = {bench.folder}/php.error.log\n"
        f"[bench]\nlisten = {path}\nlisten.backlog = 1024\npm = static\npm.max_children = {THREADS}\n{user}"
    )
    # www-data may not look into the folder of the sources, nor have to.
    script = bench.folder / "php" / "index.php"
    script.parent.mkdir(mode=0o755)
    script.write_text((machine.PEERS / "php" / "index.php").read_text())
    for name in ("document.json", "head.txt"):
        (bench.folder / name).write_bytes((machine.PEERS / name).read_bytes())
    process = bench.start("php", [binary, "--nodaemonize", "--fpm-config", conf])
    bench.wait_for_socket("php", process, path)
    return process, path, f"fastcgi_param SCRIPT_FILENAME {script};"


def start_uwsgi(bench):
    """uWSGI with two processes, speaking its own protocol."""
    path = bench.folder / "uwsgi.sock"
    command = [machine.VENV / "bin" / "python", "-c", "import pyuwsgi, sys; pyuwsgi.run(sys.argv[1:])"]
    command += ["--master", "--processes", PROCESSES, "--disable-logging", "--socket", path, "--chmod-socket=666"]
    command += ["--listen", 100, "--pythonpath", machine.PEERS / "python", "--module", "wsgi", "--need-app"]
    process = bench.start("uwsgi", command)
    bench.wait_for_socket("uwsgi", process, path)
    return process, path


def start_http(bench, name):
    """A Python server that speaks HTTP itself. Answers the process and the port."""
    port = processes.free_port()
    python, sources = machine.VENV / "bin" / "python", machine.PEERS / "python"
    commands = {
        "gunicorn": [
            *(python, "-m", "gunicorn", "--workers", 1, "--bind", f"127.0.0.1:{port}", "--log-level", "error"),
            *("--chdir", sources, "wsgi:application"),
        ],
        "uvicorn": [
            *(python, "-m", "uvicorn", "--port", port, "--no-access-log", "--log-level", "error"),
            *("--app-dir", sources, "asgi:application"),
        ],
    }
    command = commands.get(name, [python, sources / "serve.py", name, port])
    return bench.start_on_port(name, command, port), port
