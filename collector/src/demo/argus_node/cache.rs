//! A node's objects: what the chain says of them, what the cache holds, what is being downloaded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{NodeConfig, Source};

/// A data object as the chain and the storage nodes have it.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its id.
    pub id: u64,
    /// Its size on chain, in bytes.
    pub size: u64,
    /// Its type, as a hit tells it.
    pub content_type: String,
    /// Whether this node is to serve it.
    pub place: Whereabouts,
    /// What the storage nodes do when the node fetches it.
    pub supply: Supply,
    /// Whether it is in the cache from the start.
    pub cached: bool,
}

impl Object {
    /// An image in one of the node's buckets, with a good source.
    pub fn new(id: u64, size: u64, cached: bool) -> Self {
        let content_type = "image/webp".to_owned();
        Self {
            id,
            size,
            content_type,
            place: Whereabouts::Here,
            supply: Supply::Good,
            cached,
        }
    }

    /// `length` bytes of it from `first` on. They depend on the id alone, so every node has the same.
    pub fn bytes(&self, first: u64, length: usize) -> Bytes {
        content(self.id, first, length)
    }
}

/// Where an object belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In a bucket of this node.
    Here,
    /// In other buckets only: 421.
    OtherBucket,
    /// On chain, but never uploaded: 404.
    NotUploaded,
}

/// What the storage nodes do when an object is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// They send it.
    Good,
    /// None has it: 500.
    None,
    /// They stop after so many bytes: 500 after 5 s, or a cut connection once bytes were sent.
    StallsAfter(u64),
    /// They say 200 to HEAD and 500 to GET, which ends the node's process: an empty reply, then a closed port.
    CrashesNode,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) available: u64,
    pub(super) failed: bool,
}

/// What the cache says of an object when it is asked for.
pub(super) enum Found {
    Cached(Object),
    Pending(Object, watch::Receiver<Progress>),
    /// Not in the cache; the chain (by way of the indexer) may know it.
    NotCached(Option<Object>),
}

pub(super) struct Cache {
    source: Source,
    entries: Arc<Mutex<Entries>>,
    downloads: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Entries {
    objects: BTreeMap<u64, Object>,
    cached: BTreeSet<u64>,
    pending: BTreeMap<u64, watch::Receiver<Progress>>,
    /// Ids that a HEAD found missing: it keeps saying so.
    head_missing: BTreeSet<u64>,
}

/// What `status` says of the cache.
pub(super) struct Usage {
    pub(super) objects: usize,
    pub(super) bytes: u64,
    pub(super) downloads: usize,
}

impl Cache {
    pub(super) fn new(config: &NodeConfig, objects: Vec<Object>) -> Self {
        let mut entries = Entries::default();
        for object in objects {
            entries.put(object);
        }
        let source = Source {
            bytes_per_second: config.source.bytes_per_second.max(1),
            ..config.source
        };
        Self {
            source,
            entries: Arc::new(Mutex::new(entries)),
            downloads: Mutex::new(JoinSet::new()),
        }
    }

    pub(super) fn source(&self) -> Source {
        self.source
    }

    pub(super) fn put(&self, object: Object) {
        lock(&self.entries).put(object);
    }

    pub(super) fn has_cached(&self, id: u64) -> bool {
        lock(&self.entries).cached.contains(&id)
    }

    pub(super) fn find(&self, id: u64) -> Found {
        let entries = lock(&self.entries);
        let Some(object) = entries.objects.get(&id).cloned() else {
            return Found::NotCached(None);
        };
        if entries.cached.contains(&id) {
            return Found::Cached(object);
        }
        match entries.pending.get(&id) {
            Some(progress) => Found::Pending(object, progress.clone()),
            None => Found::NotCached(Some(object)),
        }
    }

    /// Whether a HEAD has to go on saying 404: the node keeps the indexer's earlier answer.
    pub(super) fn head_missed(&self, id: u64, missing_now: bool) -> bool {
        let mut entries = lock(&self.entries);
        if missing_now {
            entries.head_missing.insert(id);
        }
        entries.head_missing.contains(&id)
    }

    pub(super) fn usage(&self) -> Usage {
        let entries = lock(&self.entries);
        let held = entries.cached.iter().chain(entries.pending.keys());
        let bytes = held
            .filter_map(|id| entries.objects.get(id))
            .map(|object| object.size)
            .sum();
        Usage {
            objects: entries.cached.len(),
            bytes,
            downloads: entries.pending.len(),
        }
    }

    /// Starts the download of `object`, or joins the one that another request started meanwhile.
    pub(super) fn fetch(&self, object: &Object) -> watch::Receiver<Progress> {
        let mut entries = lock(&self.entries);
        if let Some(progress) = entries.pending.get(&object.id) {
            return progress.clone();
        }
        let (sender, receiver) = watch::channel(Progress::default());
        entries.pending.insert(object.id, receiver.clone());
        drop(entries);
        let work = download(object.clone(), self.source, sender, Arc::clone(&self.entries));
        let mut downloads = lock(&self.downloads);
        while downloads.try_join_next().is_some() {}
        downloads.spawn(work);
        receiver
    }

    /// A download whose progress the test tells.
    #[cfg(test)]
    pub(super) fn hold_pending(&self, id: u64, available: u64) -> watch::Sender<Progress> {
        let (sender, receiver) = watch::channel(Progress {
            available,
            failed: false,
        });
        lock(&self.entries).pending.insert(id, receiver);
        sender
    }

    /// Ends all downloads and forgets what came, and the indexer's answers too: the process died.
    pub(super) async fn drop_downloads(&self) {
        let mut running = std::mem::take(&mut *lock(&self.downloads));
        running.shutdown().await;
        let mut entries = lock(&self.entries);
        entries.pending.clear();
        entries.head_missing.clear();
    }
}

impl Entries {
    fn put(&mut self, object: Object) {
        if object.cached {
            self.cached.insert(object.id);
        }
        self.objects.insert(object.id, object);
    }
}

async fn download(
    object: Object,
    source: Source,
    progress: watch::Sender<Progress>,
    entries: Arc<Mutex<Entries>>,
) {
    sleep(source.latency).await;
    let end = match object.supply {
        Supply::StallsAfter(bytes) => bytes.min(object.size),
        Supply::Good | Supply::None | Supply::CrashesNode => object.size,
    };
    let mut available = 0;
    while available < end {
        let step = STEP_BYTES.min(end - available);
        sleep(transfer_time(step, source.bytes_per_second)).await;
        available += step;
        progress.send_replace(Progress {
            available,
            failed: false,
        });
    }
    let failed = end < object.size;
    if failed {
        sleep(SOURCE_IDLE).await;
    }
    let mut entries = lock(&entries);
    entries.pending.remove(&object.id);
    if !failed {
        entries.cached.insert(object.id);
    }
    drop(entries);
    progress.send_replace(Progress { available, failed });
}

/// How long `bytes` take at a speed.
pub(super) fn transfer_time(bytes: u64, bytes_per_second: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64)
}

/// An object's bytes: BLAKE3's output stream over its id, which can be entered anywhere.
fn content(id: u64, first: u64, length: usize) -> Bytes {
    let mut reader = blake3::Hasher::new_derive_key("isochrone demo object")
        .update(&id.to_le_bytes())
        .finalize_xof();
    reader.set_position(first);
    let mut bytes = vec![0; length];
    reader.fill(&mut bytes);
    Bytes::from(bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A download's progress is told in steps of this size.
pub(super) const STEP_BYTES: u64 = 64 << 10;
/// Argus gives a source up after so long without a byte.
const SOURCE_IDLE: Duration = Duration::from_secs(5);
