//! The least a CGI program can do: write the answer and end. What starting a process costs, by itself.

use std::io::Write;

const DOCUMENT: &str = include_str!("../../../document.json");
const HEAD: &str = include_str!("../../../head.txt");

fn main() {
    let answer = format!("{HEAD}\r\n{DOCUMENT}");
    if std::io::stdout().write_all(answer.as_bytes()).is_err() {
        std::process::exit(1);
    }
}
