//! The server as a [`DeadLetters`] port: a letter's number is its place in the stream.

use actors::port::broker::{Error, Stored};
use actors::port::dead::Letter;
use actors::port::{Aside, BoxFuture, DeadLetters};
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::DeleteMessageErrorKind;
use proto::dead::Filter;
use proto::{CallId, Dead};

use super::JetStream;
use super::lane::headers;
use super::publish::away;
use super::read::{At, Found};

/// The token of a dead letter whose call could not be read.
const UNREADABLE: &str = "unreadable";

impl JetStream {
    fn dead_stream(&self) -> String {
        self.layout.settings.subjects.dead_stream()
    }

    async fn put_dead(&self, dead: Dead, id: String, call: Option<&CallId>) -> Result<Stored, Error> {
        let unreadable = CallId::parse(UNREADABLE).map_err(|error| Error::Refused(error.into()))?;
        let subject = self.layout.settings.subjects.dead(&dead.lane, call.unwrap_or(&unreadable));
        let headers = headers([(NATS_MESSAGE_ID, id)]);
        self.keep(subject.into(), headers, dead.encode(), &dead.lane).await
    }

    async fn read_letter(&self, found: Found) -> Result<Letter, Error> {
        let payload = match self.layout.shelf.claim(Some(&found.headers)) {
            Some(claim) => claim.fetch().await?,
            None => found.payload,
        };
        let dead = Dead::decode(&payload).map_err(|error| Error::Refused(error.into()))?;
        Ok(Letter { number: found.number, dead })
    }

    /// Reads on until something matches: that there is nothing means that there is nothing more.
    async fn matching(&self, filter: &Filter, after: u64, max: usize) -> Result<Vec<Letter>, Error> {
        let (stream, subject) = (self.dead_stream(), self.layout.settings.subjects.dead_matching(filter));
        let (mut letters, mut after) = (Vec::new(), after);
        while letters.is_empty() {
            let page = self.layout.reader.page(&stream, &subject, after.saturating_add(1), max).await?;
            let Some(last) = page.last() else { break };
            after = last.number;
            for found in page {
                let (number, subject) = (found.number, found.subject.clone());
                match self.read_letter(found).await {
                    Ok(letter) if filter.matches(&letter.dead) => letters.push(letter),
                    Ok(_) => {}
                    Err(Error::Refused(error)) => {
                        tracing::warn!(number, subject, %error, "a dead letter cannot be read; it is passed over");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(letters)
    }

    async fn delete_letter(&self, number: u64) -> Result<bool, Error> {
        let Some(found) = self.layout.reader.message(&self.dead_stream(), At::Number(number)).await? else {
            return Ok(false);
        };
        let deleted = self.delete(&self.dead_stream(), number).await?;
        if let Some(claim) = self.layout.shelf.claim(Some(&found.headers)) {
            claim.remove().await;
        }
        Ok(deleted)
    }

    /// Removes one message from a stream; whether it was there.
    pub(super) async fn delete(&self, stream: &str, number: u64) -> Result<bool, Error> {
        let stream = self.layout.context.get_stream_no_info(stream).await.map_err(away)?;
        match stream.delete_message(number).await {
            Ok(deleted) => Ok(deleted),
            Err(error) => match error.kind() {
                DeleteMessageErrorKind::JetStream(cause) if is_no_message(&cause) => Ok(false),
                _ => Err(away(error)),
            },
        }
    }
}

/// "no message found", or "message delete failed" because it was not there.
fn is_no_message(error: &async_nats::jetstream::Error) -> bool {
    matches!(
        error.error_code(),
        ErrorCode::NO_MESSAGE_FOUND | ErrorCode::SEQUENCE_NOT_FOUND | ErrorCode::STREAM_MESSAGE_DELETE_FAILED
    )
}

impl DeadLetters for JetStream {
    fn bury(&self, dead: Dead, id: String, call: Option<&CallId>) -> BoxFuture<'_, Result<Stored, Error>> {
        let call = call.cloned();
        Box::pin(async move { self.put_dead(dead, id, call.as_ref()).await })
    }

    fn letters(&self, filter: &Filter, after: u64, max: usize) -> BoxFuture<'_, Result<Vec<Letter>, Error>> {
        let filter = filter.clone();
        Box::pin(async move { self.matching(&filter, after, max).await })
    }

    fn letter(&self, number: u64) -> BoxFuture<'_, Result<Option<Letter>, Error>> {
        Box::pin(async move {
            match self.layout.reader.message(&self.dead_stream(), At::Number(number)).await? {
                Some(found) => self.read_letter(found).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn remove_letter(&self, number: u64) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(self.delete_letter(number))
    }

    fn dead_count(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async {
            let stream = self.layout.context.get_stream(self.dead_stream()).await;
            Ok(stream.map_err(away)?.cached_info().state.messages)
        })
    }
}
