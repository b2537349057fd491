//! What Telemetry knows, as plain values: samples, filters, statistics. Not here: where it is kept, and how it is written
//! on the wire.

pub mod alarm;
pub mod batch;
pub mod cell;
pub mod cron;
pub mod dumps;
pub mod event;
pub mod event_rule;
pub mod exact;
pub mod expression;
pub mod filter;
pub mod message_id;
pub mod metadata;
pub mod moments;
pub mod sample;
pub mod statistics;
pub mod trust_url;

pub use batch::{Batch, BatchBuilder, Point};
pub use cell::{Buckets, Level};
pub use event::{Event, EventFilter, Trait, TraitDescription, TraitKind, TraitTest, TraitValue, Whose};
pub use exact::Exact;
pub use filter::{Filter, MetadataTest, MetadataValue};
pub use message_id::MessageId;
pub use moments::Moments;
pub use sample::{Meter, MeterType, Owner, ResourceState, Sample, SeriesState};
pub use statistics::{Aggregate, Function, Grouping, Question, Statistic};
