//! Which request is for what: the table of every path of the admin API, which is also what its OpenAPI document is held
//! against.

use http::Method;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a line of the table, and a summary in the document")]
pub enum Operation {
    Document,
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
pub static TABLE: [(Method, &str, Operation); 36] = [
    (Method::GET, "/openapi.json", Operation::Document),
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
    (Method::GET, "/processes", Operation::ListProcesses),
    (Method::GET, "/events", Operation::Events),
    (Method::GET, "/tree", Operation::Tree),
    (Method::GET, "/log", Operation::GetLog),
    (Method::PUT, "/log", Operation::PutLog),
    (Method::POST, "/drain", Operation::Drain),
];

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
        for (takes, template, operation) in &TABLE {
            match name_in(template, path) {
                Some(name) if takes == method => return Self::To(*operation, name),
                Some(_) => allow.push(takes.as_str()),
                None => {}
            }
        }
        if allow.is_empty() { Self::Nowhere } else { Self::Method(allow.join(", ")) }
    }
}

/// What stands in a path where its template has braces; nothing if it is not of that form.
fn name_in<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let (mut wanted, mut given, mut name) = (template.split('/'), path.split('/'), "");
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(name),
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => name = given,
            _ => return None,
        }
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
