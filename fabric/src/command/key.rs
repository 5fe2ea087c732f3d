//! `fabric key`: API keys.

use http::Method;
use serde_json::{Value, json};

use super::terminal;
use crate::cli::{KeyCommand, Keys};
use crate::operator::api::{Api, Condition, Query, path};
use crate::operator::shown;

const KEYS: &str = "/keys";

pub(super) async fn run(args: Keys) -> anyhow::Result<()> {
    let (api, output) = (Api::new(&args.reach.admin, args.reach.key.as_deref())?, args.reach.output);
    match args.command {
        KeyCommand::Create { name, scope, namespace, expires_in } => {
            let body = json!({"name": name, "scopes": scope, "namespaces": namespace, "expires_in": expires_in});
            let made = &ask(&api, Method::POST, KEYS, Some(&body)).await?.0;
            // By itself, so that a script can take it; what else there is to say is for people.
            super::tell(format_args!(
                "key {} is made; this is the only time that it is shown",
                shown::text(&made["id"])
            ))?;
            terminal::answer(output, made, |it| shown::text(&it["key"]))
        }
        KeyCommand::List => terminal::list(output, api.list(KEYS, Query::default(), None).await?, shown::keys),
        KeyCommand::Revoke { id, forget } => {
            let at = path(KEYS, &id);
            let (revoked, _) = match forget {
                true => ask(&api, Method::DELETE, &at, None).await?,
                false => ask(&api, Method::POST, &format!("{at}/revoke"), None).await?,
            };
            terminal::answer(output, &revoked, |_| format!("key {id} is of no use any more"))
        }
    }
}

async fn ask(api: &Api, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(Value, String)> {
    Ok(api.ask(method, path, &Query::default(), &Condition::None, body).await?)
}
