//! Ends this process when a contestant takes too long. Its parent reads who it was.

use serde_json::json;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A contestant's preparation and first round, with what checks it, or a later round, is over after so many seconds.
pub const LIMIT: u64 = 120;
/// The exit status of a process that was ended so.
pub const LATE: i32 = 3;

pub struct Watch(Sender<bool>);

/// What is watched lasts as long as this.
pub struct Watched<'a>(&'a Watch);

impl Watch {
    /// The other process, where there is one, is ended too.
    pub fn new(other: Option<Arc<Mutex<Child>>>) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || watch(&receiver, other));
        Watch(sender)
    }

    /// Begins to watch a contestant, whose name goes to standard output.
    pub fn over(&self, name: &str) -> Watched<'_> {
        println!("{}", json!({ "begins": name }));
        self.tell(true);
        Watched(self)
    }

    fn tell(&self, begins: bool) {
        self.0.send(begins).expect("the thread that watches");
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.tell(false);
    }
}

fn watch(signals: &Receiver<bool>, other: Option<Arc<Mutex<Child>>>) {
    while let Ok(begins) = signals.recv() {
        // By seconds, so that those do not count in which the whole process was stopped.
        let a_second = || signals.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout);
        if begins && (0..LIMIT).all(|_| a_second()) {
            if let Some(Ok(mut process)) = other.as_ref().map(|other| other.lock()) {
                let _ = process.kill();
            }
            std::process::exit(LATE);
        }
    }
}
