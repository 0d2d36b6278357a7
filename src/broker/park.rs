//! Parking: a message that nobody can be answered for goes to the dead letters, with the reason; and the way back.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString};

use super::consumer::Delivery;
use super::fault::PublishFault;
use super::message::{HEADERS_BYTES_MAX, headers_bytes, short};
use super::publisher::Publisher;

/// A longer reason is cut: headers must fit in one frame.
const REASON_BYTES_MAX: usize = 2048;

/// A delivery that could not be parked, still unacknowledged.
#[derive(Debug, thiserror::Error)]
#[error("the message was not moved to the dead letters")]
pub struct NotParked {
    /// The delivery, to try again or to drop.
    pub delivery: Box<Delivery>,
    /// Why not.
    #[source]
    pub fault: PublishFault,
}

impl Publisher {
    /// Publishes the message of `delivery` to the dead letters with the headers `domesday-reason`,
    /// `domesday-queue`, `domesday-exchange` and `domesday-routing-key`, waits for the confirm, and only then
    /// acknowledges the delivery. `user_id` and `expiration` become the headers `domesday-user-id` and
    /// `domesday-expiration`: the broker would end the channel over another's user, and would let a dead
    /// letter expire.
    ///
    /// # Errors
    ///
    /// The delivery, unacknowledged, and why.
    pub async fn park(&self, delivery: Delivery, reason: &str) -> Result<(), NotParked> {
        let properties = parked(&delivery, reason);
        let body = delivery.message.body.clone();
        let key = delivery.routing_key.clone();
        let sent = self.send_raw(self.dead(), &key, properties, body, true).await;
        let outcome = match sent {
            Ok(confirmation) => confirmation.wait().await,
            Err(fault) => Err(PublishFault::Lost(fault)),
        };
        if let Err(fault) = outcome {
            let delivery = Box::new(delivery);
            return Err(NotParked { delivery, fault });
        }
        // Should the acknowledgement fail, the message comes again and is parked twice: better than never.
        if let Err(fault) = delivery.ack().await {
            tracing::debug!(%fault, "a parked message will be delivered again");
        }
        Ok(())
    }
}

fn parked(delivery: &Delivery, reason: &str) -> BasicProperties {
    let properties = delivery.properties();
    let mut ours = FieldTable::default();
    let mut note = |name: &str, value: &str| {
        ours.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
    };
    note("domesday-reason", cut(reason, REASON_BYTES_MAX));
    note("domesday-queue", delivery.queue());
    note("domesday-exchange", &delivery.exchange);
    note("domesday-routing-key", &delivery.routing_key);
    for (name, value) in [
        ("domesday-user-id", properties.user_id()),
        ("domesday-expiration", properties.expiration()),
    ] {
        if let Some(value) = value {
            note(name, value.as_str());
        }
    }
    let deliveries = i64::try_from(delivery.deliveries).unwrap_or(i64::MAX);
    ours.insert("domesday-deliveries".into(), AMQPValue::LongLongInt(deliveries));
    let theirs = properties
        .headers()
        .as_ref()
        // The sender's headers may fill a frame by themselves. Then they stay behind: the body is worth more.
        .filter(|theirs| headers_bytes(theirs) + headers_bytes(&ours) <= HEADERS_BYTES_MAX);
    for (name, value) in theirs.into_iter().flat_map(FieldTable::inner) {
        // The broker's own count, of the queue that it came from.
        if name.as_str() != "x-delivery-count" && !ours.contains_key(name.as_str()) {
            ours.insert(name.clone(), value.clone());
        }
    }
    lasting(properties).with_headers(ours).with_delivery_mode(2)
}

/// Where a dead letter comes from, and why it is one, as far as its headers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The exchange that it was published to first.
    pub exchange: Option<String>,
    /// The routing key that it was published with.
    pub routing_key: String,
    /// The queue that it was in.
    pub queue: Option<String>,
    /// Why it was parked by us, or the broker's word for why it was moved.
    pub reason: Option<String>,
}

impl Delivery {
    /// Where a dead letter comes from: parked by us, or moved by the broker.
    pub fn origin(&self) -> Origin {
        let text = |ours: &str, brokers: &str| {
            let header = |name| self.message.text_header(name);
            header(ours).or_else(|| header(brokers)).map(str::to_owned)
        };
        let key = self.message.text_header("domesday-routing-key");
        Origin {
            exchange: text("domesday-exchange", "x-first-death-exchange"),
            routing_key: key.unwrap_or(&self.routing_key).to_owned(),
            queue: text("domesday-queue", "x-first-death-queue"),
            reason: text("domesday-reason", "x-first-death-reason"),
        }
    }

    /// The properties that a dead letter had before it was one. Its user is left out: we are another.
    pub(super) fn before_death(&self) -> BasicProperties {
        let mut before = lasting(self.properties()).with_delivery_mode(2);
        if let Some(expiration) = self.message.text_header("domesday-expiration")
            && let Ok(expiration) = short("expiration", expiration)
        {
            before = before.with_expiration(expiration);
        }
        let mut headers = FieldTable::default();
        for (name, value) in self.properties().headers().iter().flat_map(FieldTable::inner) {
            let name = name.as_str();
            let added = [
                "domesday-",
                "x-death",
                "x-first-death-",
                "x-last-death-",
                "x-delivery-count",
            ];
            if !added.iter().any(|prefix| name.starts_with(prefix)) {
                headers.insert(name.into(), value.clone());
            }
        }
        before.with_headers(headers)
    }
}

/// The properties that may be published by anyone and at any time: the broker ends a channel that publishes in the name of
/// another, and lets a message expire.
fn lasting(properties: &BasicProperties) -> BasicProperties {
    let mut kept = BasicProperties::default();
    macro_rules! keep {
        ($($get:ident => $with:ident),*) => {$(
            if let Some(value) = properties.$get() {
                kept = kept.$with(value.clone());
            }
        )*};
    }
    keep!(
        content_type => with_content_type,
        content_encoding => with_content_encoding,
        priority => with_priority,
        correlation_id => with_correlation_id,
        reply_to => with_reply_to,
        message_id => with_message_id,
        timestamp => with_timestamp,
        kind => with_type,
        app_id => with_app_id
    );
    kept
}

/// The first `limit` bytes of `text`, or a few less so as not to split a letter.
fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::unwrap_used)]
mod tests {
    use super::cut;

    #[test]
    fn a_cut_splits_no_letter() {
        assert_eq!(cut("abc", 5), "abc");
        assert_eq!(cut("aéb", 2), "a");
        assert_eq!(cut("aéb", 3), "aé");
        assert_eq!(cut("é", 0), "");
    }
}
