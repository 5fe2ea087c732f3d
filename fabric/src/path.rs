//! Paths with names in them.

/// What stands in a path where its template has braces; nothing if it is not of that form.
#[must_use]
pub(crate) fn name_in<'a>(template: &str, path: &'a str) -> Option<&'a str> {
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
    fn a_name_stands_where_the_braces_do() {
        assert_eq!(name_in("/a/{name}/b", "/a/f.acme/b"), Some("f.acme"));
        assert_eq!(name_in("/a", "/a"), Some(""));
        for other in ["/a//b", "/a/f/c", "/a/f/b/", "/a/f"] {
            assert_eq!(name_in("/a/{name}/b", other), None, "{other}");
        }
    }
}
