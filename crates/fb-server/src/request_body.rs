//! The bodies of requests: how large one may be, how long it may take, and how much of all is held at one time.

use std::{sync::Arc, time::Duration};

use axum::{body::HttpBody, response::Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{ServerConfig, error};

/// A body up to this size is not counted: the limit on connections bounds them all.
const SMALL: usize = 16 << 10;
/// What is counted in.
const UNIT: usize = 1 << 10;

/// Reads bodies within the limits of the config.
#[derive(Debug, Clone)]
pub(crate) struct Bodies {
    most: usize,
    timeout: Duration,
    /// Units that may still be held.
    room: Arc<Semaphore>,
}

/// A body, and the room that it takes as long as somebody holds a part of it.
struct Held {
    body: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Bodies {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let units = config.max_bodies.div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        Self { most: config.max_body, timeout: config.body_timeout, room: Arc::new(Semaphore::new(units)) }
    }

    /// Reads a body into one buffer, allocated once when the client says how long it is.
    pub(crate) async fn read<B: HttpBody<Data = Bytes> + Unpin>(
        &self,
        body: B,
    ) -> Result<Bytes, Box<Response>> {
        let read = tokio::time::timeout(self.timeout, self.whole(body)).await;
        read.unwrap_or_else(|_elapsed| Err(Box::new(error::slow_body(self.timeout))))
    }

    async fn whole<B: HttpBody<Data = Bytes> + Unpin>(&self, mut body: B) -> Result<Bytes, Box<Response>> {
        let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if told > self.most {
            return Err(Box::new(error::too_large(self.most)));
        }
        // Room is taken as bytes come: what a client only announces keeps nobody else out.
        let mut room = None;
        let mut buffer = BytesMut::with_capacity(told);
        while let Some(frame) = body.frame().await {
            let broken = |_why| Box::new(error::bad_body("the request's body broke off"));
            let frame = frame.map_err(broken)?;
            if let Ok(data) = frame.into_data() {
                self.make_room(&mut room, buffer.len() + data.len())?;
                buffer.extend_from_slice(&data);
            }
        }
        let body = buffer.freeze();
        Ok(match room {
            Some(room) => Bytes::from_owner(Held { body, _room: room }),
            None => body,
        })
    }

    /// Takes what a body of this size needs beyond what it has.
    fn make_room(&self, room: &mut Option<OwnedSemaphorePermit>, size: usize) -> Result<(), Box<Response>> {
        if size > self.most {
            return Err(Box::new(error::too_large(self.most)));
        }
        if size <= SMALL {
            return Ok(());
        }
        let has = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = size.div_ceil(UNIT).saturating_sub(has);
        if more == 0 {
            return Ok(());
        }
        let taken = u32::try_from(more).ok().and_then(|more| {
            let room = Arc::clone(&self.room);
            room.try_acquire_many_owned(more).ok()
        });
        let Some(taken) = taken else { return Err(Box::new(error::no_room())) };
        match room {
            Some(room) => room.merge(taken),
            None => *room = Some(taken),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use futures_util::stream;
    use http_body::{Frame, SizeHint};
    use http_body_util::{Full, StreamBody};

    use super::*;

    fn bodies(max_body: usize, max_bodies: usize) -> Bodies {
        Bodies::new(&ServerConfig { max_body, max_bodies, ..ServerConfig::default() })
    }

    /// Its status, or how many bytes there are.
    async fn read(bodies: &Bodies, size: usize) -> Result<Bytes, u16> {
        bodies.read(Full::from(vec![b'x'; size])).await.map_err(|response| response.status().as_u16())
    }

    #[tokio::test]
    async fn what_is_held_together_is_bounded_and_given_back_with_the_last_piece() {
        let bodies = bodies(64 << 10, 100 << 10);
        let first = read(&bodies, 60 << 10).await.unwrap();
        assert_eq!(read(&bodies, 60 << 10).await, Err(503));
        assert_eq!(read(&bodies, 16 << 10).await.map(|body| body.len()), Ok(16 << 10), "small ones pass");
        let piece = first.slice(7..8);
        drop(first);
        assert_eq!(read(&bodies, 41 << 10).await, Err(503));
        drop(piece);
        let both = (read(&bodies, 60 << 10).await, read(&bodies, 40 << 10).await);
        assert!(both.0.is_ok() && both.1.is_ok());
        assert_eq!(read(&bodies, (64 << 10) + 1).await, Err(413));
    }

    #[tokio::test]
    async fn what_is_only_announced_takes_no_room() {
        struct Announced;
        impl HttpBody for Announced {
            type Data = Bytes;
            type Error = Infallible;

            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                Poll::Pending
            }

            fn size_hint(&self) -> SizeHint {
                SizeHint::with_exact(60 << 10)
            }
        }
        let bodies = bodies(64 << 10, 64 << 10);
        let waits = bodies.read(Announced);
        let read = read(&bodies, 60 << 10);
        tokio::select! {
            biased;
            _ = waits => panic!("nothing came"),
            read = read => assert!(read.is_ok(), "{read:?}"),
        }
    }

    #[tokio::test]
    async fn the_largest_body_fits_whatever_its_size() {
        let bodies = bodies(20_000, 20_000);
        assert_eq!(read(&bodies, 20_000).await.map(|body| body.len()), Ok(20_000));
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_takes_room_as_it_comes() {
        let bodies = bodies(1 << 20, 100 << 10);
        let body = |frames: usize| {
            let frame = |_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; 10 << 10])));
            StreamBody::new(stream::iter((0..frames).map(frame)))
        };
        let held = bodies.read(body(9)).await.unwrap();
        assert_eq!((held.len(), bodies.room.available_permits()), (90 << 10, 10));
        let refused = bodies.read(body(9)).await.unwrap_err();
        assert_eq!(
            (refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()),
            (503, &b"1"[..])
        );
        assert!(!refused.headers().contains_key("x-should-retry"));
        drop(held);
        assert_eq!(bodies.room.available_permits(), 100);
    }
}
