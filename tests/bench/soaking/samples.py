"""What a process and its store are like, again and again; whether they stay so."""

import os
import time
from statistics import median

import machine
from table import table

# The first part of a run, in which tables that are bounded fill up.
WARM_UP = 0.25
# What may grow from the first quarter after that to the last: a tenth, and so much of each.
FACTOR = 1.10
GRAIN = {"RSS": 3.0, "PSS": 3.0, "descriptors": 8, "threads": 4, "store": 24.0}
# How each is called in the table and the drawing.
UNITS = {"RSS": "MB", "PSS": "MB", "descriptors": "", "threads": "", "store": "MB"}


class Record:
    def __init__(self, server, counts):
        self.server, self.counts = server, counts
        self.begun = time.monotonic()
        self.processor = machine.processor_time(server.pid)
        self.times, self.values = [], {kind: [] for kind in UNITS}

    def take(self):
        pid = self.server.pid
        self.times.append(time.monotonic() - self.begun)
        now = {"RSS": machine.memory(pid, "Rss"), "PSS": machine.memory(pid),
               "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
               "threads": len(os.listdir(f"/proc/{pid}/task")),
               "store": size(os.path.join(self.server.directory, "data"))}
        for kind, value in now.items():
            self.values[kind].append(value)

    def line(self):
        now = ", ".join(f"{kind} {values[-1]:,.1f}" for kind, values in self.values.items())
        return f"{self.times[-1] / 60:5.1f} min: {now}"

    def quarters(self, kind):
        """The median of each quarter of the time after the warm-up."""
        values = self.values[kind]
        start = int(len(values) * WARM_UP)
        values = values[start:]
        step = max(1, len(values) // 4)
        return [median(values[n * step:(n + 1) * step] or values[-1:]) for n in range(4)]

    def faults(self, smoke):
        if smoke:
            return [] if len(self.times) > 3 else ["hardly anything was looked at"]
        grown = []
        for kind, grain in GRAIN.items():
            first, *_, last = self.quarters(kind)
            if last > first * FACTOR and last > first + grain:
                grown.append(f"{kind} grew from {first:,.1f} to {last:,.1f} {UNITS[kind]}")
        return grown

    def print(self, engine, minutes):
        seconds = self.times[-1]
        busy = (self.used - self.processor) / seconds
        done = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.counts.items()))
        rows = []
        for kind, values in self.values.items():
            form = "{:,.1f}" if UNITS[kind] else "{:,.0f}"
            rows.append([f"{kind} {UNITS[kind]}".strip(), form.format(values[0]),
                         *(form.format(value) for value in self.quarters(kind)), form.format(max(values))])
        table(f"Soak, {minutes:g} minutes, {engine}",
              ["", "at first", "first quarter", "second", "third", "last", "highest"], rows,
              f"{done}. Quarters (medians) of what follows the first {WARM_UP:.0%} of the time; "
              f"{busy:.0%} of a core.")

    def take_processor(self):
        self.used = machine.processor_time(self.server.pid)


def size(directory):
    """MB that the files of a directory take on the disk."""
    total = 0
    for place, _, files in os.walk(directory):
        for file in files:
            try:
                total += os.lstat(os.path.join(place, file)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total / 2 ** 20
