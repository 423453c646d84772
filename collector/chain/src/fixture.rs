//! A made-up chain on which nothing is wrong, faults to plant in it, and an indexer that tells it well or badly.

mod faults;
mod indexer;

use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::units::UnixMillis;

pub use self::faults::{Planted, planted};
pub use self::indexer::{FakeIndexer, Manner, answer};
use crate::endpoint::Endpoint;
use crate::facts::{Facts, Nearest, NodeFacts, Reach, SaidBuckets, Standing};
use crate::topology::{
    Area, Bucket, BucketId, Claim, Family, Operator, OperatorId, Status, TestObject, Topology,
};

/// Now, in every world.
pub const NOW: UnixMillis = UnixMillis(1_795_000_000_000);
/// The block that every chain was read at.
pub const BLOCK: u64 = 7_000_000;

/// Where nodes of a family stand: country, city, degrees north and east.
pub(crate) const HOMES: [(&str, &str, f64, f64); 24] = [
    ("DE", "Berlin", 52.52, 13.41),
    ("FR", "Paris", 48.85, 2.35),
    ("GB", "London", 51.51, -0.13),
    ("ES", "Madrid", 40.42, -3.70),
    ("PL", "Warsaw", 52.23, 21.01),
    ("UA", "Kyiv", 50.45, 30.52),
    ("US", "New York", 40.71, -74.01),
    ("CA", "Toronto", 43.70, -79.42),
    ("MX", "Mexico City", 19.43, -99.13),
    ("BR", "São Paulo", -23.55, -46.64),
    ("AR", "Buenos Aires", -34.61, -58.38),
    ("CL", "Santiago", -33.46, -70.65),
    ("ZA", "Johannesburg", -26.20, 28.04),
    ("NG", "Lagos", 6.45, 3.39),
    ("KE", "Nairobi", -1.28, 36.82),
    ("EG", "Cairo", 30.06, 31.25),
    ("IN", "Mumbai", 19.07, 72.88),
    ("SG", "Singapore", 1.29, 103.85),
    ("JP", "Tokyo", 35.69, 139.69),
    ("KR", "Seoul", 37.57, 126.98),
    ("ID", "Jakarta", -6.21, 106.85),
    ("AU", "Sydney", -33.87, 151.21),
    ("NZ", "Auckland", -36.85, 174.76),
    ("TR", "Istanbul", 41.01, 28.95),
];

/// A chain and what is known beside it.
#[derive(Clone, Debug)]
pub struct World {
    pub topology: Topology,
    pub facts: Facts,
}

/// A world without a fault: every bucket has one node, which lives, stands where it says, and says what the chain says.
#[must_use]
pub fn world(families: u32, buckets: u32) -> World {
    let mut world = World {
        topology: Topology {
            block: Some(BLOCK),
            ..Topology::default()
        },
        facts: Facts {
            now: NOW,
            ..Facts::default()
        },
    };
    for id in 0..families {
        let (country, ..) = home(id);
        let buckets: Vec<Bucket> = (0..buckets)
            .map(|index| bucket(BucketId { family: id, index }))
            .collect();
        for bucket in &buckets {
            world.facts.nodes.insert(endpoint(bucket.id), node(bucket.id));
        }
        world.facts.reach.insert(
            id,
            Reach {
                vantages: 3,
                best: 2,
                instead: BTreeMap::new(),
                countries: BTreeMap::from([(country.to_owned(), 2)]),
            },
        );
        world.topology.families.push(Family {
            id,
            region: format!("region-{id}"),
            description: format!("Users in {country}"),
            latency_test_targets: vec![format!("node-{id}-0.example.org")],
            areas: vec![Area::Country(country.to_owned())],
            buckets,
            partial: false,
            altered: false,
        });
    }
    world
}

pub(crate) fn home(family: u32) -> (&'static str, &'static str, f64, f64) {
    HOMES[family as usize % HOMES.len()]
}

/// A bucket's worker.
#[must_use]
pub fn worker(bucket: BucketId) -> u64 {
    u64::from(bucket.family) * 1_000 + u64::from(bucket.index)
}

/// The endpoint of a bucket's node.
#[must_use]
pub fn endpoint(bucket: BucketId) -> Endpoint {
    Endpoint::of(&url(bucket)).unwrap()
}

pub(crate) fn url(bucket: BucketId) -> String {
    format!(
        "https://node-{}-{}.example.org/distributor/",
        bucket.family, bucket.index
    )
}

fn bucket(id: BucketId) -> Bucket {
    let (country, city, latitude, longitude) = home(id.family);
    let claim = Claim {
        country: country.to_owned(),
        city: city.to_owned(),
        coordinates: Some((latitude, longitude)),
    };
    Bucket {
        id,
        accepting: true,
        distributing: true,
        bags: Some(40),
        objects: vec![TestObject {
            id: (1_000 + worker(id)).to_string(),
            size: 1_234,
            ipfs_hash: "gW7Nhu4HrfDtphEivm3Z9NNE7gpdh5Tga8g6JNZc1S8E47".to_owned(),
        }],
        operators: vec![Operator {
            worker: Some(worker(id)),
            status: Status::Active,
            endpoint: url(id),
            place: claim,
        }],
    }
}

fn node(id: BucketId) -> NodeFacts {
    NodeFacts {
        name: format!("node-{}-{}", id.family, id.index),
        listed: vec![id],
        standing: Standing::Up,
        buckets: Some((SaidBuckets::These(BTreeSet::from([id])), NOW)),
        worker: Some((worker(id), NOW)),
        nearest: Some(Nearest {
            family: id.family,
            vantage: format!("probe-{}", id.family),
            ms: 8.0,
            others: BTreeMap::new(),
        }),
    }
}

impl World {
    /// A family.
    pub fn family(&mut self, id: u32) -> &mut Family {
        &mut self.topology.families[id as usize]
    }

    /// A bucket.
    pub fn bucket(&mut self, family: u32, index: u32) -> &mut Bucket {
        &mut self.family(family).buckets[index as usize]
    }

    /// The operator of a bucket.
    pub fn operator(&mut self, family: u32, index: u32) -> &mut Operator {
        &mut self.bucket(family, index).operators[0]
    }

    /// The id of that operator.
    pub fn operator_id(&mut self, family: u32, index: u32) -> OperatorId {
        let bucket = self.bucket(family, index);
        bucket.operator_id(&bucket.operators[0])
    }

    /// What is known of its node.
    pub fn node(&mut self, family: u32, index: u32) -> &mut NodeFacts {
        self.facts
            .nodes
            .get_mut(&endpoint(BucketId { family, index }))
            .unwrap()
    }

    /// Nobody measures its node.
    pub fn forget(&mut self, family: u32, index: u32) {
        self.facts.nodes.remove(&endpoint(BucketId { family, index }));
    }
}
