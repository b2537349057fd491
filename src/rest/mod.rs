//! What every API shares: route rows and their dispatch, request schemas, response views, microversions, faults, paging.

pub mod call;
pub mod fault;
pub mod json;
pub mod json_schema;
pub mod links;
pub mod microversion;
pub mod openapi;
pub mod page;
pub mod pipeline;
pub mod platform;
pub mod python;
pub mod query;
pub mod route;
pub mod router;
pub mod schema;
pub mod service;
pub mod view;

pub use call::{Call, Reply};
pub use json::Json;
pub use microversion::Microversion;
pub use page::Page;
pub use route::{Method, Parameter, Route};
pub use schema::{Check, Input, Schema};
pub use view::{Answer, Field, Shape, Shown, View, Viewer};
