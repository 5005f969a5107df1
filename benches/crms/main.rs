//! The same measures over the three vendors' CRMs, each against its sandbox over real HTTP.
//!
//! - `cargo bench --bench crms -- load 100000`: the first load of so many people, in CPU seconds, memory and requests.
//! - `cargo bench --bench crms -- owners 10000`: so many owners written back, in requests beside the least that the API allows.
//! - `cargo bench --bench crms -- budget 40`: with a budget of 60 % and work without end for so many seconds, the most that stood in
//!   any window of the API, and how much of the budget was used.
//! - `cargo bench --bench crms -- hooks 200`: from a webhook to the committed decision.
//!
//! Without words all four run at these sizes; one more word is the kind of one CRM. For the first two the sandbox and Baton are processes
//! of their own. Needs Linux: the figures are read from `/proc/self`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures, and its processes speak through pipes")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on says so and ends")]

mod budget;
mod crm;
mod hooks;
mod load;
mod owners;
#[path = "../policy/mod.rs"]
mod policy;
#[path = "../process/mod.rs"]
mod process;

use crm::KINDS;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["crm", kind, people] => run(crm::serve(kind, people)),
        ["read", kind, at, store] => run(load::read(kind, at, store.as_ref())),
        ["write", kind, at, store] => run(owners::write(kind, at, store.as_ref())),
        [] => {
            load::measure(100_000, &KINDS);
            owners::measure(10_000, &KINDS);
            run(budget::measure(40, &KINDS));
            run(hooks::measure(200, &KINDS));
        }
        ["load", size, kinds @ ..] => load::measure(size.parse().unwrap(), chosen(kinds)),
        ["owners", size, kinds @ ..] => owners::measure(size.parse().unwrap(), chosen(kinds)),
        ["budget", size, kinds @ ..] => run(budget::measure(size.parse().unwrap(), chosen(kinds))),
        ["hooks", size, kinds @ ..] => run(hooks::measure(size.parse().unwrap(), chosen(kinds))),
        other => panic!("expected load, owners, budget or hooks and a size, found {other:?}"),
    }
}

fn chosen<'a>(kinds: &'a [&'a str]) -> &'a [&'a str] {
    if kinds.is_empty() { &KINDS } else { kinds }
}

fn run(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(work);
}
