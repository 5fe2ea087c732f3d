//! What processes say to each other through the broker, as bytes in files: `tests/golden/<version>/<form>.message`.
//!
//! A file is a message as NATS has it: its subject, its headers, an empty line, its payload byte for byte.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The environment variable that has the forms of a new version be written.
pub const WRITE: &str = "FABRIC_WRITE_GOLDEN";

/// The forms of one version, by their names.
pub type Forms = BTreeMap<String, Message>;

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it is sent.
    pub subject: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// What it says.
    pub payload: Vec<u8>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {:?}", self.subject, self.headers)?;
        write!(f, "{}", self.payload.escape_ascii())
    }
}

impl Message {
    /// A message without headers.
    #[must_use]
    pub fn new(subject: &str, payload: &[u8]) -> Self {
        Self { subject: subject.into(), headers: BTreeMap::new(), payload: payload.into() }
    }

    fn read(bytes: &[u8]) -> Self {
        // An empty line stands before the payload.
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let mut lines = std::str::from_utf8(&bytes[..end]).unwrap().lines();
        let subject = lines.next().unwrap().to_owned();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { subject, headers, payload: bytes[end + 2..].to_vec() }
    }

    fn write(&self) -> Vec<u8> {
        let mut text = format!("{}\n", self.subject);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\n"));
        }
        [text.as_bytes(), b"\n", &self.payload].concat()
    }

    /// The same from a version that knows one field more; nothing if its payload has no fields.
    #[must_use]
    pub fn from_tomorrow(&self) -> Option<Self> {
        let payload = match *self.payload.first()? {
            b'{' => {
                let mut fields: Map<String, Value> = serde_json::from_slice(&self.payload).unwrap();
                fields.insert("tomorrow".into(), serde_json::json!({"a": [1, null]}));
                serde_json::to_vec(&fields).unwrap()
            }
            first @ 0x80..=0x8f => one_field_more((first & 0x0f).into(), &self.payload[1..]),
            0xde => one_field_more(u16::from_be_bytes([self.payload[1], self.payload[2]]), &self.payload[3..]),
            _ => return None,
        };
        Some(Self { payload, ..self.clone() })
    }
}

/// A MessagePack map of so many fields, with one more in front: `"tomorrow": {"a": [1, nil]}`.
fn one_field_more(fields: u16, rest: &[u8]) -> Vec<u8> {
    let more = b"\xa8tomorrow\x81\xa1a\x92\x01\xc0";
    [&[0xde][..], &(fields + 1).to_be_bytes(), more, rest].concat()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Every version there is, oldest first.
#[must_use]
pub fn versions() -> Vec<u32> {
    let entries = std::fs::read_dir(root()).unwrap();
    let mut versions: Vec<u32> =
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    versions.sort_unstable();
    versions
}

/// What a version wrote.
#[must_use]
pub fn read(version: u32) -> Forms {
    let dir = root().join(version.to_string());
    let form = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".message").unwrap().to_owned();
        (name, Message::read(&std::fs::read(path).unwrap()))
    };
    std::fs::read_dir(dir).unwrap().map(|entry| form(entry.unwrap().path())).collect()
}

/// Keeps what a new version writes; what an earlier one wrote is never written over.
pub fn write(version: u32, forms: &Forms) {
    let dir = root().join(version.to_string());
    std::fs::create_dir(&dir).unwrap_or_else(|error| panic!("{} must be new: {error}", dir.display()));
    for (name, message) in forms {
        std::fs::write(dir.join(format!("{name}.message")), message.write()).unwrap();
    }
}
