//! How a process ends.

use std::time::Duration;

use clap::Args;

use super::value::duration;

/// How a process ends.
#[derive(Debug, Args)]
pub struct Drain {
    /// After a signal, go on accepting for this long with readiness withdrawn, so that load balancers move on.
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "DURATION")]
    pub pre_stop: Duration,
    /// How long calls in flight may take to finish; what is left is given back to other workers. If absent, as long as
    /// the longest timeout of any function.
    #[arg(long, value_parser = duration, value_name = "DURATION")]
    pub grace: Option<Duration>,
}
