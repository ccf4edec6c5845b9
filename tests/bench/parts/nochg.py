"""A report that changes nothing, beside an answer that is always the same."""

import time

import machine
from parts.updates import ENGINES, run, start
from table import middle, of, spread, table

# What is asked, and what is said of it.
KINDS = {"static": "a static answer", "nochg": "nochg", "good": "good, for comparison"}


def measure(bench):
    rounds, seconds = bench.choose("rounds", 5, 1), bench.choose("seconds", 4, 1)
    clients = 4 if bench.smoke else 64
    load = bench.compiled("load.rs")
    for engine in ENGINES[:1]:
        server = start(bench, engine, clients, "nochg")
        rates = {kind: [] for kind in KINDS}
        costs = {kind: [] for kind in KINDS}
        syncs = {}
        for turn in range(rounds):
            for kind in KINDS:
                before, begun = machine.processor_time(server.pid), time.monotonic()
                rate = run(load, "http", server.http, server.token, kind, clients, seconds)[0]
                used, took = machine.processor_time(server.pid) - before, time.monotonic() - begun
                rates[kind].append(rate)
                costs[kind].append(used / (rate * min(took, seconds)) * 1e6)
                if turn == 0:
                    syncs[kind] = fdatasyncs(bench, server, load, kind, clients)
        rows = [[what, middle(rates[kind]), spread(rates[kind]), of(rates[kind], rates["static"]),
                 middle(costs[kind], "{:.1f}"), of(costs[kind], costs["static"]), syncs[kind]]
                for kind, what in KINDS.items()]
        table(f"Reports that change nothing, {clients} clients",
              ["what", "answers/s, median", "lowest - highest", "of static", "CPU us/answer", "of static",
               "fdatasyncs"], rows,
              f"{rounds} rounds of {seconds:g} s; fdatasyncs counted in a turn of their own")
        machine.stop(server.process)


def fdatasyncs(bench, server, load, kind, clients):
    """How many the server made while that many answers were given. Before `nochg`
    each host is moved twice, so that it is where the reports will say."""
    run(load, "http", server.http, server.token, kind, clients, 0.2)
    strace = bench.launch(["strace", "-f", "-c", "-e", "trace=fdatasync,fsync", "-p", str(server.pid)],
                          server.directory, core=None)
    time.sleep(0.5)
    rate = run(load, "http", server.http, server.token, kind, clients, 1)[0]
    strace.send_signal(2)
    strace.wait()
    # Part of the time, seconds, microseconds a call, calls, perhaps errors, name.
    lines = [line.split() for line in machine.words_of(strace).splitlines()]
    counted = sum(int(line[3]) for line in lines if line[-1:] in (["fdatasync"], ["fsync"]))
    return f"{counted} in {rate:,.0f}"
