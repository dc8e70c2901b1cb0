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

pub const KNOWN: &[Known] = &[
    Known {
        says: "incompatible arrow schema",
        shown_by: &[("changed", 11), ("ways", 29)],
        reason: "an Arrow schema that does not fit the file is taken for damage, where it could be left aside",
    },
    Known {
        says: "partial projection of MapArray is not supported",
        shown_by: &[("changed", 82)],
        reason: "the place of an error is looked for leaf by leaf, and a map cannot be read by one leaf",
    },
    Known {
        says: "delta*n overflow in skip",
        shown_by: &[("changed", 217)],
        reason: "the reader multiplies a step by the number of skipped values, and refuses what it should wrap around",
    },
    Known {
        says: "Non-nullable field of LargeListArray",
        shown_by: &[("made", 0)],
        reason: "what lies below a NULL list of fixed size is taken for elements of it",
    },
    Known {
        says: "binary and UUIDs do not compare by value",
        shown_by: &[("rewritten", 116), ("ways", 81)],
        reason: "a UUID that is repeated without a group around it loses its meaning",
    },
    Known { says: "text and JSON do not compare by value", shown_by: &[], reason: "as with UUIDs" },
    Known {
        says: "the files of one side must agree",
        shown_by: &[],
        reason: "as with UUIDs, between the files of one side",
    },
    Known {
        says: "Uuid data type mismatch",
        shown_by: &[],
        reason: "a repeated UUID without any annotation of a list is taken for damage",
    },
    Known {
        says: "Found unmasked nulls for non-nullable StructArray field",
        shown_by: &[("damaged", 644), ("ways", 393)],
        reason: "an internal error: of a map whose key a damaged schema makes optional, and of a map whose values are \
                 nullable structs with required structs inside, when its rows are sorted",
    },
];
