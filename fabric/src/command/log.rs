//! `fabric log`: what a process logs.

use http::Method;
use serde_json::{Value, json};

use super::terminal;
use crate::cli::Logs;
use crate::operator::api::{Api, Condition, Query};

pub(super) async fn run(args: Logs) -> anyhow::Result<()> {
    let api = Api::new(&args.reach.admin, args.reach.key.as_deref())?;
    let log = match args.filter {
        Some(filter) => {
            let body = json!({ "filter": filter });
            api.ask(Method::PUT, "/log", &Query::default(), &Condition::None, Some(&body)).await?.0
        }
        None => api.get("/log").await?,
    };
    let shown = |log: &Value| log.get("filter").and_then(Value::as_str).unwrap_or_default().to_owned();
    terminal::answer(args.reach.output, &log, shown)
}
