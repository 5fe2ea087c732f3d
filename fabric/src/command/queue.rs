//! `fabric queue`: what is set for queues, their pauses and their purges.

use http::{Method, StatusCode};
use proto::annotation;
use serde_json::{Map, Value, json};

use super::change::{annotations, lost};
use super::terminal;
use crate::cli::{Confirmation, Output, QueueCommand, Queues, SetQueue};
use crate::operator::api::{Api, Condition, Query, path};
use crate::operator::shown;
use crate::operator::work::{Tally, Work};

const QUEUES: &str = "/queues";

pub(super) async fn run(args: Queues) -> anyhow::Result<()> {
    let (api, output) = (Api::new(&args.reach.admin, args.reach.key.as_deref())?, args.reach.output);
    match args.command {
        QueueCommand::List => {
            let (mut queues, more) = api.list(QUEUES, Query::default(), None).await?;
            for queue in &mut queues {
                // How many calls are in it is told of single queues only.
                *queue = api.get(&path(QUEUES, &shown::text(&queue["name"]))).await?;
            }
            terminal::list(output, (queues, more), shown::queues)
        }
        QueueCommand::Get { name } => terminal::answer(output, &api.get(&path(QUEUES, &name)).await?, shown::one),
        QueueCommand::Set(args) => terminal::answer(output, &set(&api, &args).await?, shown::one),
        QueueCommand::Rm { name, condition } => {
            let asked = Condition::of(condition.if_match);
            let removed = api.ask(Method::DELETE, &path(QUEUES, &name), &Query::default(), &asked, None).await;
            removed.map_err(|error| lost(&format!("queue {name}"), condition.if_match, error))?;
            terminal::answer(output, &Value::Null, |_| format!("nothing is set for queue {name} any more"))
        }
        QueueCommand::Pause { name } => pause(&api, output, &name, "pause", "paused").await,
        QueueCommand::Resume { name } => pause(&api, output, &name, "resume", "resumed").await,
        QueueCommand::Purge { name, function, max, confirmation } => {
            let query = Query::default().with("confirm", Some(&name)).with("function", function);
            let path = format!("{}/purge", path(QUEUES, &name));
            let work = Work { method: Method::POST, path, query, rate: None, max };
            let what = |count| format!("This cancels {count} calls that wait in queue {name}");
            purge(&api, output, &work, &confirmation, what, "cancelled").await
        }
    }
}

/// Removes what matches, once somebody has said that this is meant.
pub(super) async fn purge(
    api: &Api,
    output: Output,
    work: &Work,
    confirmation: &Confirmation,
    what: impl FnOnce(u64) -> String,
    done: &str,
) -> anyhow::Result<()> {
    let found = work.count(api).await?;
    if confirmation.dry_run {
        return terminal::answer(output, &json!(found), |it| shown::tally(&format!("would be {done}"), it));
    }
    if found.done > 0 {
        terminal::confirmed(&what(found.done), confirmation.yes)?;
    }
    carry_out(api, output, work, &found, done).await
}

/// Does what was found, and shows how far it is.
pub(super) async fn carry_out(api: &Api, output: Output, work: &Work, found: &Tally, done: &str) -> anyhow::Result<()> {
    if found.done == 0 {
        return terminal::answer(output, &json!(found), |it| shown::tally(done, it));
    }
    let bar = terminal::progress(found.done);
    let tally = work.run(api, found.done, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    terminal::answer(output, &json!(tally?), |it| shown::tally(done, it))
}

async fn pause(api: &Api, output: Output, name: &str, verb: &str, done: &str) -> anyhow::Result<()> {
    let path = format!("{}/{verb}", path(QUEUES, name));
    let (there, _) = api.ask(Method::POST, &path, &Query::default(), &Condition::None, None).await?;
    terminal::answer(output, &there, |it| format!("queue {name} is {done}; {} calls are in it", it["calls"]))
}

/// Writes what is there with what is said; done anew if somebody else was quicker, unless a revision is to be there.
async fn set(api: &Api, args: &SetQueue) -> anyhow::Result<Value> {
    let (at, if_match) = (path(QUEUES, &args.name), args.condition.if_match);
    let named = [(annotation::RETRY_ATTEMPTS, &args.attempts), (annotation::PAUSED, &args.paused)];
    let patch = annotations(&args.annotation, named, &args.unset);
    loop {
        let found = api.find(&at).await?;
        let tag = found.as_ref().map(|it| it.tag.clone()).filter(|tag| !tag.is_empty());
        let mut record = found.map(|it| it.record).unwrap_or_default();
        let there = record.get_mut("annotations").and_then(Value::as_object_mut).map(std::mem::take);
        record.insert("annotations".into(), Value::Object(merged(there.unwrap_or_default(), &patch)));
        let condition = match if_match {
            Some(_) => Condition::of(if_match),
            None => tag.map_or(Condition::Absent, Condition::Tag),
        };
        match api.ask(Method::PUT, &at, &Query::default(), &condition, Some(&Value::Object(record))).await {
            Err(error) if error.status() == Some(StatusCode::PRECONDITION_FAILED) && if_match.is_none() => {}
            put => return put.map(|it| it.0).map_err(|error| lost(&format!("queue {}", args.name), if_match, error)),
        }
    }
}

fn merged(mut there: Map<String, Value>, patch: &Map<String, Value>) -> Map<String, Value> {
    for (name, value) in patch {
        match value {
            Value::Null => drop(there.remove(name)),
            value => drop(there.insert(name.clone(), value.clone())),
        }
    }
    there
}
