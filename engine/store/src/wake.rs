//! Who is told what became durable. Hints only: whoever waits must also look for itself now and then.

use actas_core::ids::RunId;
use tokio::sync::{Notify, broadcast};

use crate::write::News;

/// How many messages a slow subscriber may be behind before it misses some, which it is told.
const BEHIND: usize = 1024;

/// Where hints come from.
#[derive(Debug)]
pub(crate) struct Wake {
    hint: Notify,
    inbox: broadcast::Sender<RunId>,
}

impl Wake {
    pub(crate) fn new() -> Self {
        Self {
            hint: Notify::new(),
            inbox: broadcast::channel(BEHIND).0,
        }
    }

    /// Passes news on, once they are durable.
    pub(crate) fn tell(&self, news: impl IntoIterator<Item = News>) {
        for news in news {
            if let News::Inbox(run) = news {
                // Without a subscriber there is nobody to be told.
                let _ = self.inbox.send(run);
            }
            self.hint.notify_one();
        }
    }

    /// Whatever happened: somebody should look.
    pub(crate) fn hint_all(&self) {
        self.hint.notify_one();
    }

    pub(crate) async fn hinted(&self) {
        self.hint.notified().await;
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<RunId> {
        self.inbox.subscribe()
    }
}
