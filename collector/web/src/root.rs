//! Links that hold wherever a proxy serves the page.

/// The way from a path of this server to its page: a proxy may serve it under a path of its own, so no link begins with `/`.
pub(crate) fn root_from(path: &str) -> String {
    match path.matches('/').count() {
        0 | 1 => "./".to_owned(),
        deep => "../".repeat(deep - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_to_the_page_under_any_prefix() {
        for path in ["/", "/login", "/report/coverage", "/api/report/nodes"] {
            for prefix in ["", "/mesh", "/a/b"] {
                let from = url::Url::parse(&format!("http://localhost{prefix}{path}")).unwrap();
                let page = from.join(&root_from(path)).unwrap();
                assert_eq!(page.path(), format!("{prefix}/"), "{path}");
            }
        }
    }
}
