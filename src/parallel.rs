//! The tree's own threads: started when first needed, never hidden, and replaced in a forked child.

use crate::control::Control;
use crate::error::{Error, Result, headroom};
use arc_swap::ArcSwapOption;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the calling thread looks up from its work, or from waiting, to report progress and ask whether to stop.
const PATIENCE: Duration = Duration::from_millis(20);

/// Bytes of a thread's stack, and of addresses that glibc's allocator sets apart for one.
const STACK: usize = 2 << 20;
const ARENA: usize = 64 << 20;

/// Bytes that a thread may need for what does not grow with the number of points: faer keeps 4 MiB for each.
const HEADROOM: usize = 8 << 20;

/// A number of threads and, once needed, the pool that has all of them but the calling one.
pub(crate) struct Threads {
    count: usize,
    /// No lock: a forked child would wait for ever for one that another thread of its parent's held.
    pool: ArcSwapOption<ProcessPool>,
}

/// A pool and the process that started it: a forked child has the memory of a pool but not its threads.
struct ProcessPool {
    process: u32,
    /// Here until it is dropped.
    running: Option<(rayon::ThreadPool, Vec<JoinHandle<()>>)>,
}

impl ProcessPool {
    /// `None` where threads cannot be started.
    fn start(count: usize) -> Option<Self> {
        let mut workers = Vec::with_capacity(count);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).spawn_handler(|worker| {
            let name = format!("rct-{}", worker.index());
            // One after the other: an allocator may set so much apart for the first that the next cannot even begin,
            // which C libraries end the process for.
            headroom(STACK + ARENA + HEADROOM, "a thread").map_err(|_| std::io::ErrorKind::OutOfMemory)?;
            let (begun, begins) = mpsc::channel();
            let work = move || {
                // Nobody is gone: the other end waits below.
                let _ = begun.send(());
                worker.run();
            };
            workers.push(std::thread::Builder::new().name(name).stack_size(STACK).spawn(work)?);
            let _ = begins.recv();
            Ok(())
        });
        let pool = pool.build().ok()?;
        Some(ProcessPool { process: std::process::id(), running: Some((pool, workers)) })
    }

    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        let running = self.running.take();
        if !self.is_of_this_process() {
            // The parent's threads do not exist here, so nobody could answer a shutdown.
            std::mem::forget(running);
        } else if let Some((pool, workers)) = running {
            // After this no thread of ours runs, so the library may be unloaded.
            drop(pool);
            workers.into_iter().for_each(|worker| drop(worker.join()));
        }
    }
}

impl Threads {
    /// `count` threads; 0 for one a core.
    pub(crate) fn new(count: usize) -> Self {
        let count = match count {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            given => given,
        };
        Threads { count, pool: ArcSwapOption::empty() }
    }

    /// Number of threads.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Runs `work` on every task, tasks in any order, each thread with one `scratch`.
    ///
    /// The calling thread is one of them: it also reports progress and asks whether to stop. With one thread, or one task,
    /// no other is started. After an error no further task is begun, and of the errors that came up that of the earliest
    /// task is returned.
    pub(crate) fn run<T: Send, S>(
        &self,
        tasks: Vec<T>,
        control: &mut Control<'_>,
        scratch: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, T) -> Result<()> + Sync,
    ) -> Result<()> {
        let total = tasks.len();
        let pool = if self.count > 1 && total > 1 { self.pool() } else { None };
        // After the start of threads, which takes memory too.
        headroom(self.count.min(total) * HEADROOM, "the threads")?;
        let Some((pool, _)) = pool.as_ref().and_then(|pool| pool.running.as_ref()) else {
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
        // Asks before each task whether to go on.
        let work_through = |go_on: &mut dyn FnMut() -> bool| {
            let mut scratch = scratch();
            while go_on() && !stop.load(Ordering::Relaxed) {
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
        };
        let listening = pool.in_place_scope(|scope| {
            let (sender, all_finished) = mpsc::channel::<()>();
            for _ in 1..self.count.min(total) {
                let (sender, work_through) = (sender.clone(), &work_through);
                scope.spawn(move |_| {
                    work_through(&mut || true);
                    drop(sender);
                });
            }
            drop(sender);
            let (listens, mut listening) = (control.is_listening(), Ok(()));
            let mut step = || {
                listening = control.step(done.load(Ordering::Relaxed) as f64 / total as f64);
                stop.fetch_or(listening.is_err(), Ordering::Relaxed);
                listening.is_ok()
            };
            let mut last = Instant::now();
            work_through(&mut || {
                let is_due = listens && last.elapsed() >= PATIENCE;
                last = if is_due { Instant::now() } else { last };
                !is_due || step()
            });
            while listens
                && !stop.load(Ordering::Relaxed)
                && let Err(mpsc::RecvTimeoutError::Timeout) = all_finished.recv_timeout(PATIENCE)
            {
                step();
            }
            listening
        });
        listening?;
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => control.step(1.0),
        }
    }

    /// This process's pool, started now if need be; `None` where threads cannot be started.
    fn pool(&self) -> Option<Arc<ProcessPool>> {
        let found = self.pool.load_full();
        if let Some(existing) = found.as_ref().filter(|existing| existing.is_of_this_process()) {
            return Some(existing.clone());
        }
        let started = Arc::new(ProcessPool::start(self.count - 1)?);
        // Another thread may have been faster: then there is its pool, and this one goes.
        let before = self.pool.compare_and_swap(&found, Some(started.clone()));
        let raced = before.as_ref().filter(|other| other.is_of_this_process()).cloned();
        Some(raced.unwrap_or(started))
    }
}

/// The guard of `mutex`; a panic of another thread while it held the lock does not matter for what is kept here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
