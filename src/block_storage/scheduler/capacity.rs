//! How much a pool can still promise: Cinder's CapacityFilter as arithmetic on one report.
//! Units are GiB throughout.

use crate::block_storage::model::pool::{Pool, Space};

/// What a pool can give, derived from its report.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Factors {
    /// What may be promised in all.
    available: f64,
    /// What may still be promised.
    virtual_free: f64,
}

/// Whether volumes of a type take their space when they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provisioning {
    /// When data is written.
    Thin,
    /// When the volume is made (`provisioning:type` is `thick`).
    Thick,
}

/// Why a pool can not take a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lack {
    /// The backend tells no total, but a part of the total is reserved.
    ReservedOfUnknown,
    /// The pool has no space at all.
    Empty,
    /// Thin provisioning needs a ratio of one or more.
    Ratio(f64),
    /// What would be promised exceeds the space times the ratio.
    OverSubscribed,
    /// So many GiB are left.
    Left(f64),
}

/// Whether `pool` can promise `gib` more.
///
/// # Errors
/// Why it can not.
pub(super) fn fits(pool: &Pool, gib: f64, provisioning: Provisioning) -> Result<(), Lack> {
    if gib == 0.0 {
        return Ok(());
    }
    let (total, free) = match (pool.total, pool.free) {
        (_, Space::Infinite | Space::Unknown) => return Ok(()),
        (Space::Infinite | Space::Unknown, _) if pool.reserved_percentage == 0 => return Ok(()),
        (Space::Infinite | Space::Unknown, _) => return Err(Lack::ReservedOfUnknown),
        (Space::Gib(total), Space::Gib(free)) => (total, free),
    };
    if total <= 0.0 {
        return Err(Lack::Empty);
    }
    let factors = factors(pool, total, free, provisioning);
    if provisioning == Provisioning::Thin && pool.thin {
        let ratio = pool.max_over_subscription_ratio;
        if ratio < 1.0 {
            return Err(Lack::Ratio(ratio));
        }
        if (pool.provisioned_gib + gib) / factors.available > ratio {
            return Err(Lack::OverSubscribed);
        }
    }
    if factors.virtual_free < gib { Err(Lack::Left(factors.virtual_free)) } else { Ok(()) }
}

/// What `pool` can still promise; `None` where it has no limit or tells none.
pub(super) fn virtual_free(pool: &Pool, provisioning: Provisioning) -> Option<f64> {
    match (pool.total, pool.free) {
        (Space::Gib(total), Space::Gib(free)) => Some(factors(pool, total, free, provisioning).virtual_free),
        _ => None,
    }
}

fn factors(pool: &Pool, total: f64, free: f64, provisioning: Provisioning) -> Factors {
    let reserved = (total * pool.reserved_percentage as f64 / 100.0).floor();
    let usable = total - reserved;
    if provisioning == Provisioning::Thin && pool.thin {
        let available = usable * pool.max_over_subscription_ratio;
        return Factors { available, virtual_free: available - pool.provisioned_gib };
    }
    Factors { available: usable, virtual_free: free.min(usable - pool.provisioned_gib) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::pool;
    use super::*;

    fn thin(total: f64, free: f64, provisioned: f64, ratio: f64, reserved: i64) -> Pool {
        Pool {
            total: Space::Gib(total),
            free: Space::Gib(free),
            provisioned_gib: provisioned,
            max_over_subscription_ratio: ratio,
            reserved_percentage: reserved,
            ..pool("h@b#p")
        }
    }

    #[test]
    fn thin_pools_promise_their_space_times_the_ratio() {
        assert_eq!(fits(&thin(100.0, 50.0, 0.0, 2.0, 0), 200.0, Provisioning::Thin), Ok(()));
        assert_eq!(fits(&thin(100.0, 50.0, 0.0, 2.0, 0), 201.0, Provisioning::Thin), Err(Lack::Left(200.0)));
        assert_eq!(fits(&thin(100.0, 50.0, 150.0, 2.0, 0), 51.0, Provisioning::Thin), Err(Lack::Left(50.0)));
        assert_eq!(fits(&thin(100.0, 50.0, 0.0, 0.5, 0), 1.0, Provisioning::Thin), Err(Lack::Ratio(0.5)));
    }

    #[test]
    fn a_ratio_that_is_exceeded_is_told_even_where_the_space_was_reported_smaller() {
        assert_eq!(fits(&thin(10.0, 5.0, 399.0, 2.0, 0), 2.0, Provisioning::Thin), Err(Lack::OverSubscribed));
    }

    #[test]
    fn thick_volumes_need_space_that_is_really_free() {
        let pool = thin(100.0, 50.0, 0.0, 20.0, 0);
        assert_eq!(fits(&pool, 51.0, Provisioning::Thick), Err(Lack::Left(50.0)));
        assert_eq!(fits(&pool, 50.0, Provisioning::Thick), Ok(()));
    }

    #[test]
    fn a_reserved_part_is_rounded_down_and_never_given_out() {
        let pool = thin(99.0, 99.0, 0.0, 1.0, 10);
        assert_eq!(fits(&pool, 90.0, Provisioning::Thin), Ok(()));
        assert_eq!(fits(&pool, 91.0, Provisioning::Thin), Err(Lack::OverSubscribed));
    }

    #[test]
    fn a_backend_without_figures_is_believed_unless_a_part_is_reserved() {
        let mut pool = thin(0.0, 0.0, 0.0, 1.0, 0);
        pool.total = Space::Unknown;
        assert_eq!(fits(&pool, 1e9, Provisioning::Thin), Ok(()));
        pool.reserved_percentage = 5;
        assert_eq!(fits(&pool, 1.0, Provisioning::Thin), Err(Lack::ReservedOfUnknown));
        pool.free = Space::Infinite;
        assert_eq!(fits(&pool, 1.0, Provisioning::Thin), Ok(()));
        assert_eq!(fits(&thin(0.0, 0.0, 0.0, 1.0, 0), 1.0, Provisioning::Thin), Err(Lack::Empty));
    }
}
