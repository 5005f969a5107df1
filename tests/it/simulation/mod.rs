//! Lives of a company from seeds: model CRMs that lie, people and machines that interfere, a daemon that is killed; the
//! real engine over the real store. Nothing sleeps, nothing depends on real time: a seed is one life, to the byte.
//!
//! `BATON_SIM_SEEDS=0..1000 cargo test --test it simulation::` runs other seeds than CI does, which has time for a few: a life
//! takes two seconds of an unoptimised build.

mod faults;
mod model;
mod oracle;
mod run;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use faults::Fault;
use run::Run;

/// What CI runs.
const SEEDS: Range<u64> = 0..24;
/// Seeds of which only so many failures are told.
const TOLD_MAX: usize = 5;

/// One life: what does not hold, its trace, and the faults that struck.
async fn life(seed: u64, folder: &Path) -> (Vec<String>, String, BTreeMap<Fault, u64>) {
    let mut run = Run::begin(seed, folder).await;
    run.live().await;
    run.settle().await;
    let broken = oracle::judge(&mut run).await;
    let trace = oracle::trace(&run).await;
    let struck = run.struck();
    run.engine().store().close().await;
    (broken, trace, struck)
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("BATON_SIM_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").unwrap_or((&text, ""));
    let from: u64 = from.parse().expect("BATON_SIM_SEEDS=FROM..TO or one seed");
    from..to.parse().unwrap_or(from + 1)
}

/// A folder in memory where the machine has one: a run flushes thousands of times.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Runs every `stride`-th seed twice, from the `first` on.
fn lives(first: u64, stride: usize) -> (Vec<String>, BTreeMap<Fault, u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut failures = Vec::new();
    let mut struck: BTreeMap<Fault, u64> = BTreeMap::new();
    for seed in seeds().skip(usize::try_from(first).unwrap()).step_by(stride) {
        let (one, other) = (folder(), folder());
        let (broken, trace, faults) = runtime.block_on(life(seed, one.path()));
        let (_, again, _) = runtime.block_on(life(seed, other.path()));
        for (fault, count) in faults {
            *struck.entry(fault).or_default() += count;
        }
        if let Some(first) = broken.first() {
            let more = broken.len() - 1;
            failures.push(format!("seed {seed}: {first} (and {more} more)"));
            if std::env::var_os("BATON_SIM_SEEDS").is_some() {
                failures.push(format!("{trace}\n{}", broken.join("\n")));
            }
        }
        if trace != again {
            let line = trace.lines().zip(again.lines()).find(|(one, other)| one != other);
            failures.push(format!("seed {seed} does not repeat: {line:?}"));
        }
        if failures.len() >= TOLD_MAX {
            break;
        }
    }
    (failures, struck)
}

#[test]
fn many_lives_keep_every_promise_and_repeat_to_the_byte() {
    let (failures, struck) = std::thread::scope(|scope| {
        let other = scope.spawn(|| lives(1, 2));
        let (mut failures, mut struck) = lives(0, 2);
        let (more, faults) = other.join().expect("the other half ran");
        failures.extend(more);
        for (fault, count) in faults {
            *struck.entry(fault).or_default() += count;
        }
        (failures, struck)
    });
    let told = failures.join("\n");
    let repeat = "repeat one with: BATON_SIM_SEEDS=<seed> cargo test --test it simulation::";
    assert!(failures.is_empty(), "{told}\n{repeat}");
    if std::env::var_os("BATON_SIM_SEEDS").is_none() {
        let missing: Vec<Fault> = Fault::ALL.into_iter().filter(|fault| !struck.contains_key(fault)).collect();
        assert!(missing.is_empty(), "never struck in {SEEDS:?}: {missing:?}");
    }
    eprintln!("faults that struck: {struck:?}");
}
