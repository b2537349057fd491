//! How a request arrives: FastCGI, CGI or HTTP/1.1, on native threads. Knows nothing of OpenStack.
//!
//! A parser (`fastcgi/`, `http/`) turns bytes into events, a `link` turns events into requests, `workers` run them, and an
//! `exchange` writes each answer. FastCGI and HTTP differ in the parser and the writer alone; CGI needs neither threads nor
//! polling and stands by itself.

mod arriving;
pub mod cgi;
mod connection;
mod exchange;
pub mod fastcgi;
pub mod http;
pub mod launch;
mod link;
mod links;
mod listener;
mod message;
mod poll;
pub mod protocol;
mod readiness;
mod reply;
pub mod running;
mod sending;
mod server;
mod settings;
mod spool;
mod status;
mod succession;
mod watch;
mod workers;

pub use launch::Launch;
pub use listener::{Listener, Protocol};
pub use message::{Body, BodyWriter, Handler, Params, Request, Response, ResponseBody};
pub use server::{Controller, Server};
pub use settings::{Network, Settings};
pub use spool::{Spool, Spooled};
pub use status::Status;
