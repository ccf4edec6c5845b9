"""Queries over TCP, and what many idle connections cost."""

import random
import re
import resource
import signal
import socket
import struct
import time
from statistics import median

import machine
import names
import servers
from parts.queries import asked
from table import middle, of, spread, table

QUERIES = 100_000
IDLE = 10_000


def measure(bench):
    count = bench.choose("names", [100_000], [100])[-1]
    measure_streams(bench, count)
    measure_idle(bench, count)


def measure_streams(bench, count):
    rounds, seconds = bench.choose("rounds", 5, 1), bench.choose("seconds", 3, 0.2)
    place = f"names-{count}"
    zone = bench.folder(place) + "/names.zone"
    names.write_zone(zone, count)
    questions = machine.write(bench.folder(place), "questions", questions_file(count))
    running = [servers.truename(bench, place, hosts=count, name="truename, sled")]
    running[0].name = "truename"
    running += [servers.peer(bench, name, place, zone) for name in servers.PEERS]
    for server in running:
        servers.wait_for_answer(server, count)
        dnsperf(questions, server, min(0.5, seconds))
        machine.signal_all(server.process, signal.SIGSTOP)
    results = {server.name: [] for server in running}
    for _ in range(rounds):
        for server in running:
            with machine.turn_of(server.process):
                results[server.name].append(dnsperf(questions, server, seconds))
    column = lambda name, place: [turn[place] for turn in results[name]]
    best = max(servers.PEERS, key=lambda peer: median(column(peer, 0)))
    rows = []
    for server in running:
        rates, used, busy, asker, lost = (column(server.name, place) for place in range(5))
        rows.append([server.name, middle(rates), spread(rates), of(rates, column(best, 0)),
                     middle(used, "{:.2f}"), of(used, column(best, 1)), middle(busy, "{:.0%}"),
                     middle(asker, "{:.0%}"), f"{sum(lost):,}"])
        machine.stop(server.process)
    table(f"Queries over TCP, {count:,} names",
          ["server", "queries/s, median", "lowest - highest", f"of {best}", "CPU us/query",
           f"of {best}", "server busy", "asker busy", "lost"], rows, f"{rounds} rounds of {seconds:g} s")


def questions_file(count):
    """As `queries.c` asks."""
    chance = random.Random(1)
    lines = []
    for _ in range(QUERIES):
        n, part = chance.randrange(count), chance.random()
        letter, kind = (("h", "A") if part < 0.475 else ("h", "AAAA") if part < 0.95 else
                        ("h", "HTTPS") if part < 0.98 else ("x", "A"))
        lines.append(f"{letter}{n:07}.{names.ZONE} {kind}\n")
    return "".join(lines)


def dnsperf(questions, server, seconds):
    """Answers a second; the server's us for each, its and dnsperf's share of their cores; lost."""
    before, spent = machine.processor_time(server.pid), children_time()
    said = machine.said_by(["dnsperf", "-m", "tcp", "-s", "127.0.0.1", "-p", str(server.port),
                            "-d", questions, "-l", str(seconds), "-c", "16", "-T", "1", "-q", "256",
                            "-t", "2", "-e"])
    used, asker = machine.processor_time(server.pid) - before, children_time() - spent
    number = lambda words: float(re.search(words + r":\s+([\d.]+)", said).group(1))
    codes = re.findall(r"([A-Z]+) \d+ \(", said)
    if not codes or set(codes) - {"NOERROR", "NXDOMAIN"}:
        raise SystemExit(f"{server.name}: other answers than were asked for:\n{said}")
    took = number("Run time .s.")
    return (number("Queries per second"), used * 1e6 / number("Queries completed"), used / took,
            asker / took, int(number("Queries lost")))


def children_time():
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


# --- idle connections ------------------------------------------------------

def measure_idle(bench, count):
    """UDP in turns: alone, then beside idle connections. Each is asked once as it is opened."""
    rounds, seconds = bench.choose("rounds", 3, 1), bench.choose("seconds", 2, 0.1)
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500
    idle = min(50 if bench.smoke else IDLE, room)
    server = servers.truename(bench, f"names-{count}", hosts=count, name="truename, sled",
                              tcp_connections=idle + 100)
    servers.wait_for_answer(server, count)
    ask = bench.compiled("queries.c")
    rate = int(asked(ask, server, count, seconds)["rate"] / 2)
    results = {0: [], idle: []}
    for turn in range(rounds):
        for open_ones in results:
            connections = [connect(server) for _ in range(open_ones)]
            flood = asked(ask, server, count, seconds, seed=turn)
            for connection in connections:
                keep(connection)
            paced = asked(ask, server, count, seconds, rate=rate, gso=0, seed=turn)
            held = sum(is_open(connection) for connection in connections)
            if held < open_ones:
                raise SystemExit(f"truename closed {open_ones - held} of {open_ones} connections")
            results[open_ones].append((flood["rate"], paced["p50"], paced["p99"],
                                       machine.memory(server.pid, "Rss")))
            for connection in connections:
                connection.close()
            time.sleep(0.2)
    machine.stop(server.process)
    rows = []
    for open_ones, turns in results.items():
        rates, p50, p99, memory = zip(*turns)
        base = list(zip(*results[0]))
        each = (median(memory) - median(base[3])) * 1024 / idle if open_ones else 0
        rows.append([f"{open_ones:,}", middle(rates), of(rates, base[0]), middle(p50, "{:.1f}"),
                     of(p50, base[1]), middle(p99, "{:.1f}"), of(p99, base[2]),
                     middle(memory, "{:.1f}"), f"{each:.1f}" if open_ones else "-"])
    table(f"UDP beside idle TCP connections, {count:,} names, latency at {rate:,} queries/s",
          ["connections", "queries/s, median", "of none", "p50 us", "of none", "p99 us", "of none",
           "RSS MB", "kB a connection"], rows, f"{rounds} rounds of {seconds:g} s")


def connect(server):
    connection = socket.create_connection(("127.0.0.1", server.port), 5)
    keep(connection)
    return connection


def keep(connection):
    """Asks something, so that the server's patience with this one begins anew."""
    message = names.question("ns1", 1)
    connection.sendall(struct.pack("!H", len(message)) + message)
    length, = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
    connection.recv(length, socket.MSG_WAITALL)


def is_open(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
