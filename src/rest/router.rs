//! Finds the rows of a path: a tree by segments, in which a literal segment wins over a variable.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::query::decode;
use super::route::{Method, Route};

/// The values of a path's variables.
#[derive(Debug, Default)]
pub struct PathValues<'a> {
    values: Vec<Cow<'a, str>>,
    names: &'static str,
}

impl PathValues<'_> {
    /// The decoded value of the variable `name`; empty where the path has no such variable.
    pub fn value(&self, name: &str) -> &str {
        let mut names = self.names.split('/').filter_map(variable);
        let at = names.position(|variable| variable == name);
        at.and_then(|at| self.values.get(at)).map_or("", |value| value.as_ref())
    }
}

/// The tree over the rows of a service.
pub struct Router<S: 'static> {
    root: Node<S>,
}

struct Node<S: 'static> {
    literals: BTreeMap<&'static str, Node<S>>,
    variable: Option<Box<Node<S>>>,
    routes: Vec<&'static Route<S>>,
}

impl<S> Default for Node<S> {
    fn default() -> Self {
        Self { literals: BTreeMap::new(), variable: None, routes: Vec::new() }
    }
}

/// The rows of one path, and the values of its variables.
pub struct Found<'a, S: 'static> {
    routes: &'a [&'static Route<S>],
    segments: Vec<&'a str>,
}

impl<S> Router<S> {
    /// The tree over `tables`.
    pub fn new(tables: &[&'static [Route<S>]]) -> Self {
        let mut root = Node::default();
        for route in tables.iter().copied().flatten() {
            let mut node = &mut root;
            for segment in route.path.split('/').skip(1) {
                node = match variable(segment) {
                    Some(_) => node.variable.get_or_insert_with(Box::default),
                    None => node.literals.entry(segment).or_default(),
                };
            }
            node.routes.push(route);
        }
        Self { root }
    }

    /// The rows of `path`, which starts with a slash and is still percent-encoded. `None` where no row has this path.
    pub fn find<'a>(&'a self, path: &'a str) -> Option<Found<'a, S>> {
        let mut segments = Vec::new();
        let node = walk(&self.root, path.strip_prefix('/')?, &mut segments)?;
        Some(Found { routes: &node.routes, segments })
    }
}

/// Follows `rest` down from `node`, trying the literal first and then the variable, collecting the variables' values.
fn walk<'n, 'p, S>(node: &'n Node<S>, rest: &'p str, values: &mut Vec<&'p str>) -> Option<&'n Node<S>> {
    let (segment, below) = rest.split_once('/').map_or((rest, None), |(segment, below)| (segment, Some(below)));
    let step = |next: &'n Node<S>, values: &mut Vec<&'p str>| match below {
        Some(below) => walk(next, below, values),
        None => (!next.routes.is_empty()).then_some(next),
    };
    if let Some(found) = node.literals.get(segment).and_then(|next| step(next, values)) {
        return Some(found);
    }
    let next = node.variable.as_deref().filter(|_| !segment.is_empty())?;
    values.push(segment);
    let found = step(next, values);
    if found.is_none() {
        values.pop();
    }
    found
}

impl<'a, S> Found<'a, S> {
    /// The rows with this method.
    pub fn with_method(&self, method: Method) -> impl Iterator<Item = &'static Route<S>> {
        self.routes.iter().copied().filter(move |route| route.method == method)
    }

    /// The methods that the path knows.
    pub fn methods(&self) -> Vec<Method> {
        let mut methods: Vec<Method> = self.routes.iter().map(|route| route.method).collect();
        methods.sort_unstable();
        methods.dedup();
        methods
    }

    /// The values of the variables, named as in `route`.
    pub fn values(&self, route: &'static Route<S>) -> PathValues<'a> {
        PathValues { values: self.segments.iter().map(|segment| decode(segment, false)).collect(), names: route.path }
    }
}

/// The name of a segment that is a variable.
fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::{Method, Route, Router};
    use crate::rest::call::{Call, Reply};

    fn handler(_: &mut Call<'_, ()>) -> crate::Result<Reply> {
        Ok(Reply::empty(200))
    }

    static ROUTES: [Route<()>; 5] = [
        Route::get("/volumes/{volume_id}", handler),
        Route::get("/volumes/detail", handler),
        Route::delete("/volumes/{volume_id}/metadata/{key}", handler),
        Route::action("/volumes/{volume_id}/action", "a", handler),
        Route::action("/volumes/{volume_id}/action", "b", handler),
    ];

    #[test]
    fn a_literal_wins_over_a_variable_and_values_are_decoded() {
        let router = Router::new(&[&ROUTES]);
        let path = |path| router.find(path).map(|found| found.routes[0].path);
        assert_eq!(path("/volumes/detail"), Some("/volumes/detail"));
        assert_eq!(path("/volumes/x"), Some("/volumes/{volume_id}"));
        assert_eq!(path("/volumes/detail/metadata/k"), Some("/volumes/{volume_id}/metadata/{key}"));
        for wrong in
            ["/volumes/x/", "/volumes//", "/volumes/", "/volumes", "volumes/x", "", "/", "/volumes//metadata/k"]
        {
            assert!(router.find(wrong).is_none(), "{wrong}");
        }
        let found = router.find("/volumes/v/metadata/a%2Fb").unwrap();
        let values = found.values(&ROUTES[2]);
        assert_eq!((values.value("volume_id"), values.value("key"), values.value("none")), ("v", "a/b", ""));
        assert_eq!(router.find("/volumes/v/action").unwrap().with_method(Method::Post).count(), 2);
    }
}
