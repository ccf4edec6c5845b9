//! Names that strangers make for themselves by acme-dns's `/register`: those
//! that are not used within a week make room for others.

use truename::model::{Holder, Name};
use truename::registry::{Command, HostSettings, NewKey, Reply};
use truename::store::Engine;

use super::daemon::ZONE;
use super::world::World;

const WEEK: u64 = 7 * 86_400;

/// What a certificate is proved by.
const PROOF: &str = "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM";

/// A name and its token, or why there is none.
fn register(world: &World, most: usize) -> Result<(Name, String), String> {
    let zone = "dyn.example.org".parse().unwrap();
    let made = world.command(Command::Register { zone, networks: Vec::new(), most });
    match made {
        Ok(Reply::HostAdded { host, key: Some(NewKey { token, .. }) }) => {
            Ok((host.host.name, token))
        }
        Ok(_) => panic!("no name was made"),
        Err(why) => Err(why.to_string()),
    }
}

/// Sets the record of a name, as a client of acme-dns does.
fn prove(world: &World, name: &Name, token: &str) -> String {
    let user = name.labels().next().map(|label| String::from_utf8(label.to_vec()).unwrap());
    let user = user.unwrap();
    let body = format!(r#"{{"subdomain":"{user}","txt":"{PROOF}"}}"#);
    let headers = [("host", "ddns.example.org"), ("x-api-user", &user), ("x-api-key", token)];
    let whole = world.whole("POST", "/update", &headers, &body, "203.0.113.9".parse().unwrap());
    whole.lines().next().unwrap().to_owned()
}

fn exists(world: &World, name: &Name) -> bool {
    let state = world.registry().state();
    let is_there = state.host(name).is_some();
    let has_keys = state.keys_of(&Holder::Host(name.clone())).next().is_some();
    assert_eq!(is_there, has_keys, "{name}: host and key go together");
    is_there
}

fn world(engine: Engine) -> World {
    let mut world = World::new(engine, ZONE);
    world.start().unwrap();
    world
}

#[test]
fn a_name_that_nobody_uses_ends_after_a_week() {
    for engine in Engine::ALL {
        let mut world = world(engine);
        let (used, token) = register(&world, 3).unwrap();
        let (unused, unused_token) = register(&world, 3).unwrap();
        let (given, _) = register(&world, 3).unwrap();
        assert!(register(&world, 3).unwrap_err().contains("3 names are registered"));
        assert_eq!(prove(&world, &used, &token), "200");
        // To somebody whom the operator knows.
        let name = "ann".parse().unwrap();
        world.command(Command::AccountAdd { name, password: None }).unwrap();
        let owner = Some(Some("ann".parse().unwrap()));
        let settings = HostSettings { owner, ..HostSettings::default() };
        world.command(Command::HostSet { name: given.clone(), settings }).unwrap();

        // Whatever happens to the server meanwhile, and however often.
        world.wait(WEEK / 2);
        world.stop();
        world.start().unwrap();
        world.move_house().unwrap();
        world.wait(WEEK / 2 - 301);
        world.crash().unwrap();
        // What a crash forgets of the time served is heartbeats' at most.
        assert!(exists(&world, &unused));
        world.wait(602);
        assert!(!exists(&world, &unused), "{engine}");
        assert_eq!(prove(&world, &unused, &unused_token), "401");
        world.wait(10 * WEEK);
        assert!(exists(&world, &used) && exists(&world, &given), "{engine}");
        assert_eq!(prove(&world, &used, &token), "200");

        // There is room again, and nothing of it is left behind.
        register(&world, 2).unwrap();
        world.stop();
        world.start().unwrap();
        assert!(!exists(&world, &unused));
    }
}

/// The last moment is early enough, and a record that goes again was a use.
#[test]
fn a_first_use_keeps_a_name() {
    let mut world = world(Engine::Redb);
    let (name, token) = register(&world, 9).unwrap();
    world.wait(WEEK - 1);
    assert_eq!(prove(&world, &name, &token), "200");
    world.wait(10 * WEEK);
    assert!(exists(&world, &name));

    // One that the operator removed and made again is the operator's.
    let (name, _) = register(&world, 9).unwrap();
    world.command(Command::HostRemove { name: name.clone() }).unwrap();
    let settings = HostSettings::default();
    world.command(Command::HostAdd { name: name.clone(), settings, key: true }).unwrap();
    world.wait(2 * WEEK);
    assert!(exists(&world, &name));
}

/// Many that end together are ended in groups, so that others need not wait.
#[test]
fn a_flood_of_names_ends_as_it_came() {
    let mut world = world(Engine::Redb);
    let names: Vec<Name> = (0..300).map(|_| register(&world, 1000).unwrap().0).collect();
    world.wait(WEEK);
    assert!(names.iter().all(|name| !exists(&world, name)));
    assert!(register(&world, 1).is_ok());
}
