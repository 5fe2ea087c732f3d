//! Applying files: what they say is compared with what is set, shown, and written on the condition that nobody else has
//! changed it meanwhile. To do it again changes nothing.

pub mod diff;
pub mod file;

use std::fmt;

use http::{Method, StatusCode};
use proto::annotation;
use proto::fault::Faults;
use proto::tenant::Tenancy;
use serde_json::{Map, Value, json};

use self::diff::Difference;
use self::file::{Kind, Wanted};
use crate::operator::api::{self, Api, Condition, Found, Query};
use crate::operator::site;

/// The field of a namespace that holds secrets.
const SIGNING: &str = "signing";

/// Why something was not applied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not of the form.
    #[error("{file}: {why}")]
    File {
        /// Which.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The file says something that cannot be.
    #[error("{file}: {what}: {faults}")]
    Spec {
        /// Which.
        file: String,
        /// Whose specification.
        what: String,
        /// What is wrong with it.
        faults: Faults,
    },
    /// The same thing is in the files twice.
    #[error("{0} is in the files twice")]
    Twice(String),
    /// The admin API cannot be asked, or said no.
    #[error("{what}: {source}")]
    Api {
        /// Whose change.
        what: String,
        /// What happened.
        source: site::Error,
    },
    /// Somebody else was quicker.
    #[error("{0} was changed by somebody else at the same time; apply again to see what is there now")]
    Changed(String),
}

/// One thing, and what is to be done about it.
#[derive(Debug)]
pub struct Step {
    /// What is wanted.
    pub wanted: Wanted,
    /// The tag of what is there; nothing, if nothing is.
    pub tag: Option<String>,
    /// What is different.
    pub differences: Vec<Difference>,
}

/// Everything that is to be done.
#[derive(Debug)]
pub struct Plan {
    /// In order: what functions lie in comes before them.
    pub steps: Vec<Step>,
}

impl Step {
    fn of(mut wanted: Wanted, found: Option<Found>) -> Self {
        let (there, tag) = found.map_or((Map::new(), None), |found| (found.record, Some(found.tag)));
        keep_pause(&there, &mut wanted.body);
        // The same of secrets: what a file does not speak of stays.
        if let Some(signing) = there.get(SIGNING) {
            wanted.body.entry(SIGNING).or_insert_with(|| signing.clone());
        }
        let mut differences = diff::between(&shape(wanted.kind, &there), &shape(wanted.kind, &wanted.body));
        // A function that is being deleted is wanted again.
        if let Some(deleting) = there.get("deleting") {
            differences.push(Difference { field: "deleting".into(), before: Some(deleting.clone()), after: None });
        }
        Self { wanted, tag: tag.filter(|tag| !tag.is_empty()), differences }
    }

    /// Whether there is anything to be done.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.tag.is_none() || !self.differences.is_empty()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (&self.tag, self.changes()) {
            (None, _) => '+',
            (Some(_), true) => '~',
            (Some(_), false) => '=',
        };
        write!(f, "{sign} {}", self.wanted)?;
        self.differences.iter().try_for_each(|difference| write!(f, "\n    {difference}"))
    }
}

impl Plan {
    /// Compares what is wanted with what is there.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn of(api: &Api, wanted: Vec<Wanted>) -> Result<Self, Error> {
        let mut steps = Vec::new();
        for wanted in wanted {
            let found = api.find(&wanted.path()).await.map_err(|source| failed(&wanted, source))?;
            steps.push(Step::of(wanted, found));
        }
        Ok(Self { steps })
    }

    /// Every step, for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let difference = |it: &Difference| json!({"field": it.field, "before": it.before, "after": it.after});
        let step = |step: &Step| {
            let does = match (&step.tag, step.changes()) {
                (None, _) => "create",
                (Some(_), true) => "change",
                (Some(_), false) => "leave",
            };
            let differences: Vec<Value> = step.differences.iter().map(difference).collect();
            let kind = step.wanted.kind.plural().trim_end_matches('s');
            json!({"kind": kind, "name": step.wanted.name, "does": does, "differences": differences})
        };
        self.steps.iter().map(step).collect()
    }

    /// How many of each.
    #[must_use]
    pub fn count(&self) -> String {
        let changing = self.steps.iter().filter(|step| step.changes()).count();
        let new = self.steps.iter().filter(|step| step.tag.is_none()).count();
        format!("{new} new, {} changed, {} as they were", changing - new, self.steps.len() - changing)
    }
}

/// Takes one step.
///
/// # Errors
/// [`Error::Api`], [`Error::Changed`].
pub async fn take(api: &Api, step: &Step) -> Result<(), Error> {
    let Step { wanted, tag, .. } = step;
    let condition = tag.clone().map_or(Condition::Absent, Condition::Tag);
    let body = Value::Object(wanted.body.clone());
    match api.ask(Method::PUT, &wanted.path(), &Query::default(), &condition, Some(&body)).await {
        Ok(_) => Ok(()),
        Err(error) if error.status() == Some(StatusCode::PRECONDITION_FAILED) => {
            Err(Error::Changed(wanted.to_string()))
        }
        Err(source) => Err(failed(wanted, source)),
    }
}

fn failed(wanted: &Wanted, source: site::Error) -> Error {
    Error::Api { what: wanted.to_string(), source }
}

impl Wanted {
    /// Where it is in the admin API.
    fn path(&self) -> String {
        api::path(&format!("/{}", self.kind.plural()), &self.name)
    }
}

/// A file that does not say whether something is paused leaves that to the operators.
fn keep_pause(there: &Map<String, Value>, wanted: &mut Map<String, Value>) {
    let Some(paused) = there.get("annotations").and_then(|it| it.get(annotation::PAUSED)) else { return };
    let annotations = wanted.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(annotations) = annotations {
        annotations.entry(annotation::PAUSED).or_insert_with(|| paused.clone());
    }
}

/// As much of a record as a file can say, what is empty left out.
fn shape(kind: Kind, record: &Map<String, Value>) -> Map<String, Value> {
    let fields = kind.fields();
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    let kept = record.iter().filter(|(name, value)| fields.contains(&name.as_str()) && says(value));
    kept.map(|(name, value)| (name.clone(), if name == SIGNING { fingerprints(value) } else { value.clone() }))
        .collect()
}

/// Secrets by their fingerprints, which is all that is shown of them, and compared.
fn fingerprints(signing: &Value) -> Value {
    let read = serde_json::from_value::<Tenancy>(json!({"name": "", SIGNING: signing}));
    read.ok().and_then(|it| serde_json::to_value(it.signing).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(body: Value) -> Wanted {
        let Value::Object(body) = body else { panic!("{body}") };
        Wanted { kind: Kind::Function, name: "f.acme".into(), body }
    }

    fn found(record: Value) -> Option<Found> {
        let Value::Object(record) = record else { panic!("{record}") };
        Some(Found { record, tag: "\"7\"".into() })
    }

    #[test]
    fn secrets_are_compared_and_shown_by_their_fingerprints() {
        let namespace = |body| Wanted { kind: Kind::Namespace, ..wanted(body) };
        let secret = json!({"signing": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]});
        let new = Step::of(namespace(secret.clone()), None).to_string();
        assert!(new.contains("+ signing: [\"sha256:") && !new.contains("MfKQ"), "{new}");
        let there = json!({"name": "acme", "signing": fingerprints(&secret["signing"])});
        assert!(!Step::of(namespace(secret), found(there.clone())).changes());
        let silent = Step::of(namespace(json!({})), found(there.clone()));
        assert!(!silent.changes() && silent.wanted.body.contains_key("signing"), "they stay as they are");
        assert!(Step::of(namespace(json!({"signing": []})), found(there)).changes());
    }

    #[test]
    fn what_is_there_already_is_left_alone() {
        let there = json!({"name": "f.acme", "service": "f", "namespace": "acme", "revision": 7, "image": "",
            "annotations": {"fabric.upstream": "http://a"}, "readOnlyRootFilesystem": false});
        let same = json!({"annotations": {"fabric.upstream": "http://a"}});
        let step = Step::of(wanted(same.clone()), found(there.clone()));
        assert!(!step.changes(), "{step}");
        assert_eq!(step.to_string(), "= function f.acme");
        let mut leaving = there.clone();
        leaving["deleting"] = json!("drain");
        assert!(Step::of(wanted(same.clone()), found(leaving)).changes());
        let mut paused = there;
        paused["annotations"]["fabric.paused"] = json!("true");
        let step = Step::of(wanted(same.clone()), found(paused.clone()));
        assert!(!step.changes(), "an operator's pause is not the file's: {step}");
        let going = json!({"annotations": {"fabric.upstream": "http://a", "fabric.paused": "false"}});
        assert!(Step::of(wanted(going), found(paused)).changes(), "unless the file says so");
        let new = Step::of(wanted(same), None);
        assert!(new.changes());
        assert_eq!(new.to_string(), "+ function f.acme\n    + annotations.fabric.upstream: http://a");
    }
}
