//! The lock beside a database's file, by which a second process on it is turned away.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::sqlite::private;

/// A lock that is held as long as this lives.
///
/// It belongs to the opened file, not to one descriptor: a child that was forked a moment ago holds a copy of the
/// descriptor until it runs its own program, and would hold the lock as long. So it is given back by name, and not left to
/// the closing of the file.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock beside the database at `path`.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let shown = || path.display().to_string();
        let file = private(&PathBuf::from(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: shown() }),
            Err(TryLockError::Error(source)) => Err(StoreError::File { path: shown(), source }),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be given back ends with the last copy of the descriptor.
        drop(self.0.unlock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_holder_even_while_a_child_has_a_copy_of_the_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baton.db");
        let first = Lock::take(&path).unwrap();
        // What a fork does to it.
        let copy = first.0.try_clone().unwrap();
        assert!(matches!(Lock::take(&path), Err(StoreError::Locked { .. })));
        drop(first);
        let second = Lock::take(&path).unwrap();
        drop(copy);
        assert!(matches!(Lock::take(&path), Err(StoreError::Locked { .. })), "the second is not ended by the copy");
        drop(second);
    }
}
