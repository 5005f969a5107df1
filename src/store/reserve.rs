//! Room that is kept free on the disk, so that a full one can still be told of (fault 8).

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::sqlite::private;

/// How much room is kept: enough for the write-ahead log of an alert, little beside a database.
const BYTES: usize = 4 << 20;

/// A file that stands for free room.
#[derive(Clone, Debug)]
pub struct Reserve(PathBuf);

impl Reserve {
    /// The reserve beside the database at `path`: `baton.db.reserve`. Not made yet.
    #[must_use]
    pub fn beside(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".reserve");
        Self(PathBuf::from(name))
    }

    /// Makes the reserve, unless it is there whole. Says whether there is that much room.
    #[must_use]
    pub fn keep(&self) -> bool {
        if std::fs::metadata(&self.0).is_ok_and(|known| known.len() == BYTES as u64) {
            return true;
        }
        // Written, not only sized: a hole takes no room. Flushed, so that the room is really there.
        let written = private(&self.0).map(|mut file| {
            let block = [0_u8; 1 << 16];
            (0..BYTES / block.len()).try_for_each(|_| file.write_all(&block)).and_then(|()| file.sync_all()).is_ok()
        });
        let is_kept = written.unwrap_or(false);
        if !is_kept {
            self.free();
        }
        is_kept
    }

    /// Gives the room back.
    pub fn free(&self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn a_reserve_takes_real_room_and_gives_it_back_fault_8() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::beside(&folder.path().join("baton.db"));
        assert!(reserve.keep() && reserve.keep());
        let file = std::fs::metadata(folder.path().join("baton.db.reserve")).unwrap();
        assert!(file.blocks() * 512 >= BYTES as u64, "a hole is no room");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        reserve.free();
        assert!(!folder.path().join("baton.db.reserve").exists());
    }

    #[test]
    fn where_there_is_no_room_nothing_is_left_behind_fault_8() {
        let reserve = Reserve::beside(Path::new("/nowhere/at/all/baton.db"));
        assert!(!reserve.keep());
        reserve.free();
    }
}
