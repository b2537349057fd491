//! The gateway alone, without any of OpenStack: answers every request with one document of 414 bytes. For measuring.
//!
//! `responder SOCKET-OR-ADDRESS [fastcgi|http] [WORKERS]`; `HANDLER_US` makes each request wait that long as a database
//! would make it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hearth::gateway::{Listener, Protocol, Response, Server, Settings};
use hearth::service::threads::about_to_wait;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let protocol = match arguments.next().as_deref() {
        Some("http") => Protocol::Http,
        _ => Protocol::FastCgi,
    };
    let workers = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(4);
    let listener = match place.parse::<std::net::SocketAddr>() {
        Ok(address) => Listener::tcp(address, protocol)?,
        Err(_) => Listener::unix(&place, 0o666, protocol)?,
    };
    let wait = std::env::var("HANDLER_US").ok().and_then(|us| us.parse().ok()).map(Duration::from_micros);
    let body = format!("{{\"versions\": [\"{}\"]}}\n", "x".repeat(414 - 19));
    let handler = move |_request| {
        if let Some(wait) = wait {
            about_to_wait();
            std::thread::sleep(wait);
        }
        Response::new(200, "application/json", body.clone())
    };
    let settings = Settings { workers, ..Settings::default() };
    Server::new(settings, Arc::new(handler), vec![listener])?.run()
}
