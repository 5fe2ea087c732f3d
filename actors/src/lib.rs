//! Fabric's supervision tree, what it decides with, and the ports it needs.

pub mod call;
pub mod demand;
pub mod directory;
pub mod drain;
pub mod flight;
pub mod inflow;
pub mod lease;
pub mod memory;
pub mod parts;
pub mod permit;
pub mod port;
pub mod pull;
pub mod supervision;
pub mod tree;
pub mod view;
