//! What a step costs: counted in looks at cells, not in time.

use super::super::*;
use super::mesh::{Mesh, Run, Seen};

/// A thousand nodes, each asked by twenty probes of twenty networks.
fn thousand() -> Mesh {
    let networks: Vec<u32> = (1..=20).collect();
    Mesh::new(&networks, 1_000).connecting()
}

#[test]
fn step_in_which_a_thousand_nodes_go_down_looks_at_each_cell_a_few_times() {
    let cells = 20 * 1_000;
    let mut mesh = thousand();
    mesh.run(32, |_| Seen::Green);
    let dies = |_: Run| Seen::Refused;
    let mut most = 0;
    while mesh.second < 60 {
        cell::tests::LOOKS.set(0);
        mesh.run(mesh.second + 1, dies);
        most = most.max(cell::tests::LOOKS.get());
    }
    let named: usize = mesh
        .told
        .iter()
        .map(|(_, told)| told.incidents.len() + told.failing_too.len())
        .sum();
    assert_eq!((mesh.told.len(), named), (1, 1_000));
    assert!(
        most <= 40 * cells,
        "{most} looks in one second, {} a cell",
        most / cells
    );
}
