//! The built-in checks: queries that most migrations need, from the files in `queries/checks/`. Their inputs have fixed
//! table and column names, which a job maps to its own.

/// Every query, by name.
pub(super) const QUERIES: [(&str, &str); 12] = [
    ("balance_per_group", include_str!("../../../queries/checks/balance_per_group.sql")),
    ("duplicate_business_key", include_str!("../../../queries/checks/duplicate_business_key.sql")),
    ("embedded_list_not_empty", include_str!("../../../queries/checks/embedded_list_not_empty.sql")),
    ("hybrid_group", include_str!("../../../queries/checks/hybrid_group.sql")),
    ("lost_update", include_str!("../../../queries/checks/lost_update.sql")),
    ("never_fits", include_str!("../../../queries/checks/never_fits.sql")),
    ("orphan_child", include_str!("../../../queries/checks/orphan_child.sql")),
    ("residual_value", include_str!("../../../queries/checks/residual_value.sql")),
    ("state_and_data_disagree", include_str!("../../../queries/checks/state_and_data_disagree.sql")),
    ("statuses_disagree", include_str!("../../../queries/checks/statuses_disagree.sql")),
    ("stuck_in_progress", include_str!("../../../queries/checks/stuck_in_progress.sql")),
    ("unmigrated_parent", include_str!("../../../queries/checks/unmigrated_parent.sql")),
];
