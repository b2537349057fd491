//! Connections that come and go under those who use them.

use hearth::database::{Connection, Engine};

use super::fixture;

#[test]
fn a_connection_to_mariadb_that_has_read_much_is_replaced_when_nobody_uses_it() {
    let database = fixture::empty(Engine::Mysql);
    let number = |c: &mut Connection| c.row("SELECT CONNECTION_ID()", &[], |row| row.int(0));
    let much = |c: &mut Connection| c.row("SELECT REPEAT('x', 3000000)", &[], |row| row.text(0).map(str::len));
    let read = || database.read(|c| Ok((number(c)?, much(c)?, number(c)?))).unwrap();
    let (before, length, after) = read();
    assert_eq!((before, length), (after, Some(3_000_000)), "it was replaced while it was in use");
    let next = database.read(number).unwrap();
    assert_ne!(next, after, "it was kept");
    assert_eq!(database.read(number).unwrap(), next, "it was replaced without need");
    let in_transaction = database.write(|tx| Ok((number(tx)?, much(tx)?, number(tx)?))).unwrap();
    assert_eq!(in_transaction, (next, Some(3_000_000), next));
    assert_ne!(database.write(|tx| number(tx)).unwrap(), next);
    // Many connections at once: those of the pool are replaced alike.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| assert_eq!(read().1, Some(3_000_000))));
        }
    });
    assert!(database.read(number).unwrap().is_some());
}
