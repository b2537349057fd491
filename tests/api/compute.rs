//! What Keystone and Nova say of one server's volume, over HTTP, and what Nova is told. A Nova does not run beside the tests;
//! its answers are small documents.

#![allow(unreachable_pub, dead_code, reason = "every test takes of this file what it needs")]

use std::io::{BufRead, BufReader, Read, Write};
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
    told: Arc<Mutex<Vec<String>>>,
}

impl Compute {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (said, asked) = (Arc::new(Mutex::new(Said::Nothing)), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::new(Mutex::new(Vec::new()));
        let own =
            Self { url: url.clone(), said: Arc::clone(&said), asked: Arc::clone(&asked), told: Arc::clone(&told) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let said = said.lock().unwrap().clone();
                answer(&mut stream.unwrap(), &url, &said, &asked, &told);
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

    /// What Nova was told, each with the token's and the version's headers before it: events, and volumes that servers are to use
    /// in place of others, with the path.
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

/// The options of `[keystone_authtoken]` by which the service gets a token of its own.
pub fn own_user(url: &str) -> String {
    format!(
        "[keystone_authtoken]\nauth_url = {url}\nauth_type = password\nusername = cinder\npassword = secret\n\
         user_domain_name = Default\nproject_name = service\nproject_domain_name = Default\n"
    )
}

/// A token of Keystone's for the service's own user.
const OWN_TOKEN: &str = r#"{"token": {"expires_at": "2999-01-01T00:00:00.000000Z", "issued_at": "2026-01-01T00:00:00.000000Z",
    "methods": ["password"], "user": {"id": "u", "name": "cinder", "domain": {"id": "default", "name": "Default"}}}}"#;

fn answer(stream: &mut TcpStream, url: &str, said: &Said, asked: &Mutex<Vec<String>>, told: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let found =
            head.iter().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.to_owned())
    };
    let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let first = head[0].clone();
    if first.starts_with("POST /v3/auth/tokens") {
        let length = OWN_TOKEN.len();
        let head =
            "HTTP/1.1 201 Created\r\nX-Subject-Token: own\r\nContent-Type: application/json\r\nConnection: close";
        write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{OWN_TOKEN}").unwrap();
        return;
    }
    let token = header("x-auth-token").unwrap_or_else(|| panic!("{head:?}"));
    let (status, body) = match (first.contains("/v3/auth/catalog"), said) {
        (false, said) if first.starts_with("POST /v2.1/os-server-external-events ") => {
            let version = header("openstack-api-version").unwrap();
            told.lock().unwrap().push(format!("{token} {version} {}", String::from_utf8(body).unwrap()));
            match said {
                Said::Failure => ("404 Not Found", "{}".to_owned()),
                _ => ("200 OK", "{\"events\": [{\"name\": \"volume-extended\", \"code\": 200}]}".to_owned()),
            }
        }
        (false, said) if first.starts_with("PUT /v2.1/servers/") => {
            let (version, path) = (header("openstack-api-version").unwrap(), first.split(' ').nth(1).unwrap());
            told.lock().unwrap().push(format!("{token} {version} {path} {}", String::from_utf8(body).unwrap()));
            match said {
                Said::Failure => ("409 Conflict", "{\"conflictingRequest\": {\"code\": 409}}".to_owned()),
                _ => ("202 Accepted", String::new()),
            }
        }
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
