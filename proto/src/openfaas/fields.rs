//! Fields as Go's JSON reads and writes them: keys in any case, `null` for nothing said, bytes as Base64.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::QueueRequest;
use super::url::GoUrl;

/// Go does not mind what the last bits are that belong to no byte.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// What is read field by field.
pub(super) trait Fields: Default {
    /// What it is called where something else was found.
    const EXPECTED: &'static str;

    /// Reads the value that belongs to `key`, which is in lower case.
    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object; of a key that is there twice, the last counts.
pub(super) fn read<'de, T: Fields, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(Object(PhantomData))
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut fields = T::default();
        while let Some(mut key) = map.next_key::<String>()? {
            key.make_ascii_lowercase();
            fields.set(&key, &mut map)?;
        }
        Ok(fields)
    }
}

/// A value, or nothing for `null`.
fn value<'de, T: Deserialize<'de> + Default, A: MapAccess<'de>>(map: &mut A) -> Result<T, A::Error> {
    Ok(map.next_value::<Option<T>>()?.unwrap_or_default())
}

/// The same for maps of lists, of which each may be `null` too.
fn lists<'de, A: MapAccess<'de>>(map: &mut A) -> Result<BTreeMap<String, Vec<String>>, A::Error> {
    let lists: BTreeMap<String, Option<Vec<String>>> = value(map)?;
    Ok(lists.into_iter().map(|(name, values)| (name, values.unwrap_or_default())).collect())
}

/// The same for maps of texts.
fn texts<'de, A: MapAccess<'de>>(map: &mut A) -> Result<BTreeMap<String, String>, A::Error> {
    let texts: BTreeMap<String, Option<String>> = value(map)?;
    Ok(texts.into_iter().map(|(name, text)| (name, text.unwrap_or_default())).collect())
}

fn bytes<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Bytes, A::Error> {
    let mut text: String = value(map)?;
    text.retain(|c| !matches!(c, '\r' | '\n'));
    let bytes = LENIENT.decode(text).map_err(|error| A::Error::custom(format!("Body is not Base64: {error}")))?;
    Ok(bytes.into())
}

/// Writes bytes as Go does.
pub(super) fn write_bytes<S: serde::Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

impl Fields for QueueRequest {
    const EXPECTED: &'static str = "a QueueRequest, an object";

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "header" => self.header = lists(map)?,
            "host" => self.host = value(map)?,
            "body" => self.body = bytes(map)?,
            "method" => self.method = value(map)?,
            "path" => self.path = value(map)?,
            "querystring" => self.query_string = value(map)?,
            "function" => self.function = value(map)?,
            "queuename" => self.queue_name = value(map)?,
            "annotations" => self.annotations = texts(map)?,
            "labels" => self.labels = texts(map)?,
            "environment" => self.environment = texts(map)?,
            "callbackurl" => self.callback_url = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl Fields for GoUrl {
    const EXPECTED: &'static str = "a URL as Go writes it, an object";

    fn set<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "scheme" => self.scheme = value(map)?,
            "opaque" => self.opaque = value(map)?,
            // Whatever is in it: Go writes nothing into it, and so reads nothing.
            "user" => self.user = map.next_value::<Option<IgnoredAny>>()?.is_some(),
            "host" => self.host = value(map)?,
            "path" => self.path = value(map)?,
            "fragment" => self.fragment = value(map)?,
            "rawquery" => self.raw_query = value(map)?,
            "rawpath" => self.raw_path = value(map)?,
            "rawfragment" => self.raw_fragment = value(map)?,
            "forcequery" => self.force_query = value(map)?,
            "omithost" => self.omit_host = value(map)?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for QueueRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> Deserialize<'de> for GoUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}
