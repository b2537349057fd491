//! What Keystone and Nova say of one server's volume, over HTTP. A Nova does not run beside the tests; its answer is one
//! small document.

#![allow(unreachable_pub, reason = "the modules of one test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is said when a volume is asked for.
#[derive(Clone)]
enum Said {
    Attachment(String),
    Nothing,
    Failure,
}

/// A Keystone and a Nova at one address. It ends with the process.
pub struct Compute {
    url: String,
    said: Arc<Mutex<Said>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Compute {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (said, asked) = (Arc::new(Mutex::new(Said::Nothing)), Arc::new(Mutex::new(Vec::new())));
        let own = Self { url: url.clone(), said: Arc::clone(&said), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&mut stream.unwrap(), &url, &said.lock().unwrap().clone(), &asked);
            }
        });
        own
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on the server uses the volume by this attachment, or it does not use it.
    pub fn says(&self, attachment: Option<&str>) {
        *self.said.lock().unwrap() = attachment.map_or(Said::Nothing, |id| Said::Attachment(id.to_owned()));
    }

    /// From now on Nova is out of order.
    pub fn fails(&self) {
        *self.said.lock().unwrap() = Said::Failure;
    }

    /// The requests, each by its first line.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(stream: &mut TcpStream, url: &str, said: &Said, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let head: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    assert!(head.iter().any(|line| line.to_ascii_lowercase().starts_with("x-auth-token: ")), "{head:?}");
    let (status, body) = match (first.contains("/v3/auth/catalog"), said) {
        (true, _) => (
            "200 OK",
            format!(
                "{{\"catalog\": [{{\"type\": \"compute\", \"endpoints\": [{{\"interface\": \"public\", \"region_id\": \"r\", \
                 \"url\": \"{url}/v2.1\"}}]}}]}}"
            ),
        ),
        (_, Said::Attachment(id)) => ("200 OK", format!("{{\"volumeAttachment\": {{\"attachment_id\": \"{id}\"}}}}")),
        (_, Said::Nothing) => ("404 Not Found", "{}".to_owned()),
        (_, Said::Failure) => ("500 Internal Server Error", "{}".to_owned()),
    };
    asked.lock().unwrap().push(first);
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
}
