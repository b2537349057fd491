//! Samples by UDP, one in a datagram, as the publisher `udp://` sends them (specification: transports). Nobody is answered: what
//! arrives while more waits than memory is meant for, and what is in memory when the process is killed, is lost. While the
//! database can not be reached samples wait in memory.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value as Json;

use super::keeper::{Arrived, Keeper, check_sample};
use super::messages::{self, Incoming, is_signed};
use super::seldom::Seldom;
use crate::config::{Config, collector as options};
use crate::messaging::Pauses;
use crate::service::calls::Calls;
use crate::{Error, Kind, Result};

/// The longest datagram that there is.
const LONGEST: usize = 65_535;
/// Samples that wait in memory.
const WAITING: usize = 20_000;
/// Most samples of a transaction.
const TOGETHER: usize = 1_000;
/// How deep a message may nest.
const DEPTH: usize = 64;
/// How soon a thread that hears nothing looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(200);
/// The buffer that the kernel is asked for, in bytes.
const BUFFER: usize = 8 << 20;

/// Starts taking samples; the threads end when `calls` says so.
///
/// # Errors
/// [`Kind::Invalid`] for an address that others can reach while everybody knows the secret; [`Kind::Unavailable`] for one that can
/// not be listened on.
pub(super) fn start(config: &Config, keeper: &Arc<Keeper>, calls: &Arc<Calls>) -> Result<Vec<JoinHandle<()>>> {
    let (address, port) = (config.text(&options::UDP_ADDRESS), config.integer(&options::UDP_PORT));
    let secret = config.text(&options::TELEMETRY_SECRET).to_owned();
    let place = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    let refused = |error: std::io::Error| Error::unavailable(format!("{place}: can not listen there"), error);
    let socket = UdpSocket::bind(&place).map_err(refused)?;
    let near = socket.local_addr().is_ok_and(|address| address.ip().is_loopback());
    if !near && secret == options::DEFAULT_SECRET {
        let text = "[publisher] telemetry_secret is the one that everybody knows: set it, here and for the agents, or listen on \
                    loopback ([collector] udp_address = 127.0.0.1), or on no port (sources of [hearth_collector])";
        return Err(Error::invalid(text));
    }
    if !near && secret.is_empty() {
        log::warn!("samples by UDP are taken from whoever reaches {place}: [publisher] telemetry_secret is empty");
    }
    socket.set_read_timeout(Some(LOOK)).map_err(refused)?;
    // As much as the kernel grants (net.core.rmem_max).
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, BUFFER);
    log::info!("samples by UDP are taken on {place}");
    let (tell, told) = mpsc::sync_channel(WAITING);
    let taker = Taker {
        secret,
        source: keeper.source.clone(),
        tell,
        unsigned: Seldom::default(),
        strange: Seldom::default(),
        full: Seldom::default(),
    };
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
        spawned.map_err(|error| Error::internal(format!("thread {name}: {error}")))
    };
    let heard = calls.clone();
    let taking = spawn("udp", Box::new(move || taker.run(&socket, &heard)))?;
    let (keeper, heard, pauses) = (keeper.clone(), calls.clone(), Pauses::of(config));
    let storing = spawn("udp-store", Box::new(move || store(&told, &keeper, &heard, &pauses)))?;
    Ok(vec![taking, storing])
}

/// Reads datagrams.
struct Taker {
    secret: String,
    source: String,
    tell: SyncSender<Incoming>,
    unsigned: Seldom,
    strange: Seldom,
    full: Seldom,
}

impl Taker {
    fn run(mut self, socket: &UdpSocket, calls: &Calls) {
        let mut buffer = vec![0; LONGEST];
        while !calls.is_stopping() {
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => self.take(buffer.get(..length).unwrap_or_default(), &from.ip().to_string()),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                }
                Err(error) => {
                    self.strange.warn(&format!("no datagram can be read: {error}"));
                    calls.wait_for_stop(LOOK);
                }
            }
        }
    }

    fn take(&mut self, datagram: &[u8], from: &str) {
        let message = match read(datagram) {
            Ok(message) => message,
            Err(error) => return self.strange.warn(&format!("a datagram from {from} is dropped: {error}")),
        };
        if !is_signed(&message, &self.secret) {
            let what = format!("a sample from {from} is dropped: it is not signed with telemetry_secret");
            return self.unsigned.warn(&what);
        }
        let sample = messages::sample(&message, &self.source);
        match sample.and_then(|sample| check_sample(&sample).map(|()| sample)) {
            // The other end lives as long as this thread.
            Ok(sample) => {
                if let Err(TrySendError::Full(_)) = self.tell.try_send(sample) {
                    self.full.warn("a sample by UDP is dropped: more wait than can be stored");
                }
            }
            Err(error) => self.strange.warn(&format!("a sample from {from} is dropped: {error}")),
        }
    }
}

/// Stores what arrives, as much at once as is there. Ends when nothing more can arrive.
fn store(told: &Receiver<Incoming>, keeper: &Keeper, calls: &Calls, pauses: &Pauses) {
    loop {
        let mut samples = match told.recv_timeout(LOOK) {
            Ok(sample) => vec![sample],
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        samples.extend(told.try_iter().take(TOGETHER - 1));
        let arrived = Arrived { samples, events: Vec::new() };
        let mut failures = 0;
        while let Err(error) = keeper.store(&arrived) {
            failures += 1;
            let level = if failures == 1 { log::Level::Error } else { log::Level::Debug };
            let hopeless = !matches!(error.kind(), Kind::Unavailable | Kind::Transient | Kind::Conflict);
            if hopeless || calls.is_stopping() {
                log::error!("{} samples that came by UDP are lost: {error}", arrived.samples.len());
                break;
            }
            log::log!(level, "samples that came by UDP wait: {error}");
            calls.wait_for_stop(pauses.after(failures));
        }
    }
}

/// The value of a datagram of MessagePack.
fn read(datagram: &[u8]) -> Result<Json> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(datagram);
    deserializer.set_max_depth(DEPTH);
    let read = Json::deserialize(&mut deserializer);
    read.map_err(|error| Error::invalid("it is no MessagePack").because(error))
}
