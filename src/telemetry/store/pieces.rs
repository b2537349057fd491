//! How long answers leave the store: some items at a time, so that nobody holds all of them.

use crate::Result;
use crate::database::Turn;

/// Items of a list that are made at a time.
pub(super) const PIECE: usize = 250;
/// Items of a list, or rows of statistics, beyond which a question takes a turn (`Database::turn`): what it still holds of them is
/// held by as many at once as there are processors.
pub(super) const MANY: usize = 1_000;

/// How a turn is taken, once it turns out that a question needs one.
pub(super) type Turns<'t> = &'t dyn Fn() -> Turn<'t>;

/// Who takes the items of a list.
pub trait Taker<T> {
    /// The list begins. What was taken before is not of it: where the database is lost or busy it is asked again.
    fn begin(&mut self);

    /// Takes the next items.
    ///
    /// # Errors
    /// What becomes the answer instead of the list.
    fn take(&mut self, items: Vec<T>) -> Result<()>;
}

/// All items together, for who holds few of them.
impl<T> Taker<T> for Vec<T> {
    fn begin(&mut self) {
        self.clear();
    }

    fn take(&mut self, items: Vec<T>) -> Result<()> {
        self.extend(items);
        Ok(())
    }
}
