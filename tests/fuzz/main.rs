//! Mutated inputs of strangers: nothing panics, and nothing exceeds its budget of memory and time.
//!
//! Each target is a test. It mutates valid inputs at random; the seed is printed with a failure. `make fuzz` runs them for
//! minutes, in an optimised build with tighter budgets.

mod addresses;
mod answers;
mod budget;
mod mutate;
#[allow(dead_code, reason = "the replay uses all of it")]
#[path = "../replay/operator.rs"]
mod operator;
mod origins;
mod texts;
mod timetables;
