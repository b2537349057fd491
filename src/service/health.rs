//! The health document `/healthcheck` as oslo.middleware answers it: text, JSON or HTML, unhealthy while a file says so.
//! It says whether this process shall get requests, not whether the database answers. Not here: where it is mounted, and
//! the gateway's own status document.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::config::{Config, healthcheck};
use crate::time::Timestamp;

/// What a request for the document says.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// `GET`, `HEAD` or any other.
    pub method: &'a str,
    /// The header `Accept`.
    pub accept: Option<&'a str>,
    /// The address of who asks.
    pub source: Option<IpAddr>,
    /// The port that was asked.
    pub port: u16,
    /// Whether a header `X-Forwarded*` is there.
    pub proxied: bool,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 or 503; 204 instead of 200 for `HEAD`.
    pub status: u16,
    /// Type of the body.
    pub content_type: &'static str,
    /// The body; empty for `HEAD`.
    pub body: String,
}

/// What one check found.
struct Finding {
    check: &'static str,
    available: bool,
    reason: &'static str,
    details: String,
}

/// The document, or `None` where the configuration does not let this request have it.
pub fn answer(config: &Config, question: &Question<'_>) -> Option<Answer> {
    let ranges = config.list(&healthcheck::ALLOWED_SOURCE_RANGES);
    if !ranges.is_empty() && !question.source.is_some_and(|source| ranges.iter().any(|range| holds(range, source))) {
        return None;
    }
    if question.proxied && config.boolean(&healthcheck::IGNORE_PROXIED_REQUESTS) {
        return None;
    }
    let findings: Vec<Finding> = config
        .list(&healthcheck::BACKENDS)
        .iter()
        .filter_map(|check| match check.as_str() {
            "disable_by_file" => Some(disable_by_file(config)),
            "disable_by_files_ports" => Some(disable_by_port(config, question.port)),
            "enable_by_files" => Some(enable_by_files(config)),
            _ => None,
        })
        .collect();
    let healthy = findings.iter().all(|finding| finding.available);
    let head = question.method == "HEAD";
    let status = match (healthy, head) {
        (true, true) => 204,
        (true, false) => 200,
        (false, _) => 503,
    };
    let detailed = config.boolean(&healthcheck::DETAILED);
    let (content_type, body) = match preferred(question.accept) {
        _ if head => (TYPES[0], String::new()),
        1 => (TYPES[1], html(&findings, detailed)),
        2 => (TYPES[2], as_json(&findings, detailed)),
        _ => (TYPES[0], findings.iter().map(|finding| finding.reason).collect::<Vec<_>>().join("\n")),
    };
    Some(Answer { status, content_type, body })
}

/// Types of the document, the preferred one first.
const TYPES: [&str; 3] = ["text/plain; charset=UTF-8", "text/html; charset=UTF-8", "application/json; charset=UTF-8"];

/// The place in [`TYPES`] of what the client likes most; the first where it likes none.
fn preferred(accept: Option<&str>) -> usize {
    let Some(accept) = accept else { return 0 };
    let quality = |offer: &str| -> f32 {
        let (family, _) = offer.split_once('/').unwrap_or((offer, ""));
        let rank = |range: &str| match range {
            _ if range.eq_ignore_ascii_case(offer) => 3,
            _ if range.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(family)) => 2,
            "*/*" => 1,
            _ => 0,
        };
        let ranges = accept.split(',').map(|part| {
            let mut pieces = part.split(';').map(str::trim);
            let rank = rank(pieces.next().unwrap_or(""));
            let quality = pieces.find_map(|piece| piece.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
            (rank, quality)
        });
        // The range that names the type most closely decides.
        ranges.filter(|(rank, _)| *rank > 0).max_by_key(|(rank, _)| *rank).map_or(0.0, |(_, quality)| quality)
    };
    let mut best = (0, 0.0);
    for (place, offer) in TYPES.iter().enumerate() {
        let quality = quality(offer.split(';').next().unwrap_or(offer));
        if quality > best.1 {
            best = (place, quality);
        }
    }
    best.0
}

fn finding(check: &'static str, available: bool, refusal: &'static str, details: String) -> Finding {
    Finding { check, available, reason: if available { "OK" } else { refusal }, details }
}

fn disable_by_file(config: &Config) -> Finding {
    let check = "DisableByFile";
    let Some(path) = config.opt_text(&healthcheck::DISABLE_BY_FILE_PATH) else {
        return finding(check, true, "", "No file is configured".to_owned());
    };
    let exists = Path::new(path).exists();
    let details = format!("Path '{path}' {}", if exists { "was found" } else { "was not found" });
    finding(check, !exists, "DISABLED BY FILE", details)
}

fn disable_by_port(config: &Config, port: u16) -> Finding {
    let pairs = config.list(&healthcheck::DISABLE_BY_FILE_PATHS);
    let own = pairs.iter().filter_map(|pair| pair.split_once(':')).find(|(candidate, _)| candidate.parse() == Ok(port));
    let exists = own.is_some_and(|(_, path)| Path::new(path).exists());
    finding("DisableByFilesPorts", !exists, "DISABLED BY FILE", String::new())
}

fn enable_by_files(config: &Config) -> Finding {
    let check = "EnableByFiles";
    match config.list(&healthcheck::ENABLE_BY_FILE_PATHS).iter().find(|path| !Path::new(path).exists()) {
        Some(path) => finding(check, false, "FILE PATH MISSING", format!("File path {path} is missing")),
        None => finding(check, true, "", "Specified file paths are available".to_owned()),
    }
}

fn as_json(findings: &[Finding], detailed: bool) -> String {
    let reasons: Value = findings
        .iter()
        .map(|finding| match detailed {
            true => json!({"class": finding.check, "details": finding.details, "reason": finding.reason}),
            false => json!(finding.reason),
        })
        .collect();
    let mut document = json!({"detailed": detailed, "reasons": reasons});
    if let (true, Some(document)) = (detailed, document.as_object_mut()) {
        document.insert("now".to_owned(), json!(Timestamp::now().iso()));
        document.insert("platform".to_owned(), json!(platform()));
        document.insert("version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
    }
    // A document of texts can always be written.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn platform() -> String {
    let system = rustix::system::uname();
    format!("{} {} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy(), std::env::consts::ARCH)
}

fn html(findings: &[Finding], detailed: bool) -> String {
    let mut rows = String::new();
    for finding in findings {
        let cell = |text: &str| format!("<TD>{}</TD>", escaped(text));
        let cells = match detailed {
            true => [cell(finding.check), cell(finding.reason), cell(&finding.details)].concat(),
            false => cell(finding.reason),
        };
        rows.push_str(&format!("<TR>{cells}</TR>\n"));
    }
    let status = match detailed {
        true => format!(
            "<H1>Server status</H1>\n<B>Current time:</B><PRE>{}</PRE>\n<B>Platform:</B><PRE>{}</PRE>\n<HR>\n",
            escaped(&Timestamp::now().iso()),
            escaped(&platform())
        ),
        false => String::new(),
    };
    let titles = if detailed { "<TH>Kind</TH><TH>Reason</TH><TH>Details</TH>" } else { "<TH>Reason</TH>" };
    format!(
        "<HTML>\n<HEAD><TITLE>Healthcheck Status</TITLE></HEAD>\n<BODY>\n{status}<H2>Result of {} checks:</H2>\n\
         <TABLE border=\"1\">\n<TR>{titles}</TR>\n{rows}</TABLE>\n</BODY>\n</HTML>",
        findings.len()
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;").replace('\'', "&#39;")
}

/// Whether the network `range` (`10.0.0.0/8`, `fd00::/8`, or one address) holds `address`.
pub fn holds(range: &str, address: IpAddr) -> bool {
    let (network, length) = range.split_once('/').map_or((range, None), |(network, length)| (network, Some(length)));
    let Ok(network) = network.trim().parse::<IpAddr>() else { return false };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((network, width), (address, other)) = (bits(network), bits(address.to_canonical()));
    let length = match length.map(|length| length.trim().parse::<u32>()) {
        None => width,
        Some(Ok(length)) if length <= width => length,
        Some(_) => return false,
    };
    width == other && (length == 0 || (network ^ address) >> (128 - length) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: Question<'_> = Question { method: "GET", accept: None, source: None, port: 8776, proxied: false };

    fn file(name: &str) -> String {
        let path = std::env::temp_dir().join(format!("hearth-health-{}-{name}", std::process::id()));
        std::fs::write(&path, "").unwrap();
        path.display().to_string()
    }

    fn ask(config: &str, question: &Question<'_>) -> Option<Answer> {
        answer(&Config::from_text(&format!("[healthcheck]\n{config}")).unwrap(), question)
    }

    #[test]
    fn a_file_makes_the_process_unhealthy_in_every_form() {
        let healthy = ask("", &ASK).unwrap();
        assert_eq!((healthy.status, healthy.body.as_str()), (200, "OK"));
        assert_eq!(
            ask("", &Question { method: "HEAD", ..ASK }).unwrap(),
            Answer { status: 204, body: String::new(), ..healthy }
        );
        let config = format!("disable_by_file_path = {}", file("disable"));
        let unhealthy = ask(&config, &ASK).unwrap();
        assert_eq!((unhealthy.status, unhealthy.body.as_str()), (503, "DISABLED BY FILE"));
        assert_eq!(ask(&config, &Question { method: "HEAD", ..ASK }).unwrap().status, 503);
        let json = ask(&config, &Question { accept: Some("application/json"), ..ASK }).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&json.body).unwrap(),
            json!({"detailed": false, "reasons": ["DISABLED BY FILE"]})
        );
        let html = ask(&config, &Question { accept: Some("text/html"), ..ASK }).unwrap();
        assert!(html.body.contains("<TD>DISABLED BY FILE</TD>") && !html.body.contains("<TH>Kind</TH>"));
    }

    #[test]
    fn ports_and_needed_files_have_checks_of_their_own() {
        let config =
            format!("backends = disable_by_files_ports\ndisable_by_file_paths = 8776:{},8777:/nowhere", file("port"));
        assert_eq!(ask(&config, &ASK).unwrap().status, 503);
        assert_eq!(ask(&config, &Question { port: 8777, ..ASK }).unwrap().status, 200);
        let config = format!("backends = enable_by_files\nenable_by_file_paths = {},/nowhere", file("needed"));
        assert_eq!(ask(&config, &ASK).unwrap().body, "FILE PATH MISSING");
    }

    #[test]
    fn details_are_told_only_where_they_are_asked_for() {
        let json = ask("detailed = true", &Question { accept: Some("application/json"), ..ASK }).unwrap();
        let document: Value = serde_json::from_str(&json.body).unwrap();
        assert_eq!(document["reasons"][0]["details"], "Path '/etc/cinder/healthcheck_disable' was not found");
        assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
        assert!(
            ask("detailed = true", &Question { accept: Some("text/html"), ..ASK })
                .unwrap()
                .body
                .contains("<TH>Kind</TH>")
        );
    }

    #[test]
    fn only_the_networks_of_the_configuration_are_answered() {
        let config = "allowed_source_ranges = 10.0.0.0/8, 192.0.2.7, fd00::/8";
        for (source, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            let question = Question { source: Some(source.parse().unwrap()), ..ASK };
            assert_eq!(ask(config, &question).is_some(), allowed, "{source}");
        }
        assert!(ask(config, &ASK).is_none());
        assert!(!holds("10.0.0.0/33", "10.0.0.1".parse().unwrap()) && holds("0.0.0.0/0", "10.0.0.1".parse().unwrap()));
        assert!(ask("ignore_proxied_requests = true", &Question { proxied: true, ..ASK }).is_none());
    }

    #[test]
    fn the_form_is_what_the_client_likes_most() {
        for (accept, place) in [
            ("*/*", 0),
            ("application/json, text/html;q=0.9", 2),
            ("text/html;q=0.1, application/json;q=0.5", 2),
            ("text/*;q=0.5, text/html", 1),
            ("text/plain;q=0, */*", 1),
            ("image/png", 0),
        ] {
            assert_eq!(preferred(Some(accept)), place, "{accept}");
        }
    }
}
