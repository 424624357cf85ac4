"""An environment of Windlass with the instruments' application in it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

from machine import free_port, instrument, until, windlass_program

MANIFEST = """
[app]
name = "bench"

{services}

[listen]
http = "127.0.0.1:{port}"

[[routes]]
path = "/"
service = "web1"

[deploy]
bake = "0s"
"""

SERVICE = """
[services.web{number}]
command = ["./app"]
port = "auto"
replicas = {replicas}
readiness = {{ tcp = true, interval = "500ms", timeout = "1s", start_period = "{patience}" }}
stop = {{ signal = "TERM", grace = "10s" }}
"""


class Environment:
    def __init__(self, directory, services=1, replicas=2, patience="5s"):
        self.program = windlass_program()
        self.home = pathlib.Path(directory) / "home"
        self.source = pathlib.Path(directory) / "source"
        self.root = self.home / "bench" / "local"
        self.port = free_port()
        self.source.mkdir(parents=True)
        shutil.copy2(instrument("app"), self.source / "app")
        parts = [SERVICE.format(number=n + 1, replicas=replicas, patience=patience) for n in range(services)]
        text = MANIFEST.format(services="".join(parts), port=self.port)
        (self.source / "windlass.toml").write_text(text)

    def version(self, version):
        (self.source / "version").write_text(str(version))

    def command(self, *words):
        return [str(self.program), *map(str, words)]

    def start(self, *words):
        env = {**os.environ, "WINDLASS_HOME": str(self.home)}
        output = open(self.home.parent / "output", "ab")
        return subprocess.Popen(
            self.command(*words), cwd=self.source, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )

    def run(self, *words, check=True):
        """Carries out a verb; its standard output."""
        env = {**os.environ, "WINDLASS_HOME": str(self.home)}
        done = subprocess.run(
            self.command(*words), cwd=self.source, env=env, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        if check and done.returncode != 0:
            raise SystemExit(f"windlass {' '.join(map(str, words))} exited {done.returncode}: {done.stderr}")
        return done

    def records(self, limit):
        return json.loads(self.run("runs", "--json", "--limit", limit).stdout)

    def instances(self):
        """The keeper directories of what runs, by instance."""
        found = {}
        for directory in sorted((self.root / "instances").iterdir()):
            if process(directory):
                found[directory.name] = directory
        return found

    def down(self):
        """Ends everything, also where a benchmark was cut short in the middle of a deploy."""
        self.run("abort", check=False)
        if self.run("down", "--delete-data", "--yes", check=False).returncode == 0:
            return
        for found in sorted(self.root.rglob("status.json")):
            for pid in (keeper(found.parent), process(found.parent)):
                if pid and pathlib.Path(f"/proc/{pid}").exists():
                    os.kill(pid, signal.SIGKILL)


def read_state(path):
    """A file of state: a line of JSON, and behind it its checksum."""
    return json.loads(path.read_text().partition("\n")[0])


def status(directory):
    try:
        return read_state(directory / "status.json")
    except (FileNotFoundError, ValueError):
        return {}


def process(directory):
    """The process that a keeper keeps, if it runs."""
    state = status(directory).get("state")
    running = state.get("running") if isinstance(state, dict) else None
    return running and running["pid"]


def keeper(directory):
    return status(directory).get("keeper")


def another(directory, old):
    """Waits until another process than `old` runs there."""
    return until(f"{directory} runs again", lambda: process(directory) not in (None, old) and process(directory))
