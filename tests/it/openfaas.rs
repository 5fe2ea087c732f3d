//! The doorway from OpenFaaS: its command line, and its queue.

mod cli;
mod queue;
