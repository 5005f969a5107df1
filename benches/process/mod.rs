//! A benchmark's other processes: the sandboxes and Baton each run in one of their own, so that CPU seconds and memory are one's alone.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// This program again, in another part.
pub(crate) struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it with these words.
    pub(crate) fn start(words: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        Self { child, to, from }
    }

    /// Its next line.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        assert!(self.from.read_line(&mut line).unwrap() > 0, "the process ended early");
        line.trim().to_owned()
    }

    /// Its answer to a line.
    pub(crate) fn ask(&mut self, what: &str) -> String {
        writeln!(self.to, "{what}").unwrap();
        self.hear()
    }

    /// A process ends when nothing more can be asked of it.
    pub(crate) fn end(self) {
        let Self { mut child, to, from } = self;
        drop((to, from));
        assert!(child.wait().unwrap().success());
    }
}

/// The next line from the process that started this one.
pub(crate) fn listen() -> Option<String> {
    let mut line = String::new();
    let length = std::io::stdin().read_line(&mut line).unwrap();
    (length > 0).then(|| line.trim().to_owned())
}

/// CPU seconds of this process so far, in user and kernel mode.
pub(crate) fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in hundredths of a second.
    fields[11..=12].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// The most memory that this process ever held, in MiB.
pub(crate) fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}
