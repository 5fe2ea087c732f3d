//! `fabric tree`: the supervision tree.

use actors::view::{Fabric, Process};
use anyhow::Context;
use serde_json::Value;

use super::terminal;
use crate::cli::Tree;
use crate::operator::api::Api;
use crate::operator::tree;

const STRANGE: &str = "the answer is not a tree; is the process of another version?";

pub(super) async fn run(args: Tree) -> anyhow::Result<()> {
    let api = Api::new(&args.reach.admin, args.reach.key.as_deref())?;
    if args.all {
        let (trees, processes) = all(&api).await?;
        return terminal::answer(args.reach.output, &trees, |_| tree::forest(&processes));
    }
    let view = api.get("/tree").await?;
    let fabric: Fabric = serde_json::from_value(view.clone()).context(STRANGE)?;
    terminal::answer(args.reach.output, &view, |_| tree::tree("fabric", &fabric))
}

/// The trees of every process that answers, as they were told and as they are read.
pub(super) async fn all(api: &Api) -> anyhow::Result<(Value, Vec<Process>)> {
    let mut answer = api.get("/processes").await?;
    let trees = answer.get_mut("processes").map(Value::take).context(STRANGE)?;
    let processes = serde_json::from_value(trees.clone()).context(STRANGE)?;
    Ok((trees, processes))
}
