use super::*;

/// Probes of thirty countries, each in a prefix of its own; half of them have IPv6.
fn worldwide(probes: u64) -> PlanInput {
    let mut input = input(probes, vec![]);
    for (place, probe) in input.probes.iter_mut().enumerate() {
        probe.country = Some(format!("C{}", place % 30));
        probe.v4 = Some(
            format!("198.{}.{}.1:7472", place / 250, place % 250)
                .parse()
                .unwrap(),
        );
        probe.v6 = (probe.v6).map(|_| format!("[2001:db8:{place:x}::1]:7472").parse().unwrap());
    }
    input
}

fn country_of(input: &PlanInput, probe: ProbeId) -> String {
    let found = input.probes.iter().find(|known| known.id == probe).unwrap();
    found.country.clone().unwrap()
}

#[test]
fn every_pair_of_regions_has_a_pair_of_probes_over_each_family() {
    let mut input = worldwide(60);
    input.probes[0].country = Some("LONELY".to_owned()); // one probe there, and 30 other regions; no IPv6
    assert!(input.probes[0].v6.is_none());
    let mut measured = BTreeSet::new();
    for (id, draft) in drafted(&input).drafts {
        for check in &draft.checks {
            let TargetAddress::Peer { probe, .. } = draft.targets[usize::from(check.target)].address else {
                panic!("a peer")
            };
            measured.insert((
                country_of(&input, id),
                country_of(&input, probe),
                check.kind.family,
            ));
        }
    }
    for family in [Family::V4, Family::V6] {
        let has = |probe: &&Participant| probe.address(family).is_some();
        let regions: BTreeSet<String> = input
            .probes
            .iter()
            .filter(has)
            .map(|probe| probe.country.clone().unwrap())
            .collect();
        for one in &regions {
            for other in regions.iter().filter(|other| *other != one) {
                assert!(
                    measured.contains(&(one.clone(), other.clone(), family)),
                    "{one} → {other} over {family:?}"
                );
            }
        }
    }
}

#[test]
fn large_mesh_gives_each_its_own_peers_and_few_more() {
    let input = worldwide(300);
    let drafts = drafted(&input).drafts;
    let own = FULL_MESH_MAX - 1;
    for (_, draft) in &drafts {
        assert!(draft.targets.len() >= own, "{}", draft.targets.len());
    }
    let all: usize = drafts.iter().map(|(_, draft)| draft.targets.len()).sum();
    let for_regions = 2 * 2 * 30 * 29 / 2; // a pair each way, over two families
    assert!(all <= drafts.len() * own + for_regions, "{all}");
}

#[test]
fn join_to_a_large_mesh_changes_few_plans_and_leaving_changes_them_back() {
    let before = worldwide(200);
    let mut after = before.clone();
    let mut joined = participant(1_000, true);
    joined.country = Some("C7".to_owned());
    after.probes.push(joined);
    let (plans, new_plans) = (drafted(&before).drafts, drafted(&after).drafts);
    let changed = plans
        .iter()
        .zip(&new_plans)
        .filter(|(old, new)| old != new)
        .count();
    // its peers, its probers, whom those gave up for it, and the envoys of its region
    assert!(
        (FULL_MESH_MAX..150).contains(&changed),
        "{changed} of 200 plans changed"
    );
    after.probes.pop();
    assert_eq!(drafted(&after).drafts, plans);
}
