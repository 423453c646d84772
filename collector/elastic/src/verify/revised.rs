//! The store's side of what may be revised.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use isochrone_proto::units::{Hour, UnixMillis};
use isochrone_store::{Store, StoreError};

use super::compare::{Hours, Part, Tally, What};
use crate::document::{Document, DocumentId};
use crate::index::{Family, Names};
use crate::revised::Revised;
use crate::revised::sent::{Digest, Sent};

/// What there is of a family now, by hour.
#[derive(Debug, Default)]
pub(super) struct Now {
    hours: BTreeMap<Hour, (Tally, Digest)>,
}

impl Now {
    pub(super) fn read(
        revised: &Revised,
        family: Family,
        when: (Range<Hour>, UnixMillis),
    ) -> Result<Self, StoreError> {
        let mut hours: BTreeMap<Hour, (Tally, Digest)> = BTreeMap::new();
        revised.each(family, when, |hour, document, [first, second]| {
            let (tally, digest) = hours.entry(hour).or_insert((Tally::default(), Digest::NOTHING));
            tally.count += 1;
            tally.first += first;
            tally.second += second;
            digest.add(&document);
        })?;
        Ok(Self { hours })
    }

    /// What should be there of these hours, and how many documents are still to be sent: an hour that is no longer what
    /// was sent last is in neither side. Asked after the cluster was, so that nothing of it is newer than what is known here.
    pub(super) fn settled(
        &self,
        (store, names, cluster): (&Store, &Names, &str),
        family: Family,
        (hours, theirs): (Range<Hour>, &mut Hours),
    ) -> Result<(Hours, u64), StoreError> {
        let sent = Sent::of(store, names, cluster).all(family)?;
        let (mut ours, mut unsent) = (Hours::new(), 0);
        for (hour, (tally, digest)) in self.hours.range(hours) {
            let part = (What::Revised(family), hour.start());
            if sent.get(hour) == Some(digest) {
                ours.insert(part, *tally);
            } else {
                unsent += tally.count;
                theirs.remove(&part);
            }
        }
        Ok((ours, unsent))
    }
}

/// The documents of some hours.
pub(super) fn documents(
    revised: &Revised,
    (now, version): (UnixMillis, u64),
    parts: &BTreeSet<Part>,
) -> Result<BTreeMap<Part, Vec<Document>>, StoreError> {
    let mut documents = BTreeMap::new();
    for part in parts {
        let (What::Revised(family), hour) = (part.0, part.1.hour()) else {
            continue;
        };
        let mut groups = revised.groups(family, (hour..hour.next(), now), version)?;
        let group = groups.remove(&hour).map(|group| group.documents);
        documents.insert(*part, group.unwrap_or_default());
    }
    Ok(documents)
}

/// Their ids, all of which should be there.
pub(super) fn ids(documents: &BTreeMap<Part, Vec<Document>>) -> BTreeMap<Part, BTreeMap<DocumentId, bool>> {
    let of = |documents: &Vec<Document>| documents.iter().map(|document| (document.id, true)).collect();
    let all = documents.iter();
    all.map(|(part, documents)| (*part, of(documents))).collect()
}
