//! Pictures: graphs and bars as SVG and in Graphviz's language. Pure: from data to text.

mod colour;
pub mod diagram;
pub mod dot;
mod layout;
pub mod number;
pub mod svg;
