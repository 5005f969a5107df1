//! The maps, by rows as the sheet shows them.
