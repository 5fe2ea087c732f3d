//! `fabric call`: calls that have not ended, and single ones.

use http::Method;

use super::terminal;
use crate::cli::{CallCommand, Calls};
use crate::operator::api::{Api, Condition, Query, path};
use crate::operator::shown;

const CALLS: &str = "/calls";

pub(super) async fn run(args: Calls) -> anyhow::Result<()> {
    let (api, output) = (Api::new(&args.reach.admin, args.reach.key.as_deref())?, args.reach.output);
    match args.command {
        CallCommand::List { function, queue, limit } => {
            let query = Query::default().with("function", Some(function)).with("queue", queue);
            terminal::list(output, api.list(CALLS, query, Some(limit)).await?, shown::calls)
        }
        CallCommand::Get { id } => terminal::answer(output, &api.get(&path(CALLS, &id)).await?, shown::one),
        CallCommand::Cancel { id } => {
            let at = path(CALLS, &id);
            let (call, _) = api.ask(Method::DELETE, &at, &Query::default(), &Condition::None, None).await?;
            terminal::answer(output, &call, |it| format!("call {id} is {}", shown::text(&it["state"])))
        }
    }
}
