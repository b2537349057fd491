//! The outbox of notifications: one exists exactly where its change does, and is delivered in order, at least once, by one
//! process at a time.

use std::sync::mpsc;

use hearth::config::Config;
use hearth::database::outbox::{self, Waiting};
use hearth::database::{Database, Engine, migrate};
use hearth::messaging::{self, Heard, Listener, Mailbox, Notification, Outbox, Postman, Priority};
use hearth::{Error, Kind};
use serde_json::{Value as Json, json};

use super::child::Process;
use super::crash_stories;
use super::fixture::{self, on_every_engine};
use super::servers;

on_every_engine! {
    a_notification_exists_exactly_where_its_transaction_was_committed,
    notifications_are_delivered_in_order_and_removed,
    one_of_several_processes_delivers_and_another_takes_over,
    whoever_is_killed_while_delivering_loses_nothing_and_repeats_the_last_batch_at_most,
    what_can_not_be_delivered_waits_or_is_given_up_as_the_configuration_says,
    no_more_wait_than_the_limit_allows,
    each_driver_has_notifications_of_its_own,
}

const DRIVER: &str = "hearth_telemetry";
const CONFIG: &str = "[oslo_messaging_notifications]\ndriver = hearth_telemetry\n\
                      [oslo_messaging_rabbit]\nrabbit_retry_interval = 0\nrabbit_retry_backoff = 0\n\
                      [hearth_notifications]\npoll_interval = 0\nlease = 1\n";

/// A listener that says the number of each notification that it hears.
pub(crate) struct Said(pub(crate) Box<dyn FnMut(i64) + Send>);

impl Listener for Said {
    fn hear(&mut self, batch: &[Waiting]) -> Heard {
        for waiting in batch {
            (self.0)(number(waiting));
        }
        Heard::all(batch)
    }
}

/// A listener that refuses one number, as often as it hears it.
struct Refuses(i64, mpsc::Sender<i64>);

impl Listener for Refuses {
    fn hear(&mut self, batch: &[Waiting]) -> Heard {
        for (taken, waiting) in batch.iter().enumerate() {
            // The receiver may have heard enough.
            let _ = self.1.send(number(waiting));
            if number(waiting) == self.0 {
                return Heard::only(taken, Error::new(Kind::Unavailable, "not this one"));
            }
        }
        Heard::all(batch)
    }
}

fn number(waiting: &Waiting) -> i64 {
    let message: Json = serde_json::from_str(&waiting.message).expect("a message");
    message["payload"]["number"].as_i64().expect("a number")
}

fn database(engine: Engine) -> (String, Database) {
    let url = servers::empty_database(engine);
    let database = fixture::open(&url);
    migrate::sync(&database, &fixture::WANTED).expect("the tables are made");
    (url, database)
}

fn config(more: &str) -> Config {
    Config::from_text(&format!("{CONFIG}{more}")).expect("a configuration")
}

pub(crate) fn postman(database: &Database, listener: impl Listener + 'static) -> Postman {
    messaging::start(&config(""), database, Mailbox::STORAGE, Some(Box::new(listener))).expect("a postman")
}

fn put(database: &Database, outbox: &Outbox, number: i64) -> hearth::Result<()> {
    database.write(|tx| {
        let notification = Notification {
            publisher_id: "test.host".to_owned(),
            event_type: "test.event".to_owned(),
            priority: Priority::Info,
            payload: json!({ "number": number }),
        };
        outbox.put(tx, &notification, &json!({}))?;
        if number < 0 { Err(Error::invalid("no")) } else { Ok(()) }
    })
}

fn put_all(database: &Database, numbers: impl Iterator<Item = i64>) {
    let outbox = Outbox::of(&config(""));
    for number in numbers {
        put(database, &outbox, number).expect("a notification");
    }
}

fn waiting(database: &Database) -> Vec<i64> {
    let waiting = database.read(|c| outbox::oldest(c, DRIVER, 1000)).expect("notifications");
    waiting.iter().map(number).collect()
}

fn a_notification_exists_exactly_where_its_transaction_was_committed(engine: Engine) {
    let (_, database) = database(engine);
    put_all(&database, 1..3);
    put(&database, &Outbox::of(&config("")), -1).expect_err("the transaction fails");
    put(&database, &Outbox::default(), 9).expect("nobody listens");
    assert_eq!(waiting(&database), [1, 2]);
    let counts = database.read(outbox::waiting).expect("counts");
    assert_eq!(counts.iter().map(|(driver, count, _)| (driver.as_str(), *count)).collect::<Vec<_>>(), [(DRIVER, 2)]);
}

fn notifications_are_delivered_in_order_and_removed(engine: Engine) {
    let (_, database) = database(engine);
    // More than one batch, before and after the start.
    put_all(&database, 0..120);
    let (tell, told) = mpsc::channel();
    let postman = postman(&database, Said(Box::new(move |number| tell.send(number).expect("a test"))));
    put_all(&database, 120..130);
    let heard: Vec<i64> = told.iter().take(130).collect();
    postman.stop();
    postman.wait();
    assert_eq!(heard, (0..130).collect::<Vec<_>>());
    assert!(waiting(&database).is_empty());
    assert_eq!(told.iter().count(), 0, "nothing is delivered twice");
}

fn one_of_several_processes_delivers_and_another_takes_over(engine: Engine) {
    let (_, database) = database(engine);
    let hold = |owner: &str, millis| database.write(|tx| outbox::hold(tx, DRIVER, owner, millis)).expect("an answer");
    assert!(hold("one", 60_000) && hold("one", 60_000));
    assert!(!hold("other", 60_000));
    database.write(|tx| outbox::release(tx, DRIVER, "other")).expect("nothing to release");
    assert!(!hold("other", 60_000));
    database.write(|tx| outbox::release(tx, DRIVER, "one")).expect("a release");
    assert!(hold("other", -1));
    assert!(hold("one", 60_000), "a lease that ran out is free");
}

fn whoever_is_killed_while_delivering_loses_nothing_and_repeats_the_last_batch_at_most(engine: Engine) {
    for point in ["notification.after_send", "notification.before_commit"] {
        let (url, database) = database(engine);
        put_all(&database, 0..150);
        let mut doomed = Process::doomed("delivers_notifications", &url, 0, &format!("{point}:2"));
        let mut heard: Vec<i64> = doomed.said().collect();
        assert!(!doomed.ends_well());
        crash_stories::tell("killed", point);
        assert_eq!(heard, (0..150).collect::<Vec<_>>(), "{point}");
        let mut next = Process::start("delivers_notifications", &url, 0);
        heard = next.said().collect();
        assert!(next.ends_well());
        // The first batch was removed, and the second one was not.
        assert_eq!(heard, (100..150).collect::<Vec<_>>(), "{point}");
        assert!(waiting(&database).is_empty());
    }
}

fn what_can_not_be_delivered_waits_or_is_given_up_as_the_configuration_says(engine: Engine) {
    let (_, database) = database(engine);
    put_all(&database, 0..4);
    let (tell, told) = mpsc::channel();
    let patient = postman(&database, Refuses(1, tell));
    let heard: Vec<i64> = told.iter().take(8).collect();
    assert_eq!(heard, [0, 1, 1, 1, 1, 1, 1, 1], "it is tried for ever, and nothing overtakes it");
    patient.stop();
    patient.wait();
    assert_eq!(waiting(&database), [1, 2, 3]);
    let (tell, told) = mpsc::channel();
    let config = config("[oslo_messaging_notifications]\nretry = 2\n");
    let hasty =
        messaging::start(&config, &database, Mailbox::STORAGE, Some(Box::new(Refuses(1, tell)))).expect("a postman");
    assert_eq!(told.iter().take(5).collect::<Vec<_>>(), [1, 1, 1, 2, 3]);
    hasty.stop();
    hasty.wait();
    assert!(waiting(&database).is_empty());
}

fn no_more_wait_than_the_limit_allows(engine: Engine) {
    let (_, database) = database(engine);
    put_all(&database, 0..5);
    assert_eq!(database.write(|tx| outbox::cut(tx, DRIVER, 5)).expect("a cut"), 0);
    assert_eq!(database.write(|tx| outbox::cut(tx, DRIVER, 2)).expect("a cut"), 3);
    assert_eq!(waiting(&database), [3, 4]);
}

fn each_driver_has_notifications_of_its_own(engine: Engine) {
    let (_, database) = database(engine);
    let both = Outbox::of(&config("[oslo_messaging_notifications]\ndriver = log\n"));
    put(&database, &both, 1).expect("a notification");
    let of = |driver: &str| database.read(|c| outbox::oldest(c, driver, 10)).expect("notifications");
    let (one, other) = (of(DRIVER), of("log"));
    assert_eq!((one.len(), other.len()), (1, 1));
    assert_eq!(one[0].message, other[0].message, "the message is the same, and so is its id");
    database.write(|tx| outbox::remove(tx, &[one[0].id])).expect("a removal");
    assert_eq!((of(DRIVER).len(), of("log").len()), (0, 1));
}
