//! `fabric function`: what is registered, and its changes.

use std::path::Path;

use anyhow::{Context, bail};
use http::{Method, StatusCode};
use proto::annotation;
use serde_json::{Map, Value, json};

use super::change::{annotations, lost};
use super::terminal;
use crate::cli::{FunctionCommand, Functions, SetFunction};
use crate::operator::api::{Api, Condition, Query, path};
use crate::operator::shown;

const FUNCTIONS: &str = "/functions";

pub(super) async fn run(args: Functions) -> anyhow::Result<()> {
    let (api, output) = (Api::new(&args.reach.admin, args.reach.key.as_deref())?, args.reach.output);
    match args.command {
        FunctionCommand::List { namespace } => {
            let query = Query::default().with("namespace", namespace);
            terminal::list(output, api.list(FUNCTIONS, query, None).await?, shown::functions)
        }
        FunctionCommand::Get { name } => terminal::answer(output, &api.get(&path(FUNCTIONS, &name)).await?, shown::one),
        FunctionCommand::Set(args) => terminal::answer(output, &set(&api, &args).await?, shown::one),
        FunctionCommand::Rm { name, backlog, condition } => {
            let (at, query) = (path(FUNCTIONS, &name), Query::default().with("backlog", Some(backlog.as_str())));
            let removed = api.ask(Method::DELETE, &at, &query, &Condition::of(condition.if_match), None).await;
            let (there, _) = removed.map_err(|error| lost(&format!("function {name}"), condition.if_match, error))?;
            terminal::answer(output, &there, |_| format!("function {name} is being deleted ({})", backlog.as_str()))
        }
    }
}

async fn set(api: &Api, args: &SetFunction) -> anyhow::Result<Value> {
    let (at, if_match) = (path(FUNCTIONS, &args.name), args.condition.if_match);
    let condition = Condition::of(if_match);
    let lost = |error| lost(&format!("function {}", args.name), if_match, error);
    if let Some(file) = &args.file {
        let whole = read(file)?;
        let put = api.ask(Method::PUT, &at, &Query::default(), &condition, Some(&whole)).await;
        return put.map(|(there, _)| there).map_err(lost);
    }
    let patch = patch(args);
    if patch.is_empty() {
        bail!("nothing is to be set: say what, such as --concurrency 5 (fabric function set --help)");
    }
    let patch = Value::Object(patch);
    match api.ask(Method::PATCH, &at, &Query::default(), &condition, Some(&patch)).await {
        // There is none yet: this makes it, unless a revision was to be there.
        Err(error) if error.status() == Some(StatusCode::NOT_FOUND) && if_match.is_none() => {
            let made =
                api.ask(Method::PUT, &at, &Query::default(), &Condition::Absent, Some(&without_nulls(patch))).await;
            made.map(|(there, _)| there).map_err(lost)
        }
        patched => patched.map(|(there, _)| there).map_err(lost),
    }
}

fn patch(args: &SetFunction) -> Map<String, Value> {
    let usual = &args.usual;
    let named = [
        (annotation::UPSTREAM, &usual.upstream),
        (annotation::CONCURRENCY, &usual.concurrency),
        (annotation::RATE, &usual.rate),
        (annotation::BURST, &usual.burst),
        (annotation::ACCEPT_RATE, &usual.accept_rate),
        (annotation::SLOTS, &usual.slots),
        (annotation::TIMEOUT, &usual.timeout),
        (annotation::WEIGHT, &usual.weight),
        (annotation::PAUSED, &usual.paused),
        (annotation::RESULT, &usual.result),
        (annotation::QUEUE, &usual.queue),
        (annotation::RETRY_ATTEMPTS, &usual.attempts),
    ];
    let annotations = annotations(&args.annotation, named, &args.unset);
    let labels: Map<_, _> = args.label.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let said = [("annotations", annotations), ("labels", labels)].into_iter().filter(|(_, map)| !map.is_empty());
    said.map(|(name, map)| (name.to_owned(), Value::Object(map))).collect()
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        value => value,
    }
}

/// A function as the admin API takes it.
fn read(file: &Path) -> anyhow::Result<Value> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{shown} cannot be read"))?;
    let read: Result<Map<String, Value>, String> = match file.extension().and_then(|it| it.to_str()) {
        Some("toml") => toml::from_str(&text).map_err(|error| error.to_string()),
        Some("yaml" | "yml" | "json") => serde_saphyr::from_str(&text).map_err(|error| error.to_string()),
        _ => Err("must end in .toml, .yaml, .yml or .json".into()),
    };
    Ok(json!(read.map_err(anyhow::Error::msg).with_context(|| shown.to_string())?))
}
