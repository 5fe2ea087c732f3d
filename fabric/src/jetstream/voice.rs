//! What becomes of a connection, told once each time it changes; and moving on before a server goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_nats::{Client, ClientError, Event, ServerError};

use super::access::Access;
use super::denied::Denials;
use super::outage::Outage;

/// Hears what the client tells.
pub(super) struct Voice {
    access: Access,
    denials: Denials,
    client: Arc<OnceLock<Client>>,
    outage: Outage,
    /// Whether it was told that there is no way back yet.
    is_told: AtomicBool,
}

impl Voice {
    pub(super) fn new(access: Access, denials: Denials, client: Arc<OnceLock<Client>>, outage: Outage) -> Self {
        Self { access, denials, client, outage, is_told: AtomicBool::new(false) }
    }

    pub(super) async fn hear(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.is_told.store(false, Ordering::Relaxed);
                self.denials.forget();
                self.outage.ends();
                let until = self.access.expires().map(|at| at.to_string());
                tracing::info!(until, "connected to NATS");
            }
            Event::Disconnected => {
                self.outage.begins();
                tracing::warn!("the connection to NATS is lost; connecting again");
            }
            Event::LameDuckMode => self.move_on().await,
            Event::ServerError(ServerError::Other(text)) if self.denials.hear(text, &self.access.to_string()) => {}
            // Credentials that have expired or were revoked, a connection that was cut: the server says so and hangs up.
            Event::ServerError(error) => tracing::warn!(%error, "the NATS server complains"),
            // Tried again every two seconds or sooner, for as long as it takes.
            Event::ClientError(ClientError::Other(why)) => match self.is_told.swap(true, Ordering::Relaxed) {
                false => tracing::warn!(why, who = %self.access, "no connection to NATS yet; trying again"),
                true => tracing::debug!(why, "no connection to NATS yet"),
            },
            other => tracing::debug!(event = %other, "NATS"),
        }
    }

    /// The server takes nobody new, and puts out one client after the other. Where there is another server, this one goes
    /// to it at once; else it stays for as long as it may.
    async fn move_on(&self) {
        let Some(client) = self.client.get() else { return };
        let others = client.server_pool().await.map_or(0, |pool| pool.len().saturating_sub(1));
        if others == 0 {
            tracing::warn!("the NATS server is shutting down, and no other is known");
            return;
        }
        tracing::warn!(others, "the NATS server is shutting down; moving to another");
        if let Err(error) = client.force_reconnect().await {
            tracing::debug!(%error, "the connection was closed already");
        }
    }
}
