//! `[hearth]`: options that Cinder does not have, of identity and of the API.

use super::opt::Opt;

/// Whether noauth is allowed everywhere.
pub const NOAUTH_ANYWHERE: Opt = Opt::boolean("hearth", "noauth_anywhere", "false").help(
    "Whether auth_strategy = noauth is allowed although a listening socket can be reached from other machines. Then \
     everybody who reaches it is an administrator.",
);
/// User of requests whose token names none.
pub const NOAUTH_USER_ID: Opt = Opt::text("hearth", "noauth_user_id", "5f3c9b0e7d2a4c61b8e94a70d6f1c253")
    .help("User id of noauth requests without a token of the form user:project.")
    .reload();
/// Project of requests whose token names none.
pub const NOAUTH_PROJECT_ID: Opt = Opt::text("hearth", "noauth_project_id", "0a1d7e94c3b84f6f9d52e8a6b7c4f310")
    .help("Project id of noauth requests without a token of the form user:project.")
    .reload();
/// Roles of requests without identity.
pub const NOAUTH_ROLES: Opt =
    Opt::list("hearth", "noauth_roles", "admin,member,reader").help("Roles of every noauth request.").reload();

/// Whether names of volumes are unique.
pub const UNIQUE_VOLUME_NAMES: Opt = Opt::boolean("hearth", "unique_volume_names", "false")
    .help(
        "Whether a project can not make a volume with the name of one that it has: refused with 409 and the id of that one. For \
         callers who ask again when an answer was lost, and would else have two.",
    )
    .reload();

/// All rows of this file.
pub const ROWS: &[Opt] = &[NOAUTH_ANYWHERE, NOAUTH_USER_ID, NOAUTH_PROJECT_ID, NOAUTH_ROLES, UNIQUE_VOLUME_NAMES];
