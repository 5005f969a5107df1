//! Where SQLite must not stand: file systems whose locks and flushes reach another machine (fault 13).
//!
//! Source: sqlite.org, "How To Corrupt An SQLite Database File", section 2.1, and "Write-Ahead Logging", "all processes must
//! be on the same host", read 2026-11.

use std::path::{Path, PathBuf};

/// File systems over a network, as the kernel calls them.
const KINDS: [&str; 16] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "lustre",
    "gfs2",
    "ocfs2",
    "glusterfs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.rclone",
];

/// The kind of network file system that `path` is on, if it is on one.
#[must_use]
pub fn network_file_system(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::fs::canonicalize(folder).ok()?;
    kind(&std::fs::read_to_string("/proc/mounts").ok()?, &folder)
}

/// The same, by the text of `/proc/mounts`.
fn kind(mounts: &str, folder: &Path) -> Option<String> {
    let mut nearest: Option<(PathBuf, &str)> = None;
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(at), Some(kind)) = (words.next(), words.next()) else { continue };
        let at = PathBuf::from(unescaped(at));
        // A later mount covers an earlier one at the same place.
        let is_nearer = nearest.as_ref().is_none_or(|(known, _)| at.components().count() >= known.components().count());
        if folder.starts_with(&at) && is_nearer {
            nearest = Some((at, kind));
        }
    }
    nearest.map(|(_, kind)| kind).filter(|kind| KINDS.contains(kind)).map(str::to_owned)
}

/// The kernel writes blanks in paths as `\040`.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        match after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[3..];
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nearest_mount_says_whether_a_network_lies_between_fault_13() {
        let mounts = "/dev/vda / ext4 rw 0 0\n\
                      nas:/data /srv/nas nfs4 rw 0 0\n\
                      tmpfs /srv/nas/local tmpfs rw 0 0\n\
                      //win/share /srv/with\\040blank cifs rw 0 0\n\
                      /dev/vdb /srv/covered nfs rw 0 0\n\
                      /dev/vdc /srv/covered ext4 rw 0 0\n";
        for (folder, expected) in [
            ("/var/lib/baton", None),
            ("/srv/nas", Some("nfs4")),
            ("/srv/nas/baton", Some("nfs4")),
            ("/srv/nas/local/baton", None),
            ("/srv/nasty", None),
            ("/srv/with blank/baton", Some("cifs")),
            ("/srv/covered", None),
        ] {
            assert_eq!(kind(mounts, Path::new(folder)).as_deref(), expected, "{folder}");
        }
    }
}
