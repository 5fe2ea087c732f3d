//! Behaviour that crosses crates: a module for each promise.

fn main() {}
