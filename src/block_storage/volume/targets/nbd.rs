//! Network Block Device by qemu-nbd: a process and a port for each volume, which live on when this process ends. What runs
//! is found among the processes of this host by its arguments, so that there are no files that could tell something else.
//! A protocol of our own: os-brick has no connector for it, QEMU and libnbd open the URI.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::{Map, Value as Json, json};

use super::iscsi::socket;
use super::{Export, Served, Serving, Target};
use crate::block_storage::volume::drivers::{Connection, Format};
use crate::config::{Config, backend};
use crate::error::{Error, Result};
use crate::service::exec::{self, Program};
use crate::service::fault;

/// The program that serves one volume.
const QEMU_NBD: &str = "qemu-nbd";
/// How long it may take to write out what it holds.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often another port is tried where somebody else was faster.
const ATTEMPTS: usize = 20;

/// The processes of one backend.
pub(super) struct Nbd {
    address: String,
    /// The first and the last port.
    ports: (u16, u16),
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Running {
    pid: i32,
    name: String,
    path: PathBuf,
    address: String,
    port: u16,
}

impl Nbd {
    pub(super) fn open(config: &Config, section: &str) -> Result<Self> {
        let text = config.text_in(section, &backend::HEARTH_NBD_PORTS);
        let ports = text.split_once('-').and_then(|(first, last)| Some((port(first)?, port(last)?)));
        let ports = ports.filter(|(first, last)| first <= last).ok_or_else(|| {
            Error::invalid(format!("[{section}] hearth_nbd_ports = {text}: two ports are needed, as in 10809-11808."))
        })?;
        Ok(Self { address: config.text_in(section, &backend::TARGET_IP_ADDRESS).to_owned(), ports })
    }

    fn run(&self, served: Served<'_>, port: u16) -> Result<()> {
        let address = self.address.trim_start_matches('[').trim_end_matches(']');
        let program = Program::new(QEMU_NBD).args(["--fork", "--persistent", "--shared=0", "--discard=unmap"]);
        let program = program
            .arg(format!("--format={}", served.format.name()))
            .arg(format!("--bind={address}"))
            .arg(format!("--port={port}"))
            .arg(format!("--export-name={}", served.name))
            .arg(served.path);
        program.run().map(|_| ())
    }

    /// Serves a volume on the first port that is free.
    fn run_somewhere(&self, served: Served<'_>) -> Result<u16> {
        let taken: Vec<u16> = running().into_iter().map(|process| process.port).collect();
        let bare = self.address.trim_start_matches('[').trim_end_matches(']');
        let free = |port: &u16| !taken.contains(port) && TcpListener::bind((bare, *port)).is_ok();
        let (first, last) = self.ports;
        let mut why = None;
        for port in (first..=last).filter(free).take(ATTEMPTS) {
            match self.run(served, port) {
                Err(error) if error.cause().is_some_and(|cause| cause.contains("Address already in use")) => {
                    why = Some(error);
                }
                done => return done.map(|()| port).map_err(|error| refused(&error)),
            }
        }
        Err(why.map_or_else(
            || Error::unavailable("The backend has no port left.", format!("{first}-{last} on {bare} are in use")),
            |error| refused(&error),
        ))
    }

    fn uri(&self, name: &str, port: u16) -> String {
        format!("nbd://{}/{name}", socket(&self.address, i64::from(port)))
    }
}

impl Target for Nbd {
    fn protocol(&self) -> &'static str {
        "nbd"
    }

    fn online_extend(&self) -> bool {
        // The protocol can not tell a client that has connected.
        false
    }

    fn check(&self) -> Result<()> {
        match exec::find(QEMU_NBD) {
            Some(_) => Ok(()),
            // Its own words name the package that is missing.
            None => Program::new(QEMU_NBD).arg("--version").run().map(|_| ()),
        }
    }

    fn admit(&self, _: Format, _: &Json) -> Result<()> {
        Ok(())
    }

    fn knows(&self, export: &Export) -> bool {
        parse(&export.location).is_some()
    }

    fn create(&self, served: Served<'_>) -> Result<Export> {
        self.remove(served.name)?;
        fault::point("export.after_begin");
        let port = self.run_somewhere(served)?;
        fault::point("export.after_make");
        Ok(Export { location: self.uri(served.name, port), auth: None })
    }

    fn restore(&self, served: Served<'_>, export: &Export) -> Result<()> {
        let (_, port, _) = parse(&export.location)
            .ok_or_else(|| Error::internal(format!("{:?} is no export by qemu-nbd", export.location)))?;
        if running().iter().any(|own| own.name == served.name && own.path == served.path && own.port == port) {
            return Ok(());
        }
        self.remove(served.name)?;
        self.run(served, port).map_err(|error| refused(&error))
    }

    fn grow(&self, served: Served<'_>, export: &Export) -> Result<()> {
        // It asks for the length when it starts. Nobody who uses the volume is there: see `online_extend`.
        self.remove(served.name)?;
        self.restore(served, export)
    }

    fn remove(&self, name: &str) -> Result<()> {
        for process in running().into_iter().filter(|process| process.name == name) {
            end(&process)?;
        }
        fault::point("export.after_remove");
        Ok(())
    }

    fn connection(&self, export: &Export, _: &Json) -> Result<Connection> {
        let found = parse(&export.location);
        let (host, port, name) =
            found.ok_or_else(|| Error::internal(format!("{:?} is no export by qemu-nbd", export.location)))?;
        let data =
            [("uri", json!(export.location)), ("host", json!(host)), ("port", json!(port)), ("export", json!(name))];
        let data: Map<String, Json> = data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(Connection { driver_volume_type: "nbd", data })
    }

    fn serving(&self) -> Result<Vec<Serving>> {
        let own = |process: Running| Serving { name: process.name, path: Some(process.path), whole: true };
        Ok(running().into_iter().map(own).collect())
    }
}

fn refused(error: &Error) -> Error {
    Error::unavailable("The volume can not be exported.", error.cause().unwrap_or(error.public()))
}

fn port(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|port| *port > 0)
}

/// Host, port and name of a URI of this file.
fn parse(location: &str) -> Option<(&str, u16, &str)> {
    let (place, name) = location.strip_prefix("nbd://")?.split_once('/')?;
    let (host, number) = place.rsplit_once(':')?;
    Some((host.trim_start_matches('[').trim_end_matches(']'), port(number)?, name))
}

/// All of them on this host.
fn running() -> Vec<Running> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    pids.filter_map(examine).collect()
}

/// The process with this number, where it serves a volume.
fn examine(pid: i32) -> Option<Running> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<&str> = std::str::from_utf8(&line).ok()?.trim_end_matches('\0').split('\0').collect();
    let (first, rest) = words.split_first()?;
    if Path::new(first).file_name()? != QEMU_NBD {
        return None;
    }
    let said = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
    Some(Running {
        pid,
        name: said("--export-name=")?,
        path: PathBuf::from(rest.last()?),
        address: said("--bind=")?,
        port: port(&said("--port=")?)?,
    })
}

/// Ends a process that serves a volume, and waits until it has written out what it held.
fn end(process: &Running) -> Result<()> {
    let failed = |error: rustix::io::Errno| {
        Error::unavailable("The export can not be ended.", format!("process {} stays: {error}", process.pid))
    };
    let Some(pid) = Pid::from_raw(process.pid) else { return Ok(()) };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    // Another process may have got the number since; the handle keeps it from changing once more.
    if examine(process.pid).as_ref() != Some(process) {
        return Ok(());
    }
    for signal in [Signal::TERM, Signal::KILL] {
        match pidfd_send_signal(&handle, signal) {
            Ok(()) => {}
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            Err(error) => return Err(failed(error)),
        }
        if has_ended(&handle).map_err(failed)? {
            return Ok(());
        }
    }
    Err(failed(rustix::io::Errno::TIMEDOUT))
}

fn has_ended(process: &OwnedFd) -> Result<bool, rustix::io::Errno> {
    crate::service::threads::about_to_wait();
    let patience = Timespec::try_from(PATIENCE).map_err(|_| rustix::io::Errno::INVAL)?;
    let mut watched = [PollFd::new(process, PollFlags::IN)];
    loop {
        match poll(&mut watched, Some(&patience)) {
            Err(rustix::io::Errno::INTR) => {}
            done => return Ok(done? > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_of_an_export_is_the_uri_that_clients_open() {
        for (address, uri, host) in [
            ("10.0.0.1", "nbd://10.0.0.1:10809/volume-a", "10.0.0.1"),
            ("fd00::1", "nbd://[fd00::1]:10809/volume-a", "fd00::1"),
        ] {
            let nbd = Nbd { address: address.to_owned(), ports: (1, 2) };
            assert_eq!(nbd.uri("volume-a", 10809), uri);
            assert_eq!(parse(uri), Some((host, 10809, "volume-a")));
            let export = Export { location: uri.to_owned(), auth: None };
            let told = nbd.connection(&export, &json!({})).unwrap();
            let expected = json!({"uri": uri, "host": host, "port": 10809, "export": "volume-a"});
            assert_eq!((told.driver_volume_type, Json::Object(told.data)), ("nbd", expected));
        }
        assert_eq!(parse("10.0.0.1:3260,1 iqn.2010-10.org.openstack:volume-a 1"), None);
    }

    #[test]
    fn ports_are_two_numbers_in_their_order() {
        for (text, expected) in [("10809-11808", Some((10809, 11808))), ("5-5", Some((5, 5)))] {
            let config = format!("[DEFAULT]\nenabled_backends = one\n[one]\nhearth_nbd_ports = {text}\n");
            let config = Config::from_text(&config).unwrap();
            assert_eq!(Nbd::open(&config, "one").ok().map(|nbd| nbd.ports), expected);
        }
        for text in ["10809", "9-8", "0-5", "a-b", "1-70000"] {
            let config = format!("[DEFAULT]\nenabled_backends = one\n[one]\nhearth_nbd_ports = {text}\n");
            let Err(error) = Nbd::open(&Config::from_text(&config).unwrap(), "one") else { panic!("{text} was taken") };
            assert!(error.public().contains("[one]") && error.public().contains(text), "{error}");
        }
    }
}
