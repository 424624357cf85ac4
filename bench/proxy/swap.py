"""Swaps the backend under load and counts what a strict client notices.

The load: 1,000 requests/s over kept connections, 200/s over new ones, 10/s that take 500 ms. The old
backend is killed 0.8 s after each switch. A race is a kept connection that is closed between a request
and its answer; a reconnect one that is closed between two requests.
"""

import asyncio
import json
import pathlib
import socket
import statistics
import sys
import time

BACKEND = pathlib.Path(__file__).with_name("backend.py")


def table(generation, port, release, endpoints):
    """The proxy's table; endpoints are pairs of instance and port."""
    route = {
        "name": "web", "host": None, "path": "/", "strip_prefix": False, "to": {"pool": "web"},
        "body_limit": "1MiB", "timeout": "10s", "idle_timeout": "60s", "headers": [], "security_headers": False,
        "compress": False, "rate_limit": None, "allow": [], "basic_auth": [], "hold": 1000, "hold_timeout": "10s",
    }
    pool = {
        "release": release, "fallback": [], "check": None,
        "endpoints": [{"instance": name, "address": f"127.0.0.1:{at}"} for name, at in endpoints],
    }
    listen = {"http": [f"127.0.0.1:{port}"], "https": [], "tls": [], "redirect_to_https": False}
    return {"generation": generation, "listen": listen, "routes": [route], "pools": {"web": pool}, "drain": "5s"}


def ask(directory, question):
    end = time.monotonic() + 10
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as admin:
                admin.connect(f"{directory}/sock")
                admin.sendall(json.dumps(question).encode() + b"\n")
                return json.loads(admin.makefile().readline())
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def apply(directory, new):
    """Prepares and applies a table, as the host side does. How many nanoseconds the lock was held, how many seconds
    asking for the switch took, and how many a question took that changes nothing: what this program and the
    machine need to ask anything while the load is on."""
    prepared = ask(directory, {"prepare": new})
    began = time.monotonic()
    ask(directory, {"drained": {"instances": []}})
    before = time.monotonic()
    answer = ask(directory, {"apply": new})
    took = time.monotonic() - before
    if "prepared" not in prepared or "applied" not in answer:
        raise SystemExit(f"the table was refused: {prepared}, {answer}")
    return answer["applied"]["switch_nanos"], took, before - began


class Tally:
    def __init__(self):
        self.requests = self.failed = self.races = self.reconnects = 0
        self.first_error = None
        # (when it was sent, when it was answered, by which backend)
        self.answers = []

    def fail(self, why):
        self.failed += 1
        self.first_error = self.first_error or repr(why)


async def exchange(reader, writer, path):
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(head.split(b"\r\n")[0])
    return body


async def kept(tally, port, rate, stop, start):
    reader = writer = None
    due = time.monotonic() + start
    while not stop.is_set():
        await asyncio.sleep(max(0, due - time.monotonic()))
        due += 1 / rate
        tally.requests += 1
        if reader is not None and reader.at_eof():
            tally.reconnects += 1
            writer.close()
            reader = None
        try:
            if reader is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            sent = time.monotonic()
            body = await asyncio.wait_for(exchange(reader, writer, "/"), 10)
            tally.answers.append((sent, time.monotonic(), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            tally.races += 1
            reader = None
        except Exception as error:  # whatever a client cannot use is a failure
            tally.fail(error)
            reader = None


async def fresh(tally, port, rate, path, stop):
    async def one():
        tally.requests += 1
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            sent = time.monotonic()
            body = await asyncio.wait_for(exchange(reader, writer, path), 10)
            if path == "/":
                tally.answers.append((sent, time.monotonic(), body))
            writer.close()
        except Exception as error:
            tally.fail(error)

    due = time.monotonic()
    running = set()
    while not stop.is_set():
        await asyncio.sleep(max(0, due - time.monotonic()))
        due += 1 / rate
        task = asyncio.ensure_future(one())
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


async def swaps(group, directory, port, count, first):
    tally, stop = Tally(), asyncio.Event()
    load = [asyncio.ensure_future(kept(tally, port, 20, stop, index / 1000)) for index in range(50)]
    load.append(asyncio.ensure_future(fresh(tally, port, 200, "/", stop)))
    load.append(asyncio.ensure_future(fresh(tally, port, 10, "/slow", stop)))
    await asyncio.sleep(0.5)
    old, switch, command, question, late = first, [], [], [], []
    for number in range(2, count + 2):
        name, (process, at) = f"b{number}", await backend(group, f"b{number}")
        new = table(number, port, f"r{number}", [(f"web.r{number}.1", at)])
        held, took, idle = await asyncio.to_thread(apply, directory, new)
        switched = time.monotonic()
        switch.append(held)
        command.append(took)
        question.append(idle)
        await asyncio.sleep(0.8)
        wrong = [sent for sent, _, body in tally.answers if body.decode() != name and sent > switched]
        late.append(max((sent - switched for sent in wrong), default=0))
        tally.answers.clear()
        group.stop(old)
        old = process
    stop.set()
    await asyncio.gather(*load)
    return tally, switch, command, question, late


async def backend(group, name):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = group.start(sys.executable, str(BACKEND), name, str(port), core="1")
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return process, port
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)


def run(group, directory, binary, count):
    directory.mkdir()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    async def all_of_it():
        first, at = await backend(group, "b1")
        proxy = group.start(str(binary), "proxy", str(directory), "--workers", "1", core="0")
        await asyncio.to_thread(apply, directory, table(1, port, "r1", [("web.r1.1", at)]))
        result = await swaps(group, directory, port, count, first)
        group.stop(proxy)
        return result

    tally, switch, command, question, late = asyncio.run(all_of_it())
    median = statistics.median(switch)
    print(f"\n{count} swaps under load, {tally.requests} requests: {tally.failed} failed, {tally.races} races, "
          f"{tally.reconnects} reconnects" + (f" (first failure: {tally.first_error})" if tally.first_error else ""))
    print(f"switch: lock held {median / 1000:.1f} us (max {max(switch) / 1000:.1f} us), command "
          f"{statistics.median(command) * 1000:.2f} ms (a question that changes nothing: "
          f"{statistics.median(question) * 1000:.2f} ms); last request to the old backend "
          f"{max(late) * 1000:.1f} ms after the switch")
    return {"requests": tally.requests, "failed": tally.failed, "races": tally.races,
            "reconnects": tally.reconnects, "switch_nanos": max(switch), "late_seconds": max(late)}
