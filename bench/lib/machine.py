"""What the benchmarks share: building the instruments, free ports, medians, and the heading."""

import datetime
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIB = ROOT / "bench" / "lib"


def heading(what):
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"{what}  ({datetime.date.today()}, {cores} cores, load {load:.1f} at the start)", flush=True)


def instrument(name):
    """A program of bench/lib, built."""
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", str(LIB / "Cargo.toml")]
    subprocess.run(command, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", LIB / "target"))
    return target / "release" / name


def windlass_program():
    """The binary that is measured: $WINDLASS, else the static release build."""
    given = os.environ.get("WINDLASS")
    if given:
        return pathlib.Path(given).resolve()
    built = subprocess.run([ROOT / "scripts" / "build-static"], check=True, text=True, stdout=subprocess.PIPE)
    return ROOT / built.stdout.strip()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, condition, seconds=10.0, pause=0.005):
    """Waits until `condition` gives something, and returns that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(pause)
    sys.exit(f"after {seconds:.0f} s still not so: {what}")


def timed(action):
    """How long `action` takes, in milliseconds."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def spread(values):
    """`median (least .. most)`, in milliseconds."""
    return f"{statistics.median(values):8.1f} ms   ({min(values):.1f} .. {max(values):.1f}, n={len(values)})"


def memory(pid):
    """A process's proportional and resident memory, in kilobytes."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    figures = {line.split()[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
    return figures["Pss:"], figures["Rss:"]
