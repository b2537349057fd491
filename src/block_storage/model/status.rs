//! Statuses and the moves between them, as values: the stores make conditional UPDATEs of the rows, `docs/states.md` is
//! printed from them. This file knows no object; the rows stand beside the status of each.

/// A status of an object, as the database and the API write it.
pub trait Status: Copy + Eq + 'static {
    /// Every status.
    const ALL: &'static [Self];

    /// Its text.
    fn name(self) -> &'static str;

    /// The status with this text.
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.name() == text)
    }
}

/// Defines an enum whose variants have texts.
macro_rules! statuses {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$what])* $variant,)+ }

        impl $crate::block_storage::model::status::Status for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::block_storage::model::status::Status::name(*self))
            }
        }
    };
}
pub(crate) use statuses;

/// The statuses from which a move is allowed.
#[derive(Debug, Clone, Copy)]
pub enum From<S: 'static> {
    /// Every status.
    Any,
    /// Only these.
    Only(&'static [S]),
    /// All but these.
    Except(&'static [S]),
}

impl<S: Status> From<S> {
    /// Whether the move is allowed from `status`.
    pub fn holds(self, status: S) -> bool {
        match self {
            Self::Any => true,
            Self::Only(list) => list.contains(&status),
            Self::Except(list) => !list.contains(&status),
        }
    }
}

/// One operation's move between statuses. An operation with more than one move has more than one row of its name.
#[derive(Debug, Clone, Copy)]
pub struct Transition<S: 'static, G: 'static> {
    /// The operation, in the words of the API without `os-`.
    pub name: &'static str,
    /// From where.
    pub from: From<S>,
    /// To where, at once; `None` leaves the status as it is.
    pub to: Option<S>,
    /// Statuses that go elsewhere than all others.
    pub instead: &'static [(S, S)],
    /// Where the volume service takes it when the work is done; `None` where there is no such work, or where the object
    /// ends with it.
    pub done: Option<S>,
    /// Where the volume service takes it when the work failed.
    pub failed: Option<S>,
    /// What must hold besides the status.
    pub guards: &'static [G],
}

impl<S: Status, G> Transition<S, G> {
    /// A check without a move.
    pub const fn check(name: &'static str, from: From<S>) -> Self {
        Self { name, from, to: None, instead: &[], done: None, failed: None, guards: &[] }
    }

    /// A move that ends at once.
    pub const fn to(name: &'static str, from: From<S>, to: S) -> Self {
        Self { name, from, to: Some(to), instead: &[], done: None, failed: None, guards: &[] }
    }

    /// The same move, which the volume service ends.
    #[must_use]
    pub const fn ends(mut self, done: Option<S>, failed: S) -> Self {
        self.done = done;
        self.failed = Some(failed);
        self
    }

    /// The same move with statuses that go elsewhere than all others.
    #[must_use]
    pub const fn instead(mut self, instead: &'static [(S, S)]) -> Self {
        self.instead = instead;
        self
    }

    /// The same move under these conditions.
    #[must_use]
    pub const fn guarded(mut self, guards: &'static [G]) -> Self {
        self.guards = guards;
        self
    }

    /// Where the move takes an object of this status.
    pub fn target(&self, status: S) -> Option<S> {
        self.instead.iter().find(|(from, _)| *from == status).map(|(_, to)| *to).or(self.to)
    }

    /// Every status in which an object is while the move lasts.
    pub fn during(&self) -> impl Iterator<Item = S> {
        self.to.into_iter().chain(self.instead.iter().map(|(_, to)| *to))
    }
}
