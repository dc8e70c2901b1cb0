//! Differences that are known, with seeds that show them, until they are mended.

pub struct Known {
    /// What the failure says.
    pub says: &'static str,
    /// Tests and seeds that have to meet it; when one of them does not any more, it is mended.
    pub shown_by: &'static [(&'static str, u64)],
    /// Why it stands here.
    #[expect(dead_code, reason = "for people who read the list")]
    pub reason: &'static str,
}

pub const KNOWN: &[Known] = &[];
