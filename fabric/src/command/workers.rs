//! `fabric worker list`: the processes that are alive.

use super::terminal;
use crate::cli::WorkerCommand;
use crate::operator::api::{Api, Query};
use crate::operator::shown;

pub(super) async fn run(command: WorkerCommand) -> anyhow::Result<()> {
    let WorkerCommand::List(reach) = command;
    let api = Api::new(&reach.admin, reach.key.as_deref())?;
    terminal::list(reach.output, api.list("/workers", Query::default(), None).await?, shown::workers)
}
