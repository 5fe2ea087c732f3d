//! `fabric dead`: the calls that nobody will try again by himself.

use http::Method;
use serde_json::json;

use super::{queue, terminal};
use crate::cli::{DeadCommand, DeadLetters, Which};
use crate::operator::api::{Api, Query, path};
use crate::operator::shown;
use crate::operator::work::Work;

const LETTERS: &str = "/dead-letters";

pub(super) async fn run(args: DeadLetters) -> anyhow::Result<()> {
    let (api, output) = (Api::new(&args.reach.admin, args.reach.key.as_deref())?, args.reach.output);
    match args.command {
        DeadCommand::List { which, limit } => {
            terminal::list(output, api.list(LETTERS, query(which), Some(limit)).await?, shown::letters)
        }
        DeadCommand::Show { number } => {
            terminal::answer(output, &api.get(&path(LETTERS, &number.to_string())).await?, shown::one)
        }
        DeadCommand::Redrive { number, which, rate, max, max_redriven, dry_run } => {
            let query = query(which).with("max_redriven", max_redriven);
            let work = Work { method: Method::POST, path: format!("{}/redrive", at(number)), query, rate, max };
            let found = work.count(&api).await?;
            if dry_run {
                return terminal::answer(output, &json!(found), |it| shown::tally("would be redriven", it));
            }
            queue::carry_out(&api, output, &work, &found, "redriven").await
        }
        DeadCommand::Purge { number, which, max, confirmation } => {
            let work = Work { method: Method::DELETE, path: at(number), query: query(which), rate: None, max };
            let what = |count| format!("This removes {count} dead letters for good");
            queue::purge(&api, output, &work, &confirmation, what, "removed").await
        }
    }
}

/// All of them, or one.
fn at(number: Option<u64>) -> String {
    number.map_or_else(|| LETTERS.to_owned(), |number| path(LETTERS, &number.to_string()))
}

fn query(which: Which) -> Query {
    Query::default()
        .with("queue", which.queue)
        .with("namespace", which.namespace)
        .with("function", which.function)
        .with("call", which.call)
        .with("reason", which.reason)
}
