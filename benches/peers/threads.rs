//! So many threads for the peers that take them from rayon.

use std::sync::Arc;

pub struct Pool(pub Arc<rayon::ThreadPool>);

impl Pool {
    pub fn new(threads: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        Pool(Arc::new(pool))
    }

    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.install(work)
    }
}
