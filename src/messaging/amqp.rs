//! Sends to RabbitMQ as oslo.messaging's own driver does: to a topic exchange, with a queue for each topic and priority, so
//! that nothing is lost while nobody listens. A message counts as sent when RabbitMQ has confirmed it.

use std::collections::HashSet;

use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Confirmation};
use tokio::time::timeout;

use super::broker::{Broker, Line, PATIENCE, broken, runtime, slow};
use super::drivers::{Failure, Heard, Listener};
use super::notification::{Envelope, body};
use super::transport::Transport;
use crate::config::{Config, Opt, notifications as options};
use crate::database::outbox::Waiting;
use crate::error::{Error, Result};

/// A message that outlives a restart of the broker, where its queue does.
const PERSISTENT: u8 = 2;

/// The broker, connected to when there is something to send.
pub(super) struct Rabbit {
    broker: Broker,
    exchange: String,
    topics: Vec<String>,
    envelope: Envelope,
    line: Line,
    /// The queues that are declared on this connection.
    queues: HashSet<String>,
}

impl Rabbit {
    /// The broker of a configuration, with the exchange that this option names.
    ///
    /// # Errors
    /// `Invalid` for an address that can not be read, and for options that contradict each other.
    pub(super) fn of(config: &Config, exchange: &Opt, envelope: Envelope) -> Result<Self> {
        let (transport, config) = Transport::of(config)?;
        Ok(Self {
            broker: Broker::of(transport, &config, "hearth notifications", true)?,
            exchange: config.text(exchange).to_owned(),
            topics: config.list(&options::TOPICS).to_vec(),
            envelope,
            line: Line::default(),
            queues: HashSet::new(),
        })
    }

    fn send(&mut self, batch: &[(String, String)]) -> (usize, Result<()>) {
        let runtime = match self.line.runtime.take().map_or_else(runtime, Ok) {
            Ok(runtime) => runtime,
            Err(error) => return (0, Err(error)),
        };
        let mut sent = 0;
        let outcome = runtime.block_on(async { timeout(PATIENCE, self.send_all(batch, &mut sent)).await });
        self.line.runtime = Some(runtime);
        let outcome = outcome.unwrap_or_else(|_| Err(slow()));
        if outcome.is_err() {
            // Whatever is wrong with it, a new connection is the way out. The next server is asked first.
            self.line.link = None;
            self.broker.turn();
        }
        (sent, outcome)
    }

    /// Sends messages in their order; `sent` counts those that are confirmed.
    async fn send_all(&mut self, batch: &[(String, String)], sent: &mut usize) -> Result<()> {
        let link = match self.line.link.take().filter(|link| link.channel.status().connected()) {
            Some(link) => link,
            None => {
                self.queues.clear();
                let mut link = self.broker.connect().await?;
                link.exchange(&self.broker, &self.exchange).await?;
                link
            }
        };
        let link = self.line.link.insert(link);
        let mut confirms = Vec::with_capacity(batch.len() * self.topics.len());
        for (priority, body) in batch {
            for topic in &self.topics {
                let key = format!("{topic}.{priority}");
                if !self.queues.contains(&key) {
                    link.queue(&self.broker, &key).await?;
                    link.bind(&key, &self.exchange).await?;
                    self.queues.insert(key.clone());
                }
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let properties = BasicProperties::default()
                    .with_content_type("application/json".into())
                    .with_content_encoding("utf-8".into())
                    .with_delivery_mode(PERSISTENT)
                    .with_priority(0);
                let exchange = self.exchange.as_str().into();
                let sent = link.channel.basic_publish(exchange, key.into(), options, body.as_bytes(), properties);
                confirms.push(sent.await.map_err(broken)?);
            }
        }
        let of_each = self.topics.len().max(1);
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

fn unsent(why: &'static str) -> Error {
    Error::unavailable("A notification was not taken.", why)
}
