//! JSON text to values (being written).
