//! Starts the program as an operator would: a configuration file, a data
//! directory, zones; waits until it answers; kills it by its process id.
//! Not a test by itself.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};

use super::network::Space;

/// How long a server may take until it answers, on a machine that does other
/// things, too.
const START: Duration = Duration::from_secs(60);

/// The zone that every server here is authoritative for, unless told
/// otherwise.
pub const ZONE: &str = "\
$ORIGIN dyn.example.org.
$TTL 3600
@    SOA ns1 hostmaster 1 3600 600 604800 60
@    NS  ns1
ns1  A   192.0.2.53
www  A   192.0.2.80
";

/// Everything a server leaves behind when it is gone: its configuration,
/// zones, data and log, in a directory that goes with this value.
pub struct Home<'a> {
    directory: tempfile::TempDir,
    /// Where it answers questions.
    pub dns: SocketAddr,
    /// Where it takes reports.
    pub http: SocketAddr,
    space: Option<&'a Space>,
}

impl Home<'static> {
    /// On an address of its own within 127.0.0.0/8, so that no two servers
    /// meet, whatever runs beside this test.
    pub fn new() -> Home<'static> {
        let (dns, http) = free_addresses();
        Home::at(None, dns, http, "")
    }
}

fn free_addresses() -> (SocketAddr, SocketAddr) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [_, a, b, c] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, a | 0x80, b, c);
    let port = 10_000 + 2 * NEXT.fetch_add(1, Ordering::Relaxed);
    (SocketAddr::from((ip, port)), SocketAddr::from((ip, port + 1)))
}

impl<'a> Home<'a> {
    /// Within a network namespace, on the ports that everybody expects.
    pub fn within(space: &'a Space, ip: IpAddr, more_http: &str) -> Home<'a> {
        Home::at(Some(space), SocketAddr::new(ip, 53), SocketAddr::new(ip, 80), more_http)
    }

    /// With mounts of its own, on an address as of [`Home::new`].
    pub fn with_mounts(space: &'a Space) -> Home<'a> {
        let (dns, http) = free_addresses();
        Home::at(Some(space), dns, http, "")
    }

    fn at(
        space: Option<&'a Space>,
        dns: SocketAddr,
        http: SocketAddr,
        more_http: &str,
    ) -> Home<'a> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("zones")).unwrap();
        let home = Home { directory, dns, http, space };
        home.zone("dyn.example.org.zone", ZONE);
        home.configure(&format!(
            "data = \"data\"\nzones = [\"zones\"]\n\n\
             # Tests ask more often than people do.\n\
             [hosts]\nchanges = 0\n\n\
             [http.limits]\nrequests = 0\nguesses = 1000000\nconnection_requests = 1000000\n\n\
             [dns]\nlisten = [\"{dns}\"]\n\n\
             [http]\nlisten = [\"{http}\"{more_http}]\n"
        ));
        home
    }

    /// Its directory: `truename.toml`, `zones/`, `data/`, `log`.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a zone file.
    pub fn zone(&self, file: &str, text: &str) {
        std::fs::write(self.path().join("zones").join(file), text).unwrap();
    }

    /// Replaces the configuration.
    pub fn configure(&self, text: &str) {
        std::fs::write(self.path().join("truename.toml"), text).unwrap();
    }

    /// Replaces a piece of the configuration.
    pub fn reconfigure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path().join("truename.toml")).unwrap();
        assert!(text.contains(from), "{text}");
        self.configure(&text.replace(from, to));
    }

    /// Adds to the end of the configuration.
    pub fn append(&self, text: &str) {
        let before = std::fs::read_to_string(self.path().join("truename.toml")).unwrap();
        self.configure(&(before + text));
    }

    /// The program with this home's configuration, where this home is.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_truename");
        let mut command = match self.space {
            Some(space) => space.command(program),
            None => with_us(program),
        };
        command.arg("--config").arg(self.path().join("truename.toml")).args(arguments);
        command.env_remove("RUST_BACKTRACE");
        command
    }

    /// What a command says.
    pub fn run(&self, arguments: &[&str]) -> Said {
        said(&mut self.program(arguments), "")
    }

    /// What a command says that is meant to be done.
    pub fn done(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert!(said.status.success(), "truename {}\n{said}", arguments.join(" "));
        said.out
    }

    /// Adds a host with a token of its own.
    pub fn add_host(&self, name: &str, options: &[&str]) -> Login {
        Login::from(&self.done(&[&["host", "add", name], options].concat()))
    }

    /// Starts the server and waits until it answers.
    pub fn start(&self) -> Daemon<'_> {
        self.start_with(|_| ())
    }

    /// The same, with a word to the command before it runs.
    pub fn start_with(&self, with: impl FnOnce(&mut Command)) -> Daemon<'_> {
        let mut daemon = self.spawn_with(with);
        let end = Instant::now() + START;
        while !daemon.answers() {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("the server ended ({status}):\n{}", self.log());
            }
            assert!(Instant::now() < end, "the server does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        daemon
    }

    /// Starts the server and waits for nothing.
    pub fn spawn(&self) -> Daemon<'_> {
        self.spawn_with(|_| ())
    }

    /// The same, with a word to the command before it runs.
    pub fn spawn_with(&self, with: impl FnOnce(&mut Command)) -> Daemon<'_> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path().join("log"))
            .unwrap();
        let mut command = self.program(&["serve"]);
        with(&mut command);
        let child = command
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Daemon { child, home: self }
    }

    /// Starts a server that is meant to end by itself; what it said then.
    pub fn fails(&self) -> Said {
        said(&mut self.program(&["serve"]), "")
    }

    /// Everything the servers of this home have said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

/// A running server. It is killed when this value goes.
pub struct Daemon<'a> {
    child: Child,
    home: &'a Home<'a>,
}

impl Daemon<'_> {
    /// Whether DNS, HTTP and commands are answered.
    fn answers(&self) -> bool {
        let home = self.home;
        // A socket of ours is outside a namespace; the commands' is not.
        let inside = home.space.is_some_and(Space::is_apart);
        let asked = || lookup(home.dns, "dyn.example.org.", RecordType::SOA).is_some();
        let heard = || TcpStream::connect(home.http).is_ok();
        (inside || asked() && heard()) && home.run(&["status"]).status.success()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGKILL, as the kernel or an operator in a hurry would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A signal by its name, `HUP` say.
    pub fn signal(&self, signal: &str) {
        send(signal, &self.child);
    }

    /// SIGTERM, and then the end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        until("the server stops", Duration::from_secs(30), || self.child.try_wait().unwrap())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}---", self.home.log());
        }
    }
}

/// What a client proves itself with.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: String,
}

impl Login {
    /// As shown by the command that made it.
    pub fn from(shown: &str) -> Login {
        let fact = |word: &str| {
            let line = shown.lines().find_map(|line| line.trim().strip_prefix(word));
            line.unwrap_or_else(|| panic!("no {word} in:\n{shown}")).trim().to_owned()
        };
        Login { user: fact("user "), password: fact("password ") }
    }

    /// `user:password`.
    pub fn pair(&self) -> String {
        format!("{}:{}", self.user, self.password)
    }

    /// The same user with a password that is not theirs.
    pub fn wrong(&self) -> Login {
        Login { user: self.user.clone(), password: "wrong-password-000000".to_owned() }
    }

    /// The value of an `Authorization` header.
    pub fn basic(&self) -> String {
        format!("Basic {}", data_encoding::BASE64.encode(self.pair().as_bytes()))
    }
}

/// What a program said, and how it ended.
pub struct Said {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Both, one after the other.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n--- out\n{}\n--- err\n{}\n---", self.status, self.out, self.err)
    }
}

/// Runs a program to its end, for two minutes at most.
pub fn said(command: &mut Command, input: &str) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    // A program that does not read its input is none of our concern.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = err.read_to_end(&mut bytes);
        bytes
    });
    let reading_out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.read_to_end(&mut bytes);
        bytes
    });
    let end = Instant::now() + Duration::from_secs(120);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text =
        |bytes: std::thread::Result<Vec<u8>>| String::from_utf8_lossy(&bytes.unwrap()).into_owned();
    Said { status, out: text(reading_out.join()), err: text(reading.join()) }
}

/// A command that ends when this test does, however that comes about.
pub fn with_us(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program).env("LC_ALL", "C");
    command
}

/// Sends a signal by its name. (The shell's own `kill`: the program of that
/// name is not on every system.)
pub fn send(signal: &str, to: &Child) {
    let line = format!("kill -s {signal} {}", to.id());
    let said = said(with_us("sh").args(["-c", &line]), "");
    assert!(said.status.success(), "{said}");
}

/// Asks again and again until there is something, for `span` at most.
pub fn until<T>(what: &str, span: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + span;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < end, "not within {span:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One HTTP/1.0 request, and the whole answer as text; `None` when the server
/// is not there, or goes away before the answer ends.
pub fn get(server: SocketAddr, target: &str, login: Option<&Login>) -> Option<String> {
    let mut stream = TcpStream::connect(server).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut request = format!("GET {target} HTTP/1.0\r\n");
    if let Some(login) = login {
        let _ = write!(request, "Authorization: {}\r\n", login.basic());
    }
    stream.write_all((request + "\r\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    (length == Some(body.len())).then_some(answer)
}

/// The body of an answer.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// What a question is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub code: ResponseCode,
    /// The answers' data as text, sorted.
    pub data: Vec<String>,
    /// The serial of the SOA record in the answer, wherever it stands.
    pub serial: Option<u32>,
}

/// One question over UDP; `None` when there is no answer within a second.
pub fn lookup(server: SocketAddr, name: &str, kind: RecordType) -> Option<Answer> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect(server).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut question = Message::new(4711, MessageType::Query, OpCode::Query);
    let mut query = Query::query(Name::from_ascii(name).unwrap(), kind);
    query.set_query_class(DNSClass::IN);
    question.add_query(query);
    socket.send(&question.to_bytes().unwrap()).ok()?;
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).ok()?;
    let answer = Message::from_bytes(&bytes[..length]).unwrap();
    let mut data: Vec<String> =
        answer.answers.iter().map(|record| record.data.to_string()).collect();
    data.sort();
    let serial =
        answer.answers.iter().chain(&answer.authorities).find_map(|record| match &record.data {
            RData::SOA(soa) => Some(soa.serial),
            _ => None,
        });
    Some(Answer { code: answer.metadata.response_code, data, serial })
}
