//! The crate `fastcgi` 1.0.0 as its documentation shows it: it accepts on fd 0 and gives each connection a thread.

use std::io::Write;

const DOCUMENT: &str = include_str!("../../../document.json");
const HEAD: &str = include_str!("../../../head.txt");

fn main() {
    fastcgi::run(|mut request| {
        // A client that went away is no error of this program.
        let _ = write!(&mut request.stdout(), "{HEAD}Content-Length: {}\r\n\r\n{DOCUMENT}", DOCUMENT.len());
    });
}
