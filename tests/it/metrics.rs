//! What `/metrics` tells: every number that is documented, with the values that known traffic gives it; and what is
//! made of them.

mod boards;
mod calls;
mod cap;
mod cluster;
mod formats;
pub(crate) mod queries;
pub(crate) mod scrape;
