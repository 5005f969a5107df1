//! How many records a page asks for. A query that takes too long (`QUERY_TIMEOUT`) is asked for half, each object by itself: a slow one must
//! not be asked for more again because others are quick. Source: the sheet, sections 5 and 6.5.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::read::Source;

/// Records of one page. Source: section 5, `batchSize`.
const ROWS: usize = 1_000;
/// The smallest page.
const ROWS_LEAST: usize = 50;
/// After so many pages that came, twice as many records are asked for.
const GOOD: u32 = 8;

/// The size of pages by object.
#[derive(Debug, Default)]
pub(super) struct Pages(Mutex<HashMap<Source, Size>>);

#[derive(Clone, Copy, Debug)]
struct Size {
    rows: usize,
    good: u32,
}

impl Default for Size {
    fn default() -> Self {
        Self { rows: ROWS, good: 0 }
    }
}

impl Pages {
    /// How many records the next page of `source` asks for.
    pub(super) fn rows(&self, source: Source) -> usize {
        self.sizes().get(&source).copied().unwrap_or_default().rows
    }

    /// A page of `source` took too long, or did not.
    pub(super) fn note(&self, source: Source, was_slow: bool) {
        let mut sizes = self.sizes();
        let size = sizes.entry(source).or_default();
        if was_slow {
            *size = Size { rows: (size.rows / 2).max(ROWS_LEAST), good: 0 };
            return;
        }
        size.good += 1;
        if size.good >= GOOD {
            *size = Size { rows: (size.rows * 2).min(ROWS), good: 0 };
        }
    }

    fn sizes(&self) -> MutexGuard<'_, HashMap<Source, Size>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_object_gets_smaller_pages_and_the_others_do_not_section_6_5() {
        let pages = Pages::default();
        (0..20).for_each(|_| pages.note(Source::Leads, true));
        pages.note(Source::Tasks, false);
        assert_eq!((pages.rows(Source::Leads), pages.rows(Source::Tasks)), (ROWS_LEAST, ROWS));
        (0..GOOD - 1).for_each(|_| pages.note(Source::Leads, false));
        assert_eq!(pages.rows(Source::Leads), ROWS_LEAST);
        (0..100).for_each(|_| pages.note(Source::Leads, false));
        assert_eq!(pages.rows(Source::Leads), ROWS);
    }
}
