"""From start to the first right answer, and the memory it takes: no names at all, then many."""

import time

import machine
import names
import servers
from table import middle, of, spread, table
from statistics import median

# Names: rounds.
SIZES = {0: 5, 1_000: 5, 100_000: 3, 1_000_000: 2}
ENGINES = {"truename, sled": "sled", "truename, redb": "redb"}
# How long a server is left alone before its memory is read.
SETTLED = 1


def measure(bench):
    empty = {}
    for count in [0, *(size for size in bench.choose("names", list(SIZES), [100]) if size)]:
        rounds = bench.choose("rounds", SIZES.get(count, 3), 1)
        results = measure_size(bench, count, rounds)
        if count == 0:
            empty = {name: median(pss for _, _, pss in turns) for name, turns in results.items()}
        print_size(count, rounds, results, empty)


def measure_size(bench, count, rounds):
    place = f"names-{count}"
    zone = bench.folder(place) + "/names.zone"
    names.write_zone(zone, count)
    results = {}
    # The first turn makes what is kept on the disk, and brings it into memory.
    for turn in range(0 if not bench.smoke else 1, rounds + 1):
        for name in [*ENGINES, *servers.PEERS]:
            begun = time.monotonic()
            if name in ENGINES:
                server = servers.truename(bench, place, hosts=count, engine=ENGINES[name], name=name)
                begun = server.begun
            else:
                server = servers.peer(bench, name, place, zone)
            servers.wait_for_answer(server, count, every=0.001)
            took = time.monotonic() - begun
            time.sleep(0 if bench.smoke else SETTLED)
            if turn:
                results.setdefault(name, []).append(
                    (took, machine.memory(server.pid, "Rss"), machine.memory(server.pid)))
            machine.stop(server.process)
    return results


def print_size(count, rounds, results, empty):
    column = lambda name, place: [turn[place] for turn in results[name]]
    best = min(servers.PEERS, key=lambda peer: median(column(peer, 0)))
    rows = []
    for name in results:
        times, rss, pss = (column(name, place) for place in range(3))
        each = f"{(median(pss) - empty[name]) * 2 ** 20 / count:,.0f}" if count >= 100_000 else "-"
        rows.append([name, middle(times, "{:.3f}"), spread(times, "{:.3f}"), of(times, column(best, 0)),
                     middle(rss, "{:,.1f}"), middle(pss, "{:,.1f}"), each])
    table(f"Start and memory, {count:,} names",
          ["server", "first right answer after, s", "lowest - highest", f"of {best}", "RSS MB",
           "PSS MB", "octets a name"], rows, f"{rounds} rounds")
