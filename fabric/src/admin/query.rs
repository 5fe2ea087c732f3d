//! The query of a request, read whole or refused; and the pages of lists.

use proto::Refusal;
use serde::Serialize;
use url::form_urlencoded;

/// Items of a page, unless the query says how many.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// The parameters of a request.
pub(super) struct Query(Vec<(String, String)>);

/// Which page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// How many items at the most.
    pub(super) limit: usize,
    /// Where the page before it ended, as that page said.
    pub(super) cursor: Option<String>,
}

/// A page of a list.
#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// The cursor of the next page; absent if this was the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl Query {
    /// Reads a query that may have these parameters, each once, and no others: one that is misspelt would be passed over.
    pub(super) fn read(query: &str, known: &[&str]) -> Result<Self, Refusal> {
        let mut pairs = Vec::<(String, String)>::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&&*name) {
                let known = if known.is_empty() { "nothing".into() } else { known.join(", ") };
                return Err(Refusal::Malformed(format!("{name} means nothing here; known is {known}")));
            }
            if pairs.iter().any(|(before, _)| *before == name) {
                return Err(Refusal::Malformed(format!("{name} is given twice")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// A parameter, if it is given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that `read` understands, if it is given; `what` it must be is said otherwise.
    pub(super) fn parse<T>(
        &self,
        name: &str,
        what: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let malformed = || Refusal::Malformed(format!("{name} is {value:?}, must be {what}"));
        read(value).map(Some).ok_or_else(malformed)
    }

    /// Whether a flag is set.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.parse(name, "true or false", |it| it.parse().ok())?.unwrap_or_default())
    }

    /// `limit` and `cursor`.
    pub(super) fn page(&self) -> Result<Page, Refusal> {
        let limit = self.parse("limit", "a whole number above 0", |it| it.parse().ok().filter(|limit| *limit > 0))?;
        let cursor = self.get("cursor").map(ToOwned::to_owned);
        Ok(Page { limit: limit.unwrap_or(LIMIT).min(LIMIT_MAX), cursor })
    }
}

impl<T> List<T> {
    /// The page of `all`, which is in the order of its names.
    pub(super) fn of_names(all: impl Iterator<Item = T>, page: &Page, name: impl Fn(&T) -> String) -> Self {
        let after = |item: &T| page.cursor.as_ref().is_none_or(|cursor| name(item) > *cursor);
        let mut items: Vec<T> = all.filter(after).take(page.limit + 1).collect();
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let next = items.last().filter(|_| more).map(name);
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_whole_or_refused() {
        let query = Query::read("limit=7&cursor=a%2Fb&dry_run=true", &["limit", "cursor", "dry_run"]).unwrap();
        assert_eq!(query.page().unwrap(), Page { limit: 7, cursor: Some("a/b".into()) });
        assert!(query.flag("dry_run").unwrap() && !query.flag("other").unwrap());
        for bad in ["limti=7", "limit=1&limit=2"] {
            assert!(Query::read(bad, &["limit"]).is_err(), "{bad}");
        }
        for bad in ["limit=0", "limit=-1", "limit=many"] {
            assert!(Query::read(bad, &["limit"]).unwrap().page().is_err(), "{bad}");
        }
        assert_eq!(Query::read("limit=100000", &["limit"]).unwrap().page().unwrap().limit, LIMIT_MAX);
    }

    #[test]
    fn pages_make_the_whole_list_and_the_last_one_says_so() {
        let names = ["a", "b", "c", "d", "e"];
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = Page { limit: 2, cursor };
            let list = List::of_names(names.into_iter(), &page, |it| (*it).to_owned());
            seen.extend(list.items);
            cursor = list.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, names);
        let page = Page { limit: 5, cursor: None };
        assert_eq!(List::of_names(names.into_iter(), &page, |it| (*it).to_owned()).next, None);
    }
}
