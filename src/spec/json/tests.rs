//! Tables of texts, and agreement with `serde_json` on random ones.
