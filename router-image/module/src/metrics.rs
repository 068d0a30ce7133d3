//! The bootstrap extension: where counts can be read, the ladder of all histograms, and the memory for bodies.

use crate::counts;
use crate::document::{document, Bad, Document, Read};
use crate::held::BODIES;
use crate::kept;

/// A path of Envoy's admin interface, and who writes its page.
type Page = (&'static str, fn() -> String);

/// What can be read.
pub const PAGES: [Page; 2] = [
    ("/tokenfleet/metrics", crate::exposition::exposition),
    ("/tokenfleet/users", crate::users::report),
];

/// Writes the page that an admin request asks for; `None` where there is none.
pub fn page(path: &[u8]) -> Option<String> {
    let path = path.split(|c| *c == b'?').next().unwrap_or_default();
    PAGES.iter().find(|(own, _)| own.as_bytes() == path).map(|(_, write)| write())
}

/// Reads the extension's configuration, `{"ladder_ms": [5, 10, ...], "bodies": 536870912}` (bytes); with
/// `"forget_ms"`, how long counts outlive the last plan that names them, where that is not an hour.
///
/// # Errors
/// When the ladder is missing, empty, or not ascending.
pub fn start(text: &[u8]) -> Read<()> {
    let told = document(text)?;
    let ladder = told.member("ladder_ms", |v| v.list(Document::number))?;
    if ladder.is_empty() || ladder.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(Bad("ladder_ms is not ascending".into()));
    }
    BODIES.set(told.member("bodies", Document::size)?);
    if let Some(told) = told.get("forget_ms") {
        kept::set_forget_after(told.number()?.saturating_mul(1000));
    }
    counts::set_ladder(&ladder);
    Ok(())
}
