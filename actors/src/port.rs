//! What the tree needs from outside, as traits: the broker, its lanes, the control plane, HTTP and the time of day.
//!
//! The documentation of these traits *is* the contract; the conformance suite in `tests/` states it as code and runs
//! against every adapter. Futures are boxed because ports are shared as `Arc<dyn …>`: one allocation a call is
//! nothing beside an HTTP request.

pub mod broker;
pub mod cancels;
pub mod clock;
pub mod control;
pub mod dead;
pub mod holdings;
pub mod intake;
pub mod invoker;
pub mod lane;
pub mod presence;
pub mod records;
pub mod survey;
pub mod tracer;

pub use broker::Broker;
pub use cancels::Cancels;
pub use clock::Clock;
pub use control::Control;
pub use dead::DeadLetters;
pub use futures_util::future::BoxFuture;
pub use futures_util::stream::BoxStream;
pub use holdings::Holdings;
pub use intake::Intake;
pub use invoker::Invoker;
pub use lane::{Aside, Delivery, Lane, Lease, Payload};
pub use presence::Presence;
pub use records::Records;
pub use survey::Survey;
pub use tracer::Tracer;
