//! The texts of statements over several rows. Their lengths are few, so that the engines keep them prepared.

/// `(?, ?, ...)` with `count` marks.
pub(super) fn marks(count: usize) -> String {
    repeat("(", "?", ", ", ")", count)
}

/// `start`, `count` times `item` with `between` in between, `end`.
pub(super) fn repeat(start: &str, item: &str, between: &str, end: &str, count: usize) -> String {
    let mut text = String::with_capacity(start.len() + end.len() + count * (item.len() + between.len()));
    text.push_str(start);
    for at in 0..count {
        if at > 0 {
            text.push_str(between);
        }
        text.push_str(item);
    }
    text.push_str(end);
    text
}

/// `items` in pieces of the lengths `sizes`, which fall and end with 1: the longest that fits, again and again.
pub(super) fn chunks<'a, T>(items: &'a [T], sizes: &'a [usize]) -> impl Iterator<Item = &'a [T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let size = sizes.iter().copied().find(|size| *size > 0 && *size <= rest.len())?;
        let (chunk, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::{chunks, marks, repeat};

    #[test]
    fn pieces_are_the_whole_in_few_lengths() {
        let items: Vec<u32> = (0..237).collect();
        let lengths: Vec<usize> = chunks(&items, &[100, 10, 1]).map(<[u32]>::len).collect();
        assert_eq!(lengths, [100, 100, 10, 10, 10, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(chunks(&items, &[100, 10, 1]).flatten().copied().collect::<Vec<_>>(), items);
    }

    #[test]
    fn texts_are_put_together() {
        assert_eq!(marks(3), "(?, ?, ?)");
        assert_eq!(repeat("a ", "b", " OR ", " c", 2), "a b OR b c");
    }
}
