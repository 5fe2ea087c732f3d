//! The book in `docs/`: its links lead somewhere, all of it is in its table of contents, and its commands do what they show.

mod commands;
mod links;
