//! Text to plan, from outside: broken studies and what is said of them, good studies and what becomes of them.

mod catalog;
mod expansion;
mod findings;
mod properties;
