//! What a file says: functions, namespaces and queues by name, in TOML or YAML; or a `stack.yml` of OpenFaaS, which is
//! the same with other words for some fields and more that mean nothing here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use proto::deployment::Deployment;
use proto::fault::{Fault, Faults};
use proto::queue::QueueSpec;
use proto::signing::Entry;
use proto::tenant::Tenancy;
use proto::{Function, FunctionSpec, NamespaceSpec, annotation};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Error;

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A namespace.
    Namespace,
    /// A queue.
    Queue,
    /// A function.
    Function,
}

/// Fields of a function that hold text by name.
const TEXTS: [&str; 5] = ["envVars", "labels", "annotations", "limits", "requests"];
/// What OpenFaaS calls them, and what its API does.
const RENAMED: [(&str, &str); 3] =
    [("environment", "envVars"), ("fprocess", "envProcess"), ("readonly_root_filesystem", "readOnlyRootFilesystem")];
/// Fields of a stack that are for building images.
const FOR_BUILDS: [&str; 8] =
    ["lang", "handler", "skip_build", "build_options", "build_args", "build_secrets", "copy", "platforms"];
/// The same at the top of the file.
const FOR_STACKS: [&str; 3] = ["version", "provider", "configuration"];

impl Kind {
    /// What files call those of a kind; the same in the API's paths.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Function => "functions",
            Self::Namespace => "namespaces",
            Self::Queue => "queues",
        }
    }

    /// What a file can say of one.
    #[must_use]
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Function => &[
                "image",
                "envProcess",
                "constraints",
                "secrets",
                "readOnlyRootFilesystem",
                "envVars",
                "labels",
                "annotations",
                "limits",
                "requests",
            ],
            Self::Namespace => &["labels", "annotations", "signing"],
            Self::Queue => &["annotations"],
        }
    }
}

/// One thing that is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What it is.
    pub kind: Kind,
    /// Its name, a function's with its namespace.
    pub name: String,
    /// What is to be set for it.
    pub body: Map<String, Value>,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.plural().trim_end_matches('s'), self.name)
    }
}

/// Reads a file; its name says what it is written in.
///
/// # Errors
/// [`Error::File`], [`Error::Spec`]: nothing of a file that holds a fault is applied.
pub fn read(path: &Path, text: &str) -> Result<Vec<Wanted>, Error> {
    let file = path.display().to_string();
    let failed = |why: String| Error::File { file: file.clone(), why };
    let whole: Map<String, Value> = match path.extension().and_then(|it| it.to_str()) {
        Some("toml") => toml::from_str(text).map_err(|error| failed(error.to_string()))?,
        Some("yaml" | "yml" | "json") => serde_saphyr::from_str(text).map_err(|error| failed(error.to_string()))?,
        _ => return Err(failed("must end in .toml, .yaml, .yml or .json".into())),
    };
    let mut all = Vec::new();
    for (plural, named) in whole {
        let kind = [Kind::Function, Kind::Namespace, Kind::Queue].into_iter().find(|kind| kind.plural() == plural);
        let Some(kind) = kind else {
            if FOR_STACKS.contains(&plural.as_str()) {
                continue;
            }
            return Err(failed(format!("{plural} means nothing here; known are functions, namespaces and queues")));
        };
        let Value::Object(named) = named else { return Err(failed(format!("{plural} must be a map of names"))) };
        for (name, body) in named {
            let body = match body {
                Value::Object(body) => body,
                Value::Null => Map::new(),
                _ => return Err(failed(format!("{plural}.{name} must be a map of fields"))),
            };
            let what = format!("{plural}.{name}");
            let wanted = wanted(kind, name, body);
            all.push(wanted.map_err(|faults| Error::Spec { file: file.clone(), what, faults })?);
        }
    }
    Ok(all)
}

/// Everything from several files, each thing once, what functions lie in first.
///
/// # Errors
/// [`Error::Twice`].
pub fn merge(all: Vec<Wanted>) -> Result<Vec<Wanted>, Error> {
    let mut merged = BTreeMap::new();
    for wanted in all {
        let text = wanted.to_string();
        if merged.insert((wanted.kind, wanted.name.clone()), wanted).is_some() {
            return Err(Error::Twice(text));
        }
    }
    Ok(merged.into_values().collect())
}

fn wanted(kind: Kind, name: String, mut body: Map<String, Value>) -> Result<Wanted, Faults> {
    for field in TEXTS.iter().chain(RENAMED.iter().map(|(theirs, _)| theirs)) {
        if let Some(Value::Object(texts)) = body.get_mut(*field) {
            // 5 and true are text here, as they are in OpenFaaS's files.
            for value in texts.values_mut().filter(|value| value.is_number() || value.is_boolean()) {
                *value = value.to_string().into();
            }
        }
    }
    let name = if kind == Kind::Function { of_function(&name, &mut body)? } else { name };
    let mut faults = Faults::default();
    for field in body.keys().filter(|field| !kind.fields().contains(&field.as_str())) {
        let known = kind.fields().join(", ");
        faults.add(Fault::new(format!("/{field}"), format!("{field} means nothing here; known are {known}")));
    }
    faults.check()?;
    check(kind, &name, &body)?;
    Ok(Wanted { kind, name, body })
}

/// The whole name of a function, and its fields as the API calls them.
fn of_function(name: &str, body: &mut Map<String, Value>) -> Result<String, Faults> {
    body.retain(|field, _| !FOR_BUILDS.contains(&field.as_str()));
    for (theirs, ours) in RENAMED {
        if let Some(value) = body.remove(theirs) {
            body.insert(ours.into(), value);
        }
    }
    let namespace = body.remove("namespace").and_then(|it| it.as_str().map(ToOwned::to_owned));
    let text = match namespace.filter(|namespace| !namespace.is_empty()) {
        Some(namespace) if !name.ends_with(&format!(".{namespace}")) => format!("{name}.{namespace}"),
        _ => name.to_owned(),
    };
    let function = Function::parse(&text).map_err(|error| Faults::from(Fault::new("", error)))?;
    Ok(function.to_string())
}

/// What would be refused is refused here, before anything is done.
fn check(kind: Kind, name: &str, body: &Map<String, Value>) -> Result<(), Faults> {
    let mut whole = body.clone();
    match kind {
        Kind::Function => {
            let (name, namespace) = name.rsplit_once('.').unwrap_or((name, ""));
            whole.extend([("service".into(), name.into()), ("namespace".into(), namespace.into())]);
            // Whether a template says where it answers is known where it is applied.
            let mut deployment: Deployment = typed(whole)?;
            deployment.annotations.entry(annotation::UPSTREAM.into()).or_insert_with(|| "http://by-template".into());
            FunctionSpec::compile(deployment).map(drop)
        }
        Kind::Namespace => {
            whole.insert("name".into(), name.into());
            let mut tenancy: Tenancy = typed(whole)?;
            // Whether a secret that is only named is set is known where it is applied.
            tenancy.signing.iter_mut().for_each(|all| all.retain(|it| matches!(it, Entry::Secret(_))));
            NamespaceSpec::compile(tenancy).map(drop)
        }
        Kind::Queue => {
            whole.insert("name".into(), name.into());
            QueueSpec::compile(typed(whole)?).map(drop)
        }
    }
}

fn typed<T: DeserializeOwned>(whole: Map<String, Value>) -> Result<T, Faults> {
    serde_path_to_error::deserialize(Value::Object(whole)).map_err(|error| {
        let path = error.path().iter().map(ToString::to_string).collect::<Vec<_>>().join("/");
        Fault::new(format!("/{path}"), format!("{path}: {}", error.inner())).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(file: &str, text: &str) -> Result<Vec<String>, String> {
        let all = read(Path::new(file), text).and_then(merge).map_err(|error| error.to_string())?;
        Ok(all.iter().map(ToString::to_string).collect())
    }

    const TOML: &str = r#"
        [functions."resize.acme".annotations]
        "fabric.upstream" = "http://a"
        "fabric.concurrency" = 5
        "fabric.paused" = true
        [functions.plain]
        annotations = { "fabric.upstream" = "http://b" }
        [queues.slow.annotations]
        "com.openfaas.retry.attempts" = 3
        [namespaces.acme]
    "#;

    #[test]
    fn toml_and_yaml_say_the_same() {
        let yaml = "
functions:
  resize.acme: {annotations: {fabric.upstream: http://a, fabric.concurrency: 5, fabric.paused: true}}
  plain:
    annotations: {fabric.upstream: http://b}
queues:
  slow:
    annotations:
      com.openfaas.retry.attempts: 3
namespaces:
  acme:
";
        let all = names("x.toml", TOML).unwrap();
        assert_eq!(all, ["namespace acme", "queue slow", "function plain.openfaas-fn", "function resize.acme"]);
        let both = ["x.toml", "x.yaml"].map(|file| {
            let text = if file == "x.toml" { TOML } else { yaml };
            merge(read(Path::new(file), text).unwrap()).unwrap()
        });
        assert_eq!(both[0], both[1]);
        assert_eq!(both[0][3].body["annotations"]["fabric.concurrency"], "5");
    }

    #[test]
    fn a_stack_of_openfaas_is_understood() {
        let stack = "
version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  env:
    lang: python3
    handler: ./env
    image: ghcr.io/openfaas/alpine:latest
    fprocess: env
    namespace: acme
    environment:
      debug: true
      retries: 3
    annotations:
      fabric.upstream: http://env:8080
    limits:
      memory: 40Mi
    readonly_root_filesystem: true
";
        let all = read(Path::new("stack.yml"), stack).unwrap();
        assert_eq!(all.len(), 1);
        let body = &all[0].body;
        assert_eq!((all[0].name.as_str(), &body["envProcess"]), ("env.acme", &Value::from("env")));
        assert_eq!(body["envVars"], serde_json::json!({"debug": "true", "retries": "3"}));
        assert!(body["readOnlyRootFilesystem"] == true && !body.contains_key("lang"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        for (text, expected) in [
            ("functions: {f: {annotations: {fabric.rate: fast}}}", "functions.f: annotation fabric.rate is \"fast\""),
            ("functions: {f: {anotations: {}}}", "anotations means nothing here"),
            ("funktions: {}", "funktions means nothing here"),
            ("functions: [f]", "functions must be a map"),
            ("queues: {Slow: {}}", "queue name"),
            ("functions: {", "x.yaml"),
        ] {
            let error = names("x.yaml", text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(names("x.ini", "").unwrap_err().contains(".toml"));
        let twice = "functions: {f: &f {annotations: {fabric.upstream: http://a}}, f.openfaas-fn: *f}";
        assert!(names("x.yaml", twice).unwrap_err().contains("twice"));
    }
}
