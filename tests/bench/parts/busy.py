"""Queries while hosts move.

The thread that answers queries has the first core to itself; the rest of
truename, those who report and those who ask share the other.
"""

import json
import os
import subprocess

import machine
from parts.updates import ENGINES, start
from table import middle, of, spread, table

# Names in the zone file, and questions a second where they are paced.
NAMES, ASKED = 100_000, 50_000
# Who report, and how many updates a second they come to together.
REPORTERS, RATE = 16, 1000


def measure(bench):
    """Idle, hosts of another server moving, hosts of this one moving: what the last
    differs by from the second is not the shared core's doing."""
    rounds, seconds = bench.choose("rounds", 5, 1), bench.choose("seconds", 4, 1)
    names = 100 if bench.smoke else NAMES
    server, other = (start(bench, ENGINES[0], REPORTERS, folder, names)
                     for folder in ("busy", "beside"))
    alone(server)
    alone(other, dns=machine.CLIENT)
    load, queries = bench.compiled("load.rs"), bench.compiled("queries.c")
    kinds = {"idle": None, "another server's hosts move": other, "its own hosts move": server}
    flooded, paced, late = ({kind: [] for kind in kinds} for _ in range(3))
    for _ in range(rounds):
        for kind, moved in kinds.items():
            for asked, results in (0, flooded), (ASKED, paced):
                reports = moved and report(load, moved, seconds + 0.5)
                results[kind].append(ask(queries, server, names, seconds, asked))
                if moved:
                    late[kind].append(figures(reports))
    rows = []
    for kind in kinds:
        rates = lambda kind: [result["rate"] for result in flooded[kind]]
        p99 = lambda kind: [result["p99"] for result in paced[kind]]
        rows.append([kind, middle(rates(kind)), spread(rates(kind)), of(rates(kind), rates("idle")),
                     middle([result["p50"] for result in paced[kind]]), middle(p99(kind)),
                     of(p99(kind), p99("idle")),
                     middle([result[0] for result in late[kind]] or [0]),
                     middle([result[2] for result in late[kind]] or [0])])
    table(f"Queries while {RATE:,} updates a second are made durable",
          ["what", "queries/s, median", "lowest - highest", "of idle",
           f"p50 us at {ASKED // 1000} k/s", "p99 us", "of idle", "updates/s", "their p99 us"],
          rows, f"{names:,} names; {rounds} rounds of {seconds:g} s")
    for each in server, other:
        machine.stop(each.process)


def alone(server, dns=machine.SERVER):
    """The thread that answers queries on one core, all the others on the other."""
    cores = sorted(os.sched_getaffinity(0))
    for task in os.listdir(f"/proc/{server.pid}/task"):
        with open(f"/proc/{server.pid}/task/{task}/comm") as file:
            core = dns if file.read().startswith("dns") else machine.CLIENT
        os.sched_setaffinity(int(task), {cores[core]})


def report(load, server, seconds):
    """Updates at a steady rate, while something else is measured."""
    words = [load, "paced", server.http, server.token, REPORTERS, RATE, seconds]
    return subprocess.Popen(machine.pinned(machine.CLIENT) + [str(word) for word in words],
                            stdout=subprocess.PIPE, text=True)


def figures(reports):
    return tuple(float(word) for word in reports.communicate()[0].split())


def ask(queries, server, names, seconds, rate):
    said = json.loads(machine.said_by([queries, str(server.port), str(names), str(seconds), f"rate={rate}"]))
    if said["wrong"]:
        raise SystemExit(f"{server.name} gave other answers than were expected: {said}")
    return said
