//! How a request arrives: FastCGI, CGI or HTTP/1.1, on native threads. Knows nothing of OpenStack.

mod message;
pub mod running;

pub use message::{Body, BodyWriter, Handler, Params, Request, Response, ResponseBody};
