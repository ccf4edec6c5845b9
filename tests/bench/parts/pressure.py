"""UDP, and new TCP clients, while TCP is full of clients that no server wants (press.py)."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from statistics import median

import machine
import names
import press
import servers
from parts.queries import asked
from table import middle, of, table

# Questions a second over UDP.
RATE = 20_000
# New TCP clients that come meanwhile, and how long each waits for its answer.
NEW, PATIENCE = 10, 2
COUNT = 1_000


def measure(bench):
    rounds, seconds = bench.choose("rounds", 5, 1), bench.choose("seconds", 2, 0.1)
    place = "pressure"
    zone = bench.folder(place) + "/names.zone"
    names.write_zone(zone, COUNT)
    ask = bench.compiled("queries.c")
    rows = []
    for kind in [None, "never read"] if bench.smoke else [None, *press.CROWDS]:
        # Anew for each: what memory it took is the pressure's.
        # All questions come from one address: more of them than there would be.
        limits = "exempt = []\nsame = 1000000\nall = 1000000"
        running = [servers.truename(bench, f"{place}-{kind}", zone=zone, rate_limit=limits)]
        for name, peer in ("NSD", "nsd"), ("Knot", "knot-usual"):
            running.append(servers.start(bench, peer, servers.COMMANDS[name], f"{place}-{kind}", zone))
            running[-1].name = name
        for server in running:
            servers.wait_for_answer(server, COUNT)
            machine.signal_all(server.process, signal.SIGSTOP)
        for server in running:
            rows.append(row(server, kind, ask, rounds, seconds, bench.smoke))
            machine.stop(server.process)
    base = {name: p99 for name, kind, p99, _ in rows if kind is None}
    table("UDP while TCP is under pressure",
          ["server", "TCP clients", "UDP p50 us", "p99 us", "p99 of none", "UDP lost", "new TCP clients served",
           "after ms", "RSS MB before", "most", "CPU"],
          [[name, kind or "none", cells[0], cells[1], of(p99, base[name]), *cells[2:]]
           for name, kind, p99, cells in rows],
          f"{rounds} rounds of {seconds:g} s, {RATE:,} questions a second over UDP, {COUNT:,} names")


def row(server, kind, ask, rounds, seconds, smoke):
    turns, waits, memory, busy = [], [], [], []
    with machine.turn_of(server.process):
        asked(ask, server, COUNT, min(seconds, 0.3), rate=RATE, gso=0)
        before = machine.memory(server.pid, "Rss")
        with crowd(kind, server.port, smoke):
            for turn in range(rounds):
                turns.append(asked(ask, server, COUNT, seconds, rate=RATE, gso=0, seed=turn))
                memory.append(machine.memory(server.pid, "Rss"))
                busy.append(turns[-1]["busy"])
            for _ in range(1 if smoke else NEW):
                waits.append(new_client(server.port))
                memory.append(machine.memory(server.pid, "Rss"))
    served = [wait for wait in waits if wait is not None]
    p99 = [turn["p99"] for turn in turns]
    cells = [middle([turn["p50"] for turn in turns], "{:.1f}"), middle(p99, "{:.1f}"),
             f"{sum(turn['lost'] for turn in turns):,}", f"{len(served)} of {len(waits)}",
             middle(served, "{:.1f}") if served else "-", f"{before:.1f}", f"{max(memory):.1f}",
             middle(busy, "{:.0%}")]
    return server.name, kind, p99, cells


class crowd:
    """Keeps the pressure up as long as it is open."""

    def __init__(self, kind, port, smoke):
        self.process = None
        if kind:
            few = ["50"] if smoke else []
            self.process = subprocess.Popen(
                [sys.executable, os.path.join(machine.HERE, "press.py"), kind, str(port), *few],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        if self.process:
            self.process.stdout.readline()

    def __exit__(self, *_):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def new_client(port):
    """Milliseconds until a client that comes now has its answer; `None`: it has none."""
    begun = time.monotonic()
    message = names.question("ns1", 1)
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.settimeout(PATIENCE)
            client.sendall(struct.pack("!H", len(message)) + message)
            if len(client.recv(2, socket.MSG_WAITALL)) == 2:
                return (time.monotonic() - begun) * 1000
    except OSError:
        pass
    return None
