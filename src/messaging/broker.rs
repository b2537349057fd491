//! How RabbitMQ is reached, and how exchanges and queues are declared there: as oslo.messaging's own driver does. Not here:
//! what is sent (`amqp.rs`) and what is read (`consumer.rs`).
//!
//! The client is lapin, whose tasks run on a thread of a runtime's own; callers block.

use std::time::Duration;

use lapin::options::{ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::runtime::Runtime;

use super::transport::{Server, Transport};
use crate::config::{Config, notifications as options};
use crate::error::{Error, Result};

/// The longest that connecting, declaring, or sending a batch may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The longest that a server may take to answer a connection, in milliseconds.
const CONNECT_TIMEOUT_MS: u64 = 5_000;

/// What the configuration says of a broker.
pub(super) struct Broker {
    transport: Transport,
    tls: bool,
    ca_file: Option<String>,
    /// Files of certificate and key.
    identity: Option<(String, String)>,
    durable: bool,
    auto_delete: bool,
    queue_arguments: FieldTable,
    heartbeat_s: u16,
    /// How this client is called in RabbitMQ's lists.
    name: &'static str,
    /// Whether RabbitMQ confirms what is sent.
    confirms: bool,
    /// Which server is tried next.
    next: usize,
}

/// A connection with its one channel.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) channel: Channel,
    confirms: bool,
}

impl Broker {
    /// The broker at an address, with the configuration as it holds there ([`Transport::of`]).
    ///
    /// # Errors
    /// `Invalid` for options that contradict each other.
    pub(super) fn of(transport: Transport, config: &Config, name: &'static str, confirms: bool) -> Result<Self> {
        let path = |option| config.opt_text(option).filter(|text| !text.is_empty()).map(str::to_owned);
        for name in &transport.unknown {
            log::warn!("transport_url: {name} has no effect here");
        }
        let quorum = config.boolean(&options::QUORUM_QUEUE);
        for (option, name) in [(&options::HA_QUEUES, "rabbit_ha_queues"), (&options::AUTO_DELETE, "amqp_auto_delete")] {
            if quorum && config.boolean(option) {
                let text = format!("[oslo_messaging_rabbit] rabbit_quorum_queue and {name} exclude each other");
                return Err(Error::invalid(text));
            }
        }
        // As Python reads them: a certificate may have its key in the same file.
        let certificate = path(&options::SSL_CERT_FILE);
        let identity = certificate.map(|file| (file.clone(), path(&options::SSL_KEY_FILE).unwrap_or(file)));
        let mut queue_arguments = FieldTable::default();
        let mut argument = |name: &str, value| {
            queue_arguments.insert(name.into(), value);
        };
        if quorum {
            argument("x-queue-type", AMQPValue::LongString("quorum".into()));
            for (name, option) in [
                ("x-delivery-limit", &options::QUORUM_DELIVERY_LIMIT),
                ("x-max-in-memory-length", &options::QUORUM_MAX_MEMORY_LENGTH),
                ("x-max-in-memory-bytes", &options::QUORUM_MAX_MEMORY_BYTES),
            ] {
                let value = config.integer(option);
                if value > 0 {
                    argument(name, AMQPValue::LongLongInt(value));
                }
            }
        }
        if config.boolean(&options::HA_QUEUES) {
            argument("x-ha-policy", AMQPValue::LongString("all".into()));
        }
        Ok(Self {
            tls: config.boolean(&options::SSL),
            transport,
            ca_file: path(&options::SSL_CA_FILE),
            identity,
            durable: quorum || config.boolean(&options::DURABLE_QUEUES),
            auto_delete: config.boolean(&options::AUTO_DELETE),
            queue_arguments,
            heartbeat_s: u16::try_from(config.integer(&options::HEARTBEAT)).unwrap_or(60),
            name,
            confirms,
            next: 0,
        })
    }

    /// Connects to one of the servers, first to the one that answered last.
    pub(super) async fn connect(&mut self) -> Result<Link> {
        let servers = &self.transport.servers;
        let mut reasons = Vec::new();
        for attempt in 0..servers.len() {
            let place = self.next.wrapping_add(attempt) % servers.len();
            let Some(server) = servers.get(place) else { continue };
            match self.open(server).await {
                Ok(link) => {
                    log::info!("{}: RabbitMQ on {}", self.name, server.place());
                    self.next = place;
                    return Ok(link);
                }
                Err(error) => reasons.push(format!("{}: {error}", server.place())),
            }
        }
        Err(Error::unavailable("RabbitMQ can not be reached.", reasons.join("; ")))
    }

    /// Lets another server be asked first the next time.
    pub(super) fn turn(&mut self) {
        self.next = self.next.wrapping_add(1);
    }

    async fn open(&self, server: &Server) -> Result<Link> {
        let uri = AMQPUri {
            scheme: if self.tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo { username: server.user.clone(), password: server.password.clone() },
                host: server.host.clone(),
                port: server.port,
            },
            vhost: self.transport.virtual_host.clone(),
            query: AMQPQueryString {
                heartbeat: Some(self.heartbeat_s),
                connection_timeout: Some(CONNECT_TIMEOUT_MS),
                ..AMQPQueryString::default()
            },
        };
        let properties = ConnectionProperties::default().with_connection_name(self.name.into());
        let builder = lapin::DefaultConnectionBuilder::new().map_err(broken)?;
        let builder = builder.with_uri(uri).with_properties(properties).with_tls_config(self.tls_config()?);
        let connection = builder.connect().await.map_err(broken)?;
        let channel = channel(&connection, self.confirms).await?;
        Ok(Link { connection, channel, confirms: self.confirms })
    }

    fn tls_config(&self) -> Result<OwnedTLSConfig> {
        let read = |path: &str| {
            std::fs::read(path)
                .map_err(|error| Error::unavailable("A certificate can not be read.", format!("{path}: {error}")))
        };
        if !self.tls {
            return Ok(OwnedTLSConfig::default());
        }
        let cert_chain = match &self.ca_file {
            Some(path) => Some(String::from_utf8_lossy(&read(path)?).into_owned()),
            None => None,
        };
        let identity = match &self.identity {
            Some((cert, key)) => Some(OwnedIdentity::PKCS8 { pem: read(cert)?, key: read(key)? }),
            None => None,
        };
        Ok(OwnedTLSConfig { identity, cert_chain })
    }
}

impl Link {
    /// Makes sure of an exchange. Where others have declared it with other properties, it is used as it is.
    pub(super) async fn exchange(&mut self, broker: &Broker, name: &str) -> Result<()> {
        let (durable, auto_delete) = (broker.durable, broker.auto_delete);
        let wanted = ExchangeDeclareOptions { durable, auto_delete, ..ExchangeDeclareOptions::default() };
        let declared = self.channel.exchange_declare(name.into(), ExchangeKind::Topic, wanted, FieldTable::default());
        if let Err(error) = declared.await {
            self.take_as_it_is("exchange", name, error).await?;
            let there = ExchangeDeclareOptions { passive: true, ..wanted };
            let declared =
                self.channel.exchange_declare(name.into(), ExchangeKind::Topic, there, FieldTable::default());
            declared.await.map_err(broken)?;
        }
        Ok(())
    }

    /// Makes sure of the queue `name`, as [`Link::exchange`] does.
    pub(super) async fn queue(&mut self, broker: &Broker, name: &str) -> Result<()> {
        let (durable, auto_delete) = (broker.durable, broker.auto_delete);
        let wanted = QueueDeclareOptions { durable, auto_delete, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(name.into(), wanted, broker.queue_arguments.clone());
        if let Err(error) = declared.await {
            self.take_as_it_is("queue", name, error).await?;
            let there = QueueDeclareOptions { passive: true, ..wanted };
            self.channel.queue_declare(name.into(), there, FieldTable::default()).await.map_err(broken)?;
        }
        Ok(())
    }

    /// Lets what is sent to an exchange with the name of a queue come into the queue.
    pub(super) async fn bind(&mut self, queue: &str, exchange: &str) -> Result<()> {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        self.channel.queue_bind(queue.into(), exchange.into(), queue.into(), options, arguments).await.map_err(broken)
    }

    /// Goes on after a declaration was refused because others have declared the same differently; fails with any other
    /// error. The refusal has closed the channel.
    async fn take_as_it_is(&mut self, what: &str, name: &str, error: lapin::Error) -> Result<()> {
        if !error.is_amqp_soft_error() {
            return Err(broken(error));
        }
        log::warn!("the {what} {name} of RabbitMQ is used as others have declared it: {error}");
        self.channel = channel(&self.connection, self.confirms).await?;
        Ok(())
    }
}

/// A connection and the thread that it needs, as whoever sends or reads holds them.
#[derive(Default)]
pub(super) struct Line {
    pub(super) runtime: Option<Runtime>,
    pub(super) link: Option<Link>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if let (Some(runtime), Some(link)) = (&self.runtime, self.link.take()) {
            // It ends either way; this way RabbitMQ does not log it as a failure.
            let closed =
                async { tokio::time::timeout(Duration::from_secs(1), link.connection.close(200, "".into())).await };
            drop(runtime.block_on(closed));
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn channel(connection: &Connection, confirms: bool) -> Result<Channel> {
    let channel = connection.create_channel().await.map_err(broken)?;
    if confirms {
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(broken)?;
    }
    Ok(channel)
}

/// One thread for heartbeats and the socket; the caller's own thread does the rest.
pub(super) fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let built = builder.worker_threads(1).max_blocking_threads(2).thread_name("amqp").enable_all().build();
    built.map_err(|error| Error::internal(format!("the threads of the AMQP client: {error}")))
}

pub(super) fn broken(error: lapin::Error) -> Error {
    Error::unavailable("RabbitMQ does not answer as it should.", error)
}

/// What is answered where RabbitMQ takes longer than [`PATIENCE`].
pub(super) fn slow() -> Error {
    Error::unavailable("RabbitMQ is slow.", format!("no answer in {} seconds", PATIENCE.as_secs()))
}
