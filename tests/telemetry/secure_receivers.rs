//! Actions to a real server that speaks TLS and wants to see a certificate: whom Hearth believes, and what it shows.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use hearth::telemetry::store::Store;
use serde_json::{Value as Json, json};

use crate::delivery::{PATIENCE, happen, start, waiting};
use crate::servers;
use crate::service::Services;

/// A certificate and its key, `NAME.pem` and `NAME.key`, by itself or by an authority that was made before.
fn certificate(folder: &Path, name: &str, by: Option<&str>, extensions: &[&str]) {
    let file = |name: &str, end: &str| folder.join(format!("{name}.{end}"));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    command
        .args(["-subj", &format!("/CN={name}"), "-keyout"])
        .arg(file(name, "key"))
        .arg("-out")
        .arg(file(name, "pem"));
    for extension in extensions {
        command.args(["-addext", extension]);
    }
    if let Some(by) = by {
        command.arg("-CA").arg(file(by, "pem")).arg("-CAkey").arg(file(by, "key"));
    }
    let done = command.output().expect("openssl starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Starts the receiver: what keeps it, its address, and what it hears.
fn receiver(folder: &Path) -> (std::process::Child, String, Receiver<Json>) {
    let mut child = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telemetry/secure_receiver.py"))
        .args(["server.pem", "server.key", "ca.pem"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = format!("https://127.0.0.1:{}", lines.next().expect("its port"));
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in lines {
            let _ = tell.send(serde_json::from_str(&line).unwrap());
        }
    });
    (child, address, told)
}

#[test]
fn receivers_are_called_by_tls_only_where_each_believes_the_other() {
    let folder = servers::scratch_folder("receivers");
    let leaf = "basicConstraints=critical,CA:FALSE";
    for authority in ["ca", "other"] {
        certificate(&folder, authority, None, &["keyUsage=critical,keyCertSign"]);
    }
    certificate(&folder, "server", Some("ca"), &["subjectAltName=IP:127.0.0.1", leaf]);
    certificate(&folder, "user", Some("ca"), &["extendedKeyUsage=clientAuth", leaf]);
    certificate(&folder, "stranger", Some("other"), &["extendedKeyUsage=clientAuth", leaf]);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    std::fs::write(folder.join("both.pem"), read("user.pem") + &read("user.key")).unwrap();
    let (mut child, address, told) = receiver(&folder);
    // The case; the authority that is believed; the certificate and the key that are shown; whether it is called.
    for (case, ca, shown, key, called) in [
        ("believed", "ca", "user.pem", "user.key", true),
        ("one-file", "ca", "both.pem", "", true),
        ("another-authority", "other", "user.pem", "user.key", false),
        ("unknown-caller", "ca", "stranger.pem", "stranger.key", false),
        ("nobody", "ca", "", "", false),
        ("unlooked?aodh-alarm-ssl-verify=0", "other", "user.pem", "user.key", true),
    ] {
        let services = Services::new();
        let id = waiting(&services, &[&format!("{address}/{case}")]);
        happen(&services);
        let mut lines = "[DEFAULT]\nrest_notifier_max_retries = 1\n".to_owned();
        for (option, file) in [
            ("ca_bundle_certificate_path", &format!("{ca}.pem")),
            ("certificate_file", &shown.to_owned()),
            ("certificate_key", &key.to_owned()),
        ] {
            if !file.is_empty() {
                lines.push_str(&format!("rest_notifier_{option} = {}\n", folder.join(file).display()));
            }
        }
        let service = start(&services, &lines);
        if called {
            let heard = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{case}: nobody is called"));
            assert_eq!((&heard["path"], &heard["caller"]), (&json!(format!("/{case}")), &json!("user")));
            assert_eq!(heard["body"]["alarm_id"], json!(id), "{case}");
        }
        // It was heard, or it is given up.
        let store = Store::new(services.database.clone());
        let begun = std::time::Instant::now();
        while store.waiting_actions().unwrap().0 > 0 {
            assert!(begun.elapsed() < PATIENCE, "{case}: the action stays");
            std::thread::yield_now();
        }
        service.stop();
        service.wait();
        assert_eq!(told.try_recv().ok(), None, "{case}");
    }
    drop(child.stdin.take());
    child.wait().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
