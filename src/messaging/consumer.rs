//! Reads queues of RabbitMQ: messages come one batch at a time, and each stays in its queue until its reader has settled what
//! becomes of it. Whatever was not settled when the connection, this process or the broker ended is delivered again, here or to
//! another reader of the same queue.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use lapin::message::DeliveryResult;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::FieldTable;
use tokio::time::timeout;

use super::broker::{Broker, Line, Link, PATIENCE, broken, runtime, slow};
use super::transport::Transport;
use crate::config::{Config, Opt};
use crate::error::{Error, Result};

/// A queue, which is named as the key of the messages that come into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// `notifications.info`.
    pub name: String,
    /// The exchanges that it gets them from.
    pub exchanges: Vec<String>,
}

/// A message.
#[derive(Debug)]
pub struct Delivery {
    /// How it is called on this connection.
    pub tag: u64,
    /// The queue that it lay in.
    pub queue: Arc<str>,
    /// What was sent.
    pub body: Vec<u8>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It leaves its queue.
    Done,
    /// It leaves its queue, to the dead letters where the queue has a place for them.
    Refused,
    /// It goes back to its queue.
    Again,
}

/// Reads some queues of one broker, connected to when it is first asked.
pub struct Consumer {
    broker: Broker,
    queues: Vec<Queue>,
    /// Most messages of a batch.
    most: u16,
    line: Line,
    arriving: Option<Receiver<Arrival>>,
}

enum Arrival {
    Message(Delivery),
    Ended(Error),
}

impl Consumer {
    /// For the broker at the address `url`, which `option` has; without one, at that of notifications. A batch has `most`
    /// messages or less.
    ///
    /// # Errors
    /// `Invalid` for an address that can not be read, and for options that contradict each other.
    pub fn of(config: &Config, url: Option<(&str, &Opt)>, queues: Vec<Queue>, most: u16) -> Result<Self> {
        let (transport, config) = match url {
            Some((url, option)) => Transport::at(url, option, config)?,
            None => Transport::of(config)?,
        };
        let broker = Broker::of(transport, &config, "hearth collector", false)?;
        Ok(Self { broker, queues, most: most.max(1), line: Line::default(), arriving: None })
    }

    /// The next messages, oldest first for each queue; none where none comes within `patience`.
    ///
    /// # Errors
    /// `Unavailable` where RabbitMQ can not be reached or the connection ended: what was not settled comes again.
    pub fn receive(&mut self, patience: Duration) -> Result<Vec<Delivery>> {
        if self.arriving.is_none() {
            self.connect()?;
        }
        let mut batch = Vec::new();
        let Some(arriving) = &self.arriving else { return Ok(batch) };
        let mut next = match arriving.recv_timeout(patience) {
            Ok(arrival) => Some(arrival),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Arrival::Ended(gone())),
        };
        let mut ended = None;
        while let Some(arrival) = next.take() {
            match arrival {
                Arrival::Message(delivery) => batch.push(delivery),
                Arrival::Ended(error) => {
                    ended = Some(error);
                    break;
                }
            }
            if batch.len() < usize::from(self.most) {
                next = arriving.try_recv().ok();
            }
        }
        let alive = self.line.link.as_ref().is_some_and(|link| link.channel.status().connected());
        match ended {
            Some(error) => self.fail(error),
            None if !alive => self.fail(gone()),
            None => Ok(batch),
        }
    }

    /// Says what becomes of messages of this connection.
    ///
    /// # Errors
    /// As [`Consumer::receive`].
    pub fn settle(&mut self, verdicts: &[(u64, Verdict)]) -> Result<()> {
        let (Some(runtime), Some(link)) = (&self.line.runtime, &self.line.link) else { return self.fail(gone()) };
        let settled = runtime.block_on(async { timeout(PATIENCE, settle(link, verdicts)).await });
        match settled.unwrap_or_else(|_| Err(slow())) {
            Ok(()) => Ok(()),
            Err(error) => self.fail(error),
        }
    }

    /// Forgets the connection; the next server is asked first.
    fn fail<T>(&mut self, error: Error) -> Result<T> {
        (self.line.link, self.arriving) = (None, None);
        self.broker.turn();
        Err(error)
    }

    fn connect(&mut self) -> Result<()> {
        let runtime = self.line.runtime.take().map_or_else(runtime, Ok)?;
        let begun = runtime.block_on(async {
            timeout(PATIENCE, begin(&mut self.broker, &self.queues, self.most)).await.unwrap_or_else(|_| Err(slow()))
        });
        self.line.runtime = Some(runtime);
        match begun {
            Ok((link, arriving)) => {
                (self.line.link, self.arriving) = (Some(link), Some(arriving));
                Ok(())
            }
            Err(error) => self.fail(error),
        }
    }
}

/// Connects, makes sure of exchanges and queues, and begins to read them.
async fn begin(broker: &mut Broker, queues: &[Queue], most: u16) -> Result<(Link, Receiver<Arrival>)> {
    let mut link = broker.connect().await?;
    let mut exchanges: Vec<&String> = queues.iter().flat_map(|queue| &queue.exchanges).collect();
    exchanges.sort_unstable();
    exchanges.dedup();
    for exchange in exchanges {
        link.exchange(broker, exchange).await?;
    }
    for queue in queues {
        link.queue(broker, &queue.name).await?;
        for exchange in &queue.exchanges {
            link.bind(&queue.name, exchange).await?;
        }
    }
    // A batch is on its way while the one before it is stored.
    let unsettled = most.saturating_mul(2);
    link.channel.basic_qos(unsettled, BasicQosOptions { global: false }).await.map_err(broken)?;
    let (tell, arriving) = mpsc::channel();
    for queue in queues {
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = link.channel.basic_consume(queue.name.as_str().into(), "".into(), options, arguments);
        let (name, tell): (Arc<str>, _) = (queue.name.as_str().into(), tell.clone());
        consumer.await.map_err(broken)?.set_delegate(move |delivered: DeliveryResult| {
            let arrival = match delivered {
                Ok(Some(delivery)) => {
                    let (tag, body) = (delivery.delivery_tag, delivery.data);
                    Arrival::Message(Delivery { tag, queue: name.clone(), body })
                }
                Ok(None) => Arrival::Ended(gone()),
                Err(error) => Arrival::Ended(broken(error)),
            };
            // Whoever reads no more has forgotten this connection.
            let _ = tell.send(arrival);
            std::future::ready(())
        });
    }
    Ok((link, arriving))
}

async fn settle(link: &Link, verdicts: &[(u64, Verdict)]) -> Result<()> {
    for (tag, verdict) in verdicts {
        let channel = &link.channel;
        match verdict {
            Verdict::Done => channel.basic_ack(*tag, BasicAckOptions::default()).await,
            Verdict::Refused => channel.basic_reject(*tag, BasicRejectOptions { requeue: false }).await,
            Verdict::Again => channel.basic_reject(*tag, BasicRejectOptions { requeue: true }).await,
        }
        .map_err(broken)?;
    }
    Ok(())
}

fn gone() -> Error {
    Error::unavailable("RabbitMQ does not answer as it should.", "the connection or a queue has gone")
}
