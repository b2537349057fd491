//! Notifications: what a service tells the rest of a cloud about what has happened, in the form of oslo.messaging. A
//! service puts them into the outbox of the transaction that changes something (`outbox.rs`); a long-lived role delivers
//! them (`postman.rs`) by the drivers that the configuration names (`drivers.rs`, `amqp.rs`). Responders only write rows. What others
//! have sent to a broker is read by `consumer.rs`.
//!
//! Not here: what the notifications of a service say.

mod amqp;
mod broker;
mod consumer;
mod drivers;
mod notification;
mod outbox;
mod pauses;
mod postman;
mod transport;

pub use consumer::{Consumer, Delivery, Queue, Verdict};
pub use drivers::{Failure, Heard, Listener};
pub use notification::{Notification, Priority};
pub use outbox::{Mailbox, Outbox};
pub use pauses::Pauses;
pub use postman::{Postman, start};
