//! The one domain error. It knows neither HTTP nor SQL: `rest/fault.rs` alone turns a [`Kind`] into a status,
//! `database/` alone turns a driver's error into a [`Kind`].

use std::borrow::Cow;
use std::fmt;

/// The result of everything below the wire.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms of the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The object does not exist, or the caller may not know that it does.
    NotFound,
    /// The request itself is wrong, whatever the state of the objects.
    Invalid,
    /// The object is in a state that does not allow the operation.
    InvalidState,
    /// Another object, or another request, stands in the way.
    Conflict,
    /// A limit of the project would be exceeded.
    OverQuota,
    /// The request's body is longer than the service takes.
    TooLarge,
    /// No valid credentials.
    Unauthenticated,
    /// Valid credentials without the right to do this.
    Forbidden,
    /// A version or a representation that is not served.
    NotAcceptable,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// A condition that the caller named (If-Match) does not hold.
    PreconditionFailed,
    /// A body in a representation that is not read.
    UnsupportedMedia,
    /// A unique key holds the value already. Stores turn it into [`Kind::Conflict`] with words of their own.
    Duplicate,
    /// Busy, deadlock or serialization failure: the same transaction may succeed when tried again.
    Transient,
    /// Something that the service needs does not answer.
    Unavailable,
    /// The operation exists, but this store or driver can not do it.
    NotImplemented,
    /// A defect or a broken environment; the public text never says more than that.
    Internal,
}

/// An error with a text for the caller and, apart from it, the cause for the log.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    public: Cow<'static, str>,
    cause: Option<String>,
}

impl Error {
    /// An error of `kind` that tells the caller `public`.
    pub fn new(kind: Kind, public: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, public: public.into(), cause: None }
    }

    /// [`Kind::NotFound`].
    pub fn not_found(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, public)
    }

    /// [`Kind::Invalid`].
    pub fn invalid(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, public)
    }

    /// [`Kind::InvalidState`].
    pub fn invalid_state(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidState, public)
    }

    /// [`Kind::Conflict`].
    pub fn conflict(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Conflict, public)
    }

    /// [`Kind::Forbidden`].
    pub fn forbidden(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Forbidden, public)
    }

    /// [`Kind::Unavailable`], with the cause for the log.
    pub fn unavailable(public: impl Into<Cow<'static, str>>, cause: impl fmt::Display) -> Self {
        Self::new(Kind::Unavailable, public).because(cause)
    }

    /// [`Kind::Internal`]: the caller learns nothing, the log learns `cause`.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, "The server has either erred or is incapable of performing the requested operation.")
            .because(cause)
    }

    /// The same error with the cause that goes to the log.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The text for the caller.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The cause for the log, if there is one.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{:?}: {}: {}", self.kind, self.public, cause),
            None => write!(f, "{:?}: {}", self.kind, self.public),
        }
    }
}

impl std::error::Error for Error {}
