"""Queries over UDP: the servers have the same zone, and take turns."""

import os
import random
import re
import sys

import machine
import servers
from table import middle, of, spread, table

QUERIES = 100_000


def measure(bench):
    for names in bench.choose("names", [1_000, 100_000], [100]):
        measure_size(bench, names)


def measure_size(bench, names):
    rounds, seconds = bench.choose("rounds", 7, 1), bench.choose("seconds", 5, 1)
    directory = bench.folder(f"zone-{names}")
    zone = machine.write(directory, "dyn.example.org.zone", zone_file(names))
    questions = machine.write(directory, "questions", questions_file(names))
    running = [start(bench, directory, zone) for start in (servers.truename, servers.nsd, servers.knot)]
    for server in running:
        servers.wait_for_answer(server)
        dnsperf(questions, server.port, min(1, seconds))
    results = {server.name: [] for server in running}
    for _ in range(rounds):
        for server in running:
            before = machine.processor_time(server.pid)
            rate, lost = dnsperf(questions, server.port, seconds)
            used = (machine.processor_time(server.pid) - before) / (rate * seconds)
            results[server.name].append((rate, used * 1e6, lost))
    rows = []
    base_rates, base_used, _ = zip(*results["nsd"])
    for server in running:
        rates, used, lost = zip(*results[server.name])
        rows.append([server.name, middle(rates), spread(rates), of(rates, base_rates),
                     middle(used, "{:.2f}"), of(used, base_used), f"{sum(lost):,}",
                     f"{machine.memory(server.pid):.0f} MB"])
        machine.stop(server.process)
    table(f"Queries, {names:,} names",
          ["server", "queries/s, median", "lowest - highest", "of NSD", "CPU us/query, median",
           "of NSD", "lost", "memory"], rows, f"{rounds} rounds of {seconds:g} s")


def zone_file(names):
    lines = ["$ORIGIN dyn.example.org.\n$TTL 60\n"
             "@ SOA ns1 hostmaster 1 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n"]
    lines += [f"h{n} A 198.{18 + n // 65536 % 2}.{n // 256 % 256}.{n % 256}\n" for n in range(names)]
    return "".join(lines)


def questions_file(names):
    """Mostly addresses there are; some IPv6 there is not, some names there are not."""
    chance = random.Random(1)
    lines = []
    for _ in range(QUERIES):
        n = chance.randrange(names)
        kind = chance.random()
        if kind < 0.8:
            lines.append(f"h{n}.dyn.example.org A\n")
        elif kind < 0.9:
            lines.append(f"h{n}.dyn.example.org AAAA\n")
        else:
            lines.append(f"nobody{n}.dyn.example.org A\n")
    return "".join(lines)


def dnsperf(questions, port, seconds):
    """Queries answered a second, and how many were lost."""
    said = machine.said_by(["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", questions,
                            "-l", str(seconds), "-c", "10", "-T", "1", "-q", "200", "-t", "1"])
    number = lambda words: float(re.search(words + r":\s+([\d.]+)", said).group(1))
    if number("Queries completed") == 0:
        sys.exit(f"no answers:\n{said}")
    codes = set(re.findall(r"([A-Z]+) \d+ \(", said))
    if codes != {"NOERROR", "NXDOMAIN"}:
        sys.exit(f"other answers than were asked for: {codes}")
    return number("Queries per second"), int(number("Queries lost"))
