"""Queries over UDP: all servers have the same names, and take turns."""

import json
import signal
from statistics import median

import machine
import names
import servers
from table import middle, of, spread, table

# Names: rounds, seconds of a turn.
SIZES = {1_000: (7, 2), 100_000: (7, 2), 1_000_000: (5, 2)}
# Rounds and seconds of the latency.
LATENCY = (3, 2)


def measure(bench):
    for count in bench.choose("names", list(SIZES), [100]):
        rounds, seconds = SIZES.get(count, (7, 2))
        measure_size(bench, count, bench.choose("rounds", rounds, 1), bench.choose("seconds", seconds, 0.1))


def measure_size(bench, count, rounds, seconds):
    running = start_all(bench, count)
    ask = bench.compiled("queries.c")
    for edns in (1, 0):
        results = {server.name: [] for server in running}
        for turn in range(rounds + 1):
            for server in running:
                with machine.turn_of(server.process):
                    said = asked(ask, server, count, seconds if turn else min(seconds, 0.5),
                                 edns=edns, seed=turn)
                # The first turn warms the caches and is not counted.
                if turn:
                    results[server.name].append(said)
        print_rates(f"Queries, {count:,} names, with{'' if edns else 'out'} EDNS",
                    f"{rounds} rounds of {seconds:g} s", running, results)
        if edns:
            middles = {name: median(said["rate"] for said in turns)
                       for name, turns in results.items()}
    best = max(servers.PEERS, key=lambda peer: middles[peer])
    rate = int(min(middles["truename"], middles[best]) / 2)
    measure_latency(bench, running, ask, count, best, rate)
    for server in running:
        machine.stop(server.process)


def start_all(bench, count):
    """echo, truename on hosts (few: on fixed names too), and the peers, in the order of their turns."""
    place = f"names-{count}"
    zone = bench.folder(place) + "/names.zone"
    names.write_zone(zone, count)
    running = [servers.echo(bench), servers.truename(bench, place, hosts=count, name="truename, sled")]
    running[1].name = "truename"
    if count <= 1_000:
        running.append(servers.truename(bench, place, zone=zone, name="truename, fixed"))
    running += [servers.peer(bench, name, place, zone) for name in servers.PEERS]
    for server in running[1:]:
        servers.wait_for_answer(server, count)
        servers.check(server, count)
        machine.signal_all(server.process, signal.SIGSTOP)
    return running


def asked(ask, server, count, seconds, **settings):
    """One turn: what `queries.c` says, and the server's share of its core and us for each answer."""
    words = [f"{name}={value}" for name, value in settings.items()]
    before = machine.processor_time(server.pid)
    said = json.loads(machine.said_by([ask, str(server.port), str(count), str(seconds), *words]))
    used = machine.processor_time(server.pid) - before
    if server.name != "echo" and said["wrong"]:
        raise SystemExit(f"{server.name}: {said['wrong']} of {said['answered']} answers are wrong")
    said["cpu"] = used * 1e6 / max(said["answered"], 1)
    said["busy"] = used / seconds
    return said


def print_rates(title, note, running, results):
    column = lambda name, key: [said[key] for said in results[name]]
    rates = {server.name: column(server.name, "rate") for server in running}
    best = max(servers.PEERS, key=lambda peer: median(rates[peer]))
    rows = []
    for server in running:
        name = server.name
        rows.append([
            name, middle(rates[name]), spread(rates[name]), of(rates[name], rates["echo"]),
            of(rates[name], rates[best]), middle(column(name, "cpu"), "{:.2f}"),
            middle(column(name, "busy"), "{:.0%}"), middle(column(name, "idle"), "{:.0%}"),
            f"{sum(column(name, 'lost')):,}", f"{machine.memory(server.pid):,.0f} MB"])
    table(title, ["server", "queries/s, median", "lowest - highest", "of echo", f"of {best}",
                  "CPU us/query", "server busy", "asker idle", "lost", "memory"], rows, note)


def measure_latency(bench, running, ask, count, best, rate):
    rounds, seconds = bench.choose("rounds", LATENCY[0], 1), bench.choose("seconds", LATENCY[1], 0.1)
    results = {server.name: [] for server in running}
    for turn in range(rounds):
        for server in running:
            with machine.turn_of(server.process):
                said = asked(ask, server, count, seconds, rate=rate, gso=0, seed=turn)
            results[server.name].append(said)
    column = lambda name, key: [said[key] for said in results[name]]
    rows = []
    for server in running:
        name = server.name
        rows.append([
            name, middle(column(name, "p50"), "{:.1f}"), of(column(name, "p50"), column(best, "p50")),
            middle(column(name, "p99"), "{:.1f}"), of(column(name, "p99"), column(best, "p99")),
            middle(column(name, "p999"), "{:,.0f}"), middle(column(name, "busy"), "{:.0%}"),
            f"{sum(column(name, 'lost')):,}", f"{sum(column(name, 'late')):,}"])
    table(f"Latency, {count:,} names, {rate:,} queries/s, with EDNS",
          ["server", "p50 us", f"of {best}", "p99 us", f"of {best}", "p99.9 us", "server busy",
           "lost", "late"], rows, f"{rounds} rounds of {seconds:g} s")
