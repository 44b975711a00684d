"""``python -m tests.compose``: builds the images, starts deploy/compose.yaml, trains the small example in containers.

The environment says with what:

- ``ENGINE``: what builds images, ``docker`` by default, or ``podman``.
- ``COMPOSE``: ``docker compose`` by default, or another command, such as ``docker-compose`` with ``DOCKER_HOST`` set.
- ``BASE``: the base image, if it shall be another one than the Containerfile's.
- ``BUILD_OPTIONS``: more options of ``build``, such as ``--network=host``.
- ``STANDINS=1``: other servers instead of the images of Valkey, MongoDB and PostgreSQL (``standin/``).

Everything that it starts is removed in the end, with its volumes; the images stay.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PROJECT = "rollq-compose-test"
TEMPLATE, WINDOWS = "small.yaml", 9
SECONDS = 900.0
ENGINE = os.environ.get("ENGINE") or "docker"
COMPOSE = shlex.split(os.environ.get("COMPOSE") or "docker compose")
STANDINS = os.environ.get("STANDINS", "") not in ("", "0")


def main() -> int:
    """Build, start, train, look, remove."""
    if problem := engine_problem():
        sys.exit(f"Error: {problem}\n  Fix: start it, or name another: docs/how-to/many-machines.md.")
    build(ROOT / "deploy" / "Containerfile", ROOT, {"rollq": "rollq:latest", "mlflow": "rollq-mlflow:latest"})
    if STANDINS:
        names = ("valkey", "mongo", "postgres")
        build(HERE / "standin" / "Containerfile", HERE / "standin", {x: f"rollq-standin-{x}:latest" for x in names})
    with tempfile.TemporaryDirectory(prefix="rollq-compose-") as folder:
        compose = Compose(write_secrets(Path(folder) / ".env"))
        with looked_after(), removed_in_the_end(compose):
            compose.run("up", "--detach", "--no-build")
            compose.run("run", "--rm", "--no-deps", "enqueue", f"/prices/{TEMPLATE}")
            found = wait_for_round(compose)
            (online,) = compose.json("exec", "-T", "worker", "rollq", "online", "show", "--json")
            signals = compose.json("exec", "-T", "worker", "rollq", "signals", "show", "--json")
    print(
        f"round {found['id']} is {found['status']}, {len(online['models'])} models serve, signals of {signals['date']}"
    )
    return 0 if (found["status"], len(online["models"])) == ("gathered", WINDOWS) and signals["signals"] else 1


def engine_problem() -> str:
    """Why the engine cannot be used; empty if it can."""
    if not shutil.which(ENGINE):
        return f"{ENGINE} is not installed."
    asked = subprocess.run([ENGINE, "info"], capture_output=True, text=True, check=False)
    return f"{ENGINE} does not answer: {asked.stderr.strip()[-200:]}" if asked.returncode else ""


def build(file: Path, context: Path, images: dict[str, str]) -> None:
    """Build targets of a Containerfile."""
    options = shlex.split(os.environ.get("BUILD_OPTIONS", ""))
    if base := os.environ.get("BASE"):
        options += ["--build-arg", f"BASE={base}"]
    for target, image in images.items():
        call([ENGINE, "build", *options, "--file", str(file), "--target", target, "--tag", image, str(context)])


class Compose:
    """Calls of compose for this project."""

    def __init__(self, secrets_file: Path) -> None:
        files = [ROOT / "deploy" / "compose.yaml", HERE / "compose.yaml"]
        files += [HERE / "standin" / "compose.yaml"] if STANDINS else []
        named = [part for file in files for part in ("--file", str(file))]
        self._command = [*COMPOSE, "--project-name", PROJECT, "--env-file", str(secrets_file), *named]

    def run(self, *arguments: str) -> None:
        """Call it; what it writes is seen."""
        call([*self._command, *arguments])

    def json(self, *arguments: str) -> Any:
        """Call it; what it writes is JSON."""
        return json.loads(subprocess.run([*self._command, *arguments], check=True, capture_output=True).stdout)


def write_secrets(path: Path) -> Path:
    """Passwords of this run, and where the example is."""
    names = ("REDIS_PASSWORD", "MONGO_PASSWORD", "MONGO_KEY", "POSTGRES_PASSWORD")
    lines = [f"{name}={secrets.token_hex(24)}" for name in names]
    path.write_text("\n".join([*lines, f"PRICES={ROOT / 'examples' / 'sp500'}"]) + "\n")
    path.chmod(0o600)
    return path


def wait_for_round(compose: Compose) -> dict[str, Any]:
    """The round, once it has ended.

    Raises:
        TimeoutError: it has not.
    """
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        (found,) = compose.json("exec", "-T", "worker", "rollq", "status", "--json")["rounds"]
        if found["status"] in ("gathered", "failed"):
            return dict(found)
        time.sleep(3)
    raise TimeoutError(f"The round is not gathered after {SECONDS:.0f} s.")


@contextmanager
def removed_in_the_end(compose: Compose) -> Iterator[None]:
    """Containers, networks and volumes; if something failed, what the containers said is shown first."""
    try:
        yield
    except BaseException:
        compose.run("logs", "--tail", "40")
        raise
    finally:
        compose.run("--profile", "tools", "down", "--volumes", "--timeout", "20")


@contextmanager
def looked_after() -> Iterator[None]:
    """Podman leaves health checks to systemd; where there is none they are run here."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(3):
            listed = [ENGINE, "ps", "--filter", f"label=com.docker.compose.project={PROJECT}", "--format", "{{.Names}}"]
            for name in subprocess.run(listed, check=False, capture_output=True, text=True).stdout.split():
                subprocess.run([ENGINE, "healthcheck", "run", name], check=False, capture_output=True)

    thread = threading.Thread(target=look, daemon=True)
    if Path(ENGINE).name == "podman":
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if thread.ident:
            thread.join()


def call(command: Sequence[str]) -> None:
    """Run a command and show it.

    Raises:
        CalledProcessError: it failed.
    """
    print("+", shlex.join(command), flush=True)
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
