//! The bootstrap extension: where counts can be read, the ladder of all histograms, and the memory for bodies.

use crate::counts;
use crate::document::{document, Bad, Document, Read};
use crate::held::BODIES;

/// Where Envoy's admin interface has the counts.
const PATH: &str = "/tokenfleet/metrics";

/// Reads the extension's configuration, `{"ladder_ms": [5, 10, ...], "bodies": 536870912}` (bytes); returns
/// the admin path.
///
/// # Errors
/// When the ladder is missing, empty, or not ascending.
pub fn start(text: &[u8]) -> Read<&'static str> {
    let told = document(text)?;
    let ladder = told.member("ladder_ms", |v| v.list(Document::number))?;
    if ladder.is_empty() || ladder.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Bad("ladder_ms is not ascending".into()));
    }
    BODIES.set(told.member("bodies", Document::size)?);
    counts::set_ladder(&ladder);
    Ok(PATH)
}
