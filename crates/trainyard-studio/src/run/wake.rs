//! Waking the window from other threads.

use std::sync::Arc;

/// Makes the window draw again. It is called from other threads: `Context::request_repaint`.
pub type Wake = Arc<dyn Fn() + Send + Sync>;
