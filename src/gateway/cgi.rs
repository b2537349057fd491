//! CGI (RFC 3875): one request from the environment and standard input, one answer on standard output. No thread, no
//! poll, nothing that a short life does not need.

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;

use super::message::{Body, Handler, Params, Request, Response, ResponseBody};
use super::reply::{self, End};
use crate::service::threads;

/// Bytes of a body that are read before the handler starts.
const IN_MEMORY: u64 = 256 * 1024;

/// Answers the one request of this process.
///
/// # Errors
/// Where the request can not be read or the web server does not take the answer.
pub fn run(handler: &Handler) -> io::Result<()> {
    let request = request(std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())), io::stdin())?;
    let is_head = request.method() == "HEAD";
    let response = threads::contain(|| handler(request)).unwrap_or_else(|panic| {
        log::error!("a handler panicked: {panic}");
        reply::plain(500, "")
    });
    let mut out = io::stdout().lock();
    write(response, is_head, &mut out)?;
    out.flush()
}

/// Forgets what the web server put into the environment that programs would take for a setting: the client's `Proxy`
/// header as `HTTP_PROXY`. To be called before the first thread is started.
pub fn clean_environment() {
    if std::env::var_os("GATEWAY_INTERFACE").is_some() {
        crate::sys::started::forget_variable("HTTP_PROXY");
    }
}

fn request(
    variables: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
    input: impl Read + Send + 'static,
) -> io::Result<Request> {
    let mut params = Params::default();
    for (name, value) in variables {
        if name != b"HTTP_PROXY" {
            params.push(&name, &value);
        }
    }
    let length = match params.value(b"CONTENT_LENGTH").map(std::str::from_utf8) {
        None | Some(Ok("")) => 0,
        Some(Ok(text)) => text.parse::<u64>().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        Some(Err(_)) => return Err(io::ErrorKind::InvalidInput.into()),
    };
    let mut input = input.take(length);
    let body = if length <= IN_MEMORY {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        Body::Whole(bytes)
    } else {
        Body::Arriving(Box::new(input))
    };
    Ok(Request { params, body })
}

fn write(response: Response, is_head: bool, out: &mut dyn Write) -> io::Result<()> {
    let bodiless = reply::is_bodiless(response.status);
    let mut head = Vec::with_capacity(512);
    match response.body {
        ResponseBody::Bytes(body) => {
            let end = if bodiless { End::Nothing } else { End::Length(body.len()) };
            reply::cgi_head(&mut head, response.status, &response.headers, end);
            if !bodiless && !is_head {
                head.extend_from_slice(&body);
            }
            out.write_all(&head)
        }
        body => {
            let length = body.length().filter(|_| !bodiless);
            let end = length.map_or(End::Nothing, |length| End::Length(usize::try_from(length).unwrap_or(usize::MAX)));
            reply::cgi_head(&mut head, response.status, &response.headers, end);
            out.write_all(&head)?;
            if bodiless || is_head { Ok(()) } else { body.write_to(out) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{request, write};
    use crate::gateway::{Response, ResponseBody, Spool};

    fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let owned: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        owned.into_iter()
    }

    #[test]
    fn a_request_has_its_variables_and_as_much_body_as_announced() {
        let pairs = [("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", "5"), ("HTTP_PROXY", "http://evil")];
        let mut read = request(variables(&pairs), &b"hello and more"[..]).expect("a good request");
        assert_eq!(read.body.read_to_end(100).expect("the body"), b"hello");
        assert_eq!((read.method(), read.param("HTTP_PROXY")), ("POST", None));
        assert!(request(variables(&[("CONTENT_LENGTH", "many")]), &b""[..]).is_err());
    }

    #[test]
    fn an_answer_has_the_form_of_the_rfc() {
        let mut out = Vec::new();
        write(Response::new(404, "text/plain", "gone"), false, &mut out).expect("written");
        let expected = "Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\ngone";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        let mut head = Vec::new();
        write(Response::new(200, "text/plain", "body"), true, &mut head).expect("written");
        assert!(head.ends_with(b"Content-Length: 4\r\n\r\n"));
        let mut spool = Spool::default();
        assert!(spool.append(b"a part in a file, "));
        let body = ResponseBody::Spooled(spool.end(b"and the rest".to_vec()));
        let mut long = Vec::new();
        write(Response { body, ..Response::new(200, "text/plain", "") }, false, &mut long).expect("written");
        assert!(long.ends_with(b"Content-Length: 30\r\n\r\na part in a file, and the rest"));
        let mut stream = Vec::new();
        let response = Response {
            body: ResponseBody::Stream(Box::new(|out| out.write_all(b"streamed"))),
            ..Response::new(200, "text/plain", "")
        };
        write(response, false, &mut stream).expect("written");
        assert!(stream.ends_with(b"text/plain\r\n\r\nstreamed"));
    }
}
