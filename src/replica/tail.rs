//! The end of the stream: how far the register has come that was served before.

use std::time::Duration;

use uuid::Uuid;

use super::Fault;
use super::letter::{Letter, mark};
use crate::broker::{self, CHANGES_KEY, Client, Fault as BrokerFault, StreamOffset};
use crate::domain::Position;

/// Messages of a stream that may be with us unacknowledged.
pub(super) const PREFETCH: u16 = 64;
/// How long nothing may come of a stream before it is taken for all there is, where the broker is short of memory or disk
/// and takes nothing.
const SILENCE: Duration = Duration::from_secs(1);
/// How long the end of the stream may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// The last that the stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tail {
    /// The cluster whose changes are in the stream.
    pub(super) cluster: String,
    /// The last change in it, and the highest epoch.
    pub(super) position: Position,
    /// The copy of the register that was served, where the stream says so.
    pub(super) writer: Option<String>,
    /// A sequence, and the link of the chain there.
    pub(super) link: Option<(u64, String)>,
}

impl Tail {
    /// Reads the end of the stream; `None` where nothing is in it. Sets a mark, and reads until that comes: all that was
    /// shipped before has been seen then.
    ///
    /// # Errors
    /// [`Fault::Broker`] where the stream cannot be read in time.
    pub(super) async fn read(config: &broker::Config, name: &str) -> Result<Option<Self>, Fault> {
        let client = Client::connect(config, name).await?;
        let mut tail = Self::from(config, &client, StreamOffset::Last).await;
        // Marks of instances that ended before they served may be all that was stored last.
        if matches!(tail, Ok(None)) {
            tail = Self::from(config, &client, StreamOffset::First).await;
        }
        client.close().await;
        tail
    }

    async fn from(
        config: &broker::Config,
        client: &Client,
        offset: StreamOffset,
    ) -> Result<Option<Self>, Fault> {
        let reading = Self::until_mark(config, client, offset);
        tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|_| Err(overdue().into()))
    }

    async fn until_mark(
        config: &broker::Config,
        client: &Client,
        offset: StreamOffset,
    ) -> Result<Option<Self>, Fault> {
        let names = config.names()?;
        let mut stream = client.consume_stream(&names.replica(), PREFETCH, offset).await?;
        let id = Uuid::now_v7().to_string();
        let (control, message) = (names.control(), mark(&id));
        let mut marking = std::pin::pin!(client.publish(&control, CHANGES_KEY, &message, PATIENCE));
        let (mut tail, mut marked): (Option<Self>, bool) = (None, false);
        loop {
            let delivery = tokio::select! {
                delivery = stream.next() => delivery.ok_or_else(overdue)??,
                done = &mut marking, if !marked => {
                    done?;
                    marked = true;
                    continue;
                }
                () = silence(client) => return Ok(tail),
            };
            let said = match Letter::read(&delivery.message) {
                Some(Letter::Mark(name)) if name == id => return Ok(tail),
                Some(letter) => Self::said(letter),
                None => None,
            };
            if let Some(said) = said {
                tail = Some(Self::after(tail, said));
            }
            delivery.ack().await?;
        }
    }

    fn said(letter: Letter) -> Option<Self> {
        match letter {
            // What has no end yet was promised to nobody, and may never have one.
            Letter::Changes(parcel) if parcel.complete => Some(Self {
                cluster: parcel.cluster,
                position: Position {
                    epoch: parcel.epoch,
                    sequence: parcel.last,
                },
                writer: None,
                link: None,
            }),
            Letter::Heartbeat(heartbeat) => Some(Self {
                position: heartbeat.position(),
                link: Some((heartbeat.body.sequence, heartbeat.body.link)),
                cluster: heartbeat.body.cluster,
                writer: Some(heartbeat.body.writer),
            }),
            _ => None,
        }
    }

    /// What is said later replaces what was said before, but for what an instance says that was replaced.
    fn after(before: Option<Self>, said: Self) -> Self {
        match before {
            Some(before) if before.cluster == said.cluster && before.position > said.position => before,
            Some(before) if before.cluster == said.cluster => Self {
                writer: said.writer.or(before.writer),
                link: said.link.or(before.link),
                ..said
            },
            _ => said,
        }
    }
}

/// Waits until the broker has taken nothing from anybody for a while: then no mark comes, and nothing else.
async fn silence(client: &Client) {
    let mut blocked = client.blocked();
    if blocked.wait_for(Option::is_some).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(SILENCE).await;
}

fn overdue() -> BrokerFault {
    BrokerFault::overdue("reading the end of the stream of changes", PATIENCE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Tail;
    use crate::domain::Parcel;
    use crate::replica::letter::Letter;

    #[test]
    fn half_a_transaction_is_nothing_to_wait_for_the_end_of() {
        let mut parcel = Parcel {
            cluster: "c".to_owned(),
            epoch: 1,
            first: 4,
            last: 6,
            complete: true,
            body: Vec::new(),
        };
        let said = Tail::said(Letter::Changes(parcel.clone())).unwrap();
        assert_eq!((said.position.epoch, said.position.sequence), (1, 6));
        parcel.complete = false;
        assert_eq!(Tail::said(Letter::Changes(parcel)), None);
    }
}
