"""The machine: what is installed and built, which core runs what, what a process costs."""

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
# Programs from Debian, and the packages of each.
PROGRAMS = {"nsd": ["nsd"], "knotd": ["knot"], "named": ["bind9"],
            "pdns_server": ["pdns-server", "pdns-backend-bind"], "yadifad": ["yadifa"],
            "dnsperf": ["dnsperf"], "taskset": ["util-linux"], "strace": ["strace"], "cc": ["gcc", "libc6-dev"]}
POLICY = "/usr/sbin/policy-rc.d"
# Which of the cores a process has for itself: what is measured, and who asks.
SERVER, CLIENT = 0, -1
# Set by `--realtime`: servers and askers run before all others.
realtime = []


class Bench:
    """One run: its options, its directory, the processes it started.

    Whatever happens, leaving it stops the processes and removes the directory.
    """

    def __init__(self, options):
        self.options = options
        self.smoke = options.smoke
        os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"
        # The servers get the same.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        install_missing()
        if options.realtime:
            realtime[:] = ["chrt", "--fifo", "1"]
        self.truename = os.path.abspath(options.program or build())
        self.directory = tempfile.mkdtemp(prefix="bench-", dir=os.path.dirname(self.truename))
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            stop(process)
        shutil.rmtree(self.directory)

    def choose(self, option, full, smoke):
        """What the caller said, else the part's own: for a measurement, for a smoke test."""
        said = getattr(self.options, option)
        return said if said is not None else smoke if self.smoke else full

    def folder(self, *names):
        path = os.path.join(self.directory, *names)
        os.makedirs(path, exist_ok=True)
        return path

    def launch(self, command, directory, core=SERVER, **others):
        """Starts a server; core `None` leaves it all cores. Its words are in `process.log`."""
        log = os.path.join(directory, os.path.basename(command[0]) + ".log")
        with open(log, "w") as file:
            process = subprocess.Popen(pinned(core) + command, cwd=directory, stdout=file,
                                       stderr=file, stdin=subprocess.DEVNULL, **others)
        process.log = log
        self.processes.append(process)
        return process

    def compiled(self, source, *flags):
        """The program made from a file beside this one, by `cc` or `rustc`."""
        program = os.path.join(self.folder("programs"), source.rsplit(".", 1)[0])
        if not os.path.exists(program):
            compiler = ["cc", "-O2", "-Wall"] if source.endswith(".c") else ["rustc", "-O", "--edition", "2024"]
            subprocess.run(compiler + ["-o", program, os.path.join(HERE, source), *flags], check=True)
        return program

    def describe(self):
        with open("/proc/cpuinfo") as file:
            model = re.search(r"model name\s*: (.*)", file.read())
        disk = subprocess.run(["df", "--output=fstype", self.directory], capture_output=True, text=True)
        print(f"{os.cpu_count()} cores, {model.group(1) if model else 'unknown'}, "
              f"Linux {os.uname().release}, store on {disk.stdout.split()[-1]}; "
              f"load average before: {os.getloadavg()[0]:.2f}", flush=True)


def install_missing():
    missing = [package for program, packages in PROGRAMS.items() if not shutil.which(program)
               for package in packages]
    if not missing:
        return
    print("installing", *missing, file=sys.stderr)
    root = [] if os.getuid() == 0 else ["sudo"]
    # Packages of daemons start them when installed, unless this file says no.
    # One that is already there is left as it is.
    ours = not os.path.exists(POLICY)
    if ours:
        subprocess.run(root + ["install", "-m", "755", "/dev/stdin", POLICY],
                       input=b"#!/bin/sh\nexit 101\n", check=True)
    try:
        install = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-q", "-y",
                   "--no-install-recommends", "install", *missing]
        subprocess.run(root + install, check=True, stdout=sys.stderr)
    finally:
        if ours:
            subprocess.run(root + ["rm", "-f", POLICY], check=True)


def build():
    command = ["cargo", "build", "--release", "--locked", "--message-format=json"]
    lines = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE).stdout
    programs = [json.loads(line).get("executable") for line in lines.splitlines()]
    return next(program for program in programs if program)


def pinned(core):
    """Runs on this core alone, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if core is None or len(cores) < 2:
        return list(realtime)
    return ["taskset", "-c", str(cores[core]), *realtime]


def said_by(command, core=CLIENT):
    """What a program prints, run to its end."""
    done = subprocess.run(pinned(core) + command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


@contextlib.contextmanager
def turn_of(process):
    """Lets a server run, which sleeps (SIGSTOP) before and after: some keep their core busy with no one asking."""
    signal_all(process, signal.SIGCONT)
    try:
        yield
    finally:
        signal_all(process, signal.SIGSTOP)


def signal_all(process, number):
    for member in family(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, number)


def stop(process):
    if process.poll() is None:
        step_back(process.pid)
        process.send_signal(signal.SIGTERM)
        signal_all(process, signal.SIGCONT)
        try:
            # truename writes all it keeps into a file first; others have nothing to lose.
            process.wait(getattr(process, "patience", 10))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def step_back(pid):
    """Ends `--realtime` for a process: YADIFA's threads wait for each other's end without sleeping."""
    for member in family(pid) if realtime else []:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{member}/task"):
                os.sched_setscheduler(int(task), os.SCHED_OTHER, os.sched_param(0))


def words_of(process):
    """The end of what a server logged."""
    with open(process.log, errors="replace") as log:
        return log.read()[-2000:]


def family(pid):
    """A process and all below it."""
    pids = [pid]
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                for child in file.read().split():
                    pids += family(int(child))
    return pids


def processor_time(pid):
    """Seconds used so far by a process and all below it, in user space and in the kernel."""
    spent = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            # clock_getcpuclockid(3): in nanoseconds, with the threads that have ended.
            spent += time.clock_gettime(~member << 3 | 2)
    return spent


def memory(pid, kind="Pss"):
    """MB of a process and all below it. Pss: what is shared counted in parts; Rss: each counts it all."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError), open(f"/proc/{member}/smaps_rollup") as file:
            total += int(re.search(rf"^{kind}:\s+(\d+)", file.read(), re.M).group(1))
    return total / 1024


def free_port():
    """A port free for UDP and TCP alike, below those the kernel gives to whoever asks for any."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            with contextlib.suppress(OSError):
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
                return port


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(text)
    return path
