//! Work that takes a while (the disk, much computing) inside a task.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` off the runtime's workers, so that it holds up no other task, where there are threads for them. A
/// simulation on virtual time has one thread, and nothing runs beside it: there one seed is one order of events.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
