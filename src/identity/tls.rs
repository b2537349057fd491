//! How other services are asked: certificates, as every section that names a server with TLS has them (`cafile`, `certfile`,
//! `keyfile`, `insecure`), and what is the same of each HTTP client.

use ureq::config::ConfigBuilder;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::error::{Error, Result};

/// How a server is believed, and what is shown to it: the PEM files of its authorities, of this service's certificate, and
/// of that one's key, which may stand beside the certificate.
///
/// # Errors
/// `Invalid` where a file can not be read.
pub fn config(insecure: bool, [cafile, certfile, keyfile]: [Option<&str>; 3]) -> Result<TlsConfig> {
    let mut tls = TlsConfig::builder().disable_verification(insecure);
    if let Some(path) = cafile {
        let (certificates, _) = pem(path)?;
        tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
    }
    if let Some(path) = certfile {
        let (certificates, key) = pem(path)?;
        let key = match keyfile {
            Some(path) => pem(path)?.1,
            None => key,
        };
        let key = key.ok_or_else(|| Error::invalid(format!("there is no private key for {path}")))?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&certificates, key)));
    }
    Ok(tls.build())
}

/// A client, to which its time-outs are left to say. Statuses are no errors, and redirects are not followed.
///
/// It keeps no connections: a server that ends one at the moment at which the next request is written to it would make that one
/// fail, for no fault of anybody's.
pub fn client(tls: TlsConfig) -> ConfigBuilder<ureq::typestate::AgentScope> {
    ureq::Agent::config_builder()
        // Neither the operator's shell nor, with CGI, a request's header Proxy decides whom secrets are sent to.
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .user_agent(concat!("hearth/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
}

/// The certificates and the first private key of a PEM file.
fn pem(path: &str) -> Result<(Vec<Certificate<'static>>, Option<PrivateKey<'static>>)> {
    let text = std::fs::read(path).map_err(|error| Error::invalid(format!("{path} can not be read")).because(error))?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&text) {
        match item.map_err(|error| Error::invalid(format!("{path} is no PEM file")).because(error))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(own) => key = key.or(Some(own)),
            _ => {}
        }
    }
    Ok((certificates, key))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    use super::{client, config};

    #[test]
    fn no_request_goes_to_a_connection_that_its_server_may_be_about_to_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        // It says nothing of ending a connection, and hears nothing more on it.
        let server = std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().take(3) {
                let mut stream = stream.unwrap();
                let mut head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                while head.next().is_some_and(|line| !line.is_empty()) {}
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                kept.push(stream);
            }
        });
        let tls = config(false, [None; 3]).unwrap();
        let agent = client(tls).timeout_global(Some(Duration::from_secs(20))).build().new_agent();
        for _ in 0..3 {
            assert_eq!(agent.get(&url).call().unwrap().body_mut().read_to_string().unwrap(), "ok");
        }
        server.join().unwrap();
    }
}
