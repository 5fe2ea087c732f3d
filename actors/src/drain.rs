//! The phases of a drain, in order (pure).

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not draining.
    Running,
    /// Readiness is withdrawn; listeners go on, so that load balancers can move on first.
    Announced,
    /// Listeners at the edge accept no more and finish the requests they have.
    Edge,
    /// Queues pull no more; calls in flight finish, or are given back at the deadline.
    Work,
    /// What showed the drain ends.
    Last,
    /// Nothing is left.
    Over,
}

impl Phase {
    /// What comes after this.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Running => Self::Announced,
            Self::Announced => Self::Edge,
            Self::Edge => Self::Work,
            Self::Work => Self::Last,
            Self::Last | Self::Over => Self::Over,
        }
    }

    /// Its name in logs and views.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Announced => "drain announced",
            Self::Edge => "draining listeners",
            Self::Work => "draining queues",
            Self::Last => "draining the rest",
            Self::Over => "drained",
        }
    }
}
