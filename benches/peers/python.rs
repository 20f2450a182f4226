//! The peers that are Python packages, in a process of their own: python_peers.py.

use crate::contestant::{Answer, Contestant, Job, Run, Timed, Without};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A Python that waits for requests, and the folder for points and answers.
pub struct Python {
    versions: BTreeMap<String, String>,
    /// For whoever has to end it.
    pub process: Arc<Mutex<Child>>,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    folder: TempDir,
}

impl Python {
    /// Starts the program at `python` and writes the points for it.
    pub fn start(python: &Path, job: &Job) -> Result<Self, String> {
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let bytes: Vec<u8> = job.points.coords.iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(folder.path().join("points"), bytes).map_err(|error| error.to_string())?;
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python_peers.py"));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|error| format!("{}: {error}", python.display()))?;
        let stdin = child.stdin.take().expect("a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let said = line(&mut stdout).map_err(|_| format!("{} lacks what python.txt names", python.display()))?;
        let versions = serde_json::from_value(said).map_err(|error| error.to_string())?;
        Ok(Python { versions, process: Arc::new(Mutex::new(child)), pipes: RefCell::new((stdin, stdout)), folder })
    }

    pub fn peers(&self) -> Vec<Peer<'_>> {
        self.versions.keys().map(|name| Peer { name, python: self }).collect()
    }

    fn ask(&self, request: &Value) -> Result<Value, String> {
        let (stdin, stdout) = &mut *self.pipes.borrow_mut();
        writeln!(stdin, "{request}").map_err(|error| error.to_string())?;
        line(stdout)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        if let Ok(mut process) = self.process.lock() {
            // It has nothing to finish; one that has ended already is as well.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A line of JSON.
fn line(from: &mut impl BufRead) -> Result<Value, String> {
    let mut text = String::new();
    from.read_line(&mut text).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|_| "the Python process has ended".to_string())
}

/// One of its packages.
pub struct Peer<'a> {
    name: &'a str,
    python: &'a Python,
}

impl Contestant for Peer<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.name, self.python.versions[self.name])
    }

    fn prepare<'a>(&'a self, job: &'a Job, threads: usize) -> Result<Run<'a>, Without> {
        let answer = self.python.path("answer");
        let request = json!({
            "peer": self.name, "work": job.work, "threads": threads, "points": self.python.path("points"), "d": job.points.d,
            "queries": job.queries(), "k": job.k, "radius": job.points.radius, "answer": answer, "prepare": true,
        });
        let said = self.python.ask(&request).map_err(Without::Failed)?;
        if said["offered"] == json!(false) {
            return Err(Without::NotOffered);
        }
        if let Some(error) = said["error"].as_str() {
            return Err(Without::Failed(error.to_string()));
        }
        let mut request = request;
        request["prepare"] = json!(false);
        Ok(Box::new(move || match self.python.ask(&request) {
            Ok(said) => {
                let error = said["error"].as_str().map(str::to_string);
                let path = answer.clone();
                let read = move || error.map_or_else(|| read(&path, job), Err);
                Timed { seconds: said["seconds"].as_f64().unwrap_or(f64::NAN), answer: Box::new(read) }
            }
            Err(error) => Timed { seconds: f64::NAN, answer: Box::new(move || Err(error)) },
        }))
    }
}

/// The answer that was written: counts, ids and, it may be, distances.
fn read(path: &Path, job: &Job) -> Result<Answer, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let words = bytes.as_chunks::<8>().0;
    let (counts, words) = words.split_at_checked(job.queries()).ok_or("a short answer")?;
    let counts: Vec<usize> = counts.iter().map(|&count| i64::from_le_bytes(count) as usize).collect();
    let (ids, distances) = words.split_at_checked(counts.iter().sum()).ok_or("a short answer")?;
    let ids = by_query(&counts, ids, |word| i64::from_le_bytes(word) as u32);
    let distances = (!distances.is_empty()).then(|| by_query(&counts, distances, f64::from_le_bytes));
    Ok(Answer { ids, distances })
}

/// A row for each query.
fn by_query<T>(counts: &[usize], words: &[[u8; 8]], value: impl Fn([u8; 8]) -> T) -> Vec<Vec<T>> {
    let mut words = words.iter();
    counts.iter().map(|&count| words.by_ref().take(count).map(|&word| value(word)).collect()).collect()
}
