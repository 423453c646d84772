//! The demo's world: nodes, distances and a story, in this process.

pub mod argus_node;
pub mod link;
pub mod relay;
pub mod world;
