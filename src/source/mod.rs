//! Numbers in: targets that are scraped; later discovery and remote sources.

mod scrape;

pub use scrape::{Scraper, phase};
