"""PM2 7 with the same application, installed from npm into a directory of its own."""

import os
import pathlib
import shutil
import subprocess
import sys

from machine import LIB, free_port


def installed(directory):
    """Whether PM2 could be installed there: Node and npm are needed."""
    if not (shutil.which("node") and shutil.which("npm")):
        print("PM2 is left out: node and npm are not installed", file=sys.stderr)
        return False
    command = ["npm", "install", "--prefix", str(directory), "--no-audit", "--no-fund", "--silent", "pm2@7"]
    return subprocess.run(command, stdout=sys.stderr).returncode == 0


class Pm2:
    def __init__(self, directory, apps=1, instances=2):
        self.directory = pathlib.Path(directory)
        self.home = self.directory / "home"
        self.source = self.directory / "source"
        self.port = free_port()
        self.source.mkdir(parents=True)
        shutil.copy2(LIB / "app.js", self.source / "app.js")
        self.config = self.source / "ecosystem.config.js"
        listed = ",\n".join(self.entry(number, instances) for number in range(apps))
        self.config.write_text(f"module.exports = {{ apps: [{listed}] }};\n")

    def entry(self, number, instances):
        port = self.port if number == 0 else free_port()
        return (
            f"{{ name: 'web{number + 1}', script: 'app.js', cwd: '{self.source}', exec_mode: 'cluster', "
            f"instances: {instances}, wait_ready: true, listen_timeout: 3000, kill_timeout: 10000, "
            f"env: {{ PORT: {port} }} }}"
        )

    def version(self, version):
        (self.source / "version").write_text(str(version))

    def run(self, *words):
        program = self.directory / "node_modules" / ".bin" / "pm2"
        env = {**os.environ, "PM2_HOME": str(self.home), "PM2_DISABLE_VERSION_CHECK": "true"}
        return subprocess.run(
            [program, *words], cwd=self.source, env=env, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def daemon(self):
        return int((self.home / "pm2.pid").read_text())

    def kill(self):
        self.run("kill")
