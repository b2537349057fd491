//! What a volume service does by itself: how it reports, takes orders and chooses pools. Options of single backends are in
//! `backend.rs`.

use super::opt::Opt;

/// Time between two reports of the pools.
pub const BACKEND_STATS_POLLING_INTERVAL: Opt = Opt::seconds("DEFAULT", "backend_stats_polling_interval", "60")
    .help("Time between two reports of what the pools have room for.");
/// Which pool is preferred.
pub const CAPACITY_WEIGHT_MULTIPLIER: Opt = Opt::float("DEFAULT", "capacity_weight_multiplier", "1.0").help(
    "Weight of a pool's room when a volume is placed: positive prefers the pool with most room, negative the one with \
     least.",
);
/// Longest wait for the new volume of a move.
pub const MIGRATION_CREATE_VOLUME_TIMEOUT: Opt = Opt::seconds("DEFAULT", "migration_create_volume_timeout_secs", "300")
    .help(
        "Longest time that the move of a volume which servers use waits for the new volume that Nova is to copy it to.",
    );
/// Orders at once.
pub const WORKERS: Opt = Opt::integer("hearth_volume", "workers", "4")
    .range(1, 64)
    .help("Orders that a volume service carries out at once; those of one volume come one after the other.");
/// Copies at once.
pub const MAX_COPIES: Opt = Opt::integer("hearth_volume", "max_copies", "3").range(1, 64).help(
    "Orders at once that may copy content: clones, snapshots, images, moves. Those beyond wait, and what takes no time goes \
     past them; one of the workers is always left for that. Backups have backup_max_operations.",
);
/// Life of a lease.
pub const ORDER_LEASE: Opt = Opt::seconds("hearth_volume", "order_lease", "30").help(
    "Time after which the orders of a volume service that no longer renews them are taken by another one. It is renewed \
     three times as often.",
);
/// Time between two looks for orders.
pub const ORDER_POLL_INTERVAL: Opt = Opt::seconds("hearth_volume", "order_poll_interval", "1").help(
    "Time between two looks for orders. The API processes of the same host ring for each order, so that only orders from \
     other hosts wait for a look.",
);
/// Age at which deleted rows are purged.
pub const PURGE_AGE_IN_DAYS: Opt = Opt::integer("hearth_volume", "purge_age_in_days", "0").range(0, 36_500).help(
    "Days after which the rows of what was deleted are removed for good, every hour and in small steps, as 'hearth db purge' \
     does when it is called. 0: never.",
);
/// Longest wait at the end.
pub const STOP_TIMEOUT: Opt = Opt::seconds("hearth_volume", "stop_timeout", "60").help(
    "Longest time that a volume service that is told to stop waits for the orders at which it works. What it leaves is \
     carried out after the next start.",
);

/// The project of volumes that the service makes for itself.
pub const INTERNAL_TENANT_PROJECT_ID: Opt = Opt::text("DEFAULT", "cinder_internal_tenant_project_id", "")
    .help("ID of the project to which volumes belong that are kept of images.");
/// The user of such volumes.
pub const INTERNAL_TENANT_USER_ID: Opt = Opt::text("DEFAULT", "cinder_internal_tenant_user_id", "")
    .help("ID of the user to whom volumes belong that are kept of images.");

/// All rows of this file.
pub const ROWS: &[Opt] = &[
    INTERNAL_TENANT_PROJECT_ID,
    INTERNAL_TENANT_USER_ID,
    BACKEND_STATS_POLLING_INTERVAL,
    CAPACITY_WEIGHT_MULTIPLIER,
    MIGRATION_CREATE_VOLUME_TIMEOUT,
    WORKERS,
    MAX_COPIES,
    ORDER_LEASE,
    ORDER_POLL_INTERVAL,
    PURGE_AGE_IN_DAYS,
    STOP_TIMEOUT,
];
