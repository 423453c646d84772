//! `report audit`: the kept copy of the chain, held against what the store knows.

use std::collections::BTreeMap;
use std::time::Duration;

use isochrone_chain::copy::Copy;
use isochrone_chain::facts::{Facts, NodeFacts, SaidBuckets, Standing};
use isochrone_chain::measured::measured;
use isochrone_chain::plan::plan;
use isochrone_chain::{Endpoint, Topology, audit as judge};
use isochrone_coverage::locate::{SiteKind, Survey};
use isochrone_coverage::observations::Source;
use isochrone_planner::targets::{NodeKind, Targets};
use isochrone_proto::units::UnixMillis;
use isochrone_report::chain_audit::ChainAudit;
use isochrone_report::locate::{FromStore, from_store};
use isochrone_report::log::Window;
use isochrone_report::not_served::{self, NotServed};
use isochrone_store::{Store, StoreError};
use isochrone_watch::incident::{IncidentCheck, Subject};
use isochrone_watch::monitor;
use isochrone_web::LiveView;
use isochrone_web::view::VerdictState;

use super::reports::{Asker, Reading, ReportFailure, print, reading};
use super::window::window;
use super::{CommandContext, CommandError, Out};
use crate::cli::{ReportFormat, WindowArgs};
use crate::topology::kept;

/// A node says now, and not days ago, which objects it does not serve.
const SAID: Duration = Duration::from_secs(3_600);

/// Prints the audit.
pub(super) async fn carry_out(
    context: &CommandContext,
    args: &WindowArgs,
    format: ReportFormat,
    out: &Out,
) -> Result<(), CommandError> {
    let window = window(context, args)?;
    let report = audit(context, window, Asker { out, turn: None }).await?;
    let report = report.ok_or(CommandError::NoTopology)?;
    print(&report, format, out).await
}

/// The audit of the copy that is kept; `None`: there is none.
pub(super) async fn audit(
    context: &CommandContext,
    window: Window,
    asker: Asker<'_>,
) -> Result<Option<ChainAudit>, ReportFailure> {
    let (context, out) = (context.clone(), asker.out.clone());
    reading(asker.turn, move || {
        let Some(copy) = kept(&context.store)? else {
            return Ok(None);
        };
        let read = Reading::of(&context, window)?;
        let source = if read.store.is_demo() {
            Source::Demo
        } else {
            Source::Store
        };
        let mut progress = read.progress(&out);
        let FromStore { survey, .. } =
            from_store(&read.store, &read.roster, read.window, source, &mut progress)?;
        let now = context.clock.wall();
        let said = not_served::from_store(&read.store, &read.roster, Window::since(now, SAID), &mut |_| {})?;
        let targets = context.targets.borrow().clone();
        let view = context.views.as_ref().map(|views| views.borrow().clone());
        let known = Known {
            targets: &targets,
            standings: standings(&read.store, view.as_deref())?,
            said,
            survey: &survey,
        };
        Ok(Some(known.judged(copy, now, read.store.is_demo())))
    })
    .await
}

/// What is known beside the chain.
struct Known<'a> {
    targets: &'a Targets,
    /// By node: whether it lives.
    standings: BTreeMap<String, Standing>,
    /// By node: the object that it says it does not serve.
    said: BTreeMap<String, NotServed>,
    survey: &'a Survey,
}

impl Known<'_> {
    fn judged(self, copy: Copy, now: UnixMillis, demo: bool) -> ChainAudit {
        let facts = self.facts(&copy, now);
        let findings = judge(&copy.topology, &facts);
        ChainAudit {
            plan: plan(&copy.topology, &facts, &findings, copy.age_ms(now)),
            nodes: facts.nodes.len(),
            vantages: self
                .survey
                .sites
                .iter()
                .filter(|site| site.kind == SiteKind::Probe)
                .count(),
            copy,
            now,
            findings,
            demo,
        }
    }

    fn facts(&self, copy: &Copy, now: UnixMillis) -> Facts {
        let argus = self
            .targets
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Argus && !node.paused);
        let mut nodes: BTreeMap<Endpoint, NodeFacts> = BTreeMap::new();
        for node in argus {
            let Some(endpoint) = Endpoint::of(node.url.as_str()) else {
                continue;
            };
            let facts = NodeFacts {
                name: node.name.clone(),
                listed: node
                    .buckets
                    .iter()
                    .filter_map(|bucket| bucket.parse().ok())
                    .collect(),
                standing: self.standings.get(&node.name).copied().unwrap_or_default(),
                buckets: self
                    .said
                    .get(&node.name)
                    .and_then(|said| not_of(&copy.topology, &endpoint, said)),
                ..NodeFacts::default()
            };
            nodes.insert(endpoint, facts);
        }
        let names = nodes
            .iter()
            .map(|(endpoint, node)| (endpoint.clone(), node.name.clone()))
            .collect();
        let mut measured = measured(&copy.topology, self.survey, &names);
        for (endpoint, node) in &mut nodes {
            node.nearest = measured.nearest.remove(endpoint);
        }
        Facts {
            now,
            nodes,
            misplaced: measured.misplaced,
            invited_since: copy.invited_since(),
            reach: measured.reach,
        }
    }
}

/// A node's 421 as a word about one of its buckets: only of an object that the chain has in that bucket.
fn not_of(topology: &Topology, endpoint: &Endpoint, said: &NotServed) -> Option<(SaidBuckets, UnixMillis)> {
    let is_of_node = |bucket: &isochrone_chain::Bucket| {
        bucket
            .active()
            .any(|one| one.endpoint().as_ref() == Some(endpoint))
    };
    let holds =
        |bucket: &isochrone_chain::Bucket| bucket.objects.iter().any(|object| object.id == said.object);
    let mut buckets = topology.buckets().map(|(_, bucket)| bucket);
    let bucket = buckets.find(|bucket| is_of_node(bucket) && holds(bucket))?;
    let not = SaidBuckets::Not {
        bucket: bucket.id,
        object: said.object.clone(),
        answers: said.answers,
        vantages: said.vantages,
    };
    Some((not, said.last))
}

/// Down by the open incidents; up by what the mesh sees now. Without a running collector nobody is called up.
fn standings(store: &Store, view: Option<&LiveView>) -> Result<BTreeMap<String, Standing>, StoreError> {
    let up = view.into_iter().flat_map(|view| &view.nodes);
    let up = up.filter(|node| node.connect.state == VerdictState::Up);
    let mut standings: BTreeMap<String, Standing> =
        up.map(|node| (node.name.clone(), Standing::Up)).collect();
    for (_, incident) in monitor::incidents(store).list()? {
        let is_down = matches!(incident.subject, Subject::Node(_))
            && incident.end.is_none()
            && matches!(incident.check, IncidentCheck::Connect | IncidentCheck::Name);
        if is_down {
            let since = incident.start;
            standings.insert(incident.target.clone(), Standing::Down { since });
        }
    }
    Ok(standings)
}
