//! Rows that are not what was written: noted by whoever reads them, set aside, counted and named.
//!
//! Nothing ends because of one: it is passed over. Once the reader is through, the row is taken out of its table and
//! kept raw in a table of its own, and what hung on it is counted again from what is whole (docs/adr/0013-damage.md).

mod copies;
#[cfg(any(test, feature = "testing"))]
mod flip;
mod key;
mod list;
mod meaning;
mod order;
mod pages;
mod recount;
mod set_aside;
#[cfg(test)]
mod tests;
mod visit;

#[cfg(any(test, feature = "testing"))]
pub use self::flip::Part;
pub use self::list::Damage;
pub(crate) use self::set_aside::read_all;
