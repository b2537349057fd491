//! The table of routes against Cinder's own: nothing is missing but what is said to be, and nothing is there beside it.

use std::collections::BTreeMap;

use hearth::operate::routes;

const CINDER: &str = include_str!("../data/block_storage/routes.tsv");

/// Method, path with its variables' names left out, and action; to the versions and the status.
type Table<'a> = BTreeMap<(&'a str, String, &'a str), [&'a str; 3]>;

fn nameless(path: &str) -> String {
    path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment }).collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_of_cinder_is_there_with_its_versions_and_status() {
    let printed = routes::table("block-storage").expect("a service");
    let hearth: Table<'_> = printed
        .lines()
        .skip(1)
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [method, path, action, min, max, success, _] => ((method, nameless(path), action), [min, max, success]),
            _ => panic!("{line}"),
        })
        .collect();
    let mut expected = Table::new();
    for line in CINDER.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let [method, path, action, min, max, success, differs] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let success = if differs.is_empty() { success } else { differs };
        if differs != "missing" {
            expected.insert((method, nameless(path), action), [min, max, success]);
        }
    }
    for (route, row) in &expected {
        assert_eq!(hearth.get(route), Some(row), "{route:?}");
    }
    for route in hearth.keys() {
        assert!(expected.contains_key(route), "{route:?} is no route of Cinder, or no longer missing");
    }
    assert!(expected.len() > 200);
}
