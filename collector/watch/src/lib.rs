//! Who is down: what each vantage sees now, the verdicts made of it, incidents, and the alerts about them.

pub mod alert;
pub mod health;
pub mod incident;
pub mod judge;
pub mod live;
pub mod monitor;
