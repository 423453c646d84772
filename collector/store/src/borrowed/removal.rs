//! Takes borrowed measurements out again: as if they had never been imported.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::words::date;
use isochrone_borrowed::Platform;
use isochrone_proto::units::UnixMillis;

use super::{Borrowed, BorrowedVantage, DAY_MS, parse_day_key, vantage_key};
use crate::{StoreError, Transaction};

/// What is to be taken out of a platform's measurements: all that the further fields do not narrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whose.
    pub platform: Platform,
    /// Only of this vantage.
    pub vantage: Option<String>,
    /// Only of this measurement, as the platform calls it.
    pub measurement: Option<String>,
}

/// What was taken out of a vantage's measurements.
#[derive(Clone, Debug, PartialEq)]
pub struct Removed {
    /// As it was known before.
    pub vantage: BorrowedVantage,
    /// How many of its measurements went.
    pub runs: u64,
    /// How many stay; 0: it is not known any more.
    pub left: u64,
}

/// What stays of a vantage: from when, until when, how many.
type Left = Option<(UnixMillis, UnixMillis, u64)>;

impl Borrowed {
    /// Removes what `removal` names, durably and as a whole; with `dry_run` only says what would go. A vantage of which
    /// nothing stays is not known any more. Gives the vantages that lost something; none, where there was nothing.
    ///
    /// # Errors
    /// When the store failed, or its disk has less than the reserve.
    pub fn remove(&self, removal: &Removal, dry_run: bool) -> Result<Vec<Removed>, StoreError> {
        let store = self.days.store();
        store.write_or_try(dry_run, |transaction| self.remove_in(transaction, removal))
    }

    fn remove_in(&self, transaction: &Transaction, removal: &Removal) -> Result<Vec<Removed>, StoreError> {
        let is_of = |known: &BorrowedVantage| {
            let vantage = &known.vantage;
            vantage.platform == removal.platform
                && removal.vantage.as_ref().is_none_or(|id| *id == vantage.id)
        };
        let known = self.vantages.list_in(transaction)?.into_iter();
        let known: BTreeMap<String, BorrowedVantage> = known.filter(|(_, known)| is_of(known)).collect();
        let starts = starts(known.values());
        let mut touched: BTreeSet<String> = BTreeSet::new();
        let mut left: BTreeMap<String, Left> = BTreeMap::new();
        for key in self.days.keys_in(transaction)? {
            let Some((platform, _, id)) = parse_day_key(&key) else {
                continue;
            };
            let of = vantage_key(platform, id);
            if platform != removal.platform || removal.vantage.as_ref().is_some_and(|vantage| *vantage != id)
            {
                continue;
            }
            let Some(measurement) = &removal.measurement else {
                self.days.remove_in(transaction, &key)?;
                touched.insert(of);
                continue;
            };
            let start = key.split_once(' ').and_then(|(day, _)| starts.get(day).copied());
            let (Some(mut day), Some(start)) = (self.days.get_in(transaction, &key)?, start) else {
                continue; // damaged
            };
            if day.remove(measurement) > 0 {
                touched.insert(of.clone());
                match day.span(start) {
                    Some(_) => self.days.put_in(transaction, &key, &day)?,
                    None => _ = self.days.remove_in(transaction, &key)?,
                }
            }
            let both = left.entry(of).or_default();
            *both = joined(*both, day.span(start));
        }
        let mut removed = Vec::new();
        for (key, vantage) in known {
            let left = left.get(&key).copied().flatten();
            if !touched.contains(&key) && (removal.measurement.is_some() || left.is_some()) {
                continue;
            }
            match left {
                Some((first, last, runs)) => {
                    let now = BorrowedVantage {
                        runs,
                        first,
                        last,
                        ..vantage.clone()
                    };
                    self.vantages.put_in(transaction, &key, &now)?;
                }
                None => _ = self.vantages.remove_in(transaction, &key)?,
            }
            let left = left.map_or(0, |(_, _, runs)| runs);
            removed.push(Removed {
                runs: vantage.runs.saturating_sub(left),
                vantage,
                left,
            });
        }
        Ok(removed)
    }
}

fn joined(a: Left, b: Left) -> Left {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1), a.2 + b.2)),
        (one, None) | (None, one) => one,
    }
}

/// By name: the first instant of every day on which one of these measured.
fn starts<'a>(known: impl Iterator<Item = &'a BorrowedVantage> + Clone) -> BTreeMap<String, UnixMillis> {
    let first = known.clone().map(|known| known.first.0 / DAY_MS).min();
    let last = known.map(|known| known.last.0 / DAY_MS).max();
    let days = first.unwrap_or(1)..=last.unwrap_or(0);
    let start = |day: u64| UnixMillis(day * DAY_MS);
    days.map(|day| (date(start(day)), start(day))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOON, all, batch, run, store};
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn of_platform() -> Removal {
        Removal {
            platform: Platform::Atlas,
            vantage: None,
            measurement: None,
        }
    }

    /// Two vantages, two days, two measurements.
    fn filled() -> Borrowed {
        let borrowed = Borrowed::of(&store());
        let mut runs = Vec::new();
        for vantage in 0..2 {
            for at in [NOON, NOON + 24 * HOUR] {
                let mut other = run(vantage, at + HOUR, 6_000);
                other.seen.measurement = "90000002".to_owned();
                runs.extend([run(vantage, at, 5_000), other]);
            }
        }
        borrowed.take(&batch(runs), false).unwrap();
        borrowed
    }

    #[test]
    fn vantage_goes_with_all_it_measured_and_the_other_stays_as_it_was() {
        let borrowed = filled();
        let removal = Removal {
            vantage: Some("6001".to_owned()),
            ..of_platform()
        };
        let before = (all(&borrowed), borrowed.vantages().unwrap());
        let would = borrowed.remove(&removal, true).unwrap();
        assert_eq!(
            (all(&borrowed), borrowed.vantages().unwrap()),
            before,
            "only tried"
        );
        let removed = borrowed.remove(&removal, false).unwrap();
        assert_eq!(removed, would);
        assert_eq!(removed.len(), 1);
        assert_eq!((removed[0].runs, removed[0].left), (4, 0));
        let days = all(&borrowed);
        assert!(days.iter().all(|day| day.vantage == "6002") && days.len() == 2);
        assert_eq!(borrowed.vantages().unwrap(), before.1[1..]);
        assert!(borrowed.remove(&removal, false).unwrap().is_empty(), "it is gone");
    }

    #[test]
    fn measurement_goes_of_every_vantage_and_what_stays_is_counted_anew() {
        let borrowed = filled();
        let removal = Removal {
            measurement: Some("90000001".to_owned()),
            ..of_platform()
        };
        let removed = borrowed.remove(&removal, false).unwrap();
        assert_eq!(removed.len(), 2);
        assert!(removed.iter().all(|one| (one.runs, one.left) == (2, 2)));
        let known = borrowed.vantages().unwrap();
        let span = (known[0].runs, known[0].first.0, known[0].last.0);
        assert_eq!(span, (2, NOON + HOUR, NOON + 25 * HOUR));
        let runs = all(&borrowed).into_iter().flat_map(|day| day.runs);
        assert!(runs.into_iter().all(|run| run.measurement == "90000002"));
        let again = batch(vec![run(0, NOON, 5_000)]);
        assert_eq!(
            borrowed.take(&again, false).unwrap().new,
            1,
            "it can be imported again"
        );
    }

    #[test]
    fn platform_goes_as_a_whole_and_a_measurement_that_nobody_has_changes_nothing() {
        let borrowed = filled();
        let mut removal = Removal {
            measurement: Some("1".to_owned()),
            ..of_platform()
        };
        assert!(borrowed.remove(&removal, false).unwrap().is_empty());
        assert_eq!(all(&borrowed).len(), 4);
        removal.measurement = None;
        removal.platform = Platform::Globalping;
        assert!(borrowed.remove(&removal, false).unwrap().is_empty());
        assert_eq!(borrowed.remove(&of_platform(), false).unwrap().len(), 2);
        assert!(all(&borrowed).is_empty() && borrowed.vantages().unwrap().is_empty());
    }
}
