//! Examples of each rule, and the comparison of all zones with an oracle.

mod catchup;
mod fields;
mod oracle;
mod slots;
