//! What lies in queues of RabbitMQ: notifications of services and of polling agents, and the samples and events that agents send
//! with the publisher `notifier://` (specification: transports). A message leaves its queue once what it says is durable.
//! While the database can not be reached messages wait in their queues; what can never be stored is refused, and holds up
//! nothing else.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::keeper::{Arrived, Keeper, check_event, check_sample};
use super::messages::{self, is_signed};
use super::seldom::Seldom;
use crate::config::{Config, collector as options, notifications};
use crate::messaging::{Consumer, Delivery, Pauses, Queue, Verdict};
use crate::service::calls::Calls;
use crate::service::fault;
use crate::service::threads::contain;
use crate::telemetry::definitions::Notification;
use crate::{Error, Kind, Result};

/// The priorities that mean samples or events.
const PRIORITIES: [&str; 3] = ["info", "error", "sample"];
/// The priority with which agents send samples and events.
const SAMPLE: &str = "sample";
/// What polling agents, and the API of old, call their messages.
const POLLED: [&str; 2] = ["telemetry.polling", "telemetry.api"];
/// How soon a reader that hears nothing looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(200);

/// What the messages of a queue hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Notifications,
    Samples,
    Events,
}

/// Reads the queues of one broker.
pub(super) struct Reader {
    consumer: Consumer,
    contents: Vec<(String, Content)>,
    /// What could not be stored yet.
    held: Vec<Delivery>,
    keeper: Arc<Keeper>,
    secret: String,
    /// Contents whose messages go back to their queues where the database refuses them.
    requeued: Vec<Content>,
    pauses: Pauses,
    unsigned: Seldom,
}

/// What one message means, or that it means nothing.
type Read = Result<(Content, Arrived)>;

impl Reader {
    /// A reader for each broker that the configuration names.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for addresses and options of brokers that make no sense.
    pub(super) fn all(config: &Config, keeper: &Arc<Keeper>) -> Result<Vec<Self>> {
        let chosen = config.list(&options::COLLECT);
        let wants = |word: &str| chosen.is_empty() || chosen.iter().any(|one| one == word);
        let named = config.list(&options::CONTROL_EXCHANGES);
        let exchanges: Vec<String> = match named {
            [] => options::EXCHANGES.iter().map(ToString::to_string).collect(),
            named => named.iter().flat_map(|names| names.split(',')).map(|name| name.trim().to_owned()).collect(),
        };
        let mut notified = Vec::new();
        for topic in config.list(&notifications::TOPICS) {
            for priority in PRIORITIES {
                let queue = Queue { name: format!("{topic}.{priority}"), exchanges: exchanges.clone() };
                notified.extend(wants("notifications").then_some((queue, Content::Notifications)));
            }
        }
        let agents = [config.text(&options::AGENTS_EXCHANGE).to_owned()];
        let of_agents = |topic, word, content| {
            let queue = Queue { name: format!("{}.{SAMPLE}", config.text(topic)), exchanges: agents.to_vec() };
            wants(word).then_some((queue, content))
        };
        let published = of_agents(&options::METERING_TOPIC, "metering", Content::Samples).into_iter().chain(of_agents(
            &options::EVENT_TOPIC,
            "events",
            Content::Events,
        ));
        let urls = config.list(&options::MESSAGING_URLS);
        let mut readers = Vec::new();
        if !urls.is_empty() {
            for url in urls {
                readers.push((Some(url.as_str()), notified.clone()));
            }
            notified.clear();
        }
        notified.extend(published);
        readers.push((None, notified));
        readers.retain(|(_, queues)| !queues.is_empty());
        readers.into_iter().map(|(url, queues)| Self::of(config, keeper, url, queues)).collect()
    }

    fn of(config: &Config, keeper: &Arc<Keeper>, url: Option<&str>, queues: Vec<(Queue, Content)>) -> Result<Self> {
        let contents = queues.iter().map(|(queue, content)| (queue.name.clone(), *content)).collect();
        let queues = queues.into_iter().map(|(queue, _)| queue).collect();
        let most = u16::try_from(config.integer(&options::BATCH_SIZE)).unwrap_or(100);
        let requeued = [
            (Content::Notifications, !config.boolean(&options::ACK_ON_ERROR)),
            (Content::Samples, config.boolean(&options::REQUEUE_SAMPLES)),
            (Content::Events, config.boolean(&options::REQUEUE_EVENTS)),
        ];
        Ok(Self {
            consumer: Consumer::of(config, url.map(|url| (url, &options::MESSAGING_URLS)), queues, most)?,
            contents,
            held: Vec::new(),
            keeper: keeper.clone(),
            secret: config.text(&options::TELEMETRY_SECRET).to_owned(),
            requeued: requeued.into_iter().filter_map(|(content, so)| so.then_some(content)).collect(),
            pauses: Pauses::of(config),
            unsigned: Seldom::default(),
        })
    }

    /// Reads until told to stop.
    pub(super) fn run(mut self, calls: &Calls) {
        let mut failures = 0;
        while !calls.is_stopping() {
            match self.round() {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    // The first line tells; the others would only say it again.
                    let level = if failures == 1 { log::Level::Error } else { log::Level::Debug };
                    log::log!(level, "what lies in queues waits there: {error}");
                    calls.wait_for_stop(self.pauses.after(failures));
                }
            }
        }
    }

    /// Takes a batch from its reading to its end.
    fn round(&mut self) -> Result<()> {
        if self.held.is_empty() {
            self.held = self.consumer.receive(LOOK)?;
        }
        if self.held.is_empty() {
            return Ok(());
        }
        fault::point("collector.after_receive");
        let batch = std::mem::take(&mut self.held);
        let read: Vec<Read> = batch.iter().map(|delivery| self.read(delivery)).collect();
        let verdicts = match self.store(&batch, read) {
            Ok(verdicts) => verdicts,
            Err(error) => {
                self.held = batch;
                return Err(error);
            }
        };
        fault::point("collector.before_ack");
        let again = verdicts.iter().any(|(_, verdict)| *verdict == Verdict::Again);
        self.consumer.settle(&verdicts)?;
        fault::point("collector.after_ack");
        // What went back comes at once, and would come for ever as fast as it can.
        if again {
            Err(Error::unavailable("Messages went back to their queues.", "the database refuses them"))
        } else {
            Ok(())
        }
    }

    /// Stores a batch in one go; where the database refuses that, message by message.
    ///
    /// # Errors
    /// Where nothing can be stored now, and nothing was decided.
    fn store(&self, batch: &[Delivery], read: Vec<Read>) -> Result<Vec<(u64, Verdict)>> {
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut all = Arrived::default();
        let mut good = Vec::with_capacity(batch.len());
        for (delivery, read) in batch.iter().zip(read) {
            match read {
                Ok((content, arrived)) => good.push((delivery, content, arrived)),
                Err(error) => {
                    log::error!("a message of {} is refused: {error}", delivery.queue);
                    verdicts.push((delivery.tag, Verdict::Refused));
                }
            }
        }
        good.iter().for_each(|(_, _, arrived)| all.append(arrived.clone()));
        match self.keep(&all) {
            Ok(()) => verdicts.extend(good.iter().map(|(delivery, ..)| (delivery.tag, Verdict::Done))),
            Err(error) if waits(&error) => return Err(error),
            Err(_) => {
                for (delivery, content, arrived) in &good {
                    verdicts.push((delivery.tag, self.store_alone(delivery, *content, arrived)?));
                }
            }
        }
        Ok(verdicts)
    }

    fn store_alone(&self, delivery: &Delivery, content: Content, arrived: &Arrived) -> Result<Verdict> {
        match self.keep(arrived) {
            Ok(()) => Ok(Verdict::Done),
            Err(error) if waits(&error) => Err(error),
            Err(error) => {
                let again = self.requeued.contains(&content);
                let what = if again { "goes back to its queue" } else { "is refused" };
                log::error!("a message of {} {what}: {error}", delivery.queue);
                Ok(if again { Verdict::Again } else { Verdict::Refused })
            }
        }
    }

    /// A defect of ours in one message must not end the reading of all others.
    fn keep(&self, arrived: &Arrived) -> Result<()> {
        contain(|| self.keeper.store(arrived)).unwrap_or_else(|panic| Err(Error::internal(panic)))
    }

    /// What a message means. Samples and events that were not signed with the secret are left out.
    fn read(&mut self, delivery: &Delivery) -> Read {
        let content = self.contents.iter().find(|(name, _)| **name == *delivery.queue).map(|(_, content)| *content);
        let content = content.ok_or_else(|| Error::internal("a message of a queue that nobody reads"))?;
        let read = contain(std::panic::AssertUnwindSafe(|| {
            let message = opened(&delivery.body)?;
            match content {
                Content::Notifications => self.notification(message),
                content => self.published(&message, content),
            }
        }));
        Ok((content, read.unwrap_or_else(|panic| Err(Error::internal(panic)))?))
    }

    fn notification(&self, message: Map<String, Json>) -> Result<Arrived> {
        let event_type = message.get("event_type").and_then(Json::as_str).unwrap_or_default();
        if POLLED.contains(&event_type) {
            let samples = message.get("payload").and_then(|payload| payload.get("samples")).and_then(Json::as_array);
            let samples = samples.ok_or_else(|| Error::invalid("its payload has no list of samples"))?;
            return Ok(self.samples(samples));
        }
        let (context, message): (Map<_, _>, Map<_, _>) =
            message.into_iter().partition(|(name, _)| name.starts_with(CONTEXT));
        let context = context.into_iter().map(|(name, value)| (name.replacen(CONTEXT, "", 1), value)).collect();
        Ok(self.keeper.meaning(&Notification::new(&message, Json::Object(context))?))
    }

    fn published(&mut self, message: &Map<String, Json>, content: Content) -> Result<Arrived> {
        let items = match message.get("payload") {
            Some(Json::Array(items)) => items.as_slice(),
            Some(one @ Json::Object(_)) => std::slice::from_ref(one),
            _ => return Err(Error::invalid("its payload is no list")),
        };
        let signed: Vec<Json> = items.iter().filter(|item| is_signed(item, &self.secret)).cloned().collect();
        if signed.len() < items.len() {
            self.unsigned.warn(&format!(
                "{} of {} samples or events of a message are dropped: they are not signed with telemetry_secret",
                items.len() - signed.len(),
                items.len()
            ));
        }
        if content == Content::Samples {
            return Ok(self.samples(&signed));
        }
        let events = signed.iter().filter_map(|item| {
            let event = messages::event(item).and_then(|event| check_event(&event).map(|()| event));
            event.map_err(|error| log::error!("an event of a message is dropped: {error}")).ok()
        });
        Ok(Arrived { samples: Vec::new(), events: events.collect() })
    }

    fn samples(&self, items: &[Json]) -> Arrived {
        let samples = items.iter().filter_map(|item| {
            let sample = messages::sample(item, &self.keeper.source);
            let sample = sample.and_then(|sample| check_sample(&sample).map(|()| sample));
            sample.map_err(|error| log::error!("a sample of a message is dropped: {error}")).ok()
        });
        Arrived { samples: samples.collect(), events: Vec::new() }
    }
}

/// The beginning of the names of a message that are its context.
const CONTEXT: &str = "_context_";

/// Whether the same may succeed later: the database does not answer, or has no tables yet.
fn waits(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::Transient | Kind::Conflict)
}

/// A message of oslo.messaging, out of its envelope where it has one.
fn opened(body: &[u8]) -> Result<Map<String, Json>> {
    let broken = |error| Error::invalid("it is no JSON object").because(error);
    let message: Map<String, Json> = serde_json::from_slice(body).map_err(broken)?;
    match message.get("oslo.message") {
        Some(Json::String(text)) => serde_json::from_str(text).map_err(broken),
        _ => Ok(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_are_taken_out_of_both_envelopes() {
        let message = json!({"event_type": "volume.create.end", "payload": {"a": 1}});
        let second = json!({"oslo.version": "2.0", "oslo.message": message.to_string()});
        for body in [&message, &second] {
            assert_eq!(Json::Object(opened(body.to_string().as_bytes()).unwrap()), message);
        }
        for body in ["[]", "{", "", r#"{"oslo.message": "[1]"}"#, r#"{"oslo.message": "{"}"#] {
            assert!(opened(body.as_bytes()).is_err(), "{body}");
        }
    }
}
