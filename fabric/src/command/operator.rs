//! The commands of operators: which is which.

use std::path::Path;

use super::{apply, call, dead, doctor, function, health, invoke, key, log, queue, setup, tail, top, tree, why};
use crate::cli::Operator;
use crate::config::Variables;

/// Does it; `file` and `variables` are what tells processes of this machine, if one of those is asked for.
pub(super) async fn run(operator: Operator, file: Option<&Path>, variables: &Variables) -> anyhow::Result<()> {
    match operator {
        Operator::Apply(args) => apply::run(args).await,
        Operator::Function(args) => function::run(args).await,
        Operator::Queue(args) => queue::run(args).await,
        Operator::Call(args) => call::run(args).await,
        Operator::Dead(args) => dead::run(args).await,
        Operator::Key(args) => key::run(args).await,
        Operator::Invoke(args) => invoke::run(args).await,
        Operator::Why(args) => why::run(args).await,
        Operator::Tree(args) => tree::run(args).await,
        Operator::Top(args) => top::run(args).await,
        Operator::Tail(args) => tail::run(args).await,
        Operator::Log(args) => log::run(args).await,
        Operator::Health(args) => health::run(args, file, variables).await,
        Operator::Doctor(args) => doctor::run(args).await,
        Operator::Setup(args) => setup::run(args).await,
    }
}
