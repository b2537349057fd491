//! Certificates, as every section that names a server with TLS has them: `cafile`, `certfile`, `keyfile`, `insecure`.

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
