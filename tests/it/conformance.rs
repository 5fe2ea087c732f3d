//! What every broker must do: the ports' documentation as code, run against each adapter.

/// Runs each behaviour on the brokers named, as `<topic>::<broker>::<behaviour>`.
macro_rules! behaviours {
    ($($broker:ident = $kind:ident),+ => $names:tt) => {
        $(behaviours!(@broker $broker $kind $names);)+
    };
    (@broker $broker:ident $kind:ident { $($name:ident),+ $(,)? }) => {
        mod $broker {
            $(
                #[tokio::test]
                async fn $name() {
                    Box::pin(super::$name(tests::broker::Kind::$kind)).await;
                }
            )+
        }
    };
    ($($name:ident),+ $(,)?) => {
        behaviours!(memory = Memory, embedded = Embedded, jetstream = JetStream => { $($name),+ });
    };
}

mod backlog;
mod cancels;
mod control;
mod dead;
mod duplicates;
mod give_back;
mod holdings;
mod lanes;
mod large;
mod later;
mod lease;
mod limit;
mod order;
mod presence;
mod pull;
mod quota;
mod records;
mod restart;
mod steps;
mod survey;
mod wakes;
mod withdraw;
