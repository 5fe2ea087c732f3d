//! Changes of records: what flags say becomes a patch, and who was slower is told so.

use anyhow::anyhow;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::operator::site::Error;

/// What is to be set, by name, and what is to be set no more.
pub(super) fn annotations<'a>(
    set: &[(String, String)],
    named: impl IntoIterator<Item = (&'static str, &'a Option<String>)>,
    unset: &[String],
) -> Map<String, Value> {
    let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())));
    let set = set.iter().map(|(name, value)| (name.clone(), value.clone().into()));
    let unset = unset.iter().map(|name| (name.clone(), Value::Null));
    set.chain(named).chain(unset).collect()
}

/// Says who won if somebody else was quicker, and what to do about it.
pub(super) fn lost(what: &str, if_match: Option<u64>, error: Error) -> anyhow::Error {
    let Error::Refused(problem) = &error else { return error.into() };
    if problem.status != StatusCode::PRECONDITION_FAILED.as_u16() {
        return error.into();
    }
    let expected = if_match.map_or_else(String::new, |revision| format!(", not revision {revision}"));
    match problem.revision {
        Some(revision) => anyhow!(
            "{what} was changed by somebody else: revision {revision} is there{expected}; nothing was done. \
             Look at what they set (fabric {what_get}), then say --if-match {revision}, or leave --if-match away to overrule them",
            what_get = what.replacen(' ', " get ", 1),
        ),
        None => {
            anyhow!("{what} is not there any more{expected}; nothing was done. Leave --if-match away to make it anew")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::site::Problem;

    #[test]
    fn who_was_slower_is_told_what_is_there_and_what_to_do() {
        let problem = |status, revision| Error::Refused(Problem { status, revision, ..Problem::default() });
        let told = lost("function f.acme", Some(7), problem(412, Some(9))).to_string();
        assert!(told.contains("revision 9 is there, not revision 7"), "{told}");
        assert!(told.contains("fabric function get f.acme") && told.contains("--if-match 9"), "{told}");
        assert!(lost("queue q", Some(7), problem(412, None)).to_string().contains("is not there any more"));
        assert!(!lost("queue q", None, problem(404, None)).to_string().contains("somebody"));
    }

    #[test]
    fn what_is_unset_is_said_as_null() {
        let set = annotations(&[("a".into(), "1".into())], [("b", &Some("2".into())), ("c", &None)], &["d".into()]);
        assert_eq!(Value::Object(set), serde_json::json!({"a": "1", "b": "2", "d": null}));
    }
}
