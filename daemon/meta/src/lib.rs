//! placeholder head

/// placeholder
#[derive(Debug, Clone)]
pub struct Meta;
