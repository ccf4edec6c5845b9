//! What updates promise: `good` is seen by the next question, `nochg` waits for
//! nothing but what came before it, and nobody is kept waiting by what others do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use truename::model::{
    AccountName, Addresses, Grant, Holder, MAX_RDATA, MAX_RECORD_OCTETS, May, Name, Protocol,
};
use truename::registry::{Command, HostSettings, Registry, Reply, Unavailable};
use truename::store::Engine;
use truename::update::{Edit, Edited, Edits, Hosts, Outcome, RecordChange, Report, Said, Update};

use super::daemon::{Home, Login, body, lookup, until};
use super::dig::dig;
use super::world::World;

/// Clients that report at the same time, and how often each does.
const CLIENTS: u8 = 4;
const REPORTS: u8 = 100;

/// No question that is asked after the last octet of `good` is answered with
/// the address from before.
#[test]
fn good_is_seen_by_the_next_question() {
    let home = Home::new();
    let _running = home.start();
    let logins: Vec<Login> =
        (0..CLIENTS).map(|n| home.add_host(&format!("h{n}.dyn.example.org"), &[])).collect();
    std::thread::scope(|scope| {
        for (n, login) in (0..).zip(&logins) {
            let home = &home;
            scope.spawn(move || {
                let mut stream = TcpStream::connect(home.http).unwrap();
                for last in 0..REPORTS {
                    let address = format!("192.0.{n}.{last}");
                    assert_eq!(report(&mut stream, login, &address), format!("good {address}\n"));
                    let name = format!("h{n}.dyn.example.org.");
                    let answer = lookup(home.dns, &name, RecordType::A).expect("an answer");
                    assert_eq!(answer.data, [address]);
                }
            });
        }
    });
}

/// A report on a connection that is kept, and the body of its answer.
fn report(stream: &mut TcpStream, login: &Login, address: &str) -> String {
    let basic = login.basic();
    let request = format!(
        "GET /nic/update?myip={address} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    while !body(&answer).ends_with('\n') {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "the connection ended after {answer:?}");
        answer.push_str(std::str::from_utf8(&some[..count]).unwrap());
    }
    body(&answer).to_owned()
}

/// While the disk is slow, `nochg` is told at once, unless an update of the
/// same host came before it: then it is told after that, and knows of it.
#[test]
fn nochg_waits_only_for_what_came_before_it() {
    let mut world = World::new(Engine::Redb, super::daemon::ZONE);
    world.start().unwrap();
    add(&world, "stays");
    add(&world, "moves");
    let registry = world.registry().clone();
    let told = |host: &str, last: u8| in_time(registry.clone(), update(host, last));
    assert_eq!(told("stays", 1), Outcome::Moved(at(1)));
    assert_eq!(told("moves", 1), Outcome::Moved(at(1)));

    let groups = world.groups.load(Ordering::SeqCst);
    let slow = world.slow.clone();
    let held = slow.lock().unwrap();
    let in_background = |host: &str, last: u8| {
        let (registry, update) = (registry.clone(), update(host, last));
        std::thread::spawn(move || in_time(registry, update))
    };
    let away = in_background("moves", 2);
    until("the disk is asked", Duration::from_secs(30), || {
        (world.groups.load(Ordering::SeqCst) > groups).then_some(())
    });
    assert_eq!(told("stays", 1), Outcome::Kept(at(1)));
    // Where it still is as far as the DNS knows.
    let back = in_background("moves", 1);
    std::thread::sleep(Duration::from_millis(50));
    assert!(!back.is_finished(), "it overtook the update before it");
    drop(held);
    assert_eq!(away.join().unwrap(), Outcome::Moved(at(2)));
    assert_eq!(back.join().unwrap(), Outcome::Moved(at(1)));
    assert_eq!(told("moves", 1), Outcome::Kept(at(1)));
}

/// An edit of a host's address holds its reports back as a report of it does.
#[test]
fn nochg_waits_for_an_edit_that_came_before_it() {
    let mut world = World::new(Engine::Redb, super::daemon::ZONE);
    world.start().unwrap();
    add(&world, "edited");
    add(&world, "set");
    let registry = world.registry().clone();
    assert_eq!(in_time(registry.clone(), update("edited", 1)), Outcome::Moved(at(1)));
    assert_eq!(in_time(registry.clone(), update("set", 1)), Outcome::Moved(at(1)));

    let groups = world.groups.load(Ordering::SeqCst);
    let slow = world.slow.clone();
    let held = slow.lock().unwrap();
    let edited = std::thread::spawn({
        let registry = registry.clone();
        move || {
            let (grant, edits) = edit("edited", 2);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(registry.edit(grant, edits))
        }
    });
    until("the disk is asked", Duration::from_secs(30), || {
        (world.groups.load(Ordering::SeqCst) > groups).then_some(())
    });
    let settings = HostSettings { addresses: Some(at(2)), ..HostSettings::default() };
    let name = "set.dyn.example.org".parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut set = Box::pin(registry.command(Command::HostSet { name, settings }));
    // It is queued as soon as it is looked at once.
    runtime.block_on(async {
        tokio::select! {
            biased;
            _ = &mut set => panic!("the disk is held"),
            () = std::future::ready(()) => {}
        }
    });
    let back: Vec<_> = ["edited", "set"]
        .map(|host| {
            let registry = registry.clone();
            std::thread::spawn(move || in_time(registry, update(host, 1)))
        })
        .into();
    std::thread::sleep(Duration::from_millis(50));
    for back in &back {
        assert!(!back.is_finished(), "it overtook what came before it");
    }
    drop(held);
    assert_eq!(edited.join().unwrap(), Ok(Edited::Done { changed: true }));
    assert!(runtime.block_on(set).is_ok());
    for back in back {
        assert_eq!(back.join().unwrap(), Outcome::Moved(at(1)));
    }
}

/// A host changes as often as it may in an hour, whether its updates come one
/// after the other, all at once, or nobody waits for what becomes of them.
#[test]
fn changes_are_counted_however_they_come() {
    let mut world = World::new(Engine::Redb, super::daemon::ZONE);
    world.changes = Some(2);
    world.start().unwrap();
    for host in ["at-once", "edited", "left", "full", "named"] {
        add(&world, host);
    }
    let registry = world.registry().clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let moved = |last| Ok(vec![Outcome::Moved(at(last))]);
    let too_often = || Err(Unavailable::TooOften);

    let told = runtime.block_on(async {
        let updates = [1, 2, 3, 4].map(|last| update("at-once", last));
        let [a, b, c, d] =
            updates.each_ref().map(|(grant, update)| registry.update(grant.clone(), update));
        tokio::join!(a, b, c, d)
    });
    assert_eq!(told, (moved(1), moved(2), too_often(), too_often()));
    // To stay where it is, is no change.
    let stays = runtime.block_on(async {
        let (grant, update) = update("at-once", 2);
        registry.update(grant, &update).await
    });
    assert_eq!(stays, Ok(vec![Outcome::Kept(at(2))]));

    let told = runtime.block_on(async {
        let [a, b, c] = [1, 2, 3].map(|last| edit("edited", last));
        tokio::join!(registry.edit(a.0, a.1), registry.edit(b.0, b.1), registry.edit(c.0, c.1))
    });
    let done = || Ok(Edited::Done { changed: true });
    assert_eq!(told, (done(), done(), Err(Unavailable::TooOften)));

    runtime.block_on(async {
        for last in [1, 2] {
            let (grant, update) = update("left", last);
            // Looked at once, and so queued; then the client is gone.
            tokio::select! {
                biased;
                _ = registry.update(grant, &update) => panic!("nothing is that quick"),
                () = std::future::ready(()) => {}
            }
        }
        let (grant, update) = update("left", 3);
        assert_eq!(registry.update(grant, &update).await, too_often());
    });

    // Several in one request: all of them or none.
    let (grant, _) = update("named", 1);
    let [one, two, three] = [1, 2, 3].map(|last| update("named", last).1);
    let all = [one, two, three];
    assert_eq!(runtime.block_on(registry.updates(grant.clone(), &all)), too_often());
    let told = runtime.block_on(registry.updates(grant.clone(), &all[..2]));
    assert_eq!(told, Ok(vec![Outcome::Moved(at(1)), Outcome::Moved(at(2))]));

    // What a full disk does not take is not counted.
    world.full.store(true, Ordering::SeqCst);
    for last in 1..10 {
        let (grant, update) = update("full", last);
        let told = runtime.block_on(registry.update(grant, &update));
        assert_eq!(told, Err(Unavailable::Overloaded));
    }
    world.full.store(false, Ordering::SeqCst);
    for last in [1, 2] {
        let (grant, update) = update("full", last);
        assert_eq!(runtime.block_on(registry.update(grant, &update)), moved(last));
    }
    let (grant, update) = update("full", 3);
    assert_eq!(runtime.block_on(registry.update(grant, &update)), too_often());
}

/// Who answers questions from a version of the zone does not take it apart
/// when it has been replaced: that takes long after many changes.
#[test]
fn an_old_version_is_let_go_by_the_registry() {
    let mut world = World::new(Engine::Redb, super::daemon::ZONE);
    world.start().unwrap();
    add(&world, "home");
    let registry = world.registry().clone();
    let read = registry.snapshot().load_full();
    let version = Arc::downgrade(&read);
    assert_eq!(in_time(registry.clone(), update("home", 1)), Outcome::Moved(at(1)));
    drop(read);
    assert!(version.upgrade().is_some(), "the reader took it apart");
    assert_eq!(in_time(registry.clone(), update("home", 2)), Outcome::Moved(at(2)));
    assert!(version.upgrade().is_none(), "nobody let it go");
}

/// What one request says of several names is on the disk as a whole or not at
/// all, however its language spells them.
#[test]
fn names_of_one_request_are_written_down_together() {
    let mut world = World::new(Engine::Redb, super::daemon::ZONE);
    world.start().unwrap();
    let ann: AccountName = "ann".parse().unwrap();
    world.command(Command::AccountAdd { name: ann.clone(), password: None }).unwrap();
    for host in ["one", "two", "three"] {
        let settings = HostSettings { owner: Some(Some(ann.clone())), ..HostSettings::default() };
        let name = format!("{host}.dyn.example.org").parse().unwrap();
        world.command(Command::HostAdd { name, settings, key: false }).unwrap();
    }
    let key = Command::KeyAdd {
        holder: Holder::Account(ann),
        hosts: Vec::new(),
        networks: Vec::new(),
        label: String::new(),
        may: May::default(),
        ends: None,
    };
    let Ok(Reply::KeyAdded(key)) = world.command(key) else { panic!("no key") };
    let token = format!("Token {}", key.token);
    let ask = |target: &str| {
        let headers = [("host", "update.dedyn.io"), ("authorization", token.as_str())];
        let groups = world.groups.load(Ordering::SeqCst);
        let whole = world.whole("GET", target, &headers, "", "203.0.113.9".parse().unwrap());
        let body = whole.split_once("\n\n").unwrap().1.to_owned();
        (body, world.groups.load(Ordering::SeqCst) - groups)
    };
    let many = |last: u8| {
        format!(
            "/?hostname=one.dyn.example.org&myipv4=192.0.2.{last}\
             &myipv4:two.dyn.example.org=192.0.2.{last}&myipv6:three.dyn.example.org=2001:db8::{last}\
             &myipv4:other.dyn.example.org=192.0.2.{last}"
        )
    };
    let told = "good 192.0.2.1\ngood 192.0.2.1\ngood 2001:db8::1\nnohost\n";
    assert_eq!(ask(&many(1)), (told.to_owned(), 1));
    let told = told.replace("good", "nochg");
    assert_eq!(ask(&many(1)), (told, 0));
    // A full disk refuses all of it.
    world.full.store(true, Ordering::SeqCst);
    let (body, _) = ask(&many(2).replace("myipv4=192.0.2.2", "myipv4=192.0.2.1"));
    assert_eq!(body, "911\n");
    world.full.store(false, Ordering::SeqCst);
    assert_eq!(ask(&many(1)).1, 0, "something of it was done");
}

/// Leases that end in the same second are written down in several groups, so
/// that an update need not wait for all of them.
#[test]
fn leases_that_end_together_are_withdrawn_in_groups() {
    let mut world = together(600);
    let groups = world.groups.load(Ordering::SeqCst);
    world.wait(61);
    assert_eq!(world.registry().state().present_count(), 0);
    let groups = world.groups.load(Ordering::SeqCst) - groups;
    assert!((3..100).contains(&groups), "600 in {groups} groups");
}

/// Updates that come meanwhile go first, and wait for a small group at most.
#[test]
fn leases_that_end_together_let_updates_go_first() {
    let world = together(600);
    add(&world, "home");
    add(&world, "nas");
    let begun = world.hosts_written.lock().unwrap().len();
    let groups = world.groups.load(Ordering::SeqCst);
    let slow = world.slow.clone();
    let held = slow.lock().unwrap();
    let registry = world.registry().clone();
    let home = std::thread::spawn(move || in_time(registry, update("home", 1)));
    until("the disk is asked", Duration::from_secs(30), || {
        (world.groups.load(Ordering::SeqCst) > groups).then_some(())
    });
    world.pass(61);
    let (grant, update) = update("nas", 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut nas = std::pin::pin!(world.registry().update(grant, &update));
        // Asked once, it has its place in the queue.
        tokio::select! {
            biased;
            said = &mut nas => panic!("{said:?} while the disk is held"),
            () = std::future::ready(()) => {}
        }
        drop(held);
        assert_eq!(nas.await.unwrap(), [Outcome::Moved(at(1))]);
    });
    assert_eq!(home.join().unwrap(), Outcome::Moved(at(1)));
    until("the leases end", Duration::from_secs(30), || {
        (world.registry().state().present_count() == 1).then_some(())
    });
    let written = world.hosts_written.lock().unwrap()[begun..].to_vec();
    let sizes = (written[..2].to_vec(), written[2] < 64, written[3] > 64);
    assert_eq!(sizes, (vec![1, 1], true, true), "{written:?}");
}

/// So many hosts whose leases end 60 seconds later, all together.
fn together(hosts: usize) -> World {
    let mut world = World::new(Engine::Redb, super::daemon::ZONE);
    world.lease = "60s".parse().unwrap();
    world.start().unwrap();
    let ann: AccountName = "ann".parse().unwrap();
    let account = Command::AccountAdd { name: ann.clone(), password: None };
    assert!(world.command(account).is_ok());
    let names: Vec<Name> =
        (0..hosts).map(|n| format!("h{n}.dyn.example.org").parse().unwrap()).collect();
    world.commands(names.iter().map(|name| {
        let settings = HostSettings { owner: Some(Some(ann.clone())), ..HostSettings::default() };
        Command::HostAdd { name: name.clone(), settings, key: false }
    }));
    let grant =
        Grant { holder: Holder::Account(ann), hosts: Vec::new(), key: None, may: May::default() };
    let listed = Hosts::Listed(names.into_iter().map(Some).collect());
    in_time(world.registry().clone(), (grant, Update { hosts: listed, ..update("any", 1).1 }));
    assert_eq!(world.registry().state().present_count(), hosts);
    world
}

/// While groups come faster than the store can take them, leases wait and let
/// updates go first; not for ever.
#[test]
fn leases_end_while_the_store_is_behind() {
    let mut world = World::new(Engine::Redb, super::daemon::ZONE);
    world.lease = "60s".parse().unwrap();
    world.start().unwrap();
    add(&world, "home");
    assert_eq!(in_time(world.registry().clone(), update("home", 1)), Outcome::Moved(at(1)));
    world.behind.store(true, Ordering::Relaxed);
    // Asked something, the thread looks at the time.
    let is_there = || {
        assert!(world.command(Command::HostList { owner: None, zone: None }).is_ok());
        world.registry().state().present_count() == 1
    };
    world.pass(61);
    assert!(is_there() && is_there());
    world.pass(30);
    assert!(is_there() && is_there(), "updates go first");
    world.pass(31);
    until("the lease ends", Duration::from_secs(30), || (!is_there()).then_some(()));
}

/// As the registry has it.
const TXT: truename::model::RecordType = truename::model::RecordType::TXT;

/// A set of records that does not fit into a message could never be answered.
#[test]
fn what_one_host_keeps_fits_into_one_answer() {
    let mut world = World::new(Engine::Redb, super::daemon::ZONE);
    world.start().unwrap();
    add(&world, "home");
    let name: Name = "home.dyn.example.org".parse().unwrap();
    let text = |n: u8, length: usize| {
        let rdata: Vec<u8> = std::iter::repeat_n([255], length / 256)
            .flat_map(|length| length.into_iter().chain([n; 255]))
            .collect();
        let rtype = TXT;
        let change = RecordChange::Add { rtype, ttl: None, rdata, keep: None, newest: None };
        Edit { name: name.clone(), change }
    };
    let edit = |edits: Vec<Edit>| {
        world.edit(
            Grant {
                holder: Holder::Host(name.clone()),
                hosts: Vec::new(),
                key: None,
                may: "TXT".parse().unwrap(),
            },
            Edits {
                requires: Vec::new(),
                edits,
                protocol: Protocol::Api,
                source: [192, 0, 2, 1].into(),
            },
        )
    };
    assert_eq!(edit(vec![text(0, MAX_RDATA + 256)]), Edited::BadData);
    let fitting = MAX_RECORD_OCTETS / MAX_RDATA;
    let many = |count: usize| (0..count as u8).map(|n| text(n, MAX_RDATA)).collect();
    assert_eq!(edit(many(fitting + 1)), Edited::TooMany);
    assert_eq!(edit(many(fitting)), Edited::Done { changed: true });
    assert_eq!(edit(vec![text(99, 256)]), Edited::TooMany);
    let snapshot = world.registry().snapshot().load_full();
    let whole = dig(&snapshot, "home.dyn.example.org", RecordType::TXT);
    assert_eq!(whole.matches(" ttl ").count(), fitting, "all of them in one answer");
    // Taken away, there is room for others.
    let (rtype, few) = (TXT, text(1, 256));
    let all = Edit { name: name.clone(), change: RecordChange::RemoveSet { rtype } };
    assert_eq!(edit(vec![all, few]), Edited::Done { changed: true });
}

/// A host with a key of its own.
fn add(world: &World, host: &str) {
    let settings = HostSettings::default();
    let name = format!("{host}.dyn.example.org").parse().unwrap();
    let added = world.command(Command::HostAdd { name, settings, key: true });
    assert!(matches!(added, Ok(Reply::HostAdded { .. })));
}

fn at(last: u8) -> Addresses {
    Addresses { v4: Some([192, 0, 2, last].into()), v6: None }
}

/// A report by the host itself.
fn update(host: &str, last: u8) -> (Grant, Update) {
    let name: Name = format!("{host}.dyn.example.org").parse().unwrap();
    let grant = Grant {
        holder: Holder::Host(name.clone()),
        hosts: Vec::new(),
        key: None,
        may: May::default(),
    };
    let update = Update {
        hosts: Hosts::Listed(vec![Some(name)]),
        report: Report::Addresses {
            v4: Said::Is([192, 0, 2, last].into()),
            v6: Said::Nothing,
            prefix: Said::Nothing,
        },
        line: None,
        protocol: Protocol::Dyndns2,
        source: SocketAddr::from(([192, 0, 2, last], 1)).ip(),
    };
    (grant, update)
}

/// An edit of the address by the host itself.
fn edit(host: &str, last: u8) -> (Grant, Edits) {
    let (grant, Update { source, .. }) = update(host, last);
    let name: Name = format!("{host}.dyn.example.org").parse().unwrap();
    let rtype = truename::model::RecordType::A;
    let rdata = vec![192, 0, 2, last];
    let add = RecordChange::Add { rtype, ttl: None, rdata, keep: None, newest: None };
    let edits = [RecordChange::RemoveSet { rtype }, add]
        .map(|change| Edit { name: name.clone(), change })
        .into();
    (grant, Edits { requires: Vec::new(), edits, protocol: Protocol::Api, source })
}

/// What becomes of an update, which takes some seconds at most.
fn in_time(registry: Registry, (grant, update): (Grant, Update)) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcomes = runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(30), registry.update(grant, &update)).await
    });
    outcomes.expect("an answer in time").expect("an answer")[0]
}
