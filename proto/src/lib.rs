//! The words of Fabric and their pure rules.
//!
//! ```text
//! POST /async-function/resize.acme ──► Call ──encode──► bytes on fabric.ready.default.0.acme.resize
//!                                                            │
//!                function ◄── request + X-Call-Id ── decode ◄┘
//!                   │
//!                   └─ status ──► outcome::classify ──► succeeded │ retry (retry::wait) │ failed
//! ```
//!
//! Nothing here performs I/O, reads a clock, draws a random number or knows tokio: every rule is a function of
//! its arguments, so a property test can state what it promises.
//!
//! # Example
//!
//! ```
//! use proto::{Call, CallId, Function, Request, Timestamp, codec};
//!
//! let call = Call::new(
//!     CallId::parse("order-17")?,
//!     Function::parse("resize.acme")?,
//!     Timestamp::from_unix_nanos(1_790_000_000_000_000_000),
//!     Request { path: "/thumb".into(), body: "a picture".into(), ..Request::default() },
//! );
//! let bytes = codec::encode(&call);
//! assert_eq!(codec::decode(&bytes)?, call);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod annotation;
pub mod call;
pub mod callback;
pub mod codec;
pub mod dead;
pub mod deployment;
pub mod fault;
pub mod header;
pub mod history;
pub mod host;
pub mod key;
pub mod limit;
pub mod name;
pub mod openfaas;
pub mod outcome;
pub mod page;
pub mod path;
pub mod queue;
pub mod record;
pub mod refusal;
pub mod retry;
pub mod signing;
pub mod spec;
pub mod subject;
pub mod tenant;
pub mod time;
pub mod trace;
pub mod upstream;
pub mod when;

pub use call::{Call, Counts, Request, Target};
pub use dead::Dead;
pub use history::History;
pub use key::{ApiKey, KeyId};
pub use name::{CallId, Function, LaneKey, Namespace, Queue};
pub use outcome::Outcome;
pub use queue::QueueSpec;
pub use record::Record;
pub use refusal::Refusal;
pub use spec::FunctionSpec;
pub use tenant::NamespaceSpec;
pub use time::Timestamp;
pub use upstream::Upstream;
