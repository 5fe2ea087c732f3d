//! `fabric why`: what a function or a call waits for.

use anyhow::bail;
use http::StatusCode;

use super::terminal;
use crate::cli::Why;
use crate::operator::api::{Api, path};
use crate::operator::why;

pub(super) async fn run(args: Why) -> anyhow::Result<()> {
    let api = Api::new(&args.reach.admin, args.reach.key.as_deref())?;
    let mut unknown = Vec::new();
    for (kind, of) in [("function", "/functions"), ("call", "/calls")] {
        match api.get(&format!("{}/explain", path(of, &args.what))).await {
            Ok(explanation) => {
                let what = format!("{kind} {}", args.what);
                return terminal::answer(args.reach.output, &explanation, |it| why::why(&what, it));
            }
            // The name of the one need not be a name of the other.
            Err(error) if matches!(error.status(), Some(StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST)) => {
                unknown.push(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    bail!("{} is neither a function nor a call: {}", args.what, unknown.join("; "))
}
