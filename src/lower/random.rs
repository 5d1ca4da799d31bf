//! stand-in
use crate::spec::tensor::InitSpec;
use crate::tensor::Shape;
/// check
pub fn check(_: &InitSpec, _: Shape) -> Result<(), String> {
    Ok(())
}
/// init
pub fn initialise(_: &InitSpec, shape: Shape, _: &str) -> Result<Vec<f64>, String> {
    Ok(vec![0.0; shape.size()])
}
/// mask
pub fn dropout_mask(_: f64, count: usize, _: &str, _: &str) -> Vec<f64> {
    vec![1.0; count]
}
