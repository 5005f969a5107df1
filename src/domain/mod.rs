//! Floor 0: the rules, pure.
