//! Who may ask for what: keys, tokens, and what one tenant can learn of another.

pub(crate) mod asker;
mod audit;
mod begin;
mod isolation;
mod issuer;
mod keys;
mod pages;
mod tokens;
mod world;
