//! The least of an Image service that who-may-what and statuses need: every image is there, and has nine bytes in it. How real images move is
//! tested with a real Glance (tests/images).

#![allow(unreachable_pub, reason = "the modules of one test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};

/// An image.
pub const IMAGE: &str = "4da31e05-22a3-4e17-a61b-c7b780ddceeb";

static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Where it is. It ends with the process.
pub fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that went away is no matter.
                let _ = answer(&mut stream.unwrap());
            }
        });
        url
    })
}

/// The requests until now that hold a text: first line, headers and body of each.
pub fn asked(text: &str) -> Vec<String> {
    let asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    asked.iter().filter(|request| request.contains(text)).cloned().collect()
}

fn answer(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        request.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.push_str(&String::from_utf8_lossy(&body));
    let (status, body) = said(&request);
    ASKED.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn said(request: &str) -> (&'static str, String) {
    let image = |id: &str, status: &str| {
        format!(
            r#"{{"id": "{id}", "name": "new", "status": "{status}", "size": 9, "disk_format": "raw", "container_format": "bare",
               "visibility": "private", "protected": false, "updated_at": "2026-01-01T00:00:00Z", "hw_x": "y"}}"#
        )
    };
    let mut words = request.split(' ');
    match (words.next(), words.next()) {
        (Some("POST"), Some("/v2/images")) => ("201 Created", image(&uuid::Uuid::new_v4().to_string(), "queued")),
        (Some("DELETE"), _) => ("204 No Content", String::new()),
        (Some("GET"), Some("/v2/info/stores")) => ("200 OK", r#"{"stores": [{"id": "first"}]}"#.to_owned()),
        (Some("GET"), Some(path)) if path.starts_with("/v2/images?") => ("200 OK", r#"{"images": []}"#.to_owned()),
        (Some("GET"), Some(path)) if path.ends_with("/file") => ("200 OK", "nine byte".to_owned()),
        (Some("GET"), Some(path)) if path.starts_with("/v2/images/") => {
            ("200 OK", image(path.rsplit('/').next().unwrap_or_default(), "active"))
        }
        _ => ("404 Not Found", String::new()),
    }
}
