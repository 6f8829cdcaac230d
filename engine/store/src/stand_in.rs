//! Stand-in until the store's own `subscribe` lands; remove this file then.
impl crate::Store {
    /// Runs something came for, as this process hears of it.
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<actas_core::ids::RunId> {
        todo!("written by the store engineer")
    }
}
