//! What an error of the broker means to whoever asked.

use actors::port::Broker;
use actors::port::broker::Error;
use proto::Refusal;

/// Refuses at once what would wait for a broker in vain.
pub(crate) fn unless_away(broker: &dyn Broker) -> Result<(), Refusal> {
    broker.outage().map_or(Ok(()), |error| {
        // Told once, where the connection is.
        tracing::debug!(%error, "a request was refused: there is no broker");
        Err(Refusal::BrokerAway)
    })
}

/// What a caller hears when the broker did not store the call.
pub(crate) fn refusal(error: Error, limit: usize) -> Refusal {
    match error {
        Error::Full { scope } => Refusal::BacklogFull { scope },
        Error::TooLarge { .. } => Refusal::TooLarge { limit },
        Error::StorageFull(cause) => {
            tracing::error!(%cause, "a call was refused: the broker has no storage left");
            Refusal::StorageFull
        }
        Error::Away(cause) => {
            tracing::warn!(%cause, "a call was refused: the broker did not confirm it");
            Refusal::BrokerAway
        }
        Error::Refused(cause) => {
            tracing::error!(%cause, "a request was refused: the broker refuses what it needs");
            Refusal::BrokerRefuses
        }
    }
}
