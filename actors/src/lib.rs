//! Fabric's supervision tree, what it decides with, and the ports it needs.
//!
//! Read [`tree`] first: it draws who supervises whom, and each file below it is one actor. An actor applies what a
//! pure rule decided: [`limit`] (what a function bears), [`permit::share`] (who may run), [`inflow::demand`] (what to
//! pull), [`flight::lease`] (what to renew), [`call::plan`] (what follows from an attempt), [`supervision::policy`] (what
//! a failure means). What the tree needs from outside is in [`port`]; [`memory`] is the reference for what a broker does.
//!
//! # Example
//!
//! A call through the whole tree, on the in-memory broker, with a function that always says "no content":
//!
//! ```
//! use std::sync::Arc;
//!
//! use actors::call::{Callbacks, Desk, plan::message, recorder::Recorder};
//! use actors::directory::Directory;
//! use actors::luck::Luck;
//! use actors::memory::{self, Memory, SteadyClock};
//! use actors::membership::{Membership, Serves};
//! use actors::parts::{Parts, Settings};
//! use actors::port::control::Expected;
//! use actors::port::invoker::{Answer, Error, Invocation};
//! use actors::port::{BoxFuture, Broker, Clock, Control, Invoker};
//! use actors::trace::Tracing;
//! use actors::tree::{self, Ending};
//! use proto::{Call, CallId, Function, FunctionSpec, Queue, Request};
//! use tokio::sync::watch;
//!
//! struct NoContent;
//! impl Invoker for NoContent {
//!     fn invoke(&self, _: Invocation) -> BoxFuture<'_, Result<Answer, Error>> {
//!         let (status, headers) = (http::StatusCode::NO_CONTENT, http::HeaderMap::new());
//!         Box::pin(async move { Ok(Answer { status, headers, body: "".into(), omitted: None }) })
//!     }
//!     fn resolve(&self, _: &str, _: u16) -> BoxFuture<'_, Result<Vec<std::net::SocketAddr>, Error>> {
//!         Box::pin(async { Ok(Vec::new()) })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(SteadyClock::default());
//! let broker = Arc::new(Memory::new(memory::Settings::default(), clock.clone()));
//! let directory = Arc::new(watch::Sender::new(Arc::new(Directory::default())));
//! let membership = Arc::new(watch::Sender::new(Arc::new(Membership::default())));
//! let desk = Arc::new(Desk {
//!     broker: broker.clone(),
//!     invoker: Arc::new(NoContent),
//!     clock: clock.clone(),
//!     directory: directory.subscribe(),
//!     membership: membership.subscribe(),
//!     rates: Arc::default(),
//!     recorder: Recorder::new(broker.clone(), std::time::Duration::from_secs(60)),
//!     marks: Arc::default(),
//!     meter: Arc::default(),
//!     callbacks: Callbacks::default(),
//!     luck: Luck::default(),
//!     tracing: Tracing::default(),
//! });
//! let parts = Parts {
//!     desk,
//!     control: broker.clone(),
//!     directory,
//!     presence: broker.clone(),
//!     id: "example".into(),
//!     gateway: false,
//!     membership,
//!     ready: Arc::new(watch::Sender::new(false)),
//!     listeners: Vec::new(),
//!     intakes: Vec::new(),
//!     serve: Serves::Everything,
//! };
//! let settings = Settings { pre_stop: std::time::Duration::ZERO, ..Settings::default() };
//! let (tree, ending) = tree::start(parts, settings).await?;
//!
//! let spec = FunctionSpec::at(&Function::parse("f")?, "http://f.example")?;
//! let call = Call::new(CallId::parse("c1")?, spec.function.clone(), clock.now(), Request::default());
//! broker.put((&spec).into(), Expected::Whatever).await?;
//! broker.publish(message(spec.lane(), &call)).await?;
//! while !broker.backlog(&Queue::default()).await?.is_empty() {
//!     tokio::task::yield_now().await;
//! }
//!
//! tree.drain();
//! assert_eq!(ending.await?, Ending::Drained);
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

pub mod arrival;
pub mod call;
pub mod cancel;
pub mod demand;
pub mod directory;
pub mod drain;
pub mod explain;
pub mod flight;
pub mod inflow;
pub mod limit;
pub mod link;
pub mod lost;
pub mod luck;
pub mod marks;
pub mod membership;
pub mod memory;
pub mod meter;
pub mod moving;
pub mod orders;
pub mod parts;
pub mod permit;
pub mod port;
pub mod purge;
pub mod redrive;
pub mod removal;
pub mod supervision;
pub mod survey;
pub mod trace;
pub mod tree;
pub mod view;
pub mod waiting;
