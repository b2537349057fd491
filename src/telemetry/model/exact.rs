//! Sums that do not depend on the order of their terms: unevaluated pairs of doubles ("double-double", Dekker 1971). A
//! statistic made of rollups equals the one made of raw samples, although the terms were added in another order.

/// A number as the sum of two doubles, the second at most half a unit in the last place of the first: about 106 bits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Exact {
    /// The nearest double.
    pub high: f64,
    /// What is left.
    pub low: f64,
}

impl Exact {
    /// The sum with one term more.
    #[must_use]
    pub fn plus(self, term: f64) -> Self {
        let (sum, error) = two_sum(self.high, term);
        normal(sum, error + self.low)
    }

    /// The sum of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (sum, error) = two_sum(self.high, other.high);
        let (low, low_error) = two_sum(self.low, other.low);
        let carried = normal(sum, error + low);
        normal(carried.high, carried.low + low_error)
    }

    /// The square of a double, without a rounding error while it stays below 1e300.
    pub fn square(value: f64) -> Self {
        Self::product(value, value)
    }

    /// The square of this number.
    #[must_use]
    pub fn squared(self) -> Self {
        let main = Self::square(self.high);
        normal(main.high, main.low + 2.0 * self.high * self.low)
    }

    /// This number divided by `divisor`.
    #[must_use]
    pub fn over(self, divisor: f64) -> Self {
        let first = self.high / divisor;
        let back = Self::product(first, divisor);
        let rest = self.and(Self { high: -back.high, low: -back.low });
        normal(first, (rest.high + rest.low) / divisor)
    }

    /// This number without `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.and(Self { high: -other.high, low: -other.low })
    }

    /// The nearest double.
    pub fn value(self) -> f64 {
        self.high + self.low
    }

    fn product(a: f64, b: f64) -> Self {
        let product = a * b;
        let (a_high, a_low) = halves(a);
        let (b_high, b_low) = halves(b);
        let error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
        Self { high: product, low: if error.is_finite() { error } else { 0.0 } }
    }
}

/// The rounded sum and its rounding error (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// The pair with the parts apart again; without a second part where the first has left the range of doubles.
fn normal(high: f64, low: f64) -> Exact {
    // The rounding error of a sum that has left the range is no number.
    let low = if low.is_finite() { low } else { 0.0 };
    let sum = high + low;
    let rest = low - (sum - high);
    if sum.is_finite() && rest.is_finite() { Exact { high: sum, low: rest } } else { Exact { high: sum, low: 0.0 } }
}

/// A double as two of 26 bits (Veltkamp).
fn halves(value: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * value;
    let high = scaled - (scaled - value);
    (high, value - high)
}

#[cfg(test)]
mod tests {
    use super::Exact;

    #[test]
    fn the_order_of_the_terms_does_not_matter() {
        let terms = [1e16, 0.1, -1e16, 0.2, 1e-9, 3.3e7, -0.3];
        let forward = terms.iter().fold(Exact::default(), |sum, term| sum.plus(*term));
        let backward = terms.iter().rev().fold(Exact::default(), |sum, term| sum.plus(*term));
        let halves = terms.chunks(3).map(|part| part.iter().fold(Exact::default(), |sum, term| sum.plus(*term)));
        let merged = halves.fold(Exact::default(), Exact::and);
        assert_eq!(forward.value(), backward.value());
        assert_eq!(forward.value(), merged.value());
        assert_eq!(forward.value(), 33_000_000.000_000_001);
    }

    #[test]
    fn squares_keep_what_a_double_would_lose() {
        let offset = 1e9;
        let sum = [-1.0, 0.0, 1.0].iter().fold(Exact::default(), |sum, term| sum.and(Exact::square(offset + term)));
        let mean_part = Exact { high: 3.0 * offset, low: 0.0 }.squared().over(3.0);
        assert_eq!(sum.minus(mean_part).value(), 2.0);
    }

    #[test]
    fn numbers_beyond_the_range_stay_infinite() {
        let sum = Exact::default().plus(f64::MAX).plus(f64::MAX).plus(1.0);
        assert_eq!(sum.value(), f64::INFINITY);
        assert_eq!(Exact::square(1e200).value(), f64::INFINITY);
    }
}
