//! Other processes: this test binary again, at one of the functions below. The parent talks with them by their inputs and
//! outputs, so that nobody waits by the clock.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use hearth::database::{Database, Options, Transaction, Value};

/// What a child is told.
const URL: &str = "HEARTH_TEST_URL";
const NUMBER: &str = "HEARTH_TEST_NUMBER";

/// A running child that is killed with its owner.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts the child that is called `role` below.
    pub(crate) fn start(role: &str, url: &str, number: usize) -> Self {
        Self::doomed(role, url, number, "none")
    }

    /// As [`Process::start`], to be killed at a point.
    pub(crate) fn doomed(role: &str, url: &str, number: usize, point: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["--exact", &format!("child::{role}"), "--ignored", "--nocapture", "--quiet"])
            .env(URL, url)
            .env(NUMBER, number.to_string())
            .env(hearth::service::fault::VARIABLE, point)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        Self { child, lines }
    }

    /// The numbers that the child says next, until it ends.
    pub(crate) fn said(&mut self) -> impl Iterator<Item = i64> {
        self.lines.by_ref().map_while(Result::ok).filter_map(|line| line.strip_prefix("said ")?.parse().ok())
    }

    /// Kills it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the child is killed");
    }

    /// Waits for its end; whether it ended well.
    pub(crate) fn ends_well(mut self) -> bool {
        self.child.wait().expect("the child ends").success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing: this is no test of its own"))
}

fn say(number: i64) {
    // One write a line, so that the parent never sees half of one.
    use std::io::Write;
    std::io::stdout().write_all(format!("said {number}\n").as_bytes()).expect("the parent listens");
}

/// Writes pairs of rows for ever, each pair in a transaction, and says each number after its commit.
#[test]
#[ignore = "run by crash.rs as a process of its own"]
fn writes_pairs() {
    let database = Database::open(&told(URL), Options::default()).expect("a database");
    let first = told(NUMBER).parse::<i64>().expect("a number") * 1_000_000;
    for number in first.. {
        database
            .write(|tx| {
                for half in 0..2_i64 {
                    tx.execute("INSERT INTO pairs (number, half) VALUES (?, ?)", &[number.into(), half.into()])?;
                }
                Ok(())
            })
            .expect("a pair");
        say(number);
    }
}

/// How many transfers a child makes.
pub(crate) const TRANSFERS: i64 = 40;
/// How many accounts there are.
pub(crate) const ACCOUNTS: i64 = 4;

/// One transfer between two accounts, which locks them in an order that another transfer reverses.
pub(crate) fn transfer(tx: &mut Transaction<'_>, from: i64, to: i64) -> hearth::Result<()> {
    for (account, change) in [(from, -1_i64), (to, 1)] {
        let sql = "SELECT balance FROM accounts WHERE id = ? FOR UPDATE";
        let balance = tx.row(sql, &[account.into()], |row| row.int(0))?.expect("an account");
        let params: [Value<'_>; 2] = [(balance + change).into(), account.into()];
        tx.execute("UPDATE accounts SET balance = ? WHERE id = ?", &params)?;
    }
    Ok(())
}

/// Makes transfers in both directions, on one connection.
#[test]
#[ignore = "run by contention.rs as a process of its own"]
fn transfers() {
    let database = Database::open(&told(URL), Options::default()).expect("a database");
    let number = told(NUMBER).parse::<i64>().expect("a number");
    for at in 0..TRANSFERS {
        let (from, to) = pair(number, at);
        database.write(|tx| transfer(tx, from, to)).expect("a transfer");
    }
}

/// Makes transfers as CGI does: each with a new connection, beside a reader.
#[test]
#[ignore = "run by contention.rs as a process of its own"]
fn transfers_and_reconnects() {
    let number = told(NUMBER).parse::<i64>().expect("a number");
    for at in 0..TRANSFERS {
        let database = Database::open(&told(URL), Options::default()).expect("a database");
        let (from, to) = pair(number, at);
        database.write(|tx| transfer(tx, from, to)).expect("a transfer");
        let sum = database.read(|c| c.row("SELECT sum(balance) FROM accounts", &[], |row| row.int(0)));
        assert_eq!(sum.expect("a sum"), Some(0));
    }
}

/// The accounts of a transfer: half of the children go the other way round.
pub(crate) fn pair(number: i64, at: i64) -> (i64, i64) {
    let (one, other) = (at % ACCOUNTS, (at + 1 + at % (ACCOUNTS - 1)) % ACCOUNTS);
    if number % 2 == 0 { (one, other) } else { (other, one) }
}

/// Delivers notifications until there are none, and says the number of each as it is delivered. The environment may name
/// a point at which it is killed.
#[test]
#[ignore = "run by outbox.rs as a process of its own"]
fn delivers_notifications() {
    let database = Database::open(&told(URL), Options::default()).expect("a database");
    let postman = super::outbox::postman(&database, super::outbox::Said(Box::new(say)));
    loop {
        let left = database.read(|c| c.row("SELECT count(*) FROM hearth_notifications", &[], |row| row.int(0)));
        if left.expect("a count") == Some(0) {
            break;
        }
    }
    postman.stop();
    postman.wait();
}

/// Takes orders until there are none, and says the id of each; a transaction ends each.
#[test]
#[ignore = "run by orders.rs as a process of its own"]
fn takes_orders() {
    let database = Database::open(&told(URL), Options::default()).expect("a database");
    let owner = format!("taker {}", told(NUMBER));
    loop {
        let taken = hearth::database::orders::take(&database, "volume", "host", &owner, 60, 3).expect("orders");
        for order in &taken {
            say(order.id);
            let ended = database.write(|tx| hearth::database::orders::finish(tx, order)).expect("an end");
            assert!(ended, "order {} was taken away", order.id);
        }
        let left = database.read(|c| c.row("SELECT count(*) FROM hearth_orders", &[], |row| row.int(0)));
        if taken.is_empty() && left.expect("a count") == Some(0) {
            return;
        }
    }
}
