//! Text to plan, from outside: broken studies and what is said of them, good studies and what becomes of them.

mod catalog;
mod claims;
mod expanded;
mod expansion;
mod files;
mod findings;
mod includes;
mod matrix;
mod properties;
mod provenance;
mod script;
mod selection;
mod speed;
mod templates;
mod unmet;
