//! What the indexer is asked, in its two dialects. Bags are counted, never listed.

use std::fmt::Write as _;

use crate::topology::BucketId;

/// So many families are asked for at once.
pub(crate) const FAMILIES_A_PAGE: usize = 25;

/// How an indexer is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Today's: areas are unions with a field of their own each, and the block's height is told.
    Squid,
    /// The older one: `areas { area { … code } }`, and no height.
    Older,
}

impl Dialect {
    /// A page of families, with their buckets and operators, from `offset` on.
    pub(crate) fn families(self, offset: usize) -> String {
        let (status, areas) = match self {
            Self::Squid => (
                "squidStatus { height }",
                "areas { __typename ... on GeographicalAreaContinent { continentCode } \
                 ... on GeographicalAreaCountry { countryCode } \
                 ... on GeographicalAreaSubdivistion { subdivisionCode } }",
            ),
            Self::Older => (
                "",
                "areas { area { __typename ... on GeographicalAreaContinent { code } \
                 ... on GeographicalAreaCountry { code } ... on GeographicalAreaSubdivistion { code } } }",
            ),
        };
        format!(
            "query Mesh {{ {status} distributionBucketFamilies(orderBy: [id_ASC], limit: {FAMILIES_A_PAGE}, \
             offset: {offset}) {{ id metadata {{ region description latencyTestTargets {areas} }} \
             buckets(orderBy: [bucketIndex_ASC]) {{ id acceptingNewBags distributing operators {{ workerId status \
             metadata {{ nodeEndpoint nodeLocation {{ countryCode city coordinates {{ latitude longitude }} }} }} }} }} }} }}"
        )
    }
}

/// How many bags each of these buckets holds: `b0`, `b1`, … in their order.
pub(crate) fn bags(buckets: &[BucketId]) -> String {
    let mut query = "query Bags {".to_owned();
    for (at, id) in buckets.iter().enumerate() {
        write!(
            query,
            " b{at}: distributionBucketBagsConnection(orderBy: [id_ASC], where: {{ distributionBucket: \
             {{ id_eq: \"{id}\" }} }}) {{ totalCount }}"
        )
        .expect("writing into a String cannot fail");
    }
    query + " }"
}

/// The newest small objects that each of these buckets must serve: `o0`, `o1`, …
pub(crate) fn objects(buckets: &[BucketId]) -> String {
    let mut query = "query Objects {".to_owned();
    for (at, id) in buckets.iter().enumerate() {
        write!(
            query,
            " o{at}: storageDataObjects(limit: 5, orderBy: [createdAt_DESC], where: {{ isAccepted_eq: true, \
             size_lt: \"300000\", storageBag: {{ distributionBuckets_some: {{ distributionBucket: \
             {{ id_eq: \"{id}\" }} }} }} }}) {{ id size ipfsHash }}"
        )
        .expect("writing into a String cannot fail");
    }
    query + " }"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_query_lists_bags_and_braces_balance() {
        let ids = [BucketId { family: 0, index: 0 }, BucketId { family: 1, index: 2 }];
        let queries = [
            Dialect::Squid.families(0),
            Dialect::Older.families(50),
            bags(&ids),
            objects(&ids),
        ];
        for query in &queries {
            assert!(!query.contains("bags {") && !query.contains("bags("), "{query}");
            assert_eq!(query.matches('{').count(), query.matches('}').count(), "{query}");
        }
        assert!(queries[0].contains("squidStatus") && !queries[1].contains("squidStatus"));
        assert!(queries[1].contains("areas { area {") && queries[1].contains("offset: 50"));
        assert!(
            queries[2].contains("b1: distributionBucketBagsConnection") && queries[2].contains("\"1:2\"")
        );
    }
}
