//! What a process tells of calls as it happens: the lines of its server-sent events.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

/// What goes before the data of an event.
const DATA: &[u8] = b"data: ";

/// The events of an answer.
pub struct Events {
    body: Incoming,
    /// What has come of a line that has not ended.
    line: Vec<u8>,
    /// What has come after it.
    rest: Vec<u8>,
}

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, line: Vec::new(), rest: Vec::new() }
    }

    /// The next call that is told of; nothing if no more come.
    ///
    /// # Errors
    /// The connection's.
    pub async fn next(&mut self) -> Result<Option<Value>, hyper::Error> {
        loop {
            while let Some(line) = self.next_line() {
                // Names of events and signs of life are passed over.
                let data = line.strip_prefix(DATA).and_then(|data| serde_json::from_slice(data).ok());
                if data.is_some() {
                    return Ok(data);
                }
            }
            match self.body.frame().await.transpose()? {
                Some(frame) => self.rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                None => return Ok(None),
            }
        }
    }

    /// A whole line without its end, if one has come.
    fn next_line(&mut self) -> Option<Vec<u8>> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let tail = self.rest.split_off(end.map_or(self.rest.len(), |end| end + 1));
        self.line.append(&mut self.rest);
        self.rest = tail;
        end.map(|_| {
            self.line.pop();
            std::mem::take(&mut self.line)
        })
    }
}
