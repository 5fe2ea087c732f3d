//! `fabric tail`: the calls of functions as they end, with how long each stage took.

use anyhow::bail;
use serde_json::json;

use crate::cli::{Output, Tail};
use crate::operator::api::{Api, Query};
use crate::operator::following::{Told, stages};

pub(super) async fn run(args: Tail) -> anyhow::Result<()> {
    let api = Api::new(&args.reach.admin, args.reach.key.as_deref())?;
    let query = Query::default().with("function", args.function).with("namespace", args.namespace).flag("ended", true);
    let mut events = api.events(&query).await?;
    let (mut told, mut ends) = (0, Told::default());
    while let Some(call) = events.next().await.map_err(|error| api.site().away("/events", &error))? {
        let Some(ended) = stages(&call).filter(|_| ends.is_new(&call)) else { continue };
        match args.reach.output {
            Output::Table => super::say(&ended)?,
            Output::Json => super::say(json!(ended))?,
        }
        told += 1;
        if args.count.is_some_and(|count| told >= count) {
            return Ok(());
        }
    }
    bail!("{} tells no more: it drains, or has lost its broker", args.reach.admin)
}
