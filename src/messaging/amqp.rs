//! RabbitMQ, spoken to as oslo.messaging's own driver does: a topic exchange, a queue for each topic and priority, so that
//! nothing is lost while nobody listens. A message counts as sent when RabbitMQ has confirmed it.
//!
//! The client is lapin, whose tasks run on a thread of this value's own; callers block.

use std::collections::HashSet;
use std::time::Duration;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::drivers::{Failure, Heard, Listener};
use super::notification::{Envelope, body};
use super::transport::{Server, Transport};
use crate::config::{Config, notifications as options};
use crate::database::outbox::Waiting;
use crate::error::{Error, Result};

/// The longest that connecting, declaring, or sending a batch may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest that a server may take to answer a connection, in milliseconds.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// A message that outlives a restart of the broker, where its queue does.
const PERSISTENT: u8 = 2;

/// The broker, connected to when there is something to send.
pub(super) struct Rabbit {
    settings: Settings,
    envelope: Envelope,
    runtime: Option<Runtime>,
    link: Option<Link>,
    /// Which server is tried next.
    next: usize,
}

/// What the configuration says.
struct Settings {
    transport: Transport,
    tls: bool,
    ca_file: Option<String>,
    /// Files of certificate and key.
    identity: Option<(String, String)>,
    exchange: String,
    topics: Vec<String>,
    durable: bool,
    auto_delete: bool,
    queue_arguments: FieldTable,
    heartbeat_s: u16,
}

/// A connection with its one channel.
struct Link {
    connection: Connection,
    channel: Channel,
    exchange_is_there: bool,
    queues: HashSet<String>,
}

impl Rabbit {
    /// The broker of a configuration.
    ///
    /// # Errors
    /// `Invalid` for an address that can not be read, and for options that contradict each other.
    pub(super) fn of(config: &Config, envelope: Envelope) -> Result<Self> {
        let (transport, config) = &Transport::of(config)?;
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
        let settings = Settings {
            tls: config.boolean(&options::SSL),
            transport: transport.clone(),
            ca_file: path(&options::SSL_CA_FILE),
            identity,
            exchange: config.text(&options::CONTROL_EXCHANGE).to_owned(),
            topics: config.list(&options::TOPICS).to_vec(),
            durable: quorum || config.boolean(&options::DURABLE_QUEUES),
            auto_delete: config.boolean(&options::AUTO_DELETE),
            queue_arguments,
            heartbeat_s: u16::try_from(config.integer(&options::HEARTBEAT)).unwrap_or(60),
        };
        Ok(Self { settings, envelope, runtime: None, link: None, next: 0 })
    }

    fn send(&mut self, batch: &[(String, String)]) -> (usize, Result<()>) {
        let runtime = match self.runtime.take().map_or_else(runtime, Ok) {
            Ok(runtime) => runtime,
            Err(error) => return (0, Err(error)),
        };
        let mut sent = 0;
        let outcome = runtime.block_on(async { timeout(PATIENCE, self.send_all(batch, &mut sent)).await });
        self.runtime = Some(runtime);
        let outcome = outcome.unwrap_or_else(|_| {
            Err(Error::unavailable("RabbitMQ is slow.", format!("no answer in {} seconds", PATIENCE.as_secs())))
        });
        if outcome.is_err() {
            // Whatever is wrong with it, a new connection is the way out. The next server is asked first.
            self.link = None;
            self.next = self.next.wrapping_add(1);
        }
        (sent, outcome)
    }

    /// Sends messages in their order; `sent` counts those that are confirmed.
    async fn send_all(&mut self, batch: &[(String, String)], sent: &mut usize) -> Result<()> {
        let link = match self.link.take().filter(|link| link.channel.status().connected()) {
            Some(link) => link,
            None => self.connect().await?,
        };
        let link = self.link.insert(link);
        let settings = &self.settings;
        let mut confirms = Vec::with_capacity(batch.len() * settings.topics.len());
        for (priority, body) in batch {
            for topic in &settings.topics {
                let key = format!("{topic}.{priority}");
                if !link.queues.contains(&key) {
                    link.declare(settings, &key).await?;
                    link.queues.insert(key.clone());
                }
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let properties = BasicProperties::default()
                    .with_content_type("application/json".into())
                    .with_content_encoding("utf-8".into())
                    .with_delivery_mode(PERSISTENT)
                    .with_priority(0);
                let exchange = settings.exchange.as_str().into();
                let sent = link.channel.basic_publish(exchange, key.into(), options, body.as_bytes(), properties);
                confirms.push(sent.await.map_err(broken)?);
            }
        }
        let of_each = settings.topics.len().max(1);
        for (place, confirm) in confirms.into_iter().enumerate() {
            match confirm.await.map_err(broken)? {
                Confirmation::Ack(None) => *sent = (place + 1) / of_each,
                Confirmation::Ack(Some(_)) => return Err(unsent("its queue has gone meanwhile")),
                Confirmation::Nack(_) => return Err(unsent("RabbitMQ does not take it")),
                Confirmation::NotRequested => return Err(unsent("RabbitMQ confirms nothing")),
            }
        }
        Ok(())
    }

    /// Connects to one of the servers.
    async fn connect(&mut self) -> Result<Link> {
        let servers = &self.settings.transport.servers;
        let mut reasons = Vec::new();
        for attempt in 0..servers.len() {
            let place = self.next.wrapping_add(attempt) % servers.len();
            let Some(server) = servers.get(place) else { continue };
            match self.settings.open(server).await {
                Ok(link) => {
                    log::info!("notifications go to RabbitMQ on {}", server.place());
                    self.next = place;
                    return Ok(link);
                }
                Err(error) => reasons.push(format!("{}: {error}", server.place())),
            }
        }
        Err(Error::unavailable("RabbitMQ can not be reached.", reasons.join("; ")))
    }
}

impl Settings {
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
        let properties = ConnectionProperties::default().with_connection_name("hearth notifications".into());
        let builder = lapin::DefaultConnectionBuilder::new().map_err(broken)?;
        let builder = builder.with_uri(uri).with_properties(properties).with_tls_config(self.tls_config()?);
        let connection = builder.connect().await.map_err(broken)?;
        let channel = channel(&connection).await?;
        Ok(Link { connection, channel, exchange_is_there: false, queues: HashSet::new() })
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
    /// Makes sure of the exchange and of the queue `key`. Where others have declared them with other properties, they are
    /// used as they are.
    async fn declare(&mut self, settings: &Settings, key: &str) -> Result<()> {
        let exchange = settings.exchange.as_str();
        let (durable, auto_delete) = (settings.durable, settings.auto_delete);
        if !self.exchange_is_there {
            let wanted = ExchangeDeclareOptions { durable, auto_delete, ..ExchangeDeclareOptions::default() };
            let declared =
                self.channel.exchange_declare(exchange.into(), ExchangeKind::Topic, wanted, FieldTable::default());
            if let Err(error) = declared.await {
                self.take_as_it_is("exchange", exchange, error).await?;
                let there = ExchangeDeclareOptions { passive: true, ..wanted };
                let declared =
                    self.channel.exchange_declare(exchange.into(), ExchangeKind::Topic, there, FieldTable::default());
                declared.await.map_err(broken)?;
            }
            self.exchange_is_there = true;
        }
        let wanted = QueueDeclareOptions { durable, auto_delete, ..QueueDeclareOptions::default() };
        let declared = self.channel.queue_declare(key.into(), wanted, settings.queue_arguments.clone());
        if let Err(error) = declared.await {
            self.take_as_it_is("queue", key, error).await?;
            let there = QueueDeclareOptions { passive: true, ..wanted };
            self.channel.queue_declare(key.into(), there, FieldTable::default()).await.map_err(broken)?;
        }
        let bound = self.channel.queue_bind(
            key.into(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.map_err(broken)
    }

    /// Goes on after a declaration was refused because others have declared the same differently; fails with any other
    /// error. The refusal has closed the channel.
    async fn take_as_it_is(&mut self, what: &str, name: &str, error: lapin::Error) -> Result<()> {
        if !error.is_amqp_soft_error() {
            return Err(broken(error));
        }
        log::warn!("the {what} {name} of RabbitMQ is used as others have declared it: {error}");
        self.channel = channel(&self.connection).await?;
        Ok(())
    }
}

impl Listener for Rabbit {
    fn hear(&mut self, batch: &[Waiting]) -> Heard {
        let mut bodies = Vec::with_capacity(batch.len());
        let mut hopeless = None;
        for waiting in batch {
            match body(waiting, self.envelope) {
                Ok(body) => bodies.push((waiting.priority.to_ascii_lowercase(), body)),
                Err(error) => {
                    hopeless = Some(Failure { error, hopeless: true });
                    break;
                }
            }
        }
        match self.send(&bodies) {
            (taken, Ok(())) => Heard { taken, failure: hopeless },
            (taken, Err(error)) => Heard::only(taken, error),
        }
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        if let (Some(runtime), Some(link)) = (&self.runtime, self.link.take()) {
            // It ends either way; this way RabbitMQ does not log it as a failure.
            let closed = async { timeout(Duration::from_secs(1), link.connection.close(200, "".into())).await };
            drop(runtime.block_on(closed));
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn channel(connection: &Connection) -> Result<Channel> {
    let channel = connection.create_channel().await.map_err(broken)?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(broken)?;
    Ok(channel)
}

/// One thread for heartbeats and the socket; the caller's own thread does the rest.
fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let built = builder.worker_threads(1).max_blocking_threads(2).thread_name("amqp").enable_all().build();
    built.map_err(|error| Error::internal(format!("the threads of the AMQP client: {error}")))
}

fn broken(error: lapin::Error) -> Error {
    Error::unavailable("RabbitMQ does not answer as it should.", error)
}

fn unsent(why: &'static str) -> Error {
    Error::unavailable("A notification was not taken.", why)
}
