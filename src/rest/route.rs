//! Route rows: everything that is known of a route stands in one value. Dispatch, checks, the OpenAPI document, the
//! printed route table and the tests read the same rows.

use super::call::{Call, Reply};
use super::microversion::Microversion;
use super::schema::Schema;
use super::view::Answer;
use crate::error::Result;
use crate::identity::policy::Rule;

/// The method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

impl Method {
    /// The method by its name in capitals.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    /// Its name in capitals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A query parameter, for the OpenAPI document and for handlers that refuse unknown ones.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// First version that knows it.
    pub since: Microversion,
    /// What it does.
    pub about: &'static str,
}

impl Parameter {
    /// A parameter that every version knows.
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, since: Microversion::MIN, about }
    }

    /// The same, from version 3.`minor` on.
    #[must_use]
    pub const fn since(mut self, minor: u16) -> Self {
        self.since = Microversion::new(3, minor);
        self
    }
}

/// What handles a route of a service whose state is `S`.
pub type HandlerFn<S> = fn(&mut Call<'_, S>) -> Result<Reply>;

/// One route.
pub struct Route<S: 'static> {
    /// The method.
    pub method: Method,
    /// The path below version and project, with variables in braces: `/volumes/{volume_id}`.
    pub path: &'static str,
    /// The action: the only key of the body of `POST .../action`; empty for other routes.
    pub action: &'static str,
    /// First version that has it.
    pub since: Microversion,
    /// Last version that has it.
    pub until: Microversion,
    /// The status of success.
    pub success: u16,
    /// The policy rules that it checks, the first one first. `control/` does the checking.
    pub rules: &'static [&'static Rule],
    /// The query parameters that it reads.
    pub query: &'static [Parameter],
    /// What its body must be. `None`: a body is not read.
    pub body: Option<&'static Schema>,
    /// Whether the handler reads the body itself, from [`Call::bytes`].
    pub raw: bool,
    /// What it answers.
    pub answer: Answer,
    /// What it does, in a few words.
    pub about: &'static str,
    /// The handler.
    pub handler: HandlerFn<S>,
}

impl<S> Route<S> {
    /// A route without body, rules and answer that every version has, answering 200.
    pub const fn new(method: Method, path: &'static str, handler: HandlerFn<S>) -> Self {
        Self {
            method,
            path,
            action: "",
            since: Microversion::MIN,
            until: Microversion::MAX,
            success: 200,
            rules: &[],
            query: &[],
            body: None,
            raw: false,
            answer: Answer::Nothing,
            about: "",
            handler,
        }
    }

    /// `GET path`.
    pub const fn get(path: &'static str, handler: HandlerFn<S>) -> Self {
        Self::new(Method::Get, path, handler)
    }

    /// `POST path`.
    pub const fn post(path: &'static str, handler: HandlerFn<S>) -> Self {
        Self::new(Method::Post, path, handler)
    }

    /// `PUT path`.
    pub const fn put(path: &'static str, handler: HandlerFn<S>) -> Self {
        Self::new(Method::Put, path, handler)
    }

    /// `DELETE path`.
    pub const fn delete(path: &'static str, handler: HandlerFn<S>) -> Self {
        Self::new(Method::Delete, path, handler)
    }

    /// `POST path` whose body's only key is `name`; answers 202.
    pub const fn action(path: &'static str, name: &'static str, handler: HandlerFn<S>) -> Self {
        let mut route = Self::new(Method::Post, path, handler);
        route.action = name;
        route.success = 202;
        route
    }

    /// The same route, from version 3.`minor` on.
    #[must_use]
    pub const fn since(mut self, minor: u16) -> Self {
        self.since = Microversion::new(3, minor);
        self
    }

    /// The same route, up to version 3.`minor`.
    #[must_use]
    pub const fn until(mut self, minor: u16) -> Self {
        self.until = Microversion::new(3, minor);
        self
    }

    /// The same route with the policy rules that it checks.
    #[must_use]
    pub const fn rules(mut self, rules: &'static [&'static Rule]) -> Self {
        self.rules = rules;
        self
    }

    /// The same route with the query parameters that it reads.
    #[must_use]
    pub const fn query(mut self, query: &'static [Parameter]) -> Self {
        self.query = query;
        self
    }

    /// The same route with the schema of its body.
    #[must_use]
    pub const fn body(mut self, schema: &'static Schema) -> Self {
        self.body = Some(schema);
        self
    }

    /// The same route, whose handler reads the body itself.
    #[must_use]
    pub const fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// The same route with its status of success and what it answers.
    #[must_use]
    pub const fn reply(mut self, success: u16, answer: Answer) -> Self {
        self.success = success;
        self.answer = answer;
        self
    }

    /// The same route with what it does.
    #[must_use]
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }
}
