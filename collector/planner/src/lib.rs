//! What is to be measured: the targets, the plans made from them, the fleet's rates, and where peers answer.

pub mod draft;
pub mod echo_check;
pub mod pace;
pub mod plans;
pub mod removed_nodes;
pub mod targets;
