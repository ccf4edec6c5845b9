//! The whole program, and more TCP connections than it has use for.

use std::process::{Child, Stdio};

use super::*;

/// The program at work; it ends with the test.
struct Program(Child, SocketAddr);

impl Program {
    /// With so many file descriptors, on an address of its own: a free port
    /// on the usual one may be another test's by the time the program takes it.
    fn start(address: &str, descriptors: usize, directory: &Path) -> Program {
        Program::start_with(address, descriptors, directory, "tcp_connections = 10000", &[])
    }

    /// With this in its configuration, and run by another program.
    fn start_with(
        address: &str,
        descriptors: usize,
        directory: &Path,
        settings: &str,
        runner: &[&str],
    ) -> Program {
        let server: SocketAddr = address.parse().unwrap();
        let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
        let config = format!(
            "data = \"data\"\nzones = [{zones:?}]\n\
             [dns]\nlisten = [\"{server}\"]\n{settings}\n\
             [http]\nlisten = [\"127.0.0.1:0\"]\n"
        );
        std::fs::write(directory.join("truename.toml"), config).unwrap();
        let child = Command::new("sh")
            .args(["-c", "ulimit -n $0; exec \"$@\""])
            .arg(descriptors.to_string())
            .args(runner)
            .arg(env!("CARGO_BIN_EXE_truename"))
            .args(["--config", "truename.toml"])
            .current_dir(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let program = Program(child, server);
        let begun = Instant::now();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        while client.send_to(&soa(), server).is_err() || receive(&client).is_none() {
            assert!(begun.elapsed() < PATIENCE, "the server does not start");
        }
        program
    }

    /// Files and sockets that it has open.
    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.0.id())).unwrap().count()
    }

    /// Octets of memory that are this program's alone.
    fn memory(&self) -> usize {
        let file = format!("/proc/{}/smaps_rollup", self.0.id());
        let text = std::fs::read_to_string(file).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap() << 10
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn soa() -> Vec<u8> {
    ask(1, "dyn.example.org.", RecordType::SOA)
}

#[test]
fn out_of_descriptors_a_new_client_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let program = Program::start("127.0.77.1:4053", 64, directory.path());
    let _idle: Vec<TcpStream> = (0..200).map(|_| tcp_client(program.1)).collect();
    assert_eq!(tcp(program.1, &soa())[..2], soa()[..2]);
}

/// Once it has its answers, a connection keeps no buffer: here each asked
/// for more answers at once than fit into one buffer.
#[test]
fn idle_connections_hold_little_memory() {
    const MANY: usize = 1_000;
    raise_descriptor_limit(2 * MANY as u64);
    let directory = tempfile::tempdir().unwrap();
    let program = Program::start("127.0.77.2:4053", 2 * MANY, directory.path());
    let questions = framed(&soa()).repeat(300);
    let chat = || {
        let mut client = tcp_client(program.1);
        client.write_all(&questions).unwrap();
        for _ in 0..300 {
            read_message(&mut client).unwrap();
        }
        client
    };
    // The first ones make what all of them share.
    let mut idle: Vec<TcpStream> = (0..100).map(|_| chat()).collect();
    let before = program.memory();
    idle.extend((0..MANY).map(|_| chat()));
    let each = program.memory().saturating_sub(before) / MANY;
    assert!(each < 3_000, "{each} octets for each idle connection");
}

/// Ten times as many as it takes: each is let in, the ones before it give
/// way, and what they took is free again.
#[test]
fn ten_thousand_connections_are_as_one_thousand() {
    const MANY: usize = 10_000;
    raise_descriptor_limit(MANY as u64 + 500);
    let directory = tempfile::tempdir().unwrap();
    // As it comes: a thousand.
    let program = Program::start_with("127.0.77.3:4053", MANY, directory.path(), "", &[]);
    let (memory, descriptors) = (program.memory(), program.descriptors());
    let crowd: Vec<TcpStream> = (0..MANY).map(|_| tcp_client(program.1)).collect();
    assert_eq!(tcp(program.1, &soa())[..2], soa()[..2]);
    assert_eq!(udp(program.1, &soa())[..2], soa()[..2]);
    let held = || program.descriptors() - descriptors;
    let begun = Instant::now();
    // Those told to go need a moment for it.
    while held() > 1_010 {
        assert!(begun.elapsed() < PATIENCE, "{} connections are held", held());
        std::thread::sleep(Duration::from_millis(10));
    }
    let grown = program.memory().saturating_sub(memory);
    assert!(grown < 8 << 20, "{grown} octets more");
    drop(crowd);
}

/// What strace saw of calls to `accept4`, with the errors that it made.
fn accepts(log: &Path) -> usize {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| line.contains("accept4(") && line.contains("INJECTED")).count()
}

/// A server that is told lies by the kernel, or by strace in its place.
fn lied_to(address: &str, lie: &str, directory: &Path) -> (Program, std::path::PathBuf) {
    let strace = crate::network::program("strace");
    let log = directory.join("strace");
    let file = log.to_str().unwrap().to_owned();
    let inject = format!("inject=accept4:{lie}");
    // -D: it is the program that is this one's child; strace looks on.
    let runner = [&strace, "-D", "-f", "-o", &file, "-e", "trace=accept4", "-e", &inject];
    (Program::start_with(address, 200, directory, "", &runner), log)
}

#[test]
fn connections_that_die_before_they_are_accepted_end_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let lie = "error=ECONNABORTED:when=1..100";
    let (program, log) = lied_to("127.0.77.4:4053", lie, directory.path());
    assert_eq!(tcp(program.1, &soa())[..2], soa()[..2]);
    assert_eq!(accepts(&log), 100);
}

/// While there are no descriptors, it tries again every now and then, and
/// not all the time; when there are, it goes on.
#[test]
fn out_of_descriptors_it_does_not_spin() {
    let directory = tempfile::tempdir().unwrap();
    let lie = "error=EMFILE:when=1..12";
    let (program, log) = lied_to("127.0.77.5:4053", lie, directory.path());
    let begun = Instant::now();
    let client = tcp_client(program.1);
    // UDP does not notice.
    while accepts(&log) < 10 {
        assert_eq!(udp(program.1, &soa())[..2], soa()[..2]);
        assert!(begun.elapsed() < PATIENCE, "it no longer tries");
    }
    let most = begun.elapsed().as_millis() / 100 + 2;
    assert!(accepts(&log) as u128 <= most.max(10), "it spins");
    // Ten pauses of a tenth of a second, less one.
    assert!(begun.elapsed() >= Duration::from_millis(800), "{:?}", begun.elapsed());
    let mut client = client;
    client.write_all(&framed(&soa())).unwrap();
    assert_eq!(read_message(&mut client).unwrap()[..2], soa()[..2]);
}
