//! The tree's own threads: started when first needed, never hidden, and replaced in a forked child.

use crate::control::Control;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the calling thread looks up from waiting to report progress and ask whether to stop.
const PATIENCE: Duration = Duration::from_millis(20);

/// A number of threads and, once needed, the pool that has them.
pub(crate) struct Threads {
    count: usize,
    pool: Mutex<Option<ProcessPool>>,
}

/// A pool and the process that started it: a forked child has the memory of a pool but not its threads.
struct ProcessPool {
    process: u32,
    pool: Arc<rayon::ThreadPool>,
    workers: Vec<JoinHandle<()>>,
}

impl Threads {
    /// `count` threads; 0 for one a core.
    pub(crate) fn new(count: usize) -> Self {
        let count = match count {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            given => given,
        };
        Threads { count, pool: Mutex::new(None) }
    }

    /// Runs `work` on every task, tasks in any order, each thread with one `scratch`.
    ///
    /// With one thread, or one task, everything runs on the calling thread and no thread is started. Otherwise the
    /// calling thread reports progress and asks whether to stop. After an error no further task is begun, and of the
    /// errors that came up that of the earliest task is returned.
    pub(crate) fn run<T: Send, S>(
        &self,
        tasks: Vec<T>,
        control: &mut Control<'_>,
        scratch: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, T) -> Result<()> + Sync,
    ) -> Result<()> {
        let total = tasks.len();
        let pool = if self.count > 1 && total > 1 { self.pool() } else { None };
        let Some(pool) = pool else {
            let mut scratch = scratch();
            for (index, task) in tasks.into_iter().enumerate() {
                control.step(index as f64 / total as f64)?;
                work(&mut scratch, task)?;
            }
            return control.step(1.0);
        };

        let queue = Mutex::new(tasks.into_iter().enumerate());
        let failure: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        let stop = AtomicBool::new(false);
        let done = AtomicUsize::new(0);
        let worker = |finished: mpsc::Sender<()>| {
            let mut scratch = scratch();
            while !stop.load(Ordering::Relaxed) {
                let Some((index, task)) = lock(&queue).next() else { break };
                if let Err(error) = work(&mut scratch, task) {
                    stop.store(true, Ordering::Relaxed);
                    let mut failure = lock(&failure);
                    if failure.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
                        *failure = Some((index, error));
                    }
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
            drop(finished);
        };
        let listening = pool.in_place_scope(|scope| {
            let (sender, all_finished) = mpsc::channel();
            for _ in 0..self.count.min(total) {
                let (sender, worker) = (sender.clone(), &worker);
                scope.spawn(move |_| worker(sender));
            }
            drop(sender);
            if !control.is_listening() {
                return Ok(());
            }
            while let Err(mpsc::RecvTimeoutError::Timeout) = all_finished.recv_timeout(PATIENCE) {
                let step = control.step(done.load(Ordering::Relaxed) as f64 / total as f64);
                if step.is_err() {
                    stop.store(true, Ordering::Relaxed);
                    return step;
                }
            }
            Ok(())
        });
        listening?;
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => control.step(1.0),
        }
    }

    /// This process's pool, started now if need be; `None` where threads cannot be started.
    fn pool(&self) -> Option<Arc<rayon::ThreadPool>> {
        let mut slot = lock(&self.pool);
        let process = std::process::id();
        if let Some(existing) = slot.as_ref().filter(|existing| existing.process == process) {
            return Some(existing.pool.clone());
        }
        let mut workers = Vec::with_capacity(self.count);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.count).spawn_handler(|worker| {
            let name = format!("rct-{}", worker.index());
            workers.push(std::thread::Builder::new().name(name).spawn(|| worker.run())?);
            Ok(())
        });
        let pool = Arc::new(pool.build().ok()?);
        if let Some(parents) = slot.replace(ProcessPool { process, pool: pool.clone(), workers }) {
            // The parent's threads do not exist here, so nobody could answer a shutdown.
            std::mem::forget(parents);
        }
        Some(pool)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let slot = self.pool.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        match slot {
            Some(parents) if parents.process != std::process::id() => std::mem::forget(parents),
            Some(ProcessPool { pool, workers, .. }) => {
                // After this no thread of ours runs, so the library may be unloaded.
                drop(pool);
                workers.into_iter().for_each(|worker| drop(worker.join()));
            }
            None => {}
        }
    }
}

/// The guard of `mutex`; a panic of another thread while it held the lock does not matter for what is kept here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
