//! The whole program, and more TCP connections than it has use for.

use std::process::{Child, Stdio};

use super::*;

/// The program at work; it ends with the test.
struct Program(Child, SocketAddr);

impl Program {
    /// With so many file descriptors, on an address of its own: a free port
    /// on the usual one may be another test's by the time the program takes it.
    fn start(address: &str, descriptors: usize, directory: &Path) -> Program {
        let server: SocketAddr = address.parse().unwrap();
        let zones = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones");
        let config = format!(
            "data = \"data\"\nzones = [{zones:?}]\n\
             [dns]\nlisten = [\"{server}\"]\ntcp_connections = 10000\n\
             [http]\nlisten = [\"127.0.0.1:0\"]\n"
        );
        std::fs::write(directory.join("truename.toml"), config).unwrap();
        let child = Command::new("sh")
            .args(["-c", "ulimit -n $0; exec \"$@\""])
            .args([&descriptors.to_string(), env!("CARGO_BIN_EXE_truename")])
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
