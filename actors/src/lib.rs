//! Fabric's supervision tree, what it decides with, and the ports it needs.

pub mod port;
