"""Open-loop load beside a piece of work, and what became of its requests."""

import collections
import subprocess
import time

from machine import instrument

Request = collections.namedtuple("Request", "due ended kind outcome")


class Load:
    """`with Load(port, 500) as load: ...`; afterwards `load.tally()`."""

    def __init__(self, port, rate):
        self.command = [instrument("load"), f"127.0.0.1:{port}", str(rate)]
        self.marks = []

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        return self

    def mark(self, what):
        """Notes that something begins, to tell what the longest gap belongs to."""
        self.marks.append((time.time() * 1e6, what))

    def rest(self):
        """Notes that it is over."""
        self.mark(None)

    def __exit__(self, *failure):
        if failure[0] is None:
            time.sleep(0.5)
        output, _ = self.process.communicate()
        rows = (line.split() for line in output.splitlines())
        self.requests = [Request(int(due), int(ended), kind, outcome) for due, ended, kind, outcome in rows]

    def tally(self):
        return Tally(self.requests, self.marks)


class Tally:
    def __init__(self, requests, marks):
        self.sent = len(requests)
        lost = [request for request in requests if request.outcome != "200"]
        self.lost = len(lost)
        self.causes = collections.Counter(f"{request.outcome} ({request.kind})" for request in lost)
        good = sorted((request for request in requests if request.outcome == "200"), key=lambda r: r.ended)
        waits = sorted((request.ended - request.due) / 1000 for request in good)
        self.p50, self.p99 = (waits[int(len(waits) * part)] if waits else 0 for part in (0.50, 0.99))
        self.worst = waits[-1] if waits else 0
        # The longest gap while something was done, and while nothing was: the machine has its own.
        self.gap, self.during, self.gap_at_rest = 0, "", 0
        marks = [(0, None), *marks]
        for before, after in zip(good, good[1:]):
            gap = (after.ended - before.ended) / 1000
            begun, what = next(mark for mark in reversed(marks) if mark[0] <= after.ended)
            # A gap that begins in a deploy and ends after it belongs to the deploy.
            what = what or next(mark for mark in reversed(marks) if mark[0] <= before.ended)[1]
            if what is None:
                self.gap_at_rest = max(self.gap_at_rest, gap)
            elif gap > self.gap:
                self.gap, self.during = gap, f"{what}, {(after.ended - begun) / 1000:.0f} ms in"

    def __str__(self):
        text = (
            f"{self.sent:6} sent  {self.lost:5} lost  longest gap {self.gap:6.1f} ms, at rest {self.gap_at_rest:6.1f} ms"
            f"  p50 {self.p50:.2f}  p99 {self.p99:.1f}  max {self.worst:.0f} ms"
        )
        if self.during:
            text += f"\n{'':18}longest gap in {self.during}"
        causes = ", ".join(f"{count} x {cause}" for cause, count in self.causes.most_common())
        return f"{text}\n{'':18}lost: {causes}" if causes else text
