//! The embedded store: one redb file that holds everything transactional, the ingest log included.
//!
//! Cheap to clone. A batch, the mark it moves and the ledger's rows it changes are in one transaction, so
//! that no crash parts them. After an I/O error redb refuses everything until it is opened again: the next
//! call does that.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use isochrone_base::error_chain::chain;
use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::changes::Changes;
use crate::damage::{Damage, read_all};
use crate::disk::{DiskReserve, FreeSpace};
use crate::error::StoreError;
use crate::format;
use crate::found::Found;
use crate::limits::Retention;
use crate::numbers::{Numbers, read_number};
use crate::overlay::Overlay;
use crate::plans::PlanCache;
use crate::query::KnownCommits;
use crate::retention::{Pace, Trimming};
use crate::rows::words_of;
#[cfg(any(test, feature = "testing"))]
use crate::segment::Folder;
use crate::segment::{Directory, Logged, Segments};
use crate::tables;
use crate::transaction::Transaction;
use crate::upkeep::UpkeepFailure;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Memory for pages, in bytes.
    pub cache_bytes: usize,
    /// Acknowledgements stop while the disk has less than this free, in bytes.
    pub reserve_bytes: u64,
    /// Says how many bytes are free; `None`: asks the file system of the store's folder (a store on a
    /// backend of its own then has no reserve).
    pub free_space: Option<FreeSpace>,
    /// How long what is stored is kept.
    pub retention: Retention,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            reserve_bytes: 1 << 30,
            free_space: None,
            retention: Retention::default(),
        }
    }
}

/// A handle to the store.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    slot: Mutex<Slot>,
    opener: Opener,
    reserve: DiskReserve,
    pub(crate) segments: Segments,
    pub(crate) known_commits: KnownCommits,
    /// What the log adds up to.
    pub(crate) logged: Logged,
    pub(crate) plans: RwLock<PlanCache>,
    /// What its numbers say, read once.
    demo: AtomicBool,
    /// Damaged rows that are not set aside yet.
    found: Found,
    /// How often the accounts were put right: what was read from them before is no longer true.
    pub(crate) recounts: AtomicU64,
    /// Why the newest change could not be made durable; `None` since one was.
    trouble: Mutex<Option<String>>,
    /// How often what is kept of the damage changed.
    pub(crate) asides: AtomicU64,
    /// What was read of it last, and when it was.
    pub(crate) damage: Mutex<Option<(u64, Damage)>>,
    /// What of its upkeep fails.
    pub(crate) upkeep: Mutex<Option<UpkeepFailure>>,
    /// What changed in the account.
    pub(crate) changes: Changes,
    /// How far retention went through the accounts.
    pub(crate) trimming: Mutex<Trimming>,
    /// The time that retention goes by.
    pub(crate) pace: Mutex<Pace>,
}

/// So often a reader begins anew where pages could not be read: once for each table that was put right on the way.
const READ_AGAIN_MAX: usize = 6;

thread_local! {
    /// A write transaction is open on this thread: a second one would wait for it for ever.
    static IS_WRITING: Cell<bool> = const { Cell::new(false) };
}

type Opener = Box<dyn Fn(Access) -> Result<Database, StoreError> + Send + Sync>;

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// A disk that takes nothing will do: the database writes beside it, in memory.
    Read,
    Write,
}

struct Slot {
    database: Option<Arc<Database>>,
    failed: bool,
    /// For what it was opened.
    access: Access,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(database) = self.database.take() {
            close(database);
        }
    }
}

/// Closing writes as well, and may meet a page of the database's own that is damaged: the next start looks at all of them.
fn close<T>(database: T) {
    let closed = caught(|| {
        drop(database);
        Ok::<(), StoreError>(())
    });
    if let Err(error) = closed {
        tracing::error!(error = %chain(&error), "the store could not be closed in order");
    }
}

/// A write transaction is open on this thread for as long as this lives; what was so before.
struct Writing(bool);

impl Drop for Writing {
    fn drop(&mut self) {
        IS_WRITING.set(self.0);
    }
}

impl Store {
    /// Opens the store in `file`, or makes it.
    ///
    /// # Errors
    /// When another process has it open, when it is none, or of a format this build does not read; when it is to be made
    /// where segments are.
    pub fn open(file: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
        let free_space = options.free_space.unwrap_or_else(|| FreeSpace::of_folder(folder));
        let reserve = DiskReserve::new(options.reserve_bytes, Some(free_space));
        let segments = Segments::new(Arc::new(Directory::beside(file)), options.retention);
        if is_new(file) {
            segments.refuse_new(file)?;
        }
        let (file, cache) = (file.to_owned(), options.cache_bytes);
        let opener = Box::new(move |access| {
            let mut builder = Builder::new();
            builder.set_cache_size(cache);
            let opened = match access {
                Access::Write => builder.create(&file),
                Access::Read => overlay_of(&file).and_then(|overlay| builder.create_with_backend(overlay)),
            };
            opened.map_err(|source| StoreError::open(&file, source))
        });
        Self::with_opener(opener, reserve, segments)
    }

    /// A store in memory, for tests.
    ///
    /// # Errors
    /// As [`Store::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn in_memory(options: StoreOptions) -> Result<Self, StoreError> {
        let folder = Arc::new(crate::lossy::LossyBackend::new());
        Self::on_backend(redb::backends::InMemoryBackend::new(), options, folder)
    }

    /// Opens the store on a disk that loses what was not synced, or makes it there; for tests.
    ///
    /// # Errors
    /// As [`Store::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn on_lossy(disk: crate::lossy::LossyBackend, options: StoreOptions) -> Result<Self, StoreError> {
        Self::on_backend(disk.clone(), options, Arc::new(disk))
    }

    #[cfg(any(test, feature = "testing"))]
    fn on_backend(
        backend: impl redb::StorageBackend,
        options: StoreOptions,
        folder: Arc<dyn Folder>,
    ) -> Result<Self, StoreError> {
        let backend: Arc<dyn redb::StorageBackend> = Arc::new(backend);
        let reserve = DiskReserve::new(options.reserve_bytes, options.free_space);
        let opener = Box::new(move |access| {
            let mut builder = Builder::new();
            builder.set_cache_size(options.cache_bytes);
            let shared = crate::lossy::Shared(Arc::clone(&backend));
            let opened = match access {
                Access::Write => builder.create_with_backend(shared),
                Access::Read => Overlay::new(shared)
                    .map_err(|error| redb::StorageError::from(error).into())
                    .and_then(|overlay| builder.create_with_backend(overlay)),
            };
            opened.map_err(|source| StoreError::open(Path::new("(backend)"), source))
        });
        Self::with_opener(opener, reserve, Segments::new(folder, options.retention))
    }

    fn with_opener(opener: Opener, reserve: DiskReserve, segments: Segments) -> Result<Self, StoreError> {
        let database = Arc::new(opened(&opener, Access::Write)?);
        let slot = Mutex::new(Slot {
            database: Some(database),
            failed: false,
            access: Access::Write,
        });
        let store = Self(Arc::new(Inner {
            slot,
            opener,
            reserve,
            segments,
            known_commits: KnownCommits::default(),
            logged: Logged::default(),
            plans: RwLock::default(),
            demo: AtomicBool::new(false),
            found: Found::default(),
            recounts: AtomicU64::new(0),
            trouble: Mutex::default(),
            asides: AtomicU64::new(0),
            damage: Mutex::default(),
            upkeep: Mutex::default(),
            changes: Changes::default(),
            trimming: Mutex::default(),
            pace: Mutex::default(),
        }));
        let prepare = || store.write_tables(|transaction| format::prepare(transaction, store.found()));
        prepare().or_else(|error| if error.is_settled() { prepare() } else { Err(error) })?;
        store.recall_missing_plans()?;
        store.look_through()?;
        store.look_for_files()?;
        let demo = store.read(|transaction| read_number(transaction, store.found(), tables::META_DEMO))? != 0;
        store.0.demo.store(demo, Ordering::Relaxed);
        Ok(store)
    }

    /// Reads what everything else rests on, so that damage to it is found before it misleads anyone: the numbers, the
    /// epochs with what was seen of them, and the index of the log.
    fn look_through(&self) -> Result<(), StoreError> {
        self.read(|transaction| {
            read_all(transaction, self.found(), tables::LOG_HOURS)?;
            read_all(transaction, self.found(), tables::EPOCHS)?;
            read_all(transaction, self.found(), tables::SEEN)?;
            read_all(transaction, self.found(), tables::SEGMENTS)?;
            read_all(transaction, self.found(), tables::SEGMENTS_AGAIN)?;
            for copy in tables::NUMBERS {
                read_all(transaction, self.found(), copy)?;
            }
            Ok(())
        })
    }

    /// What readers found damaged.
    pub(crate) fn found(&self) -> &Found {
        &self.0.found
    }

    /// How many rows were ever read, of all tables.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn rows_read(&self) -> u64 {
        self.found().rows()
    }

    /// Marks everything in this store as the demo's, for good.
    ///
    /// # Errors
    /// When it holds batches that are not the demo's, or the store failed.
    pub fn mark_demo(&self) -> Result<(), StoreError> {
        if self.is_demo() {
            return Ok(());
        }
        if self.commit_number()? > 0 {
            return Err(StoreError::NotForTheDemo);
        }
        self.write_tables(|transaction| Numbers::open(transaction, self.found())?.set(tables::META_DEMO, 1))?;
        self.0.demo.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether everything in this store is the demo's.
    #[must_use]
    pub fn is_demo(&self) -> bool {
        self.0.demo.load(Ordering::Relaxed)
    }

    /// Where figures from this store come from, as every JSON says it: `store` or `demo`.
    #[must_use]
    pub fn source(&self) -> &'static str {
        if self.is_demo() { "demo" } else { "store" }
    }

    /// Runs `body` on a consistent view of the store; again, where a page could not be read that is put right by then.
    ///
    /// # Errors
    /// What `body` returns, or that the store failed.
    pub(crate) fn read<T>(
        &self,
        mut body: impl FnMut(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let result = self.read_once(&mut body);
            let is_settled = matches!(&result, Err(error) if error.is_settled());
            if !is_settled || tries > READ_AGAIN_MAX || IS_WRITING.get() {
                return result;
            }
        }
    }

    fn read_once<T>(
        &self,
        body: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _hold = self.0.segments.hold(); // files that are replaced meanwhile stay
        let database = self.database(Access::Read)?;
        let result = database
            .begin_read()
            .map_err(StoreError::from)
            .and_then(|transaction| body(&transaction));
        drop(database);
        let result = self.note(result);
        self.settle();
        result
    }

    /// The database itself, for putting damage right.
    pub(crate) fn open_database(&self) -> Result<Arc<Database>, StoreError> {
        self.database(Access::Read)
    }

    /// Sets aside what a reader found, unless this thread is in the middle of a change: then after that.
    fn settle(&self) {
        if self.found().is_waiting() && !IS_WRITING.get() {
            self.set_aside_found();
        }
    }

    /// Runs `body` in one durable transaction: all of it happens, or nothing. Waits for the writer before.
    ///
    /// # Errors
    /// What `body` returns (nothing is changed then), or that the store failed.
    pub fn write<T>(
        &self,
        body: impl FnOnce(&Transaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write_if(|transaction| body(transaction).map(|value| (value, true)))
    }

    /// As [`Store::write`], but commits only if `body` says that it changed something.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_if<T>(
        &self,
        body: impl FnOnce(&Transaction) -> Result<(T, bool), StoreError>,
    ) -> Result<T, StoreError> {
        let result = self.write_on(Durability::Immediate, body);
        self.settle();
        result
    }

    /// As [`Store::write`], while the disk has its reserve; with `dry_run` only what would come of it.
    ///
    /// # Errors
    /// As [`Store::write`], and when the disk has less than the reserve.
    pub(crate) fn write_or_try<T>(
        &self,
        dry_run: bool,
        body: impl FnOnce(&Transaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(free_bytes) = self.reserve().shortage().filter(|_| !dry_run) {
            return Err(StoreError::Reserve { free_bytes });
        }
        self.write_if(|transaction| Ok((body(transaction)?, !dry_run)))
    }

    /// As [`Store::write_tables`], for setting damaged rows aside: what is found meanwhile waits.
    pub(crate) fn write_quietly<T>(
        &self,
        body: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let body = |transaction: &Transaction| body(transaction.tables()).map(|value| (value, true));
        self.write_on(Durability::Immediate, body)
    }

    fn write_on<T>(
        &self,
        durability: Durability,
        body: impl FnOnce(&Transaction) -> Result<(T, bool), StoreError>,
    ) -> Result<T, StoreError> {
        let result = self.database(Access::Write).and_then(|database| {
            let writing = Writing(IS_WRITING.replace(true));
            let mut ends_plans = false;
            let result = write_on(&database, durability, |transaction| {
                let result = body(transaction);
                ends_plans = transaction.ends_plans();
                result
            });
            drop(writing);
            if ends_plans {
                self.account_changes().everything();
            }
            result
        });
        self.note_written(result.as_ref().map(|(_, is_durable)| *is_durable));
        self.note(result.map(|(value, _)| value))
    }

    /// How long what is stored is kept.
    #[must_use]
    pub fn retention(&self) -> &Retention {
        &self.0.segments.retention
    }

    /// How often damage was put right: what was read before may have gaps.
    pub(crate) fn healed(&self) -> u64 {
        self.0.recounts.load(Ordering::Relaxed)
    }

    /// Why the newest change could not be made durable, in words; `None` since one was.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note_written(&self, result: Result<bool, &StoreError>) {
        let mut trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(true) => *trouble = None,
            Err(StoreError::Reopening) if trouble.is_some() => {} // says less than the first error
            Err(error) if error.is_of_disk() => *trouble = Some(chain(error).to_string()),
            Ok(false) | Err(_) => {}
        }
    }

    /// As [`Store::write`], with the tables open to `body`.
    pub(crate) fn write_tables<T>(
        &self,
        body: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write(|transaction| body(transaction.tables()))
    }

    /// As [`Store::write_if`], with the tables open to `body`.
    pub(crate) fn write_tables_if<T>(
        &self,
        body: impl FnOnce(&WriteTransaction) -> Result<(T, bool), StoreError>,
    ) -> Result<T, StoreError> {
        self.write_if(|transaction| body(transaction.tables()))
    }

    /// As [`Store::write_tables_if`], but returns before the disk has it: a planted bug.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn write_tables_later<T>(
        &self,
        body: impl FnOnce(&WriteTransaction) -> Result<(T, bool), StoreError>,
    ) -> Result<T, StoreError> {
        self.write_on(Durability::None, |transaction: &Transaction| {
            body(transaction.tables())
        })
    }

    /// The bytes that must stay free, and whether they are.
    #[must_use]
    pub fn reserve(&self) -> &DiskReserve {
        &self.0.reserve
    }

    /// How many batches were ever stored.
    ///
    /// # Errors
    /// When the store failed.
    pub fn commit_number(&self) -> Result<u64, StoreError> {
        self.read(|transaction| read_number(transaction, self.found(), tables::META_COMMIT))
    }

    /// The open database; opens it again after a failure. Where the disk takes nothing, it can still be read.
    fn database(&self, access: Access) -> Result<Arc<Database>, StoreError> {
        let mut slot = self.0.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let is_enough = slot.access == Access::Write || access == Access::Read;
        if !slot.failed
            && is_enough
            && let Some(database) = &slot.database
        {
            return Ok(Arc::clone(database));
        }
        if let Some(database) = slot.database.take() {
            match Arc::try_unwrap(database) {
                Ok(database) => close(database), // closes the file: only then can it be opened again
                Err(shared) => {
                    slot.database = Some(shared); // a reader is still at it
                    return Err(StoreError::Reopening);
                }
            }
        }
        slot.failed = true; // until it is open
        self.0.segments.known.forget();
        let (database, access) = match (opened(&self.0.opener, Access::Write), access) {
            (Ok(database), _) => (database, Access::Write),
            (Err(error), Access::Write) => return Err(error),
            (Err(error), Access::Read) => {
                let error = chain(&error);
                tracing::warn!(%error, "the store cannot be written; it is read as it is");
                (opened(&self.0.opener, Access::Read)?, Access::Read)
            }
        };
        if access == Access::Write {
            tracing::warn!("store opened again after an I/O error");
        }
        let database = Arc::new(database);
        slot.database = Some(Arc::clone(&database));
        (slot.failed, slot.access) = (false, access);
        Ok(database)
    }

    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result
            && error.needs_reopening()
        {
            let mut slot = self.0.slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.failed = true;
        }
        result
    }
}

/// Whether a store in `file` is yet to be made: it is not there, or nothing is in it.
fn is_new(file: &Path) -> bool {
    match std::fs::metadata(file) {
        Ok(facts) => facts.len() == 0,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The database may panic over a file that is not what it wrote.
fn opened(opener: &Opener, access: Access) -> Result<Database, StoreError> {
    caught(|| opener(access))
}

/// A file as it is, which is not written.
fn overlay_of(file: &Path) -> Result<Overlay<FileBackend>, redb::DatabaseError> {
    let opened = std::fs::OpenOptions::new().read(true).write(true).open(file);
    let backend = FileBackend::new(opened.map_err(redb::StorageError::from)?)?;
    Ok(Overlay::new(backend).map_err(redb::StorageError::from)?)
}

/// Calls the database where its own state is at stake, which may be damaged.
fn caught<V, E: Into<StoreError>>(call: impl FnOnce() -> Result<V, E>) -> Result<V, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Into::into),
        Err(panic) => Err(StoreError::Unreadable {
            words: words_of(&*panic),
        }),
    }
}

fn write_on<T>(
    database: &Database,
    durability: Durability,
    body: impl FnOnce(&Transaction) -> Result<(T, bool), StoreError>,
) -> Result<(T, bool), StoreError> {
    let mut transaction = caught(|| database.begin_write())?;
    transaction
        .set_durability(durability)
        .expect("only a transaction that changed savepoints refuses a lower durability");
    transaction.set_quick_repair(true); // a store of gigabytes opens in milliseconds after SIGKILL
    let transaction = Transaction::new(transaction);
    let (value, changed) = body(&transaction)?;
    let transaction = transaction.into_tables();
    if changed {
        caught(|| transaction.commit())?;
    } else {
        caught(|| transaction.abort())?;
    }
    Ok((value, changed))
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
