//! What became of each result: taken in, known already, or refused and why.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use isochrone_base::error_chain::chain;
use isochrone_base::words::{count, rfc3339_second};
use isochrone_borrowed::{Access, Platform, Refusals, Vantage, Where};
use isochrone_proto::text::cleaned;
use isochrone_proto::units::UnixMillis;
use isochrone_store::borrowed::{BorrowedBatch, BorrowedRun};
use isochrone_store::imported::Taken;
use serde_json::{Value, json};

use crate::commands::WantedHost;

/// What became of each result.
pub(super) struct Account {
    platform: Platform,
    dry_run: bool,
    new: u64,
    known: u64,
    /// By host, in the order of targets.toml.
    hosts: Vec<(WantedHost, u64)>,
    /// By the platform's name.
    vantages: BTreeMap<String, Seen>,
    files: Vec<(PathBuf, Refused)>,
}

/// A vantage of which something was taken in, or was known.
struct Seen {
    vantage: Vantage,
    measurements: u64,
    first: UnixMillis,
    last: UnixMillis,
}

/// What was not taken of a file.
#[derive(Default)]
struct Refused {
    refusals: Refusals,
    contradict: u64,
    /// The first of them.
    contradict_at: Vec<Where>,
    unread: Option<String>,
}

/// What was refused for one reason, of one file.
struct Reason<'a> {
    file: &'a Path,
    words: String,
    count: u64,
    /// The first of them.
    listed: Vec<(Where, String)>,
}

impl Account {
    pub(super) fn new(platform: Platform, dry_run: bool, hosts: &[WantedHost]) -> Self {
        Self {
            platform,
            dry_run,
            new: 0,
            known: 0,
            hosts: hosts.iter().map(|host| (host.clone(), 0)).collect(),
            vantages: BTreeMap::new(),
            files: Vec::new(),
        }
    }

    pub(super) const fn new_count(&self) -> u64 {
        self.new
    }

    /// Counts a measurement of a dry run that came before in it.
    pub(super) fn repeated(&mut self, vantage: Option<&Vantage>, run: &BorrowedRun) {
        self.known += 1;
        self.see(vantage, run);
    }

    /// Counts what became of a piece.
    pub(super) fn take(&mut self, file: &Path, batch: &BorrowedBatch, at: &[Where], taken: &Taken) {
        self.new += taken.new;
        self.known += taken.known;
        let contradict: BTreeSet<_> = taken.contradict.iter().copied().collect();
        for (place, run) in batch.runs.iter().enumerate() {
            if !contradict.contains(&place) {
                self.see(batch.vantages.get(run.vantage), run);
                continue;
            }
            let refused = self.of_file(file);
            refused.contradict += 1;
            if refused.contradict_at.len() < LISTED {
                refused.contradict_at.extend(at.get(place));
            }
        }
    }

    /// Notes what was not taken of a file.
    pub(super) fn end_of(&mut self, file: &Path, refusals: Refusals, unread: Option<io::Error>) {
        let refused = self.of_file(file);
        refused.refusals = refusals;
        refused.unread = unread.map(|error| chain(&error).to_string());
    }

    fn of_file(&mut self, file: &Path) -> &mut Refused {
        let place = self.files.iter().position(|(known, _)| known == file);
        let place = place.unwrap_or_else(|| {
            self.files.push((file.to_owned(), Refused::default()));
            self.files.len() - 1
        });
        &mut self.files[place].1
    }

    fn see(&mut self, vantage: Option<&Vantage>, run: &BorrowedRun) {
        if let Some((_, measurements)) = self.hosts.iter_mut().find(|(host, _)| host.host == run.host) {
            *measurements += 1;
        }
        let Some(vantage) = vantage else { return };
        let at = run.seen.at;
        if !self.vantages.contains_key(&vantage.id) {
            let seen = Seen {
                vantage: vantage.clone(),
                measurements: 0,
                first: at,
                last: at,
            };
            self.vantages.insert(vantage.id.clone(), seen);
        }
        if let Some(seen) = self.vantages.get_mut(&vantage.id) {
            seen.measurements += 1;
            (seen.first, seen.last) = (seen.first.min(at), seen.last.max(at));
        }
    }

    fn reasons(&self) -> Vec<Reason<'_>> {
        let mut reasons = Vec::new();
        for (file, refused) in &self.files {
            for (rule, count) in refused.refusals.counts() {
                let listed = refused.refusals.listed().iter();
                let listed = listed.filter(|refused| refused.rule == rule);
                reasons.push(Reason {
                    file,
                    words: rule.to_string(),
                    count,
                    listed: listed.map(|refused| (refused.at, refused.why.clone())).collect(),
                });
            }
            if refused.contradict > 0 {
                let listed = refused.contradict_at.iter();
                reasons.push(Reason {
                    file,
                    words: CONTRADICTS.to_owned(),
                    count: refused.contradict,
                    listed: listed.map(|at| (*at, CONTRADICTS.to_owned())).collect(),
                });
            }
        }
        reasons
    }

    fn unread(&self) -> impl Iterator<Item = (&Path, &str)> {
        let files = self.files.iter();
        files.filter_map(|(file, refused)| Some((file.as_path(), refused.unread.as_deref()?)))
    }

    fn refused(&self) -> u64 {
        self.reasons().iter().map(|reason| reason.count).sum()
    }

    /// 1 where results came and none could be taken in, or a file could not be read to its end.
    pub(super) fn exit_code(&self) -> u8 {
        let is_nothing = self.new + self.known == 0 && self.refused() > 0;
        u8::from(is_nothing || self.unread().next().is_some())
    }

    /// What was taken in, for the audit log.
    pub(super) fn audit_line(&self, files: &[PathBuf]) -> String {
        let named = files.iter().take(NAMED).map(|file| shown(file));
        let mut named = named.collect::<Vec<_>>().join(", ");
        if files.len() > NAMED {
            named += &format!(" and {} more", files.len() - NAMED);
        }
        let (new, refused) = (number(self.new, "measurement"), self.refused());
        let eyes = count(self.vantages.len(), "vantage");
        format!(
            "{}: {new} of {eyes} taken in, {refused} refused, from {named}",
            self.platform.word()
        )
    }

    pub(super) fn text(&self) -> String {
        let (new, known, refused) = (number(self.new, "measurement"), self.known, self.refused());
        let platform = self.platform.word();
        let mut text = match self.dry_run {
            true => format!(
                "{platform}: {new} would be taken in, {known} known already, {refused} would be refused. Nothing was changed.\n"
            ),
            false => format!("{platform}: {new} taken in, {known} known already, {refused} refused.\n"),
        };
        for (host, measurements) in self.hosts.iter().filter(|(_, measurements)| *measurements > 0) {
            text += &format!("  of {} ({}): {measurements}\n", host.names.join(", "), host.host);
        }
        if self.new + self.known > 0 {
            text += &self.eyes();
            let without = self.hosts.iter().filter(|(_, measurements)| *measurements == 0);
            let without: Vec<_> = without.map(|(host, _)| host.names.join(", ")).collect();
            if !without.is_empty() {
                text += &format!("  of these there is no result: {}\n", without.join(", "));
            }
        }
        for reason in self.reasons() {
            let (file, words) = (shown(reason.file), &reason.words);
            text += &format!("  refused {} of {file}: {words}\n", reason.count);
            for (at, why) in reason.listed.iter().take(SHOWN) {
                text += &format!("    {at}: {why}\n");
            }
            let more = reason.count.saturating_sub(SHOWN as u64);
            if more > 0 {
                text += &format!("    and {more} more\n");
            }
        }
        for (file, why) in self.unread() {
            text += &format!(
                "  {} could not be read to its end ({why}): what was read of it counts; fetch it again, and import it again\n",
                shown(file)
            );
        }
        text + &self.next()
    }

    /// Who measured.
    fn eyes(&self) -> String {
        let vantages = || self.vantages.values().map(|seen| &seen.vantage);
        let of = |access| vantages().filter(|vantage| vantage.access == access).count();
        let classes = [Access::Eyeball, Access::DataCentre, Access::Unknown];
        let classes = classes.map(|access| format!("{} {}", of(access), access.word()));
        let networks: BTreeSet<_> = vantages()
            .filter_map(|vantage| vantage.network_v4.or(vantage.network_v6))
            .collect();
        let countries: BTreeSet<_> = vantages()
            .filter_map(|vantage| vantage.place.country.as_ref())
            .collect();
        let first = self.vantages.values().map(|seen| seen.first).min();
        let last = self.vantages.values().map(|seen| seen.last).max();
        let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
        format!(
            "  from {} ({}), {}, {}; {} to {}\n",
            count(self.vantages.len(), "vantage"),
            classes.join(", "),
            count(networks.len(), "network"),
            count(countries.len(), "country"),
            rfc3339_second(first),
            rfc3339_second(last)
        )
    }

    /// Numbers of probes that no list has: the first of them.
    fn unknown_probes(&self) -> Vec<String> {
        let reasons = self.reasons();
        let unknown = reasons
            .iter()
            .filter(|reason| reason.words.contains("in no list of probes"));
        let listed = unknown.flat_map(|reason| &reason.listed);
        let numbers = listed.filter_map(|(_, why)| why.rsplit_once(": ")?.1.parse::<u32>().ok());
        let numbers: BTreeSet<_> = numbers.collect();
        numbers.iter().map(u32::to_string).collect()
    }

    /// What to do about it.
    fn next(&self) -> String {
        let unknown = self.unknown_probes();
        if !unknown.is_empty() {
            return format!(
                "Next: fetch the list of the probes that measured, and name it with --probes: curl -o probes.json \
                 'https://atlas.ripe.net/api/v2/probes/?id__in={}&page_size=500'\n",
                unknown.join(",")
            );
        }
        match self.new + self.known {
            0 => String::new(),
            _ if self.dry_run => "Next: the same without --dry-run.\n".to_owned(),
            _ => "Next: `isochrone-collector import list`.\n".to_owned(),
        }
    }

    /// `isochrone.import-borrowed/1`.
    pub(super) fn json(&self) -> String {
        let targets = self.hosts.iter().map(|(host, measurements)| {
            json!({ "host": host.host, "names": host.names, "measurements": measurements })
        });
        let refused = self.reasons().into_iter().map(|reason| {
            let listed = reason.listed.iter();
            let listed = listed.map(|(at, why)| json!({ "line": at.line, "byte": at.byte, "reason": why }));
            json!({
                "file": shown(reason.file), "reason": reason.words, "count": reason.count,
                "listed": listed.collect::<Vec<_>>(),
            })
        });
        let unread = self
            .unread()
            .map(|(file, why)| json!({ "file": shown(file), "reason": why }));
        let value = json!({
            "schema": "isochrone.import-borrowed/1", "platform": self.platform.word(), "dry_run": self.dry_run,
            "new": self.new, "known": self.known, "targets": targets.collect::<Vec<_>>(),
            "vantages": self.vantages.values().map(Seen::json).collect::<Vec<_>>(),
            "refused": refused.collect::<Vec<_>>(), "unread": unread.collect::<Vec<_>>(),
        });
        format!("{value}\n")
    }
}

impl Seen {
    fn json(&self) -> Value {
        let Vantage {
            id, place, access, ..
        } = &self.vantage;
        json!({
            "vantage": id, "city": place.city, "country": place.country, "latitude": place.latitude,
            "longitude": place.longitude, "network_v4": self.vantage.network_v4,
            "network_v6": self.vantage.network_v6, "access": access.word(), "measurements": self.measurements,
            "from": rfc3339_second(self.first), "to": rfc3339_second(self.last),
        })
    }
}

fn number(of: u64, word: &str) -> String {
    count(usize::try_from(of).unwrap_or(usize::MAX), word)
}

fn shown(file: &Path) -> String {
    cleaned(&file.display().to_string()).into_owned()
}

const CONTRADICTS: &str = "says otherwise than what was imported before; the first stays";
/// Of each reason so many are shown.
const SHOWN: usize = 3;
/// Of each reason so many are listed in JSON.
const LISTED: usize = 20;
/// Files that the audit log names.
const NAMED: usize = 3;
