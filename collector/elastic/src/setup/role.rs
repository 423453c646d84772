//! The least that the sink's account must be allowed.

use serde_json::{Value, json};

use crate::index::{Family, Names};

/// The role of whoever writes, ready for `PUT _security/role/NAME` or, in YAML's flow form, for `roles.yml`.
///
/// Raw documents can be made and read, never changed and never deleted: a stolen password cannot rewrite the past.
#[must_use]
pub fn role(names: &Names) -> Value {
    let patterns = |families: &[Family]| -> Vec<String> {
        families.iter().map(|family| names.pattern(*family)).collect()
    };
    let kept_anew = [Family::Rollup, Family::Incident, Family::Ledger];
    json!({
        "cluster": ["monitor"],
        "indices": [
            {
                "names": patterns(&Family::RAW),
                "privileges": [
                    "create_doc", "create_index", "auto_configure", "read", "view_index_metadata", "maintenance",
                ],
            },
            {
                "names": patterns(&kept_anew),
                "privileges": [
                    "index", "create_index", "auto_configure", "read", "view_index_metadata", "maintenance",
                ],
            },
        ],
    })
}
