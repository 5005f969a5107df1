//! Agreement and roster as they stand on the disk: whether they changed, and what they say now.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::{self, Args};
use crate::domain::agreement::Agreement;
use crate::domain::roster::Roster;

/// By what a change of a file is seen: its time, its length, and which file it is.
type Stamp = Option<(SystemTime, u64, u64)>;

/// The files of the rules.
#[derive(Clone, Debug)]
pub struct RulesOnDisk {
    args: Args,
    files: Vec<PathBuf>,
    /// As they were when they were last read.
    read: Vec<Stamp>,
    /// As they were at the last look: a file that somebody is still writing changes from look to look.
    seen: Vec<Stamp>,
}

impl RulesOnDisk {
    /// The `files` that were just read by `args`.
    #[must_use]
    pub fn new(args: Args, files: &[PathBuf]) -> Self {
        let stamps: Vec<Stamp> = files.iter().map(|file| stamp(file)).collect();
        Self { args, files: files.to_vec(), read: stamps.clone(), seen: stamps }
    }

    /// Is there something else in the files than was read, and did it stay so since the last look?
    pub fn have_changed(&mut self) -> bool {
        let now: Vec<Stamp> = self.files.iter().map(|file| stamp(file)).collect();
        let is_settled = now == self.seen;
        self.seen = now;
        is_settled && self.seen != self.read
    }

    /// Reads them.
    ///
    /// # Errors
    /// Every problem of all files as text, if one of them is an error.
    pub fn read(&mut self) -> Result<(Arc<Agreement>, Arc<Roster>), String> {
        // Stamped before they are read: what changes while they are read is a change.
        let before: Vec<Stamp> = self.files.iter().map(|file| stamp(file)).collect();
        self.take(before.clone());
        match config::load(&self.args) {
            Ok(loaded) => {
                // A roster may name other holiday files now.
                let known = std::mem::replace(&mut self.files, loaded.files);
                let of = |file: &PathBuf| {
                    let place = known.iter().position(|one| one == file);
                    place.map_or_else(|| stamp(file), |place| before[place])
                };
                let stamps = self.files.iter().map(of).collect();
                self.take(stamps);
                Ok((loaded.agreement, loaded.roster))
            }
            Err(problems) => {
                let errors = problems.list();
                let lines = errors.iter().map(|problem| format!("{}: {}", problem.place, problem.message));
                Err(lines.collect::<Vec<_>>().join("; "))
            }
        }
    }

    fn take(&mut self, stamps: Vec<Stamp>) {
        self.read.clone_from(&stamps);
        self.seen = stamps;
    }
}

fn stamp(file: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len(), found.ino()))
}
