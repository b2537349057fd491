//! Ids inside of bodies: whoever names another project's object there learns and changes nothing. The places are found in
//! the schemas of all routes, so that a new one is tried without a line here.

use hearth::block_storage::BlockStorage;
use hearth::rest::Route;
use hearth::rest::schema::{Check, Schema};
use serde_json::{Value, json};

use crate::authorization::{World, contents, key, routes};
use crate::fixture::Persona::{Member, Stranger};
use crate::people;

/// Inputs that name an object of a project, and the variable of paths that stands for such an object.
const OBJECTS: &[(&str, &str)] = &[
    ("volume_id", "volume_id"),
    ("volume_uuid", "volume_id"),
    ("source_volid", "volume_id"),
    ("add_volumes", "volume_id"),
    ("remove_volumes", "volume_id"),
    ("new_volume", "volume_id"),
    ("snapshot_id", "snapshot_id"),
    ("backup_id", "backup_id"),
    ("group_id", "group_id"),
    ("source_group_id", "group_id"),
    ("group_snapshot_id", "group_snapshot_id"),
    ("consistencygroup_id", "consistencygroup_id"),
    ("source_cgid", "consistencygroup_id"),
    ("cgsnapshot_id", "cgsnapshot_id"),
    ("attachment_id", "attachment_id"),
];

/// Inputs that end like an id and name nothing that a project has.
const OTHERS: &[&str] = &[
    "instance_uuid",
    "image_id",
    "imageRef",
    "backend_id",
    "secondary_backend_id",
    "service_id",
    "resource_id",
    "service_uuid",
];

/// An id that nothing has.
const UNKNOWN: &str = "deadbeef-0000-4000-8000-000000000000";

/// Calls `found` with the keys that lead to every input of a schema.
fn walk(schema: &'static Schema, keys: &[&'static str], found: &mut dyn FnMut(&[&'static str])) {
    for input in schema.fields {
        let mut inner = keys.to_vec();
        inner.push(input.name);
        found(&inner);
        descend(&input.check, &inner, found);
    }
}

fn descend(check: &'static Check, keys: &[&'static str], found: &mut dyn FnMut(&[&'static str])) {
    match check {
        Check::Object(schema) => walk(schema, keys, found),
        Check::AnyOf(checks) => checks.iter().for_each(|check| descend(check, keys, found)),
        Check::List(check, ..) => descend(check, keys, found),
        _ => {}
    }
}

/// A route, the keys that lead to an id in its body, and the variable of paths that stands for such an object.
type Place = (&'static Route<BlockStorage>, Vec<&'static str>, &'static str);

/// The places of all routes that take the id of an object.
fn places() -> Vec<Place> {
    let mut all: Vec<Place> = Vec::new();
    for route in routes() {
        let Some(schema) = route.body else { continue };
        walk(schema, &[], &mut |keys| {
            let name = *keys.last().unwrap();
            match OBJECTS.iter().find(|(input, _)| *input == name) {
                Some((_, variable)) => {
                    if !all.iter().any(|(other, place, _)| std::ptr::eq(*other, route) && place == keys) {
                        all.push((route, keys.to_vec(), *variable));
                    }
                }
                None => {
                    let like_an_id = name.ends_with("_id") || name.ends_with("uuid") || name.ends_with("volid");
                    assert!(!like_an_id || OTHERS.contains(&name), "{}: whose id is {name}?", key(route));
                }
            }
        });
    }
    all
}

/// A body of the route in which every object is the stranger's own, but for the one at this place.
fn body(route: &Route<BlockStorage>, world: &World, own: &World, place: &[&'static str], id: &str) -> Value {
    let mut text = world.body(route).unwrap_or_default().to_string();
    for (variable, theirs) in &world.ids {
        if theirs.len() == UNKNOWN.len() {
            text = text.replace(theirs.as_str(), &own.ids[variable]);
        }
    }
    let mut body: Value = serde_json::from_str(&text).unwrap();
    let mut at = &mut body;
    let place: Vec<&str> = if route.action.is_empty() || place[0] == route.action {
        place.to_vec()
    } else {
        [&[route.action], place].concat()
    };
    let (last, outer) = place.split_last().unwrap();
    for name in outer {
        if !at[*name].is_object() {
            at[*name] = json!({});
        }
        at = &mut at[*name];
    }
    // Of sources, one may be named.
    if place[0].contains("from-src") {
        *at = json!({});
    }
    at[*last] = json!(id);
    body
}

/// The stranger's own objects, in the world of the others.
fn own_objects(world: &World) -> World {
    let mut own = World::new();
    let cloud = &world.cloud;
    let volume = people::volume(cloud, Stranger, "own");
    let source = people::volume(cloud, Stranger, "own source");
    let snapshot = people::snapshot(cloud, Stranger, &source, "own");
    let group = people::group(cloud, Stranger, "own");
    let used = people::volume(cloud, Stranger, "own used");
    let reserve = json!({"attachment": {"volume_uuid": used}});
    let attachment = cloud.post(Stranger, "/attachments", reserve).expect(200)["attachment"]["id"].clone();
    let backup = people::backup(cloud, Stranger, &volume);
    for (variable, id) in [
        ("volume_id", volume),
        ("snapshot_id", snapshot),
        ("group_id", group.clone()),
        ("consistencygroup_id", group),
        ("used", used),
        ("attachment_id", attachment.as_str().unwrap().to_owned()),
        ("backup_id", backup),
    ] {
        own.ids.insert(variable, id);
    }
    own
}

#[test]
fn who_names_another_projects_object_in_a_body_is_told_what_he_is_told_of_one_that_is_not_there() {
    let world = World::new();
    let own = own_objects(&world);
    // What is left of the database without the stranger's own rows.
    let theirs = || {
        let mine = |line: &&str| own.ids.iter().any(|(name, id)| world.ids[name] != *id && line.contains(id.as_str()));
        contents(&world.cloud).lines().filter(|line| !mine(line)).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = theirs();
    let places = places();
    for (route, place, variable) in &places {
        let ask = |id: &str| {
            let body = body(route, &world, &own, place, id);
            let answer = world.cloud.send(Stranger, route.method.name(), &own.path(route), Some(body));
            (answer.status, answer.text.replace(id, "ID"))
        };
        let foreign = ask(&world.ids[variable]);
        let at = format!("{} {}", key(route), place.join("."));
        // To Cinder, an attachment that is not there has ended.
        let is_refused = (400..500).contains(&foreign.0) || route.action == "os-detach" && foreign.0 == 202;
        assert!(is_refused, "{at}: {foreign:?}");
        let changed: Vec<String> = theirs().into_iter().filter(|line| !before.contains(line)).collect();
        assert!(changed.is_empty() && theirs().len() == before.len(), "{at} has changed {changed:?}");
        assert_eq!(foreign, ask(UNKNOWN), "{at}: what is there is told from what is not");
        let changed: Vec<String> = theirs().into_iter().filter(|line| !before.contains(line)).collect();
        assert!(changed.is_empty() && theirs().len() == before.len(), "{at} has changed {changed:?}");
    }
    println!("{} places", places.len());
    assert!(places.len() >= 20, "{}", places.len());
    // The same requests are carried out for who has the objects: what refuses is whose they are.
    let volume = json!({"volume": {"size": 1, "source_volid": world.ids["volume_id"]}});
    world.cloud.post(Member, "/volumes", volume).expect(202);
}
