//! Killed in the middle of a save: there is always a file, and it is one of those that were saved, whole.
#![cfg(target_os = "linux")]

#[path = "common/native.rs"]
mod native;

use native::{C99, compile_c, folder_with_library};
use rand::{Rng, SeedableRng};
use rct::{Control, LoadOptions, ResidualCoverTree};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Kills at least; and at most, where the machine is busy and saves take longer than usual.
const KILLS: usize = 120;
const MOST_KILLS: usize = 20 * KILLS;
/// The points of the trees that `tests/c/saver.c` saves.
const POINTS: [usize; 3] = [50, 3000, 800];

#[test]
fn a_killed_save_leaves_a_whole_file() {
    let folder = folder_with_library();
    let saver = compile_c(folder.path(), "saver", &C99);
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("tree.rct");
    let beside = |t: usize| files.path().join(format!("tree.rct.{t}"));
    let names = |file: std::fs::DirEntry| file.file_name().into_string().unwrap();
    let seed = rand::random();
    println!("seed {seed}");
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    // What was found in the file last, and how many points it has.
    let mut last: Option<(Vec<u8>, usize)> = None;
    let (mut cut_short, mut found, mut kill) = (0, BTreeSet::new(), 0);
    while kill < KILLS || (found.len() < POINTS.len() && kill < MOST_KILLS) {
        let mut child = Command::new(&saver)
            .arg(&path)
            .arg((kill % POINTS.len()).to_string())
            .env("LD_LIBRARY_PATH", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        // The longer it takes, the longer.
        let most = 15_000 * (1 + kill / KILLS) as u64;
        std::thread::sleep(Duration::from_micros(rng.random_range(0..most)));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "the program has ended by itself");

        // What may be in the file: one of these, or what was there before.
        let saved = (0..POINTS.len()).map(|t| (std::fs::read(beside(t)).unwrap(), POINTS[t]));
        match std::fs::read(&path) {
            Ok(bytes) => {
                let whole = last.take().into_iter().chain(saved).find(|(known, _)| *known == bytes);
                let whole = whole.unwrap_or_else(|| panic!("kill {kill}: {} bytes that nobody saved", bytes.len()));
                let loaded = ResidualCoverTree::load(&path, &LoadOptions::default(), &mut Control::none()).unwrap();
                assert_eq!(loaded.len(), whole.1);
                found.insert(loaded.len());
                last = Some(whole);
            }
            // The first programs may have been killed before they had saved anything.
            Err(error) => assert!(last.is_none(), "kill {kill}: {error}"),
        }
        // What a save leaves when it is cut short has a name that says so.
        let others = std::fs::read_dir(files.path()).unwrap().map(|file| names(file.unwrap()));
        for left in others.filter(|name| !name.starts_with("tree.rct")) {
            assert!(left.starts_with(".rct-") && left.ends_with(".tmp"), "{left}");
            std::fs::remove_file(files.path().join(left)).unwrap();
            cut_short += 1;
        }
        kill += 1;
    }
    println!("{kill} kills, {cut_short} of them in the middle of a save");
    assert!(cut_short > KILLS / 10, "{cut_short} of {kill}");
    assert_eq!(found.len(), POINTS.len(), "only trees of {found:?} points were found");
}
