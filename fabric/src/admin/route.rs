//! Which request is for what: the table of every path of the admin API, which is also what its OpenAPI document is held
//! against.

use http::Method;
use proto::key::Scope;

use crate::identity::need::Need;
use crate::path::name_in;
use crate::ui;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a line of the table, and a summary in the document")]
pub enum Operation {
    Document,
    Whoami,
    ListFunctions,
    GetFunction,
    PutFunction,
    PatchFunction,
    DeleteFunction,
    ExplainFunction,
    ListNamespaces,
    GetNamespace,
    PutNamespace,
    DeleteNamespace,
    ListQueues,
    GetQueue,
    PutQueue,
    DeleteQueue,
    PauseQueue,
    ResumeQueue,
    PurgeQueue,
    ListKeys,
    CreateKey,
    GetKey,
    RevokeKey,
    DeleteKey,
    ListCalls,
    GetCall,
    CancelCall,
    ExplainCall,
    ListLetters,
    PurgeLetters,
    RedriveLetters,
    GetLetter,
    PurgeLetter,
    RedriveLetter,
    ListWorkers,
    Activity,
    Scale,
    ScaleFunction,
    ScaleQueue,
    ScaleWorkers,
    ListProcesses,
    Events,
    Tree,
    GetLog,
    PutLog,
    Drain,
}

/// What every path of the admin API begins with.
pub const BASE: &str = "/admin/v1";

/// Every operation, with its method and its path below [`BASE`]; a segment in braces stands for a name.
pub static TABLE: [(Method, &str, Operation); 46] = [
    (Method::GET, "/openapi.json", Operation::Document),
    (Method::GET, "/whoami", Operation::Whoami),
    (Method::GET, "/functions", Operation::ListFunctions),
    (Method::GET, "/functions/{name}", Operation::GetFunction),
    (Method::PUT, "/functions/{name}", Operation::PutFunction),
    (Method::PATCH, "/functions/{name}", Operation::PatchFunction),
    (Method::DELETE, "/functions/{name}", Operation::DeleteFunction),
    (Method::GET, "/functions/{name}/explain", Operation::ExplainFunction),
    (Method::GET, "/namespaces", Operation::ListNamespaces),
    (Method::GET, "/namespaces/{name}", Operation::GetNamespace),
    (Method::PUT, "/namespaces/{name}", Operation::PutNamespace),
    (Method::DELETE, "/namespaces/{name}", Operation::DeleteNamespace),
    (Method::GET, "/queues", Operation::ListQueues),
    (Method::GET, "/queues/{name}", Operation::GetQueue),
    (Method::PUT, "/queues/{name}", Operation::PutQueue),
    (Method::DELETE, "/queues/{name}", Operation::DeleteQueue),
    (Method::POST, "/queues/{name}/pause", Operation::PauseQueue),
    (Method::POST, "/queues/{name}/resume", Operation::ResumeQueue),
    (Method::POST, "/queues/{name}/purge", Operation::PurgeQueue),
    (Method::GET, "/keys", Operation::ListKeys),
    (Method::POST, "/keys", Operation::CreateKey),
    (Method::GET, "/keys/{id}", Operation::GetKey),
    (Method::DELETE, "/keys/{id}", Operation::DeleteKey),
    (Method::POST, "/keys/{id}/revoke", Operation::RevokeKey),
    (Method::GET, "/calls", Operation::ListCalls),
    (Method::GET, "/calls/{id}", Operation::GetCall),
    (Method::DELETE, "/calls/{id}", Operation::CancelCall),
    (Method::GET, "/calls/{id}/explain", Operation::ExplainCall),
    (Method::GET, "/dead-letters", Operation::ListLetters),
    (Method::DELETE, "/dead-letters", Operation::PurgeLetters),
    (Method::POST, "/dead-letters/redrive", Operation::RedriveLetters),
    (Method::GET, "/dead-letters/{number}", Operation::GetLetter),
    (Method::DELETE, "/dead-letters/{number}", Operation::PurgeLetter),
    (Method::POST, "/dead-letters/{number}/redrive", Operation::RedriveLetter),
    (Method::GET, "/workers", Operation::ListWorkers),
    (Method::GET, "/activity", Operation::Activity),
    (Method::GET, "/scale", Operation::Scale),
    (Method::GET, "/scale/functions/{name}", Operation::ScaleFunction),
    (Method::GET, "/scale/queues/{name}", Operation::ScaleQueue),
    (Method::GET, "/scale/workers", Operation::ScaleWorkers),
    (Method::GET, "/processes", Operation::ListProcesses),
    (Method::GET, "/events", Operation::Events),
    (Method::GET, "/tree", Operation::Tree),
    (Method::GET, "/log", Operation::GetLog),
    (Method::PUT, "/log", Operation::PutLog),
    (Method::POST, "/drain", Operation::Drain),
];

impl Operation {
    /// What a request for it needs.
    #[must_use]
    #[expect(clippy::match_same_arms, reason = "a line for each subject is easier to check than one for each need")]
    pub fn need(self) -> Need {
        const READ: Need = Need::Scope(&[Scope::Read]);
        const OPERATE: Need = Need::Scope(&[Scope::Operate]);
        const ADMIN: Need = Need::Scope(&[Scope::Admin]);
        match self {
            Self::Document => Need::Nothing,
            Self::Whoami => Need::Somebody,
            Self::ListFunctions | Self::GetFunction | Self::ExplainFunction => READ,
            Self::ListNamespaces | Self::GetNamespace | Self::ListQueues | Self::GetQueue => READ,
            Self::ListCalls | Self::GetCall | Self::ExplainCall | Self::ListLetters | Self::GetLetter => READ,
            Self::Activity
            | Self::Events
            | Self::Scale
            | Self::ScaleFunction
            | Self::ScaleQueue
            | Self::ScaleWorkers => READ,
            Self::PutFunction | Self::PatchFunction | Self::DeleteFunction | Self::CancelCall => OPERATE,
            Self::PurgeLetters | Self::RedriveLetters | Self::PurgeLetter | Self::RedriveLetter => OPERATE,
            Self::ListKeys | Self::CreateKey | Self::GetKey | Self::RevokeKey | Self::DeleteKey => ADMIN,
            // What processes tell of themselves names everybody's functions.
            Self::ListWorkers | Self::ListProcesses | Self::Tree | Self::GetLog => Need::Fabric(Scope::Read),
            // A queue is everybody's who uses it.
            Self::PauseQueue | Self::ResumeQueue | Self::PurgeQueue => Need::Fabric(Scope::Operate),
            // Nobody lifts the limits of his own namespace.
            Self::PutNamespace | Self::DeleteNamespace | Self::PutQueue | Self::DeleteQueue => {
                Need::Fabric(Scope::Admin)
            }
            Self::PutLog | Self::Drain => Need::Fabric(Scope::Admin),
        }
    }
}

/// A part of the admin listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The admin API: what comes after [`BASE`].
    Api(&'a str),
    /// The dashboard.
    Dashboard,
    /// `/readyz`
    Readiness,
    /// `/metrics`
    Metrics,
    /// The control plane as OpenFaaS knows it, and whatever else a gateway answers.
    System,
}

impl<'a> Part<'a> {
    /// Reads a request's path.
    #[must_use]
    pub fn of(path: &'a str) -> Self {
        match path {
            "/readyz" => Self::Readiness,
            "/metrics" => Self::Metrics,
            path if ui::has(path) => Self::Dashboard,
            path => path.strip_prefix(BASE).map_or(Self::System, Self::Api),
        }
    }

    /// What a request for it needs.
    #[must_use]
    pub fn need(self, method: &Method) -> Need {
        match self {
            Self::Api(path) => match Route::of(method, path) {
                Route::To(operation, _) => operation.need(),
                // The document says as much.
                Route::Method(_) | Route::Nowhere => Need::Nothing,
            },
            // It is a program; what it shows it asks the API for. Below /system/ each path has its own need, and is
            // asked for it there.
            Self::Dashboard | Self::Readiness | Self::System => Need::Nothing,
            // They have everybody's functions in them.
            Self::Metrics => Need::Fabric(Scope::Read),
        }
    }
}

/// What a path and a method lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// An operation, on what the path names.
    To(Operation, &'a str),
    /// The path takes these methods only.
    Method(String),
    /// Nothing.
    Nowhere,
}

impl<'a> Route<'a> {
    /// Reads what comes after [`BASE`].
    #[must_use]
    pub fn of(method: &Method, path: &'a str) -> Self {
        let mut allow = Vec::new();
        // What a path is called as a whole, it is: `redrive` is the number of no dead letter.
        let is_whole = TABLE.iter().any(|(_, template, _)| *template == path);
        for (takes, template, operation) in TABLE.iter().filter(|(_, template, _)| !is_whole || *template == path) {
            match name_in(template, path) {
                Some(name) if takes == method => return Self::To(*operation, name),
                Some(_) => allow.push(takes.as_str()),
                None => {}
            }
        }
        if allow.is_empty() { Self::Nowhere } else { Self::Method(allow.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_leads_to_one_operation() {
        let to = |method: Method, path| Route::of(&method, path);
        assert_eq!(to(Method::GET, "/functions"), Route::To(Operation::ListFunctions, ""));
        assert_eq!(to(Method::PUT, "/functions/f.acme"), Route::To(Operation::PutFunction, "f.acme"));
        assert_eq!(to(Method::POST, "/dead-letters/7/redrive"), Route::To(Operation::RedriveLetter, "7"));
        assert_eq!(to(Method::POST, "/dead-letters/redrive"), Route::To(Operation::RedriveLetters, ""));
        assert_eq!(to(Method::POST, "/queues"), Route::Method("GET".into()));
        assert_eq!(to(Method::GET, "/dead-letters/redrive"), Route::Method("POST".into()));
        assert_eq!(to(Method::POST, "/calls/c"), Route::Method("GET, DELETE".into()));
        for nowhere in ["", "/", "/functions/", "/functions/f/g", "/queues/q/purge/now", "functions"] {
            assert_eq!(to(Method::GET, nowhere), Route::Nowhere, "{nowhere}");
        }
    }

    #[test]
    fn no_two_operations_are_asked_for_in_the_same_way() {
        for (n, (method, path, operation)) in TABLE.iter().enumerate() {
            let other = TABLE.iter().skip(n + 1).find(|it| (&it.0, it.1) == (method, *path) || it.2 == *operation);
            assert!(other.is_none(), "{other:?}");
        }
    }
}
