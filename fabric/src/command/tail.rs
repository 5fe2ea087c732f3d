//! `fabric tail`: the calls of functions as they end, with how long each stage took.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::cli::{Output, Tail};
use crate::operator::api::{Api, Query, path};
use crate::operator::following::stages;
use crate::operator::shown;

/// Calls of a function that are followed at once: those that are next.
const FOLLOWED: usize = 200;

pub(super) async fn run(args: Tail) -> anyhow::Result<()> {
    let api = Api::new(&args.reach.admin)?;
    let mut ticks = interval(args.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut open, mut told) = (BTreeSet::<String>::new(), 0);
    loop {
        ticks.tick().await;
        let now = waiting(&api, args.function.as_deref()).await?;
        for id in open.difference(&now) {
            let call = match api.get(&path("/calls", id)).await {
                Ok(call) => call,
                // Nothing is kept of it.
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => continue,
                Err(error) => return Err(error.into()),
            };
            let Some(ended) = stages(&call) else { continue };
            match args.reach.output {
                Output::Table => super::say(&ended)?,
                Output::Json => super::say(json!(ended))?,
            }
            told += 1;
            if args.count.is_some_and(|count| told >= count) {
                return Ok(());
            }
        }
        open = now;
    }
}

/// The calls that have not ended.
async fn waiting(api: &Api, function: Option<&str>) -> anyhow::Result<BTreeSet<String>> {
    let functions = match function {
        Some(function) => vec![function.to_owned()],
        None => {
            let (all, _) = api.list("/functions", Query::default(), None).await?;
            all.iter().map(|it| shown::text(&it["name"])).collect()
        }
    };
    let mut ids = BTreeSet::new();
    for function in functions {
        let query = Query::default().with("function", Some(function));
        let (calls, _) = api.list("/calls", query, Some(FOLLOWED)).await?;
        ids.extend(calls.iter().map(|call| shown::text(&call["id"])));
    }
    Ok(ids)
}
